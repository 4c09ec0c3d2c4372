"""Runs the command line as a user does: as a process, with virtual sensors."""

import os
import subprocess
import sys
from pathlib import Path

USBRH = Path(sys.executable).parent / "usbrh"


def usbrh(*words: str, timeout: float = 30, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The finished process, in the neutral environment of all tests with what is added here."""
    return subprocess.run(
        [USBRH, *words], capture_output=True, text=True, timeout=timeout, check=False, env=os.environ | environment
    )
