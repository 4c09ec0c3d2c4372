"""The public names of the package, and that importing it stays light."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import usbrh

SOURCE = ast.parse(Path(usbrh.__file__).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", usbrh.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(usbrh, name).__name__ == name


def test_type_checkers_see_the_same_names() -> None:
    (block,) = (node for node in SOURCE.body if isinstance(node, ast.If))
    imported = [alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(imported) == sorted(usbrh.__all__)


def test_other_names_are_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'usbrh' has no attribute 'nothing'"):
        _ = usbrh.nothing


def test_import_loads_no_other_module_of_the_package() -> None:
    script = "import sys, usbrh; print(*(name for name in sys.modules if name.startswith('usbrh.')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "\n"


LISTING = [path for path in Path(usbrh.__file__).parent.rglob("*.py") if "\n__all__ = " in path.read_text("utf-8")]


@pytest.mark.parametrize("path", LISTING, ids=lambda path: path.stem)
def test_every_name_that_a_module_lists_can_be_imported(path: Path) -> None:
    parts = path.relative_to(Path(usbrh.__file__).parents[1]).with_suffix("").parts
    module = importlib.import_module(".".join(parts).removesuffix(".__init__"))
    assert set(module.__all__) <= set(dir(module)) | set(usbrh.__all__)


@pytest.mark.parametrize("module", ["usbrh.config", "usbrh.errors", "usbrh.reading", "usbrh.sht1x", "usbrh.simulator"])
def test_public_modules_have_all_their_names(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"from {module} import *"], check=True, timeout=60)
