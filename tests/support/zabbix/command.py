"""The usbrh command as a process that may wait for a real server."""

import os
import subprocess
import sys


def usbrh(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end, in the environment of all tests plus ``environment``."""
    return subprocess.run(
        [sys.executable, "-m", "usbrh", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
