"""A journal of version 0.1.0: all of it is in the journal of this version, and an error leaves it as it was."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.journal import OpenJournal, reading
from usbrh.errors import JournalError
from usbrh.journal import conversion
from usbrh.journal import file as journal_file
from usbrh.journal.reader import JournalReader
from usbrh.journal.schema import SCHEMA

DUMP = Path(__file__).parents[2] / "captures/journal-0.1.0.sql"
A, B, C = "a.example", "b.example", "[::1];c2"
EXPECTED = {  # as version 0.1.0 itself exported it, in the words of this version
    A: "delivered delivered expired" + " delivered" * 9 + " waiting" * 3,
    B: "delivered delivered expired" + " dropped" * 4 + " delivered delivered rejected" + " waiting" * 5,
    C: "dropped dropped expired" + " dropped" * 4 + " waiting" * 4 + " delivered" + " waiting" * 3,
    "d.example": "dropped " * 13 + "delivered dropped",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(DUMP.read_text(encoding="utf-8"))
        db.execute("PRAGMA journal_mode = WAL")
    return path


def test_each_reading_has_the_state_that_it_had(
    path: Path, open_journal: OpenJournal, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(path)) as db:
        bodies = [row[0] for row in db.execute("SELECT body FROM reading ORDER BY id")]
    exported = list(open_journal(path).export())
    assert [json.loads(entry.body) for entry, _ in exported] == [json.loads(body) for body in bodies]
    for name, expected in EXPECTED.items():
        assert [states[name].state for _, states in exported] == expected.split(), name
    assert [states[B].reason for _, states in exported if states[B].state == "rejected"] == ["wrong host"]
    assert caplog.messages == [f"the journal {path} of version 0.1.0 was converted: 15 readings"]
    assert sorted(each.name for each in path.parent.iterdir() if "-" not in each.name) == [
        "journal.db", "journal.db.lock"
    ]  # fmt: skip


def test_the_queues_continue(path: Path, open_journal: OpenJournal, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    journal = open_journal(path)
    journal.sync_destinations([A, B, C])
    assert len(caplog.messages) == 1  # of the conversion: no destination comes or goes
    status = {each.destination: (each.waiting, each.delivered, each.expired) for each in journal.status().destinations}
    assert status == {A: (3, 11, 1), B: (5, 2, 1), C: (7, 1, 1)}
    assert journal.add([reading(1000)]) == [16]
    assert [entry.id for entry in journal.waiting(A, 10)] == [13, 14, 15, 16]
    assert [entry.id for entry in journal.waiting(C, 10)] == [8, 9, 10, 11, 13, 14, 15, 16]
    journal.acknowledge(C, [8, 9, 10, 11])
    journal.close()
    assert [entry.id for entry in open_journal(path).waiting(C, 10)] == [13, 14, 15, 16]


def test_a_command_that_only_reads_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        JournalReader(path).status()
    assert str(caught.value) == (
        f"the journal {path} can't be read: version 0.1.0 wrote it; convert it: usbrh journal flush"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "change", ["UPDATE reading SET body = '{}' WHERE id = 9", "DELETE FROM held WHERE reading = 8"]
)
def test_a_damaged_one_stays_as_it_is(path: Path, open_journal: OpenJournal, change: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute(change)
        db.commit()
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        open_journal(path).add([reading(1000)])
    assert "version 0.1.0 wrote it, and it is damaged (the " in str(caught.value)
    assert str(caught.value).endswith(f"; move it away: cd {path.parent} && mkdir -p old && mv journal.db* old")
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.new*"))


@pytest.mark.parametrize("missing", [1, 0])
def test_it_needs_as_much_space_as_the_file_has(
    path: Path, open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch, missing: int
) -> None:
    space = SimpleNamespace(free=path.stat().st_size - missing)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: space)
    if missing:
        with pytest.raises(JournalError, match="the disk is full") as caught:
            open_journal(path).status()
        assert caught.value.remedy == f"make room: df -h {path.parent}"
    else:
        assert open_journal(path).status().readings == 15


def test_only_the_new_file_needs_space(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's usual journals would need more, and the disk may have no more than that."""
    monkeypatch.setattr(conversion, "STEP", 10)
    seen: set[str] = set()
    conversion.convert(path, lambda: seen.update(file.name for file in path.parent.glob("*.new*")))
    assert seen == {"journal.db.new"}


def test_an_interrupted_conversion_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(conversion, "STEP", 10)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conversion.convert(path, interrupt)
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.new*"))


def test_a_service_of_that_version_that_still_writes_is_waited_for(
    path: Path, open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        old.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="another program has locked it"):
            open_journal(path).add([reading(1000)])
        old.execute("INSERT INTO held VALUES (15, 1, 'given-up', 'x')")
        old.execute("COMMIT")
        journal = open_journal(path)
        assert journal.add([reading(1000)]) == [16]
        # It has the old file open, and finds a file of a newer version at the path.
        with closing(sqlite3.connect(path)) as found:
            assert found.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    assert len(list(journal.export())) == 16
