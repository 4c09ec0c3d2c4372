"""A damaged journal: never a wrong reading, never a crash, and what is sound is saved."""

import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.clocks import FixedClock
from tests.support.command import run
from tests.support.journal import START, A, B, C, OpenJournal, damaged, flip, reading, readings, waiting
from usbrh.clock import NS
from usbrh.errors import JournalError
from usbrh.journal import file as journal_file
from usbrh.journal.file import companions, replacement
from usbrh.journal.pages import Pages
from usbrh.journal.reader import JournalReader
from usbrh.journal.recovery import STEP, rebuild
from usbrh.journal.store import Journal

COUNT = 60


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of 60 readings: A took 40 but 7, 8 and 21 to 23; B took 5. The last 10 are in the log only."""
    made = tmp_path_factory.mktemp("sound") / "journal.db"
    with Journal(made) as journal:
        journal.sync_destinations([A, B])
        journal.add(readings(COUNT - 10))
        journal.acknowledge(A, [n for n in range(1, 41) if n not in range(21, 24)], {7: "no item", 8: "no item"})
        journal.acknowledge(A, [], {7: "x", 8: "x"})
        journal.send_again(A, [7, 8])
        journal.acknowledge(A, [], {7: "no item", 8: "no item"})
        journal.acknowledge(B, range(1, 6))
    journal.add(readings(10, first=COUNT - 9))
    kept = tmp_path_factory.mktemp("kept") / "journal.db"
    for file in (made, *companions(made)):
        shutil.copy(file, kept.with_name(file.name.replace(made.name, kept.name)))
    journal.close()
    return kept


@contextmanager
def copy_of(sound: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "journal.db")
        shutil.copy(sound, path)
        shutil.copy(companions(sound)[0], companions(path)[0])
        yield path


ALL = {each.to_json() for each in readings(COUNT)}
OPEN = {A: [7, 8, 21, 22, 23, *range(41, COUNT + 1)], B: list(range(6, COUNT + 1))}


def use(path: Path) -> tuple[Journal, set[str]]:
    """What a day of use does, and the readings that are there before it."""
    journal = Journal(path)
    journal.sync_destinations([A, B])
    there = {entry.body for entry, _ in journal.export()}
    new = reading(COUNT + 1)
    journal.add([new])
    assert JournalReader(path).latest("living-room") == new
    assert journal.status().readings == len(there) + 1
    return journal, there


def check(path: Path) -> set[str]:
    """Whatever was done to the file: no reading is wrong, and one that waited and is still there still waits."""
    journal, there = use(path)
    assert there <= ALL
    for destination, numbers in OPEN.items():
        wait = {entry.body for entry in journal.waiting(destination, 1000)}
        wait |= {
            entry.body for each in journal.rejected(destination) for entry in journal.entries([each.first, each.last])
        }
        assert {reading(number).to_json() for number in numbers} & there <= wait
        for _ in range(2):  # if the damage is only found by marking, all is sent once more
            journal.acknowledge(destination, [entry.id for entry in journal.waiting(destination, 1000)])
        assert waiting(journal, destination) == []
    journal.close()
    return there


def test_the_example_itself(sound: Path) -> None:
    with copy_of(sound) as path:
        assert check(path) == ALL
        assert not list(path.parent.glob("*damaged*"))


EXAMPLES = int(os.environ.get("USBRH_EXAMPLES", "25"))
"""Of each kind of damage; thousands when docs/reliability.md is brought up to date."""
SLOW = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SLOW
@given(data=st.data())
def test_flipped_bits_in_the_file(sound: Path, data: st.DataObject) -> None:
    content = bytearray(sound.read_bytes())
    bits = data.draw(st.lists(st.integers(0, len(content) * 8 - 1), min_size=1, max_size=4, unique=True))
    with copy_of(sound) as path:
        for bit in bits:
            content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        there = check(path)
        # A flipped bit costs the readings of its page at most, and a page has 9 or 10 of them.
        assert len(there) >= COUNT - 10 * len(bits)


@pytest.mark.parametrize("length", [0, 1, 2, 511])
def test_the_log_of_a_file_without_content_is_saved(sound: Path, length: int) -> None:
    """SQLite would treat the file as an empty database, and delete its log."""
    content = sound.read_bytes()
    with copy_of(sound) as path:
        path.write_bytes(content[:length])
        with pytest.raises(JournalError, match="too short for a database"):
            JournalReader(path).status()
        assert companions(path)[0].exists()
        assert len(check(path)) >= 10


@SLOW
@given(data=st.data())
def test_cut_off_anywhere(sound: Path, data: st.DataObject) -> None:
    content = sound.read_bytes()
    with copy_of(sound) as path:
        path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        check(path)


@SLOW
@given(data=st.data())
def test_a_damaged_log(sound: Path, data: st.DataObject) -> None:
    with copy_of(sound) as path:
        log = companions(path)[0]
        content = bytearray(log.read_bytes())
        bit = data.draw(st.integers(0, len(content) * 8 - 1))
        content[bit // 8] ^= 1 << bit % 8
        log.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        # SQLite takes a damaged log for a shorter one: what stands behind is lost, what is in the file is not.
        assert len(check(path)) >= COUNT - 10


@SLOW
@given(data=st.data())
def test_a_damaged_log_of_a_new_journal(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """No reading was moved into the file yet: without its tables there, the file would be that of another program."""
    made, path = (tmp_path_factory.mktemp(name) / "journal.db" for name in ("made", "copy"))
    with Journal(made) as journal:
        journal.sync_destinations([A])
        journal.add(readings(3))
        for file, copy in zip((made, *companions(made)[:1]), (path, *companions(path)[:1]), strict=True):
            shutil.copy(file, copy)
    content = bytearray(companions(path)[0].read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1
    companions(path)[0].write_bytes(content)
    JournalReader(path).status()
    use(path)[0].close()


@SLOW
@given(content=st.binary(max_size=20000))
def test_anything_at_all(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "journal.db")
        path.write_bytes(content)
        if not content:
            use(path)[0].close()
            return
        # Nothing shows that the file is a journal: it stays, whatever command finds it.
        for access in (Journal(path).status, JournalReader(path).status, lambda: Journal(path).add(readings(1))):
            with pytest.raises(JournalError, match="it is not a file of usbrh"):
                access()
        assert path.read_bytes() == content
        assert [file.name for file in path.parent.iterdir()] == [path.name]


def no_header(data: bytes) -> bytes:
    return b"\xff" * 100 + data[100:]


def only_header(data: bytes) -> bytes:
    return data[:4096] + bytes(len(data) - 4096)


def test_a_schema_that_is_no_text(sound: Path) -> None:
    """Python can't even read SQLite's message about it; found by benchmarks.fuzz."""
    with copy_of(sound) as path:
        content = path.read_bytes()
        assert content.count(b"exceptions_state") > 1
        path.write_bytes(content.replace(b"exceptions_state", b"exceptions_\xd7tate"))
        companions(path)[0].unlink()
        journal, there = use(path)
        journal.close()
        assert len(there) == COUNT - 10


@pytest.mark.parametrize("spoil", [no_header, only_header])
def test_is_set_aside_under_a_name_that_says_so(
    sound: Path, spoil: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    with copy_of(sound) as path:
        log = companions(path)[0]
        log.write_bytes(log.read_bytes()[: 32 + 24 + 4096 - 1])  # less than one page: SQLite takes none from it
        spoilt = spoil(path.read_bytes())
        path.write_bytes(spoilt)
        check(path)
        (aside,) = path.parent.glob("journal.db.damaged-*Z")
        assert aside.read_bytes() == spoilt
    assert f"the journal {path} was damaged" in caplog.text
    assert f"it is kept as {aside}" in caplog.text
    assert "recovered: " in caplog.text


def test_two_damaged_files_of_the_same_second_are_both_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    for _ in range(3):
        damaged(path, 20)
        with Journal(path, clock=FixedClock(START)) as journal:
            assert len(list(journal.export())) == 19
        path.unlink()
    names = sorted(file.name for file in tmp_path.glob("journal.db.damaged-*") if "-wal" not in file.name)
    assert names == [names[0], f"{names[0]}-2", f"{names[0]}-3"]


@pytest.mark.parametrize("page_size", [512, 1024, 65536])
def test_the_rows_in_the_pages_are_those_that_sqlite_wrote(tmp_path: Path, page_size: int) -> None:
    """Values of each length; the journal has no floats."""
    path = tmp_path / "any.db"
    integers = [0, 1, -1, 127, 128, -129, 1 << 15, 1 << 23, -(1 << 31), 1 << 40, 1 << 47, (1 << 63) - 1, -(1 << 63)]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"PRAGMA page_size = {page_size}")
        db.execute("CREATE TABLE t (a, b, c, d)")
        rows = [((1 << 5 * n - 2) - 1, integer, None, "é" * n, 1.5) for n, integer in enumerate(integers, 1)]
        db.executemany("INSERT INTO t (rowid, a, b, c, d) VALUES (?, ?, ?, ?, ?)", rows)
    with Pages(path) as pages:
        assert pages.size == page_size
        found = [row for page in pages for row in pages.rows(page)]
    wanted = [(rowid, [integer, None, text, None]) for rowid, integer, _, text, _ in rows]
    assert [row for row in found if len(row[1]) == 4] == wanted


@pytest.mark.parametrize("length", [300, 900, 950, 1000, 2000, 9000])
def test_readings_that_are_longer_than_a_page(tmp_path: Path, length: int, open_journal: OpenJournal) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "copy.db"
    long = [replace(reading(number), error=f"{number} " + "é" * (length // 2)) for number in range(1, 61)]
    with Journal(path) as journal:
        journal.add(long[:20])
    with Journal(path) as journal:
        for each in long[20:]:
            journal.add([each])  # in the log only
        for file in (path, *companions(path)):
            shutil.copy(file, file.with_name(file.name.replace(path.name, copy.name)))
    content = copy.read_bytes()
    damaged = f"{long[9].error}".encode()[:200]
    assert content.count(damaged) == 1
    copy.write_bytes(content.replace(damaged, b"x" * 200))
    journal = open_journal(copy)
    assert [entry.reading for entry, _ in journal.export()] == long[:9] + long[10:]


def test_a_link_to_the_journal_stays_one(tmp_path: Path, open_journal: OpenJournal) -> None:
    path, link = tmp_path / "disk" / "journal.db", tmp_path / "etc" / "journal.db"
    for each in (path, link):
        each.parent.mkdir()
    link.symlink_to(path)
    with Journal(link) as journal:
        journal.add(readings(20))
    with Journal(link) as other:
        other.add(readings(5, first=21))  # in the log only
        assert companions(link)[0].stat().st_size > 0
        flip(path, 10)
        assert len(list(open_journal(link).export())) == 24
    assert list(link.parent.iterdir()) == [link]
    assert link.is_symlink()
    (aside,) = path.parent.glob("journal.db.damaged-*Z")
    assert companions(aside)[0].exists()
    with Journal(path) as journal:
        assert len(list(journal.export())) == 24


def test_what_is_being_delivered_while_another_process_replaces_the_file_settles_no_other_reading(
    tmp_path: Path, open_journal: OpenJournal
) -> None:
    path = tmp_path / "journal.db"
    clock = FixedClock(START)
    service = open_journal(path, keep=3600, clock=clock)
    service.sync_destinations([A, B])
    service.add(readings(40))
    for destination in (A, B):
        service.acknowledge(destination, range(1, 31))
    clock.now = reading(11).time_ns + 3600 * NS
    service.add(readings(20, first=41))  # and the first 10 are old enough to go
    service.acknowledge(B, range(31, 51))
    sent = service.waiting(A, 20)
    assert [entry.id for entry in sent] == list(range(31, 51))
    service.close()
    flip(path, 15)
    with Journal(path, clock=clock) as export:
        assert len(list(export.export())) == 49
    service.acknowledge(A, [entry.id for entry in sent[:10]], {entry.id: "no item" for entry in sent[10:]})
    # Sent once more, with the same clock and ns; counted as delivered when it is known which they are.
    assert [entry.reading for entry in service.waiting(A, 1000)] == readings(30, first=31)
    assert [entry.reading for entry in service.waiting(B, 1000)] == readings(10, first=51)
    assert [(each.waiting, each.delivered, each.rejected_count) for each in service.standings()] == [
        (30, 30, 0),
        (10, 50, 0),
    ]


def test_numbers_of_readings_that_were_lost_are_not_used_again(tmp_path: Path, open_journal: OpenJournal) -> None:
    path = tmp_path / "journal.db"
    service = open_journal(path)
    service.sync_destinations([A])
    service.add(readings(3))
    sent = waiting(service, A)
    service.close()
    flip(path, 3)
    with Journal(path) as other:
        other.add([reading(4)])
    assert len(list(service.export())) == 3
    service.acknowledge(A, sent)
    assert [entry.reading for entry in service.waiting(A, 10)] == [reading(1), reading(2), reading(4)]
    assert service.standings()[0].waiting == 3


def test_lost_readings_are_not_counted_as_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, open_journal: OpenJournal
) -> None:
    path = tmp_path / "journal.db"
    damaged(path, 20)
    content = path.read_bytes()
    path.write_bytes(content.replace(A.encode(), A.upper().encode()))  # and nobody knows what A has taken
    journal = open_journal(path, max_waiting=20)
    journal.sync_destinations([A])
    journal.add([reading(21)])
    assert (journal.standings()[0].waiting, journal.standings()[0].expired) == (20, 0)
    assert "recovered: 19 readings, all are sent again" in caplog.text


def test_what_was_never_for_a_destination_stays_so(tmp_path: Path, open_journal: OpenJournal) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.sync_destinations([A, B])
        journal.add(readings(20))
        journal.acknowledge(A, range(1, 11))
        journal.acknowledge(B, range(1, 16))
        journal.sync_destinations([A, B, C])
        journal.acknowledge(C, range(16, 19))
    flip(path, 3)
    journal = open_journal(path)
    states = {entry.reading: found[C].state for entry, found in journal.export()}
    assert [states[reading(n)] for n in (1, 15, 16, 18)] == ["dropped", "dropped", "delivered", "delivered"]
    assert [entry.reading for entry in journal.waiting(C, 10)] == readings(2, first=19)


def test_a_destination_that_left_before_a_repair_stays_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.sync_destinations([B])
        journal.sync_destinations([A, B])
        journal.sync_destinations([A])
        journal.add(readings(4))
    flip(path, 1)
    with Journal(path) as journal:
        assert len(list(journal.export())) == 3
        journal.sync_destinations([])
        assert "recovered: 3 readings, with the state of each destination" in caplog.text
        caplog.clear()
        journal.sync_destinations([A])
        assert caplog.text == ""
        assert len(journal.waiting(A, 10)) == 3


def test_the_stays_of_a_destination_that_returned_are_saved(tmp_path: Path, open_journal: OpenJournal) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.sync_destinations([A, B])
        journal.add(readings(4))
        journal.acknowledge(A, range(1, 5))
        journal.acknowledge(B, [1, 2])
        journal.sync_destinations([A])
        journal.add(readings(4, first=5))
        journal.acknowledge(A, range(5, 9))
        journal.sync_destinations([A, B])
        journal.add(readings(4, first=9))
        journal.acknowledge(A, range(9, 13))
        journal.acknowledge(B, [9, 10])
    flip(path, 1)
    journal = open_journal(path)
    delivered, dropped, waits = ["delivered"], ["dropped"], ["waiting"]
    assert [found[B].state for _, found in journal.export()] == delivered + dropped * 6 + delivered * 2 + waits * 2
    assert [found[A].state for _, found in journal.export()] == delivered * 11
    journal.sync_destinations([A])
    assert [found[B].state for _, found in journal.export()] == delivered + dropped * 6 + delivered * 2 + dropped * 2


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM cursor WHERE destination = 'b.example'",
        "UPDATE cursor SET active = 0 WHERE destination = 'b.example'",
        "UPDATE cursor SET active = 0",
        "DELETE FROM exceptions",
        "DELETE FROM exceptions WHERE reading = 2",
    ],
)
def test_a_lost_row_makes_readings_wait_again_instead_of_being_lost(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.sync_destinations([A, B])
        journal.add(readings(5))
        journal.acknowledge(A, range(1, 6))
        journal.acknowledge(B, [1, 5], {2: "no item"})
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA secure_delete = ON")
    db.execute(damage)
    db.execute("VACUUM")
    db.close()
    with Journal(path) as journal:
        journal.sync_destinations([A, B])
        wait = [entry.reading for entry in journal.waiting(B, 10)]
        assert wait in (readings(5), readings(4, first=2))
        assert journal.rejected(B) == []
    assert len(list(path.parent.glob("*damaged-*Z"))) == 1


def test_two_readings_with_one_number_are_both_saved(tmp_path: Path, open_journal: OpenJournal) -> None:
    """Free pages and the end of the log contain what was never committed, or was deleted and added again."""
    path, earlier = tmp_path / "journal.db", tmp_path / "earlier.db"
    with Journal(path) as journal:
        journal.sync_destinations([A])
        journal.add(readings(20))
        journal.acknowledge(A, range(1, 20))
    with Journal(earlier) as journal:
        journal.add([reading(101), reading(2), *readings(20, first=31), reading(3), reading(20)])
    flip(path, 20)  # it came again
    path.write_bytes(path.read_bytes() + earlier.read_bytes())
    journal = open_journal(path)
    there = [entry.reading for entry, _ in journal.export()]
    assert len(there) == len(set(there))
    assert set(there) == {*readings(20), reading(101), *readings(20, first=31)}
    wait = [entry.reading for entry in journal.waiting(A, 100)]
    assert {reading(101), reading(3), reading(20), *readings(20, first=31)} == set(wait)
    assert journal.standings()[0].waiting == len(wait)
    journal.add([reading(500)])
    ids = waiting(journal, A)
    assert ids == list(range(ids[0], ids[0] + len(wait) + 1)), "what waits is counted by ids"


def test_a_large_journal_is_rebuilt_in_little_memory_and_says_that_it_goes_on(
    tmp_path: Path, open_journal: OpenJournal
) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.sync_destinations([A])
        for first in range(1, 4000, 500):
            journal.add(readings(500, first))
    flip(path, 2000)
    steps: list[int] = []
    journal = open_journal(path, progress=lambda: steps.append(1))
    tracemalloc.start()
    try:
        assert sum(1 for _ in journal.history(since_ns=reading(1999).time_ns, until_ns=reading(2002).time_ns)) == 2
        assert tracemalloc.get_traced_memory()[1] < 1_500_000
    finally:
        tracemalloc.stop()
    assert len(steps) > 4000 // STEP


def test_threads_wait_for_a_rebuild_however_long_it_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_journal: OpenJournal
) -> None:
    path = tmp_path / "journal.db"
    damaged(path, 20)
    monkeypatch.setattr(journal_file, "BUSY_SECONDS", 0.3)
    rebuilding = threading.Event()

    def progress() -> None:
        rebuilding.set()
        time.sleep(0.5)

    journal = open_journal(path, progress=progress)
    thread = threading.Thread(target=lambda: list(journal.export()))
    thread.start()
    assert rebuilding.wait(20)
    assert journal.status().readings == 19
    thread.join(20)


def test_a_rebuild_that_fails_leaves_nothing(tmp_path: Path, open_journal: OpenJournal) -> None:
    """No file may be larger than 70 kB there; the damaged one has 280."""
    path = tmp_path / "journal.db"
    damaged(path, 500)
    broken = path.read_bytes()
    code = (
        "import sys; from pathlib import Path; from resource import *; from usbrh.journal.store import Journal\n"
        "from usbrh.errors import JournalError; setrlimit(RLIMIT_FSIZE, (70_000, 70_000))\n"
        "try: list(Journal(Path(sys.argv[1])).export())\n"
        "except JournalError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "can't be used" in done.stdout
    assert path.read_bytes() == broken
    allowed = {path, path.with_name(path.name + ".lock"), *companions(path)}
    assert set(path.parent.iterdir()) <= allowed
    assert len(list(open_journal(path).export())) == 499


def test_is_ready_when_it_comes_into_the_place(sound: Path) -> None:
    with copy_of(sound) as path:
        assert rebuild(path, START, lambda: None).readings == COUNT
        (new,) = path.parent.glob("*rebuilt*")
        assert new == replacement(path)
        assert new.read_bytes()[18:20] == b"\x02\x02"  # SQLite's file format, §1.3: WAL
        with Journal(path) as journal:
            assert journal.status().readings == COUNT


KILLED = """
import errno, os, signal, sys
from pathlib import Path
from usbrh.journal.store import Journal
left, links = int(sys.argv[2]), sys.argv[3] == "links"
def hook(event, arguments):
    global left
    if event == "os.link" and not links:  # as link(2) on FAT
        raise PermissionError(errno.EPERM, "Operation not permitted")
    if event in {"os.link", "os.remove", "os.rename"}:
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
list(Journal(Path(sys.argv[1])).export())
os._exit(0)
"""


@pytest.mark.parametrize("links", ["links", "no links"])
def test_killed_at_any_step_of_the_replacement(sound: Path, links: str) -> None:
    for step in range(20):
        with copy_of(sound) as path, Journal(path) as service:
            flip(path, 3)
            assert waiting(service, B) == list(range(6, COUNT + 1))
            done = run([str(path), str(step), links], os.environ, before=KILLED)
            service.add([reading(1000)])
            assert {entry.body for entry, _ in service.export()} == ALL - {reading(3).to_json()} | {
                reading(1000).to_json()
            }
            assert len(waiting(service, B)) == len(OPEN[B]) + 1
            assert not [file.name for file in path.parent.iterdir() if ".new" in file.name or "rebuilt" in file.name]
            if done.returncode == 0:
                (aside,) = path.parent.glob("journal.db.damaged-*Z")
                assert aside.stat().st_size > 0
                assert companions(aside)[0].exists()
                break
    assert (step >= 6, done.returncode) == (True, 0)


def test_a_process_that_had_the_damaged_file_open_goes_on_with_the_new_one(
    sound: Path, open_journal: OpenJournal
) -> None:
    with copy_of(sound) as path:
        one, other = open_journal(path), open_journal(path)
        one.sync_destinations([A, B])
        other.status()
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        companions(path)[0].write_bytes(b"")
        saved = len(list(one.export()))
        first = one.add([reading(1000)])
        assert other.add([reading(1001)]) == [first[0] + 1]
        other.close()  # SQLite would remove the log of the file at this name
        assert one.add([reading(1002)]) == [first[0] + 2]
        one.close()
        assert len(list(open_journal(path).export())) == saved + 3


def test_a_journal_that_was_removed_is_begun_anew(
    sound: Path, caplog: pytest.LogCaptureFixture, open_journal: OpenJournal
) -> None:
    with copy_of(sound) as path:
        journal = open_journal(path)
        journal.sync_destinations([A])
        for file in (path, *companions(path)):
            file.unlink(missing_ok=True)
        journal.sync_destinations([A])
        journal.add(readings(1))
        assert waiting(journal, A) == [1]
        journal.close()
    assert f"the journal {path} was removed: a new one is started" in caplog.text
