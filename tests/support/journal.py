"""Readings to put in a journal, what waits in it, an old file and a damaged one."""

import sqlite3
import zlib
from pathlib import Path

from usbrh.journal import file as journal_file
from usbrh.journal.rows import Entry
from usbrh.journal.store import Journal
from usbrh.reading import Reading

NS = 1_000_000_000
START = 1_790_000_000 * NS
A, B, C = "a.example:10051", "b.example", "c1;c2"


def reading(number: int, sensor: str = "living-room", *, simulated: bool = False) -> Reading:
    """The reading of that minute; each number gives another value."""
    return Reading(
        sensor, "1-1", "USB-RH", START + number * 60 * NS + number, 20.0 + number / 100, 50.0, simulated=simulated
    )


def readings(count: int, first: int = 1) -> list[Reading]:
    """So many readings, one a minute."""
    return [reading(number) for number in range(first, first + count)]


def waiting(journal: Journal, destination: str) -> list[int]:
    """The numbers of the readings that wait for ``destination``."""
    return [entry.id for entry in journal.waiting(destination, 1000)]


def schema_1(path: Path) -> None:
    """A file as the first schema had it: A took 1 and 2, 3 was rejected, 4 waits; B left after 1."""
    db = sqlite3.connect(path)
    db.executescript(f"{journal_file.MIGRATIONS[0]}; PRAGMA application_id = {journal_file.APPLICATION_ID};")
    db.execute("PRAGMA user_version = 1")
    for number, each in enumerate(readings(4), 1):
        db.execute(
            "INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?)",
            Entry(number, each.time_ns, each.sensor, False, each.to_json()).row,
        )
    db.execute("INSERT INTO held VALUES (3, 1, 'rejected', 'no item')")
    for row in ((1, A, 3, 2, 3, 0, 2, 0, 2, 7), (2, B, 1, 1, 0, 1, 1, 0, 2, 8)):
        checksum = zlib.crc32("\0".join(map(str, row)).encode())
        db.execute(f"INSERT INTO destination VALUES ({', '.join('?' * 11)})", (*row, checksum))
    db.commit()
    db.close()


def flip(path: Path, number: int) -> None:
    """Flip a bit of a reading in the file."""
    content = path.read_bytes()
    body = reading(number).to_json().encode()
    assert content.count(body) == 1
    path.write_bytes(content.replace(body, bytes([body[0] ^ 1]) + body[1:]))
