"""Readings for a journal, the readings that wait in it, a file of an old version, and a damaged file."""

import json
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from usbrh.clock import NS
from usbrh.journal.file import companions
from usbrh.journal.rows import Entry, checksum
from usbrh.journal.schema import APPLICATION_ID
from usbrh.journal.store import Journal, State
from usbrh.reading import Reading

START = 1_790_000_000 * NS
A, B, C = "a.example:10051", "b.example", "c1;c2"


class OpenJournal(Protocol):
    """A function that opens a journal."""

    def __call__(self, path: Path, **options: Any) -> Journal:
        """Open the journal at ``path`` with the options of ``Journal``."""
        ...


def reading(number: int, sensor: str = "living-room", *, simulated: bool = False) -> Reading:
    """Return the reading of minute ``number``. Each number gives another value."""
    return Reading(
        sensor, "1-1", "USB-RH", START + number * 60 * NS + number, 20.0 + number / 100, 50.0, simulated=simulated
    )


def readings(count: int, first: int = 1) -> list[Reading]:
    """Return ``count`` readings, one per minute."""
    return [reading(number) for number in range(first, first + count)]


def waiting(journal: Journal, destination: str) -> list[int]:
    """Return the numbers of the readings that wait for ``destination``."""
    return [entry.id for entry in journal.waiting(destination, 1000)]


def states(journal: Journal, destination: str) -> list[State]:
    """Return the state of each reading at ``destination``."""
    return [found[destination].state for _, found in journal.export()]


def old_journal(path: Path, schema: int) -> None:
    """Create a journal as an earlier version did."""
    db = sqlite3.connect(path)
    db.executescript(
        f"CREATE TABLE reading (id INTEGER PRIMARY KEY); CREATE TABLE held (reading INTEGER);"
        f" PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {schema};"
    )
    db.close()


def flip(path: Path, number: int) -> None:
    """Flip a bit of a reading in the file."""
    content = path.read_bytes()
    stored = str(Entry.of(reading(number)).row[4]).encode()
    assert content.count(stored) == 1
    path.write_bytes(content.replace(stored, bytes([stored[0] ^ 1]) + stored[1:]))


OLD = {
    2: """
        CREATE TABLE reading (id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, sensor TEXT NOT NULL,
         simulated INTEGER NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL, UNIQUE (time_ns, sensor));
        CREATE INDEX reading_sensor ON reading (sensor);
        CREATE TABLE destination (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, position INTEGER NOT NULL,
         settled INTEGER NOT NULL, open INTEGER NOT NULL, gone INTEGER NOT NULL, delivered INTEGER NOT NULL,
         expired INTEGER NOT NULL, total INTEGER NOT NULL, serial INTEGER NOT NULL, crc INTEGER NOT NULL,
         absent_after INTEGER NOT NULL DEFAULT 0, absent_until INTEGER NOT NULL DEFAULT 0);
        CREATE TABLE held (reading INTEGER NOT NULL REFERENCES reading ON DELETE CASCADE, destination INTEGER NOT NULL,
         state TEXT NOT NULL CHECK (state IN ('waiting', 'rejected', 'expired', 'dropped', 'delivered')), reason TEXT,
         PRIMARY KEY (reading, destination)) WITHOUT ROWID;
        CREATE INDEX held_state ON held (destination, state, reading);
    """,
    4: """
        CREATE TABLE reading (id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, sensor TEXT NOT NULL,
         simulated INTEGER NOT NULL, body TEXT NOT NULL, boot INTEGER NOT NULL, boot_ns INTEGER NOT NULL,
         timing INTEGER NOT NULL, crc INTEGER NOT NULL, UNIQUE (time_ns, sensor));
        CREATE INDEX reading_sensor ON reading (sensor);
        CREATE INDEX reading_timing ON reading (timing) WHERE timing != 0;
        CREATE TABLE clock (id INTEGER PRIMARY KEY, boot INTEGER NOT NULL, offset_ns INTEGER NOT NULL,
         newest_ns INTEGER, ever_synchronised INTEGER NOT NULL, synchronised INTEGER NOT NULL, certain INTEGER NOT NULL,
         trusted INTEGER NOT NULL, doubt TEXT, crc INTEGER NOT NULL);
        CREATE TABLE cursor (id INTEGER PRIMARY KEY, destination TEXT NOT NULL, active INTEGER NOT NULL,
         start INTEGER NOT NULL, offset INTEGER NOT NULL, delivered INTEGER NOT NULL, expired INTEGER NOT NULL,
         size INTEGER NOT NULL, complete INTEGER NOT NULL, open_sum INTEGER NOT NULL, active_count INTEGER NOT NULL,
         revision INTEGER NOT NULL, crc INTEGER NOT NULL);
        CREATE TABLE exceptions (reading INTEGER NOT NULL REFERENCES reading ON DELETE CASCADE, cursor INTEGER NOT NULL,
         state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'rejected', 'expired', 'dropped', 'undated')),
         reason TEXT, PRIMARY KEY (reading, cursor)) WITHOUT ROWID;
        CREATE INDEX exceptions_state ON exceptions (cursor, state, reading);
    """,
}
"""The tables of earlier versions, by the number of the schema."""


def earlier_journal(path: Path, schema: int, count: int, rows: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
    """Create a journal of ``count`` readings as an earlier version did, with its log not yet moved into the file.

    ``rows``: of other tables, each with the name of its table. A checksum is added to that of a destination or cursor.
    """
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(f"{OLD[schema]} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {schema};")
    for number, each in enumerate(readings(count), 1):
        spaced = json.dumps(each.to_dict(), ensure_ascii=False)
        values = (number, each.time_ns, each.sensor, 0, spaced, *((7, number, 0) if schema == 4 else ()))
        db.execute(f"INSERT INTO reading VALUES ({', '.join('?' * (len(values) + 1))})", (*values, checksum(values)))
    for table, row in rows:
        if table == "destination":  # schema 1 had no absence
            crc = checksum(row if row[-1] else row[:-2])
            row = (*row[:-2], crc, *row[-2:])  # noqa: PLW2901
        elif table == "cursor":
            row = (*row, checksum(row))  # noqa: PLW2901
        db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
    for file in (path, *companions(path)):
        shutil.copy(file, file.with_name(f"{file.name}.kept"))
    db.close()
    for file in (path, *companions(path)):
        file.with_name(f"{file.name}.kept").replace(file)
