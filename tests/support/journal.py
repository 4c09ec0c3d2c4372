"""Readings for a journal, the readings that wait in it, a file of an old version, and a damaged file."""

import sqlite3
from pathlib import Path
from typing import Any, Protocol

from usbrh.clock import NS
from usbrh.journal.rows import Entry
from usbrh.journal.schema import APPLICATION_ID
from usbrh.journal.store import Journal, State
from usbrh.reading import Reading
from usbrh.walltime import BUILT_NS

START = BUILT_NS + 20 * 86400 * NS  # usbrh trusts the clock
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


def damaged(path: Path, count: int) -> None:
    """Create a journal with ``count`` readings that wait for A, and flip a bit of the one in the middle."""
    with Journal(path) as journal:
        journal.sync_destinations([A])
        journal.add(readings(count))
    flip(path, count // 2)
