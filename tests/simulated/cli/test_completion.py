"""Completion in the shells, as docs/getting-started.md sets it up."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support import shells

DOCUMENT = Path(__file__).parents[3] / "docs" / "getting-started.md"


@pytest.mark.parametrize("shell", shells.SETUP)
def test_a_shell_completes(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed: {shells.PREPARE}")
    assert f"`{shells.SETUP[shell]}`" in DOCUMENT.read_text(encoding="utf-8").replace("\\|", "|")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shells.check(shell, shells.SETUP[shell], {"PATH": path, "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
