"""Single values of readings for pictures, and parts of the journal."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from usbrh.errors import JournalError
from usbrh.journal import queries, series
from usbrh.journal.reader import JournalReader
from usbrh.journal.rows import Timing
from usbrh.journal.store import Journal
from usbrh.journal.timing import rewrite
from usbrh.reading import Reading

KEYS = ("humidity", "frost_point")


def reading(second: int, sensor: str = "a", **changes: object) -> Reading:
    return Reading(sensor, "1-1", "USB-RH", second * 10**9, 20.0 + second, 50.0, **changes)  # type: ignore[arg-type]


def test_values_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "PAGE", 2)
    path = tmp_path / "journal.db"
    failed = Reading("a", "1-1", "USB-RH", 4 * 10**9, state="busy", error="in use")
    with Journal(path, keep=1e11) as journal:
        journal.add([reading(3, heater=True), reading(1), reading(2, frost_point=-1.5), failed, reading(5)])
        journal.add([reading(second, sensor) for second in (1, 2, 3) for sensor in ("b", "c")])
    found = list(JournalReader(path).points(1 * 10**9, 5 * 10**9, ["a", "c"], KEYS))
    assert [(point.time_ns // 10**9, point.sensor) for point in found] == [
        *((1, "a"), (1, "c"), (2, "a"), (2, "c"), (3, "a"), (3, "c"), (4, "a")),
    ]
    ours = [point for point in found if point.sensor == "a"]
    assert [list(point.values) for point in ours] == [[50.0, None], [50.0, -1.5], [50.0, None], [None, None]]
    assert [(point.failed, point.heater) for point in ours] == [
        *((False, False), (False, False), (False, True), (True, False)),
    ]


def test_a_changed_value_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path, keep=1e11) as journal:
        journal.add([reading(1)])
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE reading SET body = replace(body, '50.0', '51.0')")
    with pytest.raises(JournalError, match="the checksum of reading 1 is wrong"):
        list(JournalReader(path).points(0, 10**18, ["a"], KEYS))


def test_a_reading_whose_time_is_unknown_is_in_no_picture_and_in_no_part_of_time(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path, keep=1e11) as journal:
        journal.add([reading(1), reading(2)])
        (known, lost) = journal.entries([1, 2])
    with closing(sqlite3.connect(path)) as db, db:
        rewrite(db, lost.at(lost.time_ns, Timing.UNKNOWN))
    reader = JournalReader(path)
    assert (reader.undated(), reader.undated(["a"]), reader.undated(["b"])) == (1, 1, 0)
    assert [point.time_ns for point in reader.points(0, 10**18, ["a"], KEYS)] == [known.time_ns]
    assert [entry.id for entry, _ in reader.export(since_ns=0)] == [1]
    assert [entry.id for entry, _ in reader.export(sensors=["a"])] == [1, 2]


@pytest.mark.parametrize(
    "page",
    [
        lambda db, after: series._page(db, after, 2**62, ["a"], KEYS),
        lambda db, after: queries.history_page(db, after, 2**62, ["a"]),
    ],
)
def test_a_page_reads_no_more_than_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Callable[[sqlite3.Connection, tuple[int, str]], list[object]]
) -> None:
    """SQLite must not sort all readings of the sensor for each page: a year took minutes."""
    monkeypatch.setattr(series, "PAGE", 10)
    monkeypatch.setattr(queries, "PAGE", 10)
    path = tmp_path / "journal.db"
    with Journal(path, keep=1e11) as journal:
        journal.add([reading(second, sensor) for second in range(3000) for sensor in ("a", "b")])
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    with closing(sqlite3.connect(path)) as db:
        db.set_progress_handler(count, 100)
        assert len(page(db, (100 * 10**9, ""))) == 10
    assert steps < 30
