"""Delivery of a week's backlog to a real Zabbix, beside zabbix_sender and zabbix_utils with the same values.

python -m benchmarks drain      as root, with the packages of `make test-zabbix-deps`; 15 minutes
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.figures import Figure, Unavailable, Used, interleaved, spend
from tests.support.daemon import wait_for
from tests.support.zabbix.machine import RELEASES, Release, why_not
from tests.support.zabbix.server import TEXT, TRAPPER, Value, ZabbixServer
from usbrh.clock import NS
from usbrh.journal.store import Journal
from usbrh.psychrometry import derived
from usbrh.reading import Reading, Ticks

READINGS = 80_000
TIMES = 5
ITEMS = (8, 100)
LARGE_CACHE = "128M"
"""HistoryCacheSize with which the server accepts all values before it has written them to the database."""
BINARIES = Path(sys.executable).parent
PEER = """
import json, sys
from zabbix_utils import ItemValue, Sender
server, port, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    values = [ItemValue(*json.loads(line)) for line in file]
print(Sender(server=server, port=int(port)).send(values))
"""
"""The documented use of the official library: a list of values, in its own chunks of 250."""


def backlog(sensors: int) -> list[Reading]:
    """``READINGS`` readings of ``sensors`` sensors, one per minute and sensor, the last one now."""
    minutes = READINGS // sensors
    start = time.time_ns() - minutes * 60 * NS
    return [
        Reading(
            *(name, f"1-1.{sensor}", "USB-RH", start + minute * 60 * NS + sensor * 1_234_567),
            temperature=20 + minute % 1000 / 100,
            humidity=40 + minute % 700 / 100,
            **derived(20 + minute % 1000 / 100, 40 + minute % 700 / 100),
            raw=Ticks(6000 + minute % 1000, 1200, b"\0\2A"),
            conversion="sht1x-v3@5V",
        )
        for minute in range(minutes)
        for sensor, name in enumerate(names(sensors))
    ]


def names(sensors: int) -> list[str]:
    """Names as a configuration has them."""
    return [f"room-{number}" for number in range(1, sensors + 1)]


class Backlog:
    """The same readings as a journal, as input of zabbix_sender and as input of zabbix_utils."""

    def __init__(self, server: ZabbixServer, sensors: int, scratch: Path) -> None:
        self.readings = backlog(sensors)
        self._server = server
        self._sensors = names(sensors)
        self._scratch = scratch
        self._number = count(1)
        self._journal = scratch / f"{sensors}.db"
        with Journal(self._journal) as journal:
            journal.sync_destinations([server.trapper])
            for start in range(0, len(self.readings), 5000):
                journal.add(self.readings[start : start + 5000])

    def flush(self) -> Used:
        """Run ``usbrh journal flush``."""
        with self._host(verify=True) as host:
            own = self._scratch / "journal.db"
            shutil.copy(self._journal, own)
            used = spend(
                *(str(BINARIES / "usbrh"), "journal", "flush"),
                USBRH_ZABBIX_SERVERS=self._server.trapper,
                USBRH_ZABBIX_HOST=host,
                USBRH_JOURNAL_PATH=str(own),
            )
            assert used.output == f"{self._server.trapper}: {len(self.readings)} delivered\n", used
        return used

    def zabbix_sender(self) -> Used:
        """Run ``zabbix_sender -T -N -i``."""
        with self._host() as host:
            quoted = (reading.to_json().replace("\\", "\\\\").replace('"', '\\"') for reading in self.readings)
            lines = (
                f'{host} usbrh.get[{reading.sensor}] {reading.time_ns // NS} {reading.time_ns % NS} "{value}"\n'
                for reading, value in zip(self.readings, quoted, strict=True)
            )
            values = self._scratch / "values.txt"
            values.write_text("".join(lines), encoding="utf-8")
            address, port = self._server.trapper.split(":")
            used = spend("zabbix_sender", "-z", address, "-p", port, "-T", "-N", "-i", str(values))
            assert f"sent: {len(self.readings)}; skipped: 0;" in used.output, used.output[-300:]
            assert used.output.count("; failed: 0; ") == used.output.count("; failed: "), used.output[-300:]
        return used

    def zabbix_utils(self) -> Used:
        """Send with the ``Sender`` of zabbix_utils."""
        import json

        with self._host() as host:
            rows = (
                (host, f"usbrh.get[{reading.sensor}]", reading.to_json(), *divmod(reading.time_ns, NS))
                for reading in self.readings
            )
            values = self._scratch / "values.jsonl"
            values.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
            address, port = self._server.trapper.split(":")
            used = spend(sys.executable, "-c", PEER, address, port, str(values))
            assert f'"total": {len(self.readings)}' in used.output, used.output[-300:]
        return used

    @contextmanager
    def _host(self, *, verify: bool = False) -> Iterator[str]:
        """A new host with an item per sensor. At the end the server has written all readings to its database.

        With ``verify``, each is there once, with its clock, ns and text.
        """
        host = f"{len(self._sensors)}-{next(self._number)}-{time.time_ns()}"
        keys = {f"usbrh.get[{sensor}]": sensor for sensor in self._sensors}
        api = self._server.api
        number = self._server.make_host(host)
        wanted = [{"hostid": number, "name": key, "key_": key, "type": TRAPPER, "value_type": TEXT} for key in keys]
        items = api.item.create(*wanted)["itemids"]
        self._server.sync()
        yield host

        def stored() -> bool:
            return int(api.history.get(itemids=items, history=TEXT, countOutput=True)) >= len(self.readings)

        wait_for("the server has written all values", stored, 300, 0.5)
        for key, sensor in keys.items() if verify else ():
            expected = [
                Value(*divmod(reading.time_ns, NS), reading.to_json())
                for reading in self.readings
                if reading.sensor == sensor
            ]
            found = self._server.history(host, key)
            assert found == expected, f"{host} {key}: {len(found)} rows for {len(expected)} readings"


def pairs(times: int, ours: Callable[[], Used], theirs: Callable[[], Used]) -> tuple[Sequence[Used], Sequence[Used]]:
    """What both used in ``times`` rounds."""
    used: dict[Callable[[], Used], list[Used]] = {ours: [], theirs: []}

    def run(action: Callable[[], Used]) -> float:
        used[action].append(action())
        return used[action][-1].elapsed

    interleaved(times, partial(run, ours), partial(run, theirs))
    return used[ours][1:], used[theirs][1:]


@contextmanager
def served(release: Release, cache: str | None) -> Iterator[ZabbixServer]:
    """A server with this ``HistoryCacheSize``; None is its default."""
    server = ZabbixServer(release)
    try:
        if cache:
            server.settings["HistoryCacheSize"] = cache
            server.stop()
            server.start()
        yield server
    finally:
        server.close()


def rates(used: Sequence[Used]) -> list[float]:
    """Values per second."""
    return [READINGS / each.elapsed for each in used]


def measure() -> Iterator[Figure]:
    """Yield two figures for each release and number of items, and one for each release with its default cache."""
    for release in RELEASES:
        if reason := why_not(release):
            raise Unavailable(reason)
    sender = ("`zabbix_sender -T -N -i`",) * 2
    for release in RELEASES:
        with tempfile.TemporaryDirectory() as scratch, served(release, LARGE_CACHE) as server:
            for items in ITEMS:
                name = f"{release.name}-{items}-items"
                what = (f"Zabbix {release.name}, {items} items", f"Zabbix {release.name}、アイテム {items} 個")
                case = Backlog(server, items, Path(scratch))
                ours, theirs = pairs(TIMES, case.flush, case.zabbix_sender)
                yield Figure(
                    *(name, what, "values/s", rates(ours), sender, rates(theirs)), ratio_aim=1.1, more_is_better=True
                )
                what = (f"{what[0]}: processor of the sender", f"{what[1]}：送信側の CPU 時間")
                processor = [[each.processor for each in used] for used in (ours, theirs)]
                yield Figure(f"{name}-cpu", what, "s", processor[0], sender, processor[1], own_aim=0.55)
        with tempfile.TemporaryDirectory() as scratch, served(release, None) as server:
            what = (
                f"Zabbix {release.name} with its default cache, {ITEMS[0]} items",
                f"Zabbix {release.name}、デフォルトのキャッシュ、アイテム {ITEMS[0]} 個",
            )
            case = Backlog(server, ITEMS[0], Path(scratch))
            ours, theirs = pairs(3, case.flush, case.zabbix_utils)
            peer = ("`Sender` of zabbix_utils", "zabbix_utils の `Sender`")
            yield Figure(
                *(f"{release.name}-default-cache", what, "values/s", rates(ours), peer, rates(theirs)),
                ratio_aim=6, more_is_better=True,
            )  # fmt: skip
