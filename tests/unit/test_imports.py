"""The import rules of docs/architecture.md: every import of usbrh must be in the table."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.architecture import DOCUMENT, GROUND, PACKAGES, drawn

TOP = Path(__file__).parents[2]
MODULES = sorted(TOP.glob("usbrh/**/*.py"))
ALLOWED = {name: set(GROUND) for name in GROUND} | {
    package.name: {package.name, *GROUND, *package.may_import} for package in PACKAGES
}
LIBRARIES = {name: set[str]() for name in GROUND} | {package.name: set(package.libraries) for package in PACKAGES}


def place(module: str) -> str:
    """Return the row of the table for ``usbrh.x.y``: ``x``."""
    return module.split(".")[1] if "." in module else ""


def imports(path: Path, top: Path) -> Iterator[tuple[str, int]]:
    """Yield every module that the file ``path`` imports, also inside functions, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            module = node.module or ""
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                is_module = top.joinpath(*whole.split(".")).with_suffix(".py").exists()
                is_module = is_module or top.joinpath(*whole.split("."), "__init__.py").exists()
                yield (whole if is_module else module), node.lineno


def broken_arrows(path: Path, own: str, top: Path = TOP) -> list[str]:
    """Return the imports of the file ``path`` that the row ``own`` of the table does not allow."""
    found = []
    for module, line in imports(path, top):
        first = module.partition(".")[0]
        if first == "usbrh":
            if place(module) and place(module) not in ALLOWED[own]:
                found.append(f"{path.relative_to(top)}:{line}: {own} imports {module}")
        elif first not in sys.stdlib_module_names and first not in LIBRARIES[own]:
            found.append(f"{path.relative_to(top)}:{line}: {own} imports {module}")
    return found


def test_every_module_is_in_the_table() -> None:
    names = {place(".".join(path.relative_to(TOP).with_suffix("").parts)) for path in MODULES}
    assert names == {*ALLOWED, "__init__", "__main__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(TOP)))
def test_no_arrow_breaks_the_rules(path: Path) -> None:
    own = place(".".join(path.relative_to(TOP).with_suffix("").parts))
    if own not in ("__init__", "__main__"):  # public names, imported on first use; the command line
        assert broken_arrows(path, own) == []


def test_the_rules_see_a_broken_arrow(tmp_path: Path) -> None:
    file = tmp_path / "usbrh" / "journal" / "x.py"
    file.parent.mkdir(parents=True)
    file.write_text(
        "import json\nimport usb.core\nfrom usbrh.errors import JournalError\n\n\ndef late():\n    import usbrh.cli\n"
    )
    assert broken_arrows(file, "journal", tmp_path) == [
        "usbrh/journal/x.py:2: journal imports usb.core",
        "usbrh/journal/x.py:7: journal imports usbrh.cli",
    ]


def test_no_module_needs_one_that_needs_it() -> None:
    """Imports at the top of modules have no cycles, independent of the first module."""
    names = [".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__") for path in MODULES]
    script = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    for order in (names, names[::-1]):
        chosen = [name for name in order if not name.endswith("__main__")]
        subprocess.run([sys.executable, "-c", script, *chosen], check=True, timeout=60)


def test_the_document_is_drawn_from_the_table() -> None:
    page = DOCUMENT.read_text(encoding="utf-8")
    assert page == drawn(page), "run: make documents"
