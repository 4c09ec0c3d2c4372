"""The usbrh command, which may wait for a real server."""

import os
import subprocess

from tests.support.command import run

SECONDS = 120.0


def usbrh(*arguments: str, before: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end, in the environment of all tests plus ``environment``.

    ``before`` is Python code that its process runs first.
    """
    return run(arguments, os.environ | environment, SECONDS, before=before)
