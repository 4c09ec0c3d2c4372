"""The usbrh command, which may wait for a real server."""

import os
import subprocess

from tests.support.command import run

SECONDS = 120.0
STORED_SOON = "import usbrh.bridge.check; usbrh.bridge.check.STORE_SECONDS = 4"
"""Code that makes ``usbrh zabbix check`` wait less for a value that the history never gets.

The server stores values once a second."""


def usbrh(*arguments: str, before: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end, in the environment of all tests plus ``environment``.

    ``before`` is Python code that its process runs first.
    """
    return run(arguments, os.environ | environment, SECONDS, before=before)
