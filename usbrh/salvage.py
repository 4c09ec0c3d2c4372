"""What is done with a damaged journal: it is kept under another name, and what is sound in it goes into a new one.

The rows are read from the file's pages themselves, not through SQLite, which gives up at the first bad page. Every row
has a checksum, so what is found is either as it was written or not taken. The write-ahead log is read as well.

Format: https://www.sqlite.org/fileformat2.html, §1.6 (b-tree pages), §2.1 (records), §4 (the log).
"""

import os
import shutil
import sqlite3
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from usbrh.journal_file import companions, connect
from usbrh.journal_rows import Damaged, Entry, Place, entry, place_of, write_place
from usbrh.reading import format_time

LEAF = 0x0D
"""First byte of a page that holds a table's rows."""
WAL_HEADER, FRAME_HEADER = 32, 24
SPARE = 1_000_000
"""Numbers left out behind the highest one found: more than the readings that were added last and can't be found."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a damaged journal."""

    aside: Path
    """Where it is kept."""
    readings: int
    """How many were saved from it."""
    places_known: bool
    """Whether it is known what each destination has taken; if not, everything waits again."""


def is_damage(error: Exception) -> bool:
    """Whether ``error`` says that the file itself is not sound."""
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    # A schema that lost a table or a column is an ordinary SQLITE_ERROR; text that is no UTF-8 has no code at all.
    schema = code == sqlite3.SQLITE_ERROR and str(error).startswith("no such ")
    text = isinstance(error, sqlite3.OperationalError) and str(error).startswith("Could not decode to UTF-8")
    short = extended == sqlite3.SQLITE_IOERR_SHORT_READ
    damaged = isinstance(error, Damaged) or schema or text or short
    return damaged or code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def rebuild(path: Path, time_ns: int) -> Saved:
    """Put a new journal with all that is sound in the place of the damaged one at ``path``.

    The damaged one is kept as ``journal.db.damaged-<time>``. Nobody else may use the file meanwhile.

    Raises:
        OSError, sqlite3.Error: there is no room for it, or no permission; the damaged one is where it was.
    """
    entries, known = _sound_rows(path)
    new = path.with_name(f"{path.name}.new")
    _remove(new)
    _write(new, entries, known)
    aside = _free_name(path, time_ns)
    wal, shm = companions(path)
    _keep(path, aside)
    if wal.exists():
        _keep(wal, companions(aside)[0])
    # The log goes before the new file comes: SQLite would apply an old log to a new file.
    wal.unlink(missing_ok=True)
    shm.unlink(missing_ok=True)
    new.replace(path)
    return Saved(aside, len(entries), bool(known))


def _keep(file: Path, aside: Path) -> None:
    try:
        os.link(file, aside)
    except OSError:  # a file system without hard links
        shutil.copy2(file, aside)


def _free_name(path: Path, time_ns: int) -> Path:
    name = f"{path.name}.damaged-{format_time(time_ns)[:19].replace('-', '').replace(':', '')}Z"
    aside, number = path.with_name(name), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{name}-{number}")
    return aside


def _remove(path: Path) -> None:
    for file in (path, *companions(path)):
        file.unlink(missing_ok=True)


def _write(path: Path, entries: dict[int, Entry], known: list[Place]) -> None:
    """A new journal of ``entries``, and the places in it.

    What may still wait is numbered anew, behind every number ever given: without gaps, because what waits is counted
    by the numbers; and so that the old ones, which another process may be delivering right now, mean nothing any more.
    """
    owner = path.parent.stat()
    db = connect(path)
    try:
        db.execute("BEGIN IMMEDIATE")
        numbers = sorted(entries)
        settled = min((place.settled for place in known if not place.gone), default=0)
        kept, moved = numbers[: bisect_right(numbers, settled)], numbers[bisect_right(numbers, settled) :]
        last = max([*numbers, *(place.position for place in known)], default=0) + SPARE
        for number in kept:
            db.execute("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?)", entries[number].row)
        for number, old in enumerate(moved, last + 1):
            db.execute("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?)", replace(entries[old], id=number).row)
        db.execute("DELETE FROM sqlite_sequence")
        db.execute("INSERT INTO sqlite_sequence VALUES ('reading', ?)", (last + len(moved),))
        for place in known:
            # What was refused or skipped is known no more: all since then waits again.
            position = place.settled if place.settled < settled else last + bisect_right(moved, place.settled)
            write_place(db, replace(place, position=position))
        db.execute("COMMIT")
    finally:
        db.close()
    if os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid)


def _sound_rows(path: Path) -> tuple[dict[int, Entry], list[Place]]:
    """All rows with a right checksum, the places only when they can be trusted as a whole."""
    entries: dict[int, Entry] = {}
    known: dict[int, Place] = {}
    at: dict[tuple[int, str], int] = {}
    for page in _pages(path):
        for rowid, values in _rows(page):
            with suppress(Damaged, TypeError, ValueError, AttributeError):
                if len(values) == 6:
                    found = entry((rowid, *values[1:]))
                    # A page that was freed or rewritten may hold a row of an earlier file's life as well.
                    if at.setdefault((found.time_ns, found.sensor), found.id) == found.id:
                        entries[found.id] = found
                elif len(values) == 11:
                    place = place_of((rowid, *values[1:]))
                    # Older copies stay in the log and in free space.
                    known[place.id] = max(known.get(place.id, place), place, key=lambda each: each.serial)
    complete = len(known) == max((place.total for place in known.values()), default=0)
    return entries, sorted(known.values(), key=lambda place: place.id) if complete else []


def _pages(path: Path) -> Iterator[bytes]:
    """The pages of the file, then those of its log, oldest first."""
    data = path.read_bytes()
    size = int.from_bytes(data[16:18], "big")
    size = 65536 if size == 1 else size
    if size < 512 or size & (size - 1):
        size = 4096
    for start in range(0, len(data), size):
        # The first page begins with the file's header.
        yield data[start : start + size].ljust(size, b"\0")
    wal = companions(path)[0]
    if wal.exists():
        log = wal.read_bytes()
        for start in range(WAL_HEADER, len(log), FRAME_HEADER + size):
            yield log[start + FRAME_HEADER : start + FRAME_HEADER + size].ljust(size, b"\0")


def _rows(page: bytes) -> Iterator[tuple[int, list[Any]]]:
    """The rows of a table's leaf page: their ids and columns; what makes no sense is left out."""
    if page[0] != LEAF:
        return
    count = int.from_bytes(page[3:5], "big")
    for number in range(min(count, (len(page) - 8) // 2)):
        offset = int.from_bytes(page[8 + 2 * number : 10 + 2 * number], "big")
        with suppress(IndexError, ValueError):
            length, start = _varint(page, offset)
            rowid, start = _varint(page, start)
            if start + length <= len(page):  # a longer row goes on in another page, which none of ours does
                yield rowid, _record(page[start : start + length])


def _varint(data: bytes, start: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[start + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, start + index + 1
    return value << 8 | data[start + 8], start + 9


def _record(data: bytes) -> list[Any]:
    header, at = _varint(data, 0)
    types = []
    while at < header:
        kind, at = _varint(data, at)
        types.append(kind)
    values: list[Any] = []
    for kind in types:
        size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
        raw = data[at : at + size]
        at += size
        if len(raw) < size:
            raise ValueError("cut off")
        if kind in {8, 9}:
            values.append(kind - 8)
        elif 1 <= kind <= 6:
            values.append(int.from_bytes(raw, "big", signed=True))
        elif kind >= 13 and kind % 2:
            values.append(raw.decode())
        else:
            values.append(None)
    return values
