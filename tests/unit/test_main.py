"""The entry point. tests/simulated/cli has the signals during the start."""

import subprocess
import sys


def python(*words: str) -> str:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True, timeout=60).stdout


def test_python_runs_the_package_as_a_module() -> None:
    assert python("-m", "usbrh", "--version").startswith("usbrh ")


def test_an_import_runs_nothing() -> None:
    assert python("-c", "import usbrh.__main__") == ""


def test_imports_are_not_searched_for_garbage() -> None:
    """That takes a tenth of the start, and finds nothing."""
    count = "sum(each['collections'] for each in gc.get_stats())"
    script = f"import gc; before = {count}; import usbrh.__main__, usbrh.cli.sensors; print({count} - before)"
    assert int(python("-c", script)) <= 5
