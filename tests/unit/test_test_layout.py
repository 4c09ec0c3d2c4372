"""Test modules stand alone: what several of them use is in tests/support."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parents[2]
TEST_MODULE = re.compile(r"tests(\.\w+)*\.test_\w+")
NAME = re.compile(r"\btest_\w+")


def package_of(path: Path, level: int) -> str:
    """The package from which a relative import of that many dots starts in the module ``path``."""
    return ".".join(path.relative_to(TOP).parts[:-level])


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """The line and full name of each import in ``path``, and of each test module that a string in it names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = [package_of(path, node.level)] if node.level else []
            module = ".".join([*parts, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((node.lineno, found.group()) for found in TEST_MODULE.finditer(node.value))


def test_no_test_module_imports_from_another() -> None:
    modules = sorted(TOP.glob("tests/**/test_*.py"))
    assert len(modules) > 50
    names = {path.stem for path in modules}
    wrong = [
        f"{path.relative_to(TOP)}:{line}: {name}"
        for path in modules
        if not names.isdisjoint(NAME.findall(path.read_text()))  # otherwise nothing needs to be parsed
        for line, name in imported(path)
        if TEST_MODULE.match(name)
    ]
    assert wrong == []


def test_the_folders_of_tests_are_the_packages() -> None:
    packages = {path.parent.name for path in TOP.glob("usbrh/*/__init__.py")}
    unit, simulated = (
        {path.parent.name for path in TOP.glob(f"tests/{kind}/*/test_*.py")} for kind in ("unit", "simulated")
    )
    assert unit | simulated == packages
