"""What is done with a damaged journal: it is kept under another name, and what is sound in it goes into a new one.

The rows are read from the file's pages themselves, not through SQLite, which gives up at the first bad page. Every row
has a checksum, so what is found is either as it was written or not taken. The write-ahead log is read as well. A
journal can have millions of rows: they go from one file into the other page by page, in little memory.

Format: https://www.sqlite.org/fileformat2.html, §1.6 (b-tree pages), §2.1 (records), §4 (the log).
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from usbrh.journal.file import companions, connect, replacement, sync
from usbrh.journal.rows import ENTRY, Damaged, Entry, Place, entry, place_of, write_place
from usbrh.reading import format_time

LEAF = 0x0D
"""First byte of a page that holds a table's rows."""
WAL_HEADER, FRAME_HEADER = 32, 24
SPARE = 1_000_000
"""Numbers left out behind the highest one found: more than the readings that were added last and can't be found."""
STEP = 250
"""Pages, and readings that are numbered anew, between two words of progress: less than a second's work."""


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


def rebuild(path: Path, time_ns: int, progress: Callable[[], object]) -> Saved:
    """Make a new journal of all that is sound in the damaged one at ``path``: its ``replacement``.

    The damaged one is kept as ``journal.db.damaged-<time>``. Nobody else may use the file meanwhile. ``progress`` is
    called again and again: it takes a minute for every million or two of readings.

    Raises:
        OSError, sqlite3.Error: there is no room for it, or no permission; the damaged one is where it was.
    """
    new = path.with_name(f"{path.name}.new")
    _remove(new)
    # The new file is as large as the old one. Without that much, each access would fill the disk up in vain.
    if shutil.disk_usage(path.parent).free < path.stat().st_size:
        raise OSError(errno.ENOSPC, "no room for what is sound in it")
    aside = _free_name(path, time_ns)
    wal = companions(path)[0]
    try:
        readings, known = _write(new, path, progress)
        sync(new)
        _keep(path, aside)
        if wal.exists():
            _keep(wal, companions(aside)[0])
        sync(path.parent)
        new.replace(replacement(path))
    except BaseException:
        _remove(new)
        _remove(aside)
        raise
    return Saved(aside, readings, known)


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


def _write(new: Path, damaged: Path, progress: Callable[[], object]) -> tuple[int, bool]:
    """A new journal of what is sound: the number of readings, and whether the places are known."""
    owner = new.parent.stat()
    db = connect(new, "OFF")
    try:
        db.execute("BEGIN IMMEDIATE")
        copy = _Copy(db)
        for number, page in enumerate(_pages(damaged)):
            copy.take(page)
            if number % STEP == 0:
                progress()
        known = copy.places()
        copy.number(known, progress)
        db.execute("COMMIT")
        # Now: a reader of the file at its place, such as an agent, could forbid the switch.
        db.execute("PRAGMA journal_mode = WAL")
    finally:
        db.close()
    if os.geteuid() == 0:
        os.chown(new, owner.st_uid, owner.st_gid)
    return copy.readings, bool(known)


class _Copy:
    """What is sound, on its way into the new file ``db``."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.readings = 0
        self._db = db
        self._places: dict[int, Place] = {}
        self._misfits: list[Entry] = []
        """Readings whose number another has: few if any, left by a transaction that came to nothing."""

    def take(self, page: bytes) -> None:
        """Take the rows with a right checksum."""
        for rowid, values in _rows(page):
            with suppress(Damaged, TypeError, ValueError, AttributeError):
                if len(values) == 6:
                    self._take(entry((rowid, *values[1:])))
                elif len(values) in {11, 13}:  # schema 1, or not written since
                    place = place_of((rowid, *values[1:], 0, 0)[:13])
                    # Older copies stay in the log and in free space.
                    self._places[place.id] = max(self._places.get(place.id, place), place, key=lambda each: each.serial)

    def _take(self, found: Entry) -> None:
        if self._insert(found):
            return
        query = "SELECT id FROM reading WHERE time_ns = ? AND sensor = ?"
        there = self._db.execute(query, (found.time_ns, found.sensor)).fetchone()
        if there is None:
            self._misfits.append(found)
        elif there[0] < found.id:
            # Free pages hold what was deleted, and the same reading may have come once more since: that one may wait.
            self._db.execute("DELETE FROM reading WHERE id = ?", there)
            self.readings -= 1
            self._take(found)

    def _insert(self, new: Entry) -> bool:
        done = self._db.execute("INSERT OR IGNORE INTO reading VALUES (?, ?, ?, ?, ?, ?)", new.row).rowcount == 1
        self.readings += done
        return done

    def places(self) -> list[Place]:
        """The places, when they can be trusted as a whole."""
        complete = len(self._places) == max((place.total for place in self._places.values()), default=0)
        return sorted(self._places.values(), key=lambda place: place.id) if complete else []

    def number(self, known: list[Place], progress: Callable[[], object]) -> None:
        """Give new numbers to all that may still wait, and write the places ``known``.

        They come behind every number ever given: without gaps, because what waits is counted by the numbers; and so
        that the old ones, which another process may be delivering right now, mean nothing any more.
        """
        settled = min((place.settled for place in known if not place.gone), default=0)
        highest = self._db.execute("SELECT max(id) FROM reading").fetchone()[0] or 0
        given = [highest, *(each.id for each in self._misfits), *(place.position for place in known)]
        last = max(given) + SPARE

        def moved(number: int) -> int:
            query = "SELECT count(*) FROM reading WHERE id > ? AND id <= ?"
            passed = int(self._db.execute(query, (settled, number)).fetchone()[0])
            return number if number < settled else last + passed

        # What was rejected or skipped is known no more: all since then waits again.
        new_places = [
            replace(
                place,
                position=moved(place.settled),
                absent_after=moved(min(place.absent_after, place.settled)),
                absent_until=moved(min(place.absent_until, place.settled)),
            )
            for place in known
        ]
        number = last
        query = f"SELECT {ENTRY} FROM reading WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"  # noqa: S608
        while rows := self._db.execute(query, (settled, last, STEP)).fetchall():
            for row in rows:
                number += 1
                new = replace(entry(row), id=number).row
                self._db.execute("UPDATE reading SET id = ?, crc = ? WHERE id = ?", (number, new[-1], row[0]))
            progress()
        for misfit in self._misfits:
            number += self._insert(replace(misfit, id=number + 1))
        self._db.execute("DELETE FROM sqlite_sequence")
        self._db.execute("INSERT INTO sqlite_sequence VALUES ('reading', ?)", (number,))
        for place in new_places:
            write_place(self._db, place)


def _pages(path: Path) -> Iterator[bytes]:
    """The pages of the file, then those of its log, oldest first."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(18)[16:], "big")
        size = 65536 if size == 1 else size
        if size < 512 or size & (size - 1):
            size = 4096
        file.seek(0)  # the first page begins with the file's header
        while page := file.read(size):
            yield page.ljust(size, b"\0")
    with suppress(FileNotFoundError), companions(path)[0].open("rb") as log:
        log.seek(WAL_HEADER)
        while frame := log.read(FRAME_HEADER + size):
            yield frame[FRAME_HEADER:].ljust(size, b"\0")


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
