"""The example of a new instrument in docs/architecture.md works."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/architecture.md").read_text("utf-8")


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed: sudo apt install git")
def test_the_third_instrument(tmp_path: Path) -> None:
    (diff,) = re.findall(r"^```diff\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for name in ("usbrh", "tests/unit"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "test_*"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    apply = ["git", "apply", "--unidiff-zero", "-"]
    done = subprocess.run(apply, cwd=tmp_path, input=diff, text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, f"bring docs/architecture.md up to date: {done.stderr}"
    where = subprocess.run(
        [sys.executable, "-c", "import usbrh.drivers.hwmon; print(usbrh.drivers.hwmon.__file__)"],
        cwd=tmp_path, text=True, capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert where.stdout.strip() == str(tmp_path / "usbrh/drivers/hwmon.py"), "the copy is what runs"
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/drivers/test_hwmon.py"]
    done = subprocess.run(pytest, cwd=tmp_path, text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
