"""Nothing lost, nothing twice: `usbrh run` is killed at random moments while the server comes and goes.

python -m benchmarks.kill [--kills 300] [--seed N]      with a real Zabbix: as root, after `make test-zabbix-deps`
python -m benchmarks.kill --fake-server                 with the fake server
"""

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.document import put
from tests.support.daemon import free_port
from tests.support.zabbix.machine import ZABBIX_60, why_not
from tests.support.zabbix.server import TEXT, ZabbixServer
from usbrh.zabbix.fake_server import FakeServer

USBRH = [sys.executable, "-m", "usbrh"]
SENSORS = ["sim-1", "sim-2", "sim-3"]
HOST = "killed"
LIFE = (0.0, 1.5)
"""s after its start that a bridge is killed: from before its first line of Python on."""
AFTER = (0.0, 0.3)
"""s after its first readings are in the journal that every other bridge is killed: while it delivers and marks."""
UP, DOWN = (1.0, 8.0), (0.5, 6.0)
"""s that the server is up and down."""
ACKNOWLEDGED = re.compile(r"in the journal: (\S+) at (\d+)")

Row = tuple[int, str]
"""A moment in ns, and the value."""


class Server(Protocol):
    """What the readings are delivered to."""

    address: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...
    def rows(self, sensor: str, expected: int) -> list[Row]:
        """All that is stored for a sensor."""


class RealServer:
    """A Zabbix 6.0 with its database."""

    def __init__(self) -> None:
        self._server = ZabbixServer(ZABBIX_60)
        self.address = self._server.trapper
        keys = ["usbrh.discovery", "usbrh.bridge", *(f"usbrh.get[{sensor}]" for sensor in SENSORS)]
        self._server.make_host(HOST, dict.fromkeys(keys, TEXT))
        self._server.sync()

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def close(self) -> None:
        self._server.close()

    def rows(self, sensor: str, expected: int) -> list[Row]:
        found = self._server.wait_history(HOST, f"usbrh.get[{sensor}]", expected, 60)
        return [(row.clock * 10**9 + row.ns, row.value) for row in found]


class FakeZabbix:
    """Keeps one value for each item, clock and ns, as a Zabbix does."""

    def __init__(self) -> None:
        self._port = free_port()
        self._old: list[FakeServer] = []
        self.address = f"127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        self._old.append(FakeServer(self._port).__enter__())

    def stop(self) -> None:
        self._old[-1].__exit__(None, None, None)

    def close(self) -> None:
        self.stop()

    def rows(self, sensor: str, expected: int) -> list[Row]:
        values = [value for server in self._old for value in server.values if value.key == f"usbrh.get[{sensor}]"]
        return sorted({(value.clock * 10**9 + value.ns, value.value) for value in values})


@dataclass
class Result:
    """What was counted."""

    kills: int = 0
    acknowledged: int = 0
    """Readings that the journal acknowledged before the kill."""
    lost_by_journal: int = 0
    """Of them, those that it does not have in the end."""
    journalled: int = 0
    missing: int = 0
    """Readings of the journal that the server does not have with their own clock and ns."""
    twice: int = 0
    """Rows of the server beyond one a reading."""
    different: int = 0
    """Rows whose value is not the reading's."""
    stops: int = 0
    """Of the server."""
    broken: OSError | None = None
    """Why the server did not start again, which is no matter of ours, and nothing can be compared then."""
    examples: list[str] = field(default_factory=list)

    @property
    def bad(self) -> int:
        return self.lost_by_journal + self.missing + self.twice + self.different


def flicker(server: Server, chance: random.Random, ended: threading.Event, result: Result) -> None:
    """Stop and start the server at random; it is up at the end, or ``result.broken`` has the reason."""
    try:
        while not ended.wait(chance.uniform(*UP)):
            server.stop()
            result.stops += 1
            ended.wait(chance.uniform(*DOWN))
            server.start()
    except OSError as error:  # its log is with it
        result.broken = error


def life(environment: dict[str, str], chance: random.Random, after: bool, acknowledged: set[tuple[str, int]]) -> None:
    """Run one bridge until it is killed; add what it acknowledged to ``acknowledged``."""
    command = [*USBRH, "--debug", "run"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as bridge:
        timer = threading.Timer(chance.uniform(*(AFTER if after else LIFE)), bridge.kill)
        if not after:
            timer.start()
        assert bridge.stderr
        for line in bridge.stderr:
            if found := ACKNOWLEDGED.search(line):
                acknowledged.add((found[1], int(found[2])))
                if after and not timer.ident:
                    timer.start()
        timer.join()
    assert bridge.returncode == -signal.SIGKILL, f"the bridge ended by itself with {bridge.returncode}"


def torture(server: Server, kills: int, seed: int, scratch: Path) -> Result:
    """Kill ``kills`` bridges, deliver the rest, and compare."""
    chance = random.Random(seed)
    result = Result()
    environment = os.environ | {
        "USBRH_SIMULATE": str(len(SENSORS)),
        "USBRH_ALLOW_SIMULATED": "1",
        "USBRH_ZABBIX_SERVERS": server.address,
        "USBRH_ZABBIX_HOST": HOST,
        "USBRH_JOURNAL_PATH": str(scratch / "journal.db"),
        "USBRH_BRIDGE_INTERVAL": "5s",
    }
    acknowledged: set[tuple[str, int]] = set()
    ended = threading.Event()
    flickering = threading.Thread(target=flicker, args=(server, random.Random(seed), ended, result))
    flickering.start()
    try:
        for number in range(kills):
            life(environment, chance, number % 2 == 0, acknowledged)
            result.kills += 1
            if result.kills % 25 == 0:
                print(f"{result.kills} kills, {len(acknowledged)} readings, {result.stops} stops", flush=True)
    finally:
        ended.set()
        flickering.join()
    if result.broken:
        raise result.broken
    end = time.monotonic() + 120
    while True:
        flush = subprocess.run(
            [*USBRH, "journal", "flush"], env=environment, capture_output=True, check=False, text=True
        )
        if not flush.returncode:
            break
        assert time.monotonic() < end, f"the rest can't be delivered: {flush}"
        time.sleep(1)
    export = subprocess.run(
        [*USBRH, "journal", "export", "--json"], env=environment, capture_output=True, check=True, text=True
    )
    compare(server, [json.loads(line) for line in export.stdout.splitlines()], acknowledged, result)
    return result


def compare(
    server: Server, exported: list[dict[str, object]], acknowledged: set[tuple[str, int]], result: Result
) -> None:
    from usbrh.reading import Reading

    kept: dict[str, dict[int, str]] = {sensor: {} for sensor in SENSORS}
    for each in exported:
        reading = Reading.from_dict(each)
        assert reading.time_ns not in kept[reading.sensor]
        kept[reading.sensor][reading.time_ns] = reading.to_json()
    result.acknowledged = len(acknowledged)
    result.lost_by_journal = sum(moment not in kept[sensor] for sensor, moment in acknowledged)
    for sensor, readings in kept.items():
        rows = server.rows(sensor, len(readings))
        stored = dict(rows)
        result.journalled += len(readings)
        result.missing += len(readings.keys() - stored.keys())
        result.twice += len(rows) - len(stored.keys() & readings.keys())
        result.different += sum(stored[moment] != readings[moment] for moment in stored.keys() & readings.keys())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**6)
    parser.add_argument("--fake-server", action="store_true")
    options = parser.parse_args()
    if not options.fake_server and (reason := why_not(ZABBIX_60)):
        sys.exit(reason)
    server: Server = FakeZabbix() if options.fake_server else RealServer()
    try:
        with tempfile.TemporaryDirectory() as directory:
            result = torture(server, options.kills, options.seed, Path(directory))
    finally:
        server.close()
    rows = {
        "kills (SIGKILL) of `usbrh run`": result.kills,
        "stops of the server": result.stops,
        "readings that the journal had acknowledged": result.acknowledged,
        "**of them not in the journal afterwards**": result.lost_by_journal,
        "readings in the journal": result.journalled,
        "**of them missing in Zabbix's history**": result.missing,
        "**rows in the history beyond one a reading**": result.twice,
        "**rows with another value**": result.different,
    }
    lines = ["| | |", "| --- | ---: |", *(f"| {name} | {count:,} |" for name, count in rows.items())]
    lines += ["", f"Seed {options.seed}."]
    print("\n".join(lines))
    if options.kills >= parser.get_default("kills") and not options.fake_server:
        put("docs/reliability.md", "kill", "\n".join(lines))
    sys.exit(result.bad > 0)


if __name__ == "__main__":
    main()
