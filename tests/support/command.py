"""The usbrh command as a user runs it: as a process, with virtual sensors."""

import os
import subprocess
import sys
from pathlib import Path

USBRH = Path(sys.executable).parent / "usbrh"


def usbrh(*words: str, timeout: float = 30, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end, in the environment of all tests plus ``environment``."""
    return subprocess.run(
        [USBRH, *words], capture_output=True, text=True, timeout=timeout, check=False, env=os.environ | environment
    )
