"""Many bridges in one process: each with one virtual sensor, its own journal, and its own name in Zabbix."""

import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

from usbrh.bridge.once import routes
from usbrh.bridge.service import Bridge
from usbrh.bridge.wakeup import Control
from usbrh.config import BridgeConfig, Config, JournalConfig, ZabbixConfig
from usbrh.journal.reader import JournalReader

SENSOR = "sim-1"
"""The name of the sensor of each bridge."""


class SharedControl(Control):
    """A ``Control`` for many bridges. The pipe of one wakes only one thread."""

    def __init__(self) -> None:
        """Open the pipe of the base class, which is not used."""
        super().__init__()
        self._event = threading.Event()

    def wake(self) -> None:
        """End all waits, now and later."""
        self._event.set()

    def wait(self, seconds: float) -> None:
        """Wait for ``wake``, for ``seconds`` at most."""
        self._event.wait(seconds)


class Bridges:
    """What `usbrh run` runs, once for each host, until ``stop``."""

    def __init__(self, folder: Path, servers: Mapping[str, str], interval: float) -> None:
        """Prepare a bridge for each host in ``servers``, whose value is an entry of `servers` in usbrh.toml.

        The bridges measure every ``interval`` seconds, each at its own moment. USBRH_SIMULATE has to be 1.
        """
        self.configs = {
            host: Config(
                zabbix=ZabbixConfig(servers=(entry,), host=host, origin={"servers": "benchmark"}),
                bridge=BridgeConfig(interval=interval, jitter=interval),
                journal=JournalConfig(path=folder / f"{host}.db"),
            )
            for host, entry in servers.items()
        }
        folder.mkdir()
        self._control = SharedControl()
        self._broken: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(config,), name=host, daemon=True)
            for host, config in self.configs.items()
        ]

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all bridges, which try to deliver what still waits.

        Raises:
            Exception: the error that ended a bridge before.
        """
        self._control.stop()
        for thread in self._threads:
            thread.join(60)
        self._control.__exit__()
        for error in self._broken:
            raise error

    def measured(self) -> set[tuple[str, int]]:
        """Return host and time, in ns since 1970, of all readings."""
        found = set()
        for host, config in self.configs.items():
            with sqlite3.connect(config.journal.path) as db:
                found |= {(host, time_ns) for (time_ns,) in db.execute("SELECT time_ns FROM reading")}
            db.close()
        return found

    def waiting(self) -> int:
        """Return how many readings wait or were rejected."""
        readers = (JournalReader(config.journal.path) for config in self.configs.values())
        return sum(each.waiting + each.rejected_count for reader in readers for each in reader.standings() or ())

    def _run(self, config: Config) -> None:
        try:
            Bridge(config, routes(config), self._control, allow_simulated=True).run()
        except BaseException as error:  # noqa: BLE001 - ``stop`` raises it
            self._broken.append(error)
