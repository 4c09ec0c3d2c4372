"""Many bridges in one process: each with one virtual sensor, its own journal, and its own name in Zabbix."""

import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from usbrh.bridge.once import flush, routes
from usbrh.bridge.service import Bridge
from usbrh.bridge.wakeup import Control
from usbrh.config import BridgeConfig, Config, JournalConfig, ZabbixConfig
from usbrh.journal.reader import JournalReader
from usbrh.journal.store import Journal
from usbrh.poller import Poller
from usbrh.simulator import backend_from_environment

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

        The bridges measure every ``interval`` seconds, each at its own moment.
        """
        self._interval = interval
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
        """Start all bridges within one interval. Started at once, they would all be late."""
        for thread in self._threads:
            thread.start()
            time.sleep(self._interval / len(self._threads))

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

    def flush(self) -> None:
        """Deliver what still waits after ``stop``, as `usbrh journal flush` does."""
        for config in self.configs.values():
            if self._left(config):
                with Journal(config.journal.path) as journal:
                    flush(config, journal, allow_simulated=True)

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
        return sum(map(self._left, self.configs.values()))

    @staticmethod
    def _left(config: Config) -> int:
        standings = JournalReader(config.journal.path).standings() or ()
        return sum(each.waiting + each.rejected_count for each in standings)

    def _run(self, config: Config) -> None:
        try:
            bridge = Bridge(config, routes(config), self._control, allow_simulated=True)
            # USBRH_SIMULATE gives all bridges of a process the same sensor.
            bridge.poller = Poller(config, backend=backend_from_environment("1"))
            bridge.run()
        except BaseException as error:  # noqa: BLE001 - ``stop`` raises it
            self._broken.append(error)
