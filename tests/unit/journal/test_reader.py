"""Read-only access to the journal: right in each state of the file, and without a trace."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.command import usbrh
from tests.support.journal import A, B, flip, reading, readings
from usbrh.errors import JournalError
from usbrh.journal.file import companions
from usbrh.journal.reader import JournalReader
from usbrh.journal.store import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of 5 readings; 1 and 2 are delivered to A, 3 is rejected there. Nobody has it open."""
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.sync_destinations([A, B])
        journal.add([*readings(4), reading(9, "attic")])
        journal.acknowledge(A, [1, 2], {3: "no item"})
    return path


def contents(path: Path) -> dict[str, bytes]:
    """Each file in the folder of the journal, without the log's index: SQLite's readers enter themselves there."""
    return {file.name: file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm")}


def read_everything(path: Path) -> None:
    before = contents(path)
    reader = JournalReader(path)
    with Journal(path) as journal:
        wanted = journal.status(), journal.standings()
    assert reader.latest("living-room") == reading(4)
    assert reader.latest("attic") == reading(9, "attic")
    assert reader.latest("cellar") is None
    assert reader.newest() == [reading(9, "attic"), reading(4)]
    assert reader.standings() == wanted[1]
    status = reader.status()
    assert status
    assert (status.readings, status.destinations) == (5, wanted[1])
    assert contents(path) == before


def test_a_journal_that_nobody_has_open(path: Path) -> None:
    before = sorted(file.name for file in path.parent.iterdir())
    JournalReader(path).status()
    assert sorted(file.name for file in path.parent.iterdir()) == before == [path.name, path.name + ".lock"]
    read_everything(path)


def test_a_journal_that_a_service_has_open(path: Path) -> None:
    with Journal(path) as service:
        service.send_again(B, [])
        assert companions(path)[0].exists()
        read_everything(path)
        service.add([reading(10, "attic")])
        assert JournalReader(path).latest("attic") == reading(10, "attic")


def test_a_journal_that_a_killed_service_left(path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from usbrh.journal.store import Journal\n"
        "from tests.support.journal import reading\n"
        "Journal(Path(sys.argv[1])).add([reading(10, 'attic')]); os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert companions(path)[0].stat().st_size > 0
    before = contents(path)
    assert JournalReader(path).latest("attic") == reading(10, "attic")
    status = JournalReader(path).status()
    assert status
    assert status.readings == 6
    assert contents(path) == before


def test_no_journal_and_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "none" / "journal.db"
    for _ in range(2):
        reader = JournalReader(path)
        assert (reader.latest("attic"), reader.standings(), reader.status()) == (None, None, None)
        assert list(tmp_path.glob("**/*")) == [path.parent, path][: 2 * path.parent.exists()]
        path.parent.mkdir(exist_ok=True)
        path.touch()


def test_a_journal_that_another_process_is_creating(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        assert path.stat().st_size
        assert JournalReader(path).status() is None
        JournalReader(path).check()
        db.execute("BEGIN IMMEDIATE")
        db.execute("CREATE TABLE reading (id)")
        assert JournalReader(path).status() is None


@pytest.mark.parametrize("content", [b"x" * 100, b"x" * 5000, b"SQLite format 3\0" + bytes(4080)])
def test_a_file_that_is_no_journal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(JournalError, match="it is not a file of usbrh") as caught:
        JournalReader(path).latest("attic")
    assert caught.value.remedy == "set another file as path in [journal]"
    assert contents(path) == {path.name: content}


def test_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "music.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE reading (title)")
    db.close()
    before = contents(path)
    with pytest.raises(JournalError, match="a database of another program"):
        JournalReader(path).latest("attic")
    assert contents(path) == before


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file(tmp_path: Path, make: "object") -> None:
    path = tmp_path / "journal.db"
    assert callable(make)
    make(path)
    with pytest.raises(JournalError, match="it is not a file of usbrh"):
        JournalReader(path).status()


def test_damage_is_reported_and_left_to_the_service(path: Path) -> None:
    flip(path, 4)
    before = contents(path)
    with pytest.raises(JournalError, match="the checksum of reading 4 is wrong") as caught:
        JournalReader(path).latest("living-room")
    assert caught.value.remedy == "repair it: usbrh journal flush"
    assert JournalReader(path).latest("attic") == reading(9, "attic")
    assert contents(path) == before


@pytest.mark.parametrize("number", [1, 4], ids=["delivered", "waiting"])
def test_the_remedy_for_damage_works_without_a_server(path: Path, number: int) -> None:
    with Journal(path) as journal:
        journal.acknowledge(B, [1, 2, 3])
    flip(path, number)
    done = usbrh("journal", "flush", USBRH_JOURNAL_PATH=str(path))
    assert (done.returncode, "no Zabbix server is configured" in done.stderr) == (2, True)
    assert "recovered: " in done.stderr
    assert JournalReader(path).latest("living-room") is not None


@pytest.mark.parametrize("change", ["time_ns = 'x'", "time_ns = x'00'", "body = '{}'"])
def test_a_row_that_another_program_changed_is_damage(path: Path, change: str) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE reading SET {change} WHERE id = 1")
    reader = JournalReader(path)
    with pytest.raises(JournalError, match="repair it: usbrh journal flush"):
        list(reader.points(0, 2**62, ["living-room"], ["humidity"])) if "body" in change else reader.status()


def test_a_question_waits_shortly_for_a_program_that_writes(path: Path) -> None:
    """An agent waits 3 s for its answer, which may need several questions and a measurement."""
    assert JournalReader(path)._run(lambda db: db.execute("PRAGMA busy_timeout").fetchone()) == (300,)


def test_a_log_without_its_index(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "journal.db"
    copy.parent.mkdir()
    with Journal(path) as service:
        service.add([reading(10, "attic")])
        for file in (path, companions(path)[0]):
            shutil.copy(file, copy.parent)
    before = contents(copy)
    assert JournalReader(copy).latest("attic") == reading(10, "attic")
    assert {file.name: file.read_bytes() for file in copy.parent.iterdir()} == before
