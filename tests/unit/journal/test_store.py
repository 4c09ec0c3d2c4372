"""The journal: durable, one cursor per destination, bounded, several processes."""

import fcntl
import logging
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.clocks import FixedClock, WoundClock
from tests.support.closed import nobody, reachable
from tests.support.journal import START, A, B, C, OpenJournal, old_journal, reading, readings, states, waiting
from usbrh.bridge.parallel import run_parallel
from usbrh.clock import NS, Deadline
from usbrh.errors import JournalError
from usbrh.journal import file as journal_file
from usbrh.journal.reader import JournalReader
from usbrh.journal.schema import SCHEMA
from usbrh.journal.store import Journal, State
from usbrh.journal.updates import PRUNE
from usbrh.reading import Reading


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path, open_journal: OpenJournal) -> Journal:
    journal = open_journal(path, clock=FixedClock(START))
    journal.sync_destinations([A, B])
    return journal


def test_gives_back_what_it_got_oldest_first(journal: Journal) -> None:
    given = [reading(3), reading(1), reading(2, "attic")]
    assert journal.add(given) == [1, 2, 3]
    entries = journal.waiting(A, 10)
    assert [entry.reading for entry in entries] == given
    assert [entry.body for entry in entries] == [each.to_json() for each in given]
    assert [entry.id for entry in journal.waiting(A, 2)] == [1, 2]


def test_stores_the_same_measurement_once(journal: Journal) -> None:
    assert journal.add([reading(1), reading(1), reading(2)]) == [1, 1, 2]
    assert journal.add([reading(2)]) == [2]
    assert waiting(journal, A) == [1, 2]


def test_a_failed_reading_is_a_reading(journal: Journal) -> None:
    failed = Reading("x", "1-1", "USB-RH", START, state="timeout", error="no answer")
    journal.add([failed])
    assert journal.waiting(A, 1)[0].reading == failed


def test_destinations_are_independent(journal: Journal) -> None:
    journal.add(readings(5))
    journal.acknowledge(A, [1, 2, 3])
    assert waiting(journal, A) == [4, 5]
    assert waiting(journal, B) == [1, 2, 3, 4, 5]
    assert states(journal, A) == [State.DELIVERED] * 3 + [State.WAITING] * 2


def test_rejected_readings_stand_apart_and_come_back(journal: Journal) -> None:
    journal.add([*readings(4), reading(9, "attic")])
    journal.acknowledge(A, [1, 4], {2: "no item", 3: "no item", 5: "no such key"})
    assert waiting(journal, A) == []
    by_sensor = {rejection.sensor: rejection for rejection in journal.rejected(A)}
    living = by_sensor["living-room"]
    assert (living.count, living.first, living.last, living.reason) == (2, 2, 3, "no item")
    assert by_sensor["attic"].reason == "no such key"
    assert journal.retry_rejected(A, "living-room") == 2
    assert waiting(journal, A) == [2, 3]
    journal.add([reading(10)])
    assert waiting(journal, A) == [2, 3, 6]
    journal.acknowledge(A, [2, 3, 6])
    assert states(journal, A) == [State.DELIVERED] * 4 + [State.REJECTED, State.DELIVERED]


def test_what_is_skipped_still_waits(journal: Journal) -> None:
    journal.add(readings(5))
    journal.acknowledge(A, [3])
    assert waiting(journal, A) == [1, 2, 4, 5]


def test_what_was_skipped_waits_beside_what_is_sent_again(journal: Journal) -> None:
    journal.add(readings(5))
    journal.acknowledge(A, [1, 2])
    journal.send_again(A, [2])
    journal.acknowledge(A, [2, 4])
    assert waiting(journal, A) == [3, 5]


def test_a_delivery_by_another_process_stands(journal: Journal) -> None:
    journal.add(readings(2))
    journal.acknowledge(A, [1, 2])
    journal.acknowledge(A, [], {1: "rejected there"})
    assert states(journal, A) == [State.DELIVERED] * 2
    journal.acknowledge(A, [1, 2])
    assert journal.status().destinations[0].delivered == 2


def test_virtual_readings_can_be_left_out(journal: Journal) -> None:
    journal.add([reading(1), reading(2, simulated=True), reading(3)])
    assert [entry.id for entry in journal.waiting(A, 10, simulated=False)] == [1, 3]
    journal.acknowledge(A, [1, 3])
    assert journal.waiting(A, 10, simulated=False) == []
    assert waiting(journal, A) == [2]
    assert journal.waiting(A, 10)[0].simulated


def test_sending_again(journal: Journal) -> None:
    journal.add(readings(5))
    journal.acknowledge(A, [1, 2, 3])
    journal.send_again(A, [2, 4, 99])
    assert waiting(journal, A) == [2, 4, 5]


def test_the_oldest_expire_and_that_is_counted_and_logged(
    path: Path, caplog: pytest.LogCaptureFixture, open_journal: OpenJournal
) -> None:
    journal = open_journal(path, max_waiting=5, clock=FixedClock(START))
    journal.sync_destinations([A, B])
    journal.add(readings(5))
    journal.acknowledge(B, [1, 2, 3, 4, 5])
    journal.acknowledge(A, [2], {1: "no item"})
    assert "expired" not in caplog.text
    journal.add(readings(3, first=6))
    assert f"2 readings for {A} expired, the oldest: more than 5 wait; they stay in the history" in caplog.text
    assert waiting(journal, A) == [4, 5, 6, 7, 8]
    assert states(journal, A)[:4] == [State.EXPIRED, State.DELIVERED, State.EXPIRED, State.WAITING]
    standing = {each.destination: each for each in journal.status().destinations}
    assert (standing[A].expired, standing[A].waiting, standing[A].rejected_count) == (2, 5, 0)
    assert standing[B].expired == 0


def test_delivered_readings_are_kept_for_a_time(path: Path, open_journal: OpenJournal) -> None:
    clock = FixedClock(START)
    journal = open_journal(path, keep=3600, clock=clock)
    journal.sync_destinations([A])
    journal.add(readings(10))
    journal.acknowledge(A, [1, 2, 3, 5], {4: "no item"})
    clock.now = START + 2 * 3600 * NS
    journal.add([reading(1000)])
    assert [entry.id for entry, _ in journal.export()] == [4, 6, 7, 8, 9, 10, 11]
    journal.acknowledge(A, [6, 7, 8, 9, 10, 11])
    assert journal.add([reading(1001)]) == [12]
    assert [entry.id for entry, _ in journal.export()] == [4, 11, 12]
    assert waiting(journal, A) == [12]


def test_what_a_destination_that_left_had_not_received_is_kept_for_a_time(
    path: Path, caplog: pytest.LogCaptureFixture, open_journal: OpenJournal
) -> None:
    clock = FixedClock(START)
    journal = open_journal(path, keep=3600, clock=clock)
    journal.sync_destinations([A, B])
    journal.add(readings(10))
    journal.acknowledge(A, range(1, 11))
    journal.acknowledge(B, [2, 5], {1: "no item", 4: "no item"})
    journal.sync_destinations([A])
    clock.now += 2 * 3600 * NS
    journal.add([reading(1000)])
    assert [(entry.id, found[B].state) for entry, found in journal.export()] == [(11, State.DROPPED)]
    journal.sync_destinations([A, C])
    journal.add([reading(1001)])
    assert [entry.id for entry, _ in journal.export()] == [11, 12]
    assert "damaged" not in caplog.text


def test_numbers_are_not_used_twice(path: Path, open_journal: OpenJournal) -> None:
    clock = FixedClock(START)
    journal = open_journal(path, keep=60, clock=clock)
    journal.sync_destinations([A])
    journal.add(readings(3))
    journal.acknowledge(A, [1, 2, 3])
    clock.now += 86400 * NS
    journal.add([])
    assert list(journal.export()) == []
    assert journal.add([reading(5)]) == [4]
    assert waiting(journal, A) == [4]


def test_history_in_the_order_of_time(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.journal.queries.PAGE", 3)
    journal.add([reading(number, sensor) for number in (5, 1, 9, 3, 7) for sensor in ("b", "a")])
    times = [(entry.time_ns, entry.sensor) for entry in journal.history()]
    assert times == sorted(times)
    assert len(times) == 10
    some = journal.history(reading(3).time_ns, reading(7).time_ns, "a")
    assert [entry.reading for entry in some] == [reading(3, "a"), reading(5, "a")]
    assert len(list(journal.export())) == 10


def test_status(journal: Journal, path: Path) -> None:
    journal.add([reading(2), reading(1), reading(3)])
    journal.acknowledge(A, [1], {2: "no item"})
    status = journal.status()
    assert (status.readings, status.oldest_ns, status.newest_ns) == (3, reading(1).time_ns, reading(3).time_ns)
    assert status.bytes > 0
    first, second = status.destinations
    assert (first.destination, first.waiting, first.oldest_ns, first.delivered) == (A, 1, reading(3).time_ns, 1)
    assert (second.waiting, second.oldest_ns) == (3, reading(2).time_ns)


def test_is_there_after_closing(journal: Journal, path: Path, open_journal: OpenJournal) -> None:
    journal.add(readings(2))
    journal.acknowledge(A, [1])
    journal.close()
    again = open_journal(path)
    assert waiting(again, A) == [2]
    assert waiting(again, B) == [1, 2]


def test_two_processes_add_and_deliver_at_once(journal: Journal, path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from usbrh.journal.store import Journal\n"
        "from tests.support.journal import A, reading\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for number in range(100):\n"
        "    journal.add([reading(number, sys.argv[2])])\n"
        "    entries = journal.waiting(A, 3)\n"
        "    journal.acknowledge(A, [entry.id for entry in entries])\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], stderr=subprocess.PIPE) for name in "xyz"
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, b"")
    exported = list(journal.export())
    assert [entry.id for entry, _ in exported] == list(range(1, 301))
    assert journal.status().destinations[0].delivered + len(waiting(journal, A)) == 300


def test_synced_before_add_returns(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def work(db: sqlite3.Connection) -> None:
        seen.append((db.execute("PRAGMA synchronous").fetchone()[0], db.execute("PRAGMA journal_mode").fetchone()[0]))

    journal._run(work, write=True)
    journal._run(work, write=True, durable=False)
    assert seen == [(2, "wal"), (1, "wal")]


def test_the_log_of_the_file_has_at_most_4_mb(journal: Journal) -> None:
    """SQLite then moves it into the file."""
    pages, size = (
        journal._run(lambda db, name=name: db.execute(f"PRAGMA {name}").fetchone()[0])  # type: ignore[misc]
        for name in ("wal_autocheckpoint", "page_size")
    )
    assert (pages, pages * size) == (4000, 4_096_000)


def test_what_can_be_repeated_is_not_synced(journal: Journal) -> None:
    """After a power failure, the last readings are sent again, in requests of another size."""
    statements: list[str] = []
    journal._run(lambda db: db.set_trace_callback(statements.append))
    journal.add(readings(1))
    journal.acknowledge(A, [1])
    journal.keep_request_size(A, 5)
    journal.send_again(A, [1])
    modes = [statement.rpartition(" ")[2] for statement in statements if "synchronous" in statement]
    assert modes == ["FULL", "NORMAL", "NORMAL", "FULL"]


def test_a_newer_schema_is_not_touched(journal: Journal, path: Path) -> None:
    journal.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="a newer usbrh wrote it"):
        journal.add(readings(1))
    assert path.read_bytes() == before


def test_a_foreign_database_is_not_touched(path: Path, open_journal: OpenJournal) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE music (title)")
    db.close()
    with pytest.raises(JournalError, match="a database of another program"):
        open_journal(path).add(readings(1))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("schema", [1, 3, 4])
def test_a_journal_of_an_unreleased_version_is_not_touched(path: Path, schema: int, open_journal: OpenJournal) -> None:
    old_journal(path, schema)
    before = path.read_bytes()
    for use in (lambda: open_journal(path).add(readings(1)), lambda: JournalReader(path).latest("living-room")):
        with pytest.raises(JournalError) as caught:
            use()
        assert caught.value.message == (
            f"the journal {path} can't be used: an unreleased usbrh wrote it"
            f" (schema {schema}, this version needs {SCHEMA})"
        )
        assert caught.value.remedy == f"move it away: cd {path.parent} && mkdir -p old && mv {path.name}* old"
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    subprocess.run(str(caught.value.remedy).removeprefix("move it away: "), shell=True, check=True)
    assert open_journal(path).add(readings(1)) == [1]


def test_a_lock_that_stays_is_an_error_in_time(journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "BUSY_SECONDS", 0.2)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal.close()
    with pytest.raises(JournalError, match="another program has locked it"):
        journal.add(readings(1))
    assert waiting(journal, A) == []  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    assert journal.add(readings(1)) == [1]


def test_threads_wait_for_another_program_side_by_side(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "BUSY_SECONDS", 0.5)
    journal.add(readings(1))

    def work(number: int) -> float:
        began = time.monotonic()
        with pytest.raises(JournalError, match="another program has locked it"):
            journal.add(readings(1))
        return time.monotonic() - began

    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        assert max(run_parallel(work, range(8), Deadline(20))) < 1
    finally:
        os.close(lock)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert max(run_parallel(work, range(8), Deadline(20))) < 1
    finally:
        other.close()


def test_closing_waits_for_nobody(journal: Journal) -> None:
    busy, done = threading.Event(), threading.Event()

    def work(db: sqlite3.Connection) -> None:
        busy.set()
        done.wait(20)

    thread = threading.Thread(target=lambda: journal._run(work))
    thread.start()
    assert busy.wait(20)
    closing = threading.Thread(target=journal.close)
    closing.start()
    closing.join(1)
    closed = not closing.is_alive()
    done.set()
    thread.join(20)
    assert closed


def test_what_takes_long_locks_nobody_out(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch, open_journal: OpenJournal
) -> None:
    monkeypatch.setattr(journal_file, "BUSY_SECONDS", 0.2)
    journal.add(readings(1))
    # What `usbrh journal status` does first of all in its process is to count.
    assert open_journal(path)._run(lambda db: journal.add([reading(2)])) == [2]


def test_a_path_that_can_not_be_looked_at(tmp_path: Path, open_journal: OpenJournal) -> None:
    with pytest.raises(JournalError, match="File name too long"):
        open_journal(tmp_path / ("x" * 300)).status()


def test_no_permission_for_the_folder_of_files_that_may_be_written() -> None:
    """SQLite itself can't make its log there, and does not report why."""
    with reachable() as folder:
        with Journal(folder / "journal.db") as journal:
            journal.add(readings(1))
        for file in folder.iterdir():
            file.chmod(0o666)
        folder.chmod(0o555)
        with nobody(), Journal(folder / "journal.db") as journal, pytest.raises(JournalError) as caught:
            journal.add(readings(2))
        folder.chmod(0o755)
    assert f"no permission to write in {folder}" in caught.value.message


@pytest.mark.parametrize("made_before", [True, False])
def test_no_permission(made_before: bool) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from usbrh.errors import *; from usbrh.journal.store import Journal\n"
        "from tests.support.journal import readings\n"
        "os.geteuid() or os.setuid(65534)\n"
        "try: Journal(Path(sys.argv[1])).add(readings(1))\n"
        "except JournalError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are closed to other users
        path = Path(directory, "journal.db")
        if made_before:
            with Journal(path) as journal:
                journal.add(readings(1))
            path.chmod(0o444)
        path.parent.chmod(0o555)
        done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
        path.parent.chmod(0o755)
    assert done.stderr == ""
    assert "no permission to write in" in done.stdout
    assert "sudo usbrh setup" in done.stdout


def test_a_permission_that_comes_later() -> None:
    """SQLite opens what it may not write for reading, and would stay with that."""
    code = (
        "import os, tempfile; from pathlib import Path\n"
        "from usbrh.errors import *; from usbrh.journal.store import Journal\n"
        "from tests.support.journal import reading\n"
        "os.geteuid() or os.setuid(65534)\n"
        "with tempfile.TemporaryDirectory() as directory:\n"
        "    path = Path(directory, 'journal.db')\n"
        "    with Journal(path) as journal: journal.add([reading(1)])\n"
        "    path.chmod(0o444)\n"
        "    try: journal.add([reading(2)])\n"
        "    except JournalError as error: print(error)\n"
        "    for file in Path(directory).iterdir(): file.chmod(0o644)\n"
        "    print(journal.add([reading(3)]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert "no permission to write in" in done.stdout
    assert done.stdout.endswith("[2]\n")


@pytest.mark.parametrize("left", [False, True])
def test_what_one_destination_rejected_costs_the_others_nothing(journal: Journal, path: Path, left: bool) -> None:
    def steps(work: Callable[[], object]) -> int:
        """How much SQLite has to do for it: thousands of its instructions."""
        count = []
        journal._run(lambda db: db.set_progress_handler(lambda: count.append(1), 1000))
        work()
        journal._run(lambda db: db.set_progress_handler(None, 0))
        return len(count)

    journal.add(readings(5000))
    journal.acknowledge(A, [], dict.fromkeys(range(1, 5001), "no item"))
    journal.acknowledge(B, range(1, 4991))
    if left:
        journal.sync_destinations([B])
    assert steps(lambda: journal.waiting(B, 1)) < 5
    assert steps(lambda: journal.acknowledge(B, [4991])) < 5
    assert steps(lambda: journal.sync_destinations([B] if left else [A, B])) < 5
    if left:  # before that, what waits there is counted by each add
        assert steps(lambda: journal.add([reading(9999)])) < 5


def test_the_log_level_of_news(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    journal.add(readings(2))
    journal.sync_destinations([A, B, C])
    assert f"new destination {C}: 2 readings waiting for it" in caplog.text


def test_a_clock_that_is_set_back_and_forth(path: Path, open_journal: OpenJournal) -> None:
    clock = FixedClock(START)
    journal = open_journal(path, keep=86400, clock=clock)
    journal.sync_destinations([A])
    steps = [0, 1, 3601, 3602, -3598, -3597, 4]
    for number, step in enumerate(steps):
        clock.now = START + step * NS
        journal.add([Reading("x", "1-1", "USB-RH", clock.now + number, 20.0, 50.0)])
    entries = journal.waiting(A, 100)
    assert [entry.time_ns for entry in entries] == [START + step * NS + n for n, step in enumerate(steps)]
    journal.acknowledge(A, [entry.id for entry in entries])
    assert JournalReader(path).latest("x") == entries[-1].reading
    assert len(list(journal.history())) == len(steps)


def test_a_clock_that_is_years_ahead_costs_no_history(path: Path) -> None:
    clock = FixedClock(START)
    with Journal(path, clock=clock) as journal:
        journal.sync_destinations([A])
        journal.add(readings(2 * PRUNE))
        journal.acknowledge(A, range(1, 2 * PRUNE + 1))
        clock.now += 20 * 365 * 86400 * NS
        journal.add([reading(5000)])
        assert journal.status().readings == 2 * PRUNE + 1
        assert waiting(journal, A) == [2 * PRUNE + 1]


def test_a_wrong_clock_that_is_synchronised_costs_little_history(path: Path) -> None:
    clock = WoundClock(START, synchronised=True)
    with Journal(path, clock=clock) as journal:
        journal.sync_destinations([A])
        journal.add(readings(2 * PRUNE))
        journal.acknowledge(A, range(1, 2 * PRUNE + 1))
        clock.set(START + 20 * 365 * 86400 * NS, synchronised=True)
        journal.add([reading(5000)])
        assert journal.status().readings == PRUNE + 1
