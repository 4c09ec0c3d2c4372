"""Runs the command line as a process that may wait for a real server."""

import os
import subprocess
import sys


def usbrh(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The finished process; nothing of the caller's own configuration reaches it."""
    return subprocess.run(
        [sys.executable, "-m", "usbrh", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
