"""``usbrh`` as a process with virtual sensors, and what it sends to the fake server."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.command import run, start
from usbrh.zabbix.fake_server import FakeServer

SHORT_INTERVALS = """
from usbrh.config.model import BridgeConfig, key_types
key_types(BridgeConfig)["interval"].at_least = 0
"""
"""Python code that lets a command accept an interval of less than 5 s."""


class House:
    """An environment with virtual sensors, a server and a journal."""

    def __init__(self, directory: Path, servers: str, sensors: str = "2", before: str = "") -> None:
        """Create it. Each command runs the Python code ``before`` first."""
        self.before = before
        self.journal = directory / "journal.db"
        self.environment = {
            **os.environ,
            "USBRH_SIMULATE": sensors,
            "USBRH_ZABBIX_SERVERS": servers,
            "USBRH_ZABBIX_HOST": "pc",
            "USBRH_JOURNAL_PATH": str(self.journal),
            "USBRH_ALLOW_SIMULATED": "1",
        }

    def usbrh(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return run(arguments, self.environment | environment, before=self.before)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return start(arguments, self.environment | environment, before=self.before, stderr=subprocess.PIPE)

    def exported(self) -> list[dict[str, Any]]:
        """Return the readings in the journal, as ``usbrh journal export --json`` prints them."""
        return [json.loads(line) for line in self.usbrh("journal", "export", "--json").stdout.splitlines()]

    def states(self) -> list[tuple[str, str, str]]:
        """Return sensor, destination and state of each reading in the journal, sorted."""
        return sorted(
            (reading["sensor"], each["destination"], each["state"])
            for reading in self.exported()
            for each in reading["destinations"]
        )


def keys(server: FakeServer) -> list[str]:
    """Return the keys of all values that ``server`` accepted, in their order."""
    return [value.key for value in server.values]
