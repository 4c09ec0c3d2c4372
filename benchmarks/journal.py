"""The journal: how its accesses depend on its size, and what it writes to the disk.

It needs 7 GB of disk, and ten minutes for the largest journal.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, Words, interleaved
from benchmarks.history import make
from usbrh.journal.file import companions
from usbrh.journal.reader import JournalReader
from usbrh.journal.store import Journal
from usbrh.psychrometry import derived
from usbrh.reading import Reading, Ticks
from usbrh.simulator.clock import VirtualClock

SIZES = (10_000, 1_000_000, 10_000_000)
REJECTED = 1_000_000
DESTINATION = "zabbix.example"
DAY, ROUNDS = 1440, 360
"""Rounds in a day, and rounds that are measured."""
TIMES = 15


def measure() -> Iterator[Figure]:
    """Yield each figure."""
    with TemporaryDirectory(dir="/var/tmp") as directory:
        for size in SIZES:
            path = Path(directory, f"{size}.db")
            make(path, size)
            yield status(path, size)
            path.unlink()
        yield from rejected(Path(directory))
        for sensors, aim in ((1, 12), (16, 30)):
            yield written(Path(directory), sensors, aim)


def status(path: Path, size: int) -> Figure:
    """Measure the status of the journal at ``path``, which has ``size`` readings."""

    def count() -> None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("SELECT count(*) FROM reading").fetchone()

    ours, theirs = interleaved(TIMES, partial(milliseconds, JournalReader(path).status), partial(milliseconds, count))
    what = (f"status of a journal of {size:,} readings", f"測定値 {size:,} 件のジャーナルの状態")
    return Figure(f"status-{size}", what, "ms", ours, ("`SELECT count(*)`",) * 2, theirs, own_aim=5)


def rejected(directory: Path) -> Iterator[Figure]:
    """Measure the accesses to a journal with ``REJECTED`` rejected readings, beside one with two of them."""
    with ExitStack() as opened:
        clock = VirtualClock(time.time_ns())
        journals = []
        for count in (REJECTED, 2):
            path = directory / f"rejected-{count}.db"
            make(path, count)
            journals.append(opened.enter_context(Journal(path, max_waiting=2 * REJECTED, clock=clock)))
            journals[-1].sync_destinations([DESTINATION])
            journals[-1].acknowledge(DESTINATION, [], dict.fromkeys(range(1, count + 1), "no item"))

        def add(journal: Journal) -> None:
            clock.sleep(60)
            journal.add(readings(clock, 1))

        def mark(journal: Journal) -> None:
            journal.acknowledge(DESTINATION, [newest[journal].pop()])

        accesses: list[tuple[str, Words, float, Callable[[Journal], object]]] = [
            ("add", ("add a reading", "測定値の追加"), 2, add),
            ("standings", ("status of the destination", "送信先の状態"), 5, Journal.standings),
            (
                "waiting",
                ("read what waits", "送信待ちの読み出し"),
                5,
                lambda journal: journal.waiting(DESTINATION, 250),
            ),
            ("mark", ("mark as delivered", "送信済みの記録"), 5, mark),
        ]
        newest: dict[Journal, list[int]] = {}
        for name, what, aim, access in accesses:
            if access is mark:
                newest = {each: [entry.id for entry in each.waiting(DESTINATION, 1000)][::-1] for each in journals}
            ours, theirs = interleaved(TIMES, *(partial(milliseconds, partial(access, each)) for each in journals))
            words = (f"{REJECTED:,} rejected readings: {what[0]}", f"拒否された測定値 {REJECTED:,} 件：{what[1]}")
            yield Figure(f"rejected-{name}", words, "ms", ours, ("2 rejected", "拒否 2 件"), theirs, own_aim=aim)


def written(directory: Path, sensors: int, aim: float) -> Figure:
    """Measure the write-ahead log of one day, beside that of a table with only the JSON of the same readings."""

    def journal() -> float:
        clock = VirtualClock(time.time_ns())
        with Journal(directory / "written.db", clock=clock) as made:
            made.sync_destinations([DESTINATION])
            return logged(directory / "written.db", lambda: _round(made, clock, sensors))

    def plain() -> float:
        clock = VirtualClock(time.time_ns())
        with closing(sqlite3.connect(directory / "plain.db", isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE reading (id INTEGER PRIMARY KEY, body TEXT)")

            def add() -> None:
                clock.sleep(60)
                rows = [(reading.to_json(),) for reading in readings(clock, sensors)]
                db.execute("BEGIN")
                db.executemany("INSERT INTO reading (body) VALUES (?)", rows)
                db.execute("COMMIT")

            return logged(directory / "plain.db", add)

    ours, theirs = interleaved(3, journal, plain)
    what = (f"write-ahead log per day, {sensors} × 60 s", f"1 日の先行書き込みログ、{sensors} 台・60 秒間隔")
    peer = ("`INSERT` of the JSON alone", "JSON のみの `INSERT`")
    return Figure(f"written-{sensors}", what, "MB", ours, peer, theirs, own_aim=aim)


def logged(path: Path, act: Callable[[], None]) -> float:
    """MB that ``ROUNDS`` calls of ``act`` write into the log of the database at ``path``, as for a day; deletes it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        act()
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # SQLite can't begin the log again meanwhile
        log = companions(path)[0]
        before = log.stat().st_size
        for _ in range(ROUNDS):
            act()
        size = log.stat().st_size - before
    for file in (path, *companions(path)):
        file.unlink(missing_ok=True)
    return size * DAY / ROUNDS / 1e6


def milliseconds(action: Callable[[], object]) -> float:
    """Run ``action`` and return the processor time of this process in ms."""
    start = time.process_time_ns()
    action()
    return (time.process_time_ns() - start) / 1e6


def readings(clock: VirtualClock, sensors: int) -> list[Reading]:
    """One reading of each sensor."""
    found = []
    for sensor in range(sensors):
        changing = clock.time_ns() // 1_000_000_000 % 997 / 100
        values = 20 + changing, 40 + changing + sensor
        reading = Reading(
            *(f"sensor-{sensor}", f"1-1.{sensor}", "USB-RH", clock.time_ns(), *values),
            **derived(*values),
            raw=Ticks(6000 + sensor, 1246, b"\0\2A"),
            conversion="sht1x-v3@5V",
            boot_ns=clock.boot_ns(),
        )
        found.append(reading)
    return found


def _round(journal: Journal, clock: VirtualClock, sensors: int) -> None:
    clock.sleep(60)
    journal.acknowledge(DESTINATION, journal.add(readings(clock, sensors)))
