"""A journal of an earlier version is upgraded: no reading and no state of a destination is lost."""

import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.journal import OLD, OpenJournal, earlier_journal, reading, readings, states, waiting
from usbrh.errors import JournalError
from usbrh.journal import file as journal_file
from usbrh.journal import upgrade
from usbrh.journal.reader import JournalReader
from usbrh.journal.rows import checksum
from usbrh.journal.schema import PAGE_SIZE, SCHEMA, UPGRADABLE
from usbrh.journal.store import Journal

ROWS = {
    2: [
        # id, text, position, settled, open, gone, delivered, expired, total, serial; then absent after and until
        ("destination", (1, "A.example:10051", 10, 3, 4 + 7, 0, 8, 1, 3, 9, 0, 0)),
        ("destination", (2, "b.example", 12, 12, 0, 0, 6, 0, 3, 4, 4, 9)),
        ("destination", (3, "c1;c2:10052", 5, 0, 1, 1, 4, 0, 3, 4, 0, 0)),
        ("held", (4, 1, "waiting", None)),
        ("held", (7, 1, "rejected", "no item")),
        ("held", (2, 1, "expired", "more than 9 waited")),
        ("held", (6, 2, "delivered", None)),
        ("held", (1, 3, "rejected", "no item")),
    ],
    4: [
        # id, destination, active, start, offset, delivered, expired, size, complete, open_sum, active_count, revision
        ("cursor", (1, "a.example", 1, 0, 10, 8, 1, 16, 3, 4 + 7, 2, 9)),
        ("cursor", (2, "b.example", 0, 0, 4, 4, 0, 0, 4, 0, 1, 3)),
        ("cursor", (3, "c1;c2:10052", 0, 0, 5, 4, 0, 0, 5, 0, 2, 4)),
        ("cursor", (4, "b.example", 1, 9, 12, 2, 0, 0, 12, 0, 2, 4)),
        ("exceptions", (4, 1, "waiting", None)),
        ("exceptions", (7, 1, "rejected", "no item")),
        ("exceptions", (2, 1, "expired", "more than 9 waited")),
        ("exceptions", (6, 4, "delivered", None)),
        ("exceptions", (1, 3, "dropped", None)),
    ],
}
WANTED = {
    "a.example": "delivered expired delivered waiting delivered delivered rejected" + " delivered" * 3 + " waiting" * 5,
    "b.example": "delivered " * 4 + "dropped delivered dropped dropped dropped" + " delivered" * 3 + " waiting" * 3,
    "c1;c2:10052": "dropped" + " delivered" * 4 + " dropped" * 10,
}


@pytest.mark.parametrize("schema", UPGRADABLE)
def test_nothing_is_lost(tmp_path: Path, schema: int, open_journal: OpenJournal) -> None:
    path = tmp_path / "journal.db"
    earlier_journal(path, schema, 15, ROWS[schema])
    journal = open_journal(path, keep=1e9)
    assert {each: " ".join(states(journal, each)) for each in WANTED} == WANTED
    entries = [entry for entry, _ in journal.export()]
    assert [(entry.id, entry.reading, entry.body) for entry in entries] == [
        (number, each, each.to_json()) for number, each in enumerate(readings(15), 1)
    ]
    assert [entry.boot for entry in entries] == ([7] * 15 if schema == 4 else [0] * 15)
    status = journal.status()
    assert [(each.destination, each.waiting, each.delivered, each.expired) for each in status.destinations] == [
        ("a.example", 6, 8, 1),
        ("b.example", 3, 6 if schema == 2 else 2, 0),
    ]
    assert [(each.first, each.reason) for each in journal.rejected("a.example")] == [(7, "no item")]
    assert journal.request_size("a.example") == (16 if schema == 4 else 0)
    assert status.readings == 15
    journal.check()
    assert journal.add([reading(16)]) == [16]
    journal.sync_destinations(["a.example", "b.example"])
    journal.acknowledge("a.example", waiting(journal, "a.example"))
    journal.acknowledge("b.example", waiting(journal, "b.example"))
    assert waiting(journal, "b.example") == []
    journal.close()
    with closing(sqlite3.connect(path)) as db:
        found = [
            db.execute(f"PRAGMA {each}").fetchone()[0] for each in ("integrity_check", "user_version", "page_size")
        ]
    assert found == ["ok", SCHEMA, PAGE_SIZE]
    assert {file.name for file in tmp_path.iterdir()} == {path.name, f"{path.name}.lock"}


@pytest.mark.parametrize("schema", UPGRADABLE)
def test_an_empty_one(tmp_path: Path, schema: int, open_journal: OpenJournal) -> None:
    path = tmp_path / "journal.db"
    earlier_journal(path, schema, 0, [])
    assert open_journal(path).add(readings(2)) == [1, 2]


@pytest.mark.parametrize("schema", UPGRADABLE)
def test_a_command_that_only_reads_names_the_one_that_upgrades(tmp_path: Path, schema: int) -> None:
    path = tmp_path / "journal.db"
    earlier_journal(path, schema, 3, [])
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        JournalReader(path).status()
    assert caught.value.message == (
        f"the journal {path} can't be read: an older usbrh wrote it (schema {schema}, this version needs {SCHEMA})"
    )
    assert caught.value.remedy == "upgrade it: usbrh journal flush"
    assert path.read_bytes() == before
    environment = os.environ | {"USBRH_JOURNAL_PATH": str(path)}
    subprocess.run(
        [sys.executable, "-m", "usbrh", "journal", "flush"], env=environment, capture_output=True, check=False
    )
    status = JournalReader(path).status()
    assert status is not None
    assert status.readings == 3


DAMAGE = {
    "a reading": "UPDATE reading SET body = replace(body, '50.0', '51.0') WHERE id = 2",
    "a reading that is no JSON": "UPDATE reading SET body = 'x' WHERE id = 2",
    "a destination": "UPDATE {1} SET delivered = 77",
    "an exception": "DELETE FROM {0} WHERE state = 'waiting'",
}


@pytest.mark.parametrize("schema", UPGRADABLE)
@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_one_stays_as_it_is(tmp_path: Path, schema: int, what: str, open_journal: OpenJournal) -> None:
    path = tmp_path / "journal.db"
    earlier_journal(path, schema, 15, ROWS[schema])
    tables = ("held", "destination") if schema == 2 else ("exceptions", "cursor")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(DAMAGE[what].format(*tables))
    before = path.read_bytes()
    with pytest.raises(JournalError, match=f"can't be upgraded from schema {schema}") as caught:
        open_journal(path).add(readings(1))
    assert str(caught.value.remedy).startswith("move it away: ")
    assert path.read_bytes() == before


def test_a_large_one_reports_that_it_continues_and_other_threads_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_journal: OpenJournal
) -> None:
    path = tmp_path / "journal.db"
    earlier_journal(path, 4, 300, [])
    monkeypatch.setattr(upgrade, "STEPS", 5000)
    monkeypatch.setattr(journal_file, "BUSY_SECONDS", 0.5)
    begun = threading.Event()
    calls: list[int] = []

    def progress() -> None:
        calls.append(1)
        if not begun.is_set():
            begun.set()
            time.sleep(1)

    journal = open_journal(path, keep=1e9, progress=progress)
    thread = threading.Thread(target=journal.status)
    thread.start()
    assert begun.wait(20)
    assert journal.status().readings == 300
    thread.join(20)
    assert len(calls) > 5


KILLED = """
import os, signal, sys
from pathlib import Path
from usbrh.journal import upgrade
from usbrh.journal.store import Journal
left = int(sys.argv[2])
def step():
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
upgrade.STEPS = 100
Journal(Path(sys.argv[1]), progress=step).status()
"""


@pytest.mark.parametrize("schema", UPGRADABLE)
def test_killed_at_any_step(tmp_path: Path, schema: int) -> None:
    step, done = 0, -9
    while done:
        folder = tmp_path / str(step)
        folder.mkdir()
        path = folder / "journal.db"
        earlier_journal(path, schema, 15, ROWS[schema])
        done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(step)], check=False).returncode
        with Journal(path) as journal:
            assert [entry.reading for entry, _ in journal.export()] == readings(15)
            assert {each: " ".join(states(journal, each)) for each in WANTED} == WANTED
        step += 1 + step // 2
    assert step > 10


def test_an_old_reading_keeps_its_keys(tmp_path: Path, open_journal: OpenJournal) -> None:
    """The first edition wrote fewer keys."""
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(f"{OLD[2]} PRAGMA application_id = 0x75736272; PRAGMA user_version = 2;")
        old = {key: value for key, value in reading(1).to_dict().items() if key not in {"remedy", "frost_point"}}
        values = (1, reading(1).time_ns, "living-room", 0, json.dumps(old))
        db.execute("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?)", (*values, checksum(values)))
        db.commit()
    (entry,) = open_journal(path).history()
    assert json.loads(entry.body) == old
