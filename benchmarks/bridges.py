"""Many bridges in a few processes: each with one virtual sensor, its own journal, and its own name in Zabbix.

python -m benchmarks.bridges FOLDER INTERVAL < SERVERS      runs those of one process until SIGTERM

SERVERS is a JSON object with the entry of `servers` in usbrh.toml, by host.
"""

import json
import logging
import signal
import sqlite3
import subprocess
import sys
import threading
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
TOGETHER = 100
"""Bridges in one process. Its threads take turns, and each turn waits for the kernel on a machine with high load."""


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
        folder.mkdir()
        self.configs = configurations(folder, servers, interval)
        self._command = [sys.executable, "-m", "benchmarks.bridges", str(folder), str(interval)]
        hosts = list(servers)
        parts = [hosts[start : start + TOGETHER] for start in range(0, len(hosts), TOGETHER)]
        self._parts = [{host: servers[host] for host in part} for part in parts]
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> None:
        """Start all bridges, within one interval."""
        for part in self._parts:
            process = subprocess.Popen(self._command, stdin=subprocess.PIPE, text=True)
            self.processes.append(process)
            assert process.stdin
            process.stdin.write(json.dumps(part))
            process.stdin.close()

    def stop(self) -> None:
        """End all bridges, which try to deliver what still waits.

        Raises:
            ChildProcessError: a bridge had ended with an error, which its process has printed.
        """
        for process in self.processes:
            process.terminate()
        statuses = [process.wait(120) for process in self.processes]
        if any(statuses):
            raise ChildProcessError("a bridge has failed")

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


def configurations(folder: Path, servers: Mapping[str, str], interval: float) -> dict[str, Config]:
    """Return the configuration of each host."""
    return {
        host: Config(
            zabbix=ZabbixConfig(servers=(entry,), host=host, origin={"servers": "benchmark"}),
            bridge=BridgeConfig(interval=interval, jitter=interval),
            journal=JournalConfig(path=folder / f"{host}.db"),
        )
        for host, entry in servers.items()
    }


def run(config: Config, control: Control, errors: list[BaseException]) -> None:
    """Run one bridge. Adds the error that ends it to ``errors``."""
    try:
        bridge = Bridge(config, routes(config), control, allow_simulated=True)
        # USBRH_SIMULATE gives all bridges of a process the same sensor.
        bridge.poller = Poller(config, backend=backend_from_environment("1"))
        bridge.run()
    except BaseException as error:  # noqa: BLE001 - ``main`` raises it
        errors.append(error)


def main() -> None:
    """Run the bridges of one process until SIGTERM. They start one by one: started at once, all would be late."""
    folder, interval = Path(sys.argv[1]), float(sys.argv[2])
    logging.getLogger("usbrh").setLevel(logging.CRITICAL)  # rejections and time-outs are part of the trial
    control, errors = SharedControl(), list[BaseException]()
    signal.signal(signal.SIGTERM, lambda *_: control.stop())
    threads = [
        threading.Thread(target=run, args=(config, control, errors))
        for config in configurations(folder, json.load(sys.stdin), interval).values()
    ]
    for thread in threads:
        thread.start()
        control.wait(interval / len(threads))
    for thread in threads:
        thread.join()
    control.__exit__()
    for error in errors:
        raise error


if __name__ == "__main__":
    main()
