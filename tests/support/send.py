"""``usbrh`` as a process with virtual sensors, and what it sends to the fake server."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usbrh.zabbix.fake_server import FakeServer

USBRH = [sys.executable, "-m", "usbrh"]


class House:
    """An environment with virtual sensors, a server and a journal."""

    def __init__(
        self, directory: Path, servers: str, sensors: str = "2", command: Sequence[str] = tuple(USBRH)
    ) -> None:
        self.command = command
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
        return subprocess.run(
            [*self.command, *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.command, *arguments], env=self.environment | environment, stderr=subprocess.PIPE, text=True
        )

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
