"""The numbers that the journal keeps instead of counting: they are right, and every access stays quick."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.clocks import FixedClock, WoundClock
from tests.support.journal import START, A, B, OpenJournal, reading, readings, states
from usbrh.clock import NS
from usbrh.errors import JournalError
from usbrh.journal import queries, sensors, updates
from usbrh.journal.reader import JournalReader
from usbrh.journal.rows import Damaged, check_exceptions, last_id
from usbrh.journal.store import Journal, State


def counted(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT sensor, count(*) FROM reading GROUP BY sensor"))


def test_whatever_is_done_the_numbers_are_right(tmp_path: Path, open_journal: OpenJournal) -> None:
    chance, path = random.Random(3), tmp_path / "journal.db"
    clock = FixedClock(START)
    journal = open_journal(path, keep=3600, clock=clock, max_waiting=60)
    journal.sync_destinations([A, B])
    done: set[int] = set()
    for number in range(400):
        clock.now = START + number * 60 * NS
        destination = chance.choice([A, B])
        wait = [entry.id for entry in journal.waiting(destination, 40)]
        some = chance.sample(wait, chance.randrange(len(wait) + 1))
        what = chance.randrange(8)
        if what < 4:
            done |= set(journal.add([reading(number, chance.choice(["a", "b", "c"]))]))
        elif what == 4:
            journal.acknowledge(destination, some)
        elif what == 5:
            journal.acknowledge(destination, [], dict.fromkeys(some, "no item"))
        elif what == 6:
            journal.drop_rejected() if chance.random() < 0.5 else journal.retry_rejected(B, "b")
        else:
            journal.send_again(destination, some)
        if number % 40 == 39:
            journal.sync_destinations(chance.choice([[A], [A, B], [], [B]]))
            journal.sync_destinations([A, B])
        journal.check(waiting=False)
        status = journal.status()
        assert status.readings == sum(counted(path).values())
        found = states(journal, B)
        (of_b,) = (each for each in status.destinations if each.destination == B)
        assert (found.count(State.WAITING), found.count(State.REJECTED)) == (of_b.waiting, of_b.rejected_count)
    assert 0 < status.readings < len(done)  # old ones were deleted
    assert not list(tmp_path.glob("*damaged*"))


def test_the_newest_reading_of_a_sensor(tmp_path: Path, open_journal: OpenJournal) -> None:
    clock = FixedClock(reading(100).time_ns)
    journal = open_journal(tmp_path / "journal.db", keep=3600, clock=clock)
    journal.sync_destinations([A])
    journal.add([reading(90, "a"), reading(50, "a"), reading(50, "b"), reading(95, "c")])
    journal.acknowledge(A, [1, 2, 3, 4])
    clock.now = reading(50).time_ns + 3601 * NS
    journal.add([reading(120, "c")])  # the reading of minute 50 was added last, and is the first to go
    reader = JournalReader(tmp_path / "journal.db")
    assert reader.latest("a") == reading(90, "a")
    assert reader.latest("b") is None
    assert reader.newest() == [reading(90, "a"), reading(120, "c")]
    assert reader.latest("nowhere") is None


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sensor SET readings = readings + 1",
        "DELETE FROM sensor",
        "UPDATE sensor SET newest = 1",
    ],
)
def test_a_wrong_number_of_readings_is_damage(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.add(readings(5))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(damage)
    with closing(sqlite3.connect(path)) as db, pytest.raises(Damaged):
        queries.check(db, waiting=False)
    with Journal(path) as journal:
        journal.check(waiting=False)
        assert journal.status().readings == 5
    assert len(list(tmp_path.glob("*damaged-*Z"))) == 1


def lose(path: Path) -> None:
    """Let an exception disappear as damage does: nothing notices it."""
    with closing(sqlite3.connect(path)) as db, db:
        (definition,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'exception_removed'").fetchone()
        db.execute("DROP TRIGGER exception_removed")
        db.execute("DELETE FROM exceptions WHERE reading = 2")
        db.execute(definition)


@pytest.mark.parametrize("what", ["TRIGGER exception_removed", "INDEX reading_time"])
def test_a_missing_trigger_or_index_is_damage(tmp_path: Path, what: str) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.sync_destinations([A])
        journal.add(readings(3))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"DROP {what}")
    with Journal(path) as journal:
        assert [entry.reading for entry in journal.waiting(A, 10)] == readings(3)
    assert len(list(tmp_path.glob("*damaged-*Z"))) == 1


@pytest.fixture
def rejecting(tmp_path: Path) -> Path:
    """A journal with three rejected readings."""
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.sync_destinations([A])
        journal.add(readings(3))
        journal.acknowledge(A, [], {1: "no item", 2: "no item", 3: "no item"})
    return path


def test_a_missing_exception_is_found_when_the_journal_is_opened(rejecting: Path) -> None:
    lose(rejecting)
    reader = JournalReader(rejecting)
    with pytest.raises(JournalError, match="the exceptions are incomplete"):
        reader.export()
    with Journal(rejecting) as journal:
        assert [entry.reading for entry in journal.waiting(A, 10)] == readings(3)


def test_a_missing_exception_is_found_within_an_hour(rejecting: Path) -> None:
    clock = WoundClock(START)
    with Journal(rejecting, clock=clock) as journal:
        assert journal.waiting(A, 10) == []
        lose(rejecting)
        assert journal.waiting(A, 10) == []
        clock.sleep(3600)
        assert [entry.reading for entry in journal.waiting(A, 10)] == readings(3)


ACCESSES: dict[str, Callable[[sqlite3.Connection], object]] = {
    "status": lambda db: queries.status(db, Path("journal.db")),
    "standings": queries.standings,
    "newest": queries.newest,
    "latest": lambda db: sensors.latest(db, "living-room"),
    "waiting": lambda db: queries.waiting(db, A, 100, True),
    "request_size": lambda db: queries.cursor_for(db, A),
    "acknowledge": lambda db: updates.acknowledge(db, A, [last_id(db)], {}),
    "reject": lambda db: updates.acknowledge(db, A, [], {last_id(db) - 1: "no item"}),
    "expire": lambda db: updates.expire(db, 1_000_000),
}


def steps(db: sqlite3.Connection, access: Callable[[sqlite3.Connection], object]) -> int:
    """Return the number of SQLite's instructions, in hundreds."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    db.set_progress_handler(step, 100)
    access(db)
    db.set_progress_handler(None, 0)
    return count


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of 20,000 readings, all rejected but the last two, which wait."""
    path = tmp_path_factory.mktemp("large") / "journal.db"
    with Journal(path, keep=1e11) as journal:
        journal.sync_destinations([A])
        journal.add(readings(20_000))
        journal.acknowledge(A, [], dict.fromkeys(range(1, 19_999), "no item"))
    return path


@pytest.mark.parametrize("name", ACCESSES)
def test_the_work_does_not_grow_with_the_journal(large: Path, name: str) -> None:
    with closing(sqlite3.connect(large, isolation_level=None)) as db:
        db.execute("BEGIN")
        assert steps(db, check_exceptions) > 1000  # what counts, does
        assert steps(db, ACCESSES[name]) < 30
