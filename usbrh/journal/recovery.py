"""Repair of a damaged journal: the file is kept under another name, and its sound rows go into a new file.

SQLite stops at the first bad page, so this module reads the pages of the file itself. It needs only a small part of
SQLite's file format (https://www.sqlite.org/fileformat2.html, below "the format"):

- The file is a row of pages of equal size. The size is in the header of the first page (the format, §1.3).
- The rows of a table are in its *leaf pages*. A leaf page begins with the byte 13, the number of its rows, and the
  offset of each row in the page (§1.6). All other pages only help to find them, and are skipped.
- A row is its length, its id, a list with the type of each column, and the columns (§2.1).
- New pages are first written to the write-ahead log, a second file, each after a short header (§4).

A row counts only if its checksum is right (``rows``), so damage can hide a row but can't change one. Pages that SQLite
does not use any more are read too: they can contain older copies of rows, and rows that were deleted.

A journal can have millions of rows. They are copied page by page, in little memory.
"""

import errno
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from usbrh.journal.file import companions, connect, replacement, sync
from usbrh.journal.rows import ENTRY, Cursor, Damaged, Entry, Timing, count_active, write_cursor
from usbrh.journal.schema import APPLICATION_ID, not_a_journal
from usbrh.journal.timing import close_undated, rewrite
from usbrh.journal.updates import INSERT
from usbrh.reading import format_time

MAGIC = b"SQLite format 3\0"
"""The first bytes of the file (the format, §1.3)."""
LEAF = 0x0D
"""First byte of a leaf page of a table (the format, §1.6)."""
WAL_HEADER, FRAME_HEADER = 32, 24
"""Bytes before the first page of the log, and before each page in it (§4.1)."""
ENTRY_COLUMNS, CURSOR_COLUMNS = 9, 13
"""The number of columns shows which table a row is from."""
SPARE = 1_000_000
"""Ids left free after the highest one found. Rows with higher ids may be lost, and their ids must not be used again."""
NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}
"""Errors of link(2) on a file system without hard links, such as FAT."""
STEP = 250
"""Pages, or renumbered readings, between two calls of ``progress``: less than a second of work."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The result of a repair."""

    aside: Path
    """The damaged file."""
    readings: int
    """Number of readings recovered."""
    cursors_known: bool
    """Whether the cursors were recovered. If not, all readings wait again."""


def is_damage(error: Exception) -> bool:
    """Whether ``error`` means that the content of the file is damaged."""
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    # A schema without one of its tables or columns gives an ordinary SQLITE_ERROR, text that is not UTF-8 no code. If
    # SQLite's message quotes such text, Python can't decode the message. A reading that is no JSON is SQLITE_ERROR too.
    schema = code == sqlite3.SQLITE_ERROR and str(error).startswith("no such ")
    text = isinstance(error, sqlite3.OperationalError) and str(error).startswith("Could not decode to UTF-8")
    json = isinstance(error, sqlite3.OperationalError) and str(error) == "malformed JSON"
    short = extended == sqlite3.SQLITE_IOERR_SHORT_READ
    damaged = isinstance(error, Damaged | UnicodeDecodeError) or schema or text or json or short
    return damaged or code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def rebuild(path: Path, time_ns: int, progress: Callable[[], object]) -> Saved:
    """Make the ``replacement`` of the damaged journal at ``path``, of all its sound rows.

    The damaged file is kept as ``journal.db.damaged-<time>``. No other program may use it meanwhile. ``progress`` is
    called about once a second: one to two million readings take a minute.

    Raises:
        OSError, sqlite3.Error: no space, or no permission. The damaged file is where it was.
        JournalError: the file is no journal of usbrh. It is not changed.
    """
    if not is_journal(path):
        raise not_a_journal(path)
    new = path.with_name(f"{path.name}.new")
    _remove(new)
    # The new file is about as large as the old one. With less space, each access would fill the disk and then fail.
    if shutil.disk_usage(path.parent).free < path.stat().st_size:
        raise OSError(errno.ENOSPC, "not enough space to rebuild it")
    aside = _free_name(path, time_ns)
    names = {path: aside, companions(path)[0]: companions(aside)[0]}
    kept = {file: name for file, name in names.items() if file.exists()}
    try:
        readings, cursors_known = _write(new, path, progress)
        sync(new)
        links = _link(kept)
        sync(path.parent)
        new.replace(replacement(path))
    except BaseException:
        _remove(new)
        _remove(aside)
        raise
    if not links:  # a process that is killed here keeps all sound readings, but not the damaged file
        for file, name in kept.items():
            file.rename(name)
    return Saved(aside, readings, cursors_known)


def _link(names: Mapping[Path, Path]) -> bool:
    """Give each file its second name; False if the file system has no hard links."""
    try:
        for file, name in names.items():
            os.link(file, name, follow_symlinks=False)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        return False
    return True


def is_journal(path: Path) -> bool:
    """Whether the damaged file at ``path`` is a journal: a header says so, or a row has a right checksum.

    The header of a journal that was just created is in the log only.

    Raises:
        OSError: the file can't be read.
    """
    for page in _pages(path):
        if page.startswith(MAGIC) and int.from_bytes(page[68:72], "big") == APPLICATION_ID:
            return True
        if any(_sound(*row) for row in _rows(page)):
            return True
    return False


def _sound(rowid: int, values: list[Any]) -> Entry | Cursor | None:
    """The row, if its checksum is right."""
    with suppress(Damaged, TypeError, ValueError, AttributeError):
        if len(values) == ENTRY_COLUMNS:
            return Entry.from_row((rowid, *values[1:]))
        if len(values) == CURSOR_COLUMNS:
            return Cursor.from_row((rowid, *values[1:]))
    return None


def _free_name(path: Path, time_ns: int) -> Path:
    name = f"{path.name}.damaged-{format_time(time_ns)[:19].replace('-', '').replace(':', '')}Z"
    aside, number = path.with_name(name), 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{name}-{number}")
    return aside


def _remove(path: Path) -> None:
    for file in (path, *companions(path)):
        file.unlink(missing_ok=True)


def _write(new: Path, damaged: Path, progress: Callable[[], object]) -> tuple[int, bool]:
    """Write the sound rows of ``damaged`` to ``new``. The number of readings, and whether the cursors are known."""
    db = connect(new, "OFF")
    try:
        db.execute("BEGIN IMMEDIATE")
        copy = _Copy(db)
        for number, page in enumerate(_pages(damaged)):
            copy.add_page(page)
            if number % STEP == 0:
                progress()
        cursors = copy.cursors()
        copy.renumber(cursors, progress)
        close_undated(db)
        db.execute("COMMIT")
        # Before the file is in use: a reader, such as an agent, could prevent the switch.
        db.execute("PRAGMA journal_mode = WAL")
    finally:
        db.close()
    return copy.readings, bool(cursors)


class _Copy:
    """Copies the sound rows into the new file ``db``."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.readings = 0
        self._db = db
        self._cursors: dict[int, Cursor] = {}
        self._misfits: list[Entry] = []
        """Readings with an id that another reading has. At most a few, from a transaction that was not completed."""

    def add_page(self, page: bytes) -> None:
        """Copy the rows of ``page`` whose checksum is right."""
        for row in _rows(page):
            found = _sound(*row)
            if isinstance(found, Entry):
                self._add(found)
            elif found:
                known = self._cursors.setdefault(found.id, found)
                self._cursors[found.id] = max(known, found, key=lambda cursor: cursor.revision)

    def _add(self, found: Entry) -> None:
        if self._insert(found):
            return
        if found.boot and self._replace_earlier(found):
            return
        query = "SELECT id FROM reading WHERE time_ns = ? AND sensor = ?"
        same = self._db.execute(query, (found.time_ns, found.sensor)).fetchone()
        if same is None:
            self._misfits.append(found)
        elif same[0] < found.id:
            # The reading was deleted and added again. The new row is the one that may wait.
            self._db.execute("DELETE FROM reading WHERE id = ?", same)
            self.readings -= 1
            self._add(found)

    def _replace_earlier(self, found: Entry) -> bool:
        """Use ``found`` if it is a later copy of a row, with a corrected time; False if it is another reading."""
        for row in self._db.execute(f"SELECT {ENTRY} FROM reading WHERE id = ?", (found.id,)):  # noqa: S608
            known = Entry.from_row(row)
            if (known.boot, known.boot_ns, known.sensor) != (found.boot, found.boot_ns, found.sensor):
                return False
            if found.timing is not Timing.UNCONFIRMED:
                rewrite(self._db, found)
            return True
        return False

    def _insert(self, new: Entry) -> bool:
        done = self._db.execute(f"INSERT OR IGNORE{INSERT.removeprefix('INSERT')}", new.row).rowcount == 1
        self.readings += done
        return done

    def cursors(self) -> list[Cursor]:
        """The cursors in the order of their ids; none if one of an active destination is missing."""
        found = sorted(self._cursors.values(), key=lambda cursor: cursor.id)
        active = [cursor for cursor in found if cursor.active]
        return found if len(active) == max((cursor.active_count for cursor in active), default=-1) else []

    def renumber(self, cursors: list[Cursor], progress: Callable[[], object]) -> None:
        """Give new ids to all readings that may still wait, and write ``cursors``.

        The new ids are higher than any before. They have no gaps, because what waits is counted by ids. An old id means
        nothing any more, so another process that delivers right now can't acknowledge the wrong reading.
        """
        complete = min((cursor.complete for cursor in cursors if cursor.active), default=0)
        highest = self._db.execute("SELECT max(id) FROM reading").fetchone()[0] or 0
        last = max(highest, *(each.id for each in self._misfits), *(cursor.offset for cursor in cursors), 0) + SPARE

        def moved(number: int) -> int:
            """The new id of the last reading up to the old id ``number``."""
            query = "SELECT count(*) FROM reading WHERE id > ? AND id <= ?"
            after = int(self._db.execute(query, (complete, number)).fetchone()[0])
            return number if number < complete else last + after

        # The exceptions are lost, so every reading after ``complete`` waits again.
        moved_cursors = [
            replace(cursor, start=moved(min(cursor.start, cursor.complete)), offset=moved(cursor.complete))
            for cursor in cursors
        ]
        number = last
        query = f"SELECT {ENTRY} FROM reading WHERE id > ? AND id <= ? ORDER BY id LIMIT ?"  # noqa: S608
        while rows := self._db.execute(query, (complete, last, STEP)).fetchall():
            for row in rows:
                number += 1
                new = Entry.from_row(row)._replace(id=number).row
                self._db.execute("UPDATE reading SET id = ?, crc = ? WHERE id = ?", (number, new[-1], row[0]))
            progress()
        for misfit in self._misfits:
            number += self._insert(misfit._replace(id=number + 1))
        self._db.execute("DELETE FROM sqlite_sequence")
        self._db.execute("INSERT INTO sqlite_sequence VALUES ('reading', ?)", (number,))
        for cursor in sorted(moved_cursors, key=lambda each: not each.active):  # one before them would be paused
            write_cursor(self._db, cursor)
        count_active(self._db)


def _pages(path: Path) -> Iterator[bytes]:
    """The pages of the file, then those of its log, oldest first."""
    with _open_for_reading(path) as file:
        # The format, §1.3.2: the page size is at byte 16; 1 stands for 65536.
        size = int.from_bytes(file.read(18)[16:], "big")
        size = 65536 if size == 1 else size
        if size < 512 or size & (size - 1):
            size = 4096  # damaged: SQLite's default
        file.seek(0)  # the first page includes the file's header
        while page := file.read(size):
            yield page.ljust(size, b"\0")
    with suppress(FileNotFoundError), _open_for_reading(companions(path)[0]) as log:
        log.seek(WAL_HEADER)
        while frame := log.read(FRAME_HEADER + size):
            yield frame[FRAME_HEADER:].ljust(size, b"\0")


def _open_for_reading(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a file")
    return os.fdopen(descriptor, "rb")


def _rows(page: bytes) -> Iterator[tuple[int, list[Any]]]:
    """The rows of a leaf page: id and columns of each. A row that makes no sense is left out.

    The format, §1.6: the number of rows is at byte 3, the list of their offsets begins at byte 8.
    """
    if page[0] != LEAF:
        return
    count = int.from_bytes(page[3:5], "big")
    for number in range(min(count, (len(page) - 8) // 2)):
        offset = int.from_bytes(page[8 + 2 * number : 10 + 2 * number], "big")
        with suppress(IndexError, ValueError):
            length, start = _varint(page, offset)
            rowid, start = _varint(page, start)
            if start + length <= len(page):  # a longer row continues on another page; no row of the journal does
                yield rowid, _columns(page[start : start + length])


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """The number at ``start`` and the offset after it.

    The format, §1.6: up to eight bytes with 7 bits each, whose top bit says that another byte follows, and a ninth byte
    with 8 bits.
    """
    value = 0
    for index in range(8):
        byte = data[start + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, start + index + 1
    return value << 8 | data[start + 8], start + 9


def _columns(record: bytes) -> list[Any]:
    """The columns of a row.

    The format, §2.1: the header is its own length and one number per column. 0 is NULL, 1 to 6 are integers of 1, 2, 3,
    4, 6 and 8 bytes, 7 is a float, 8 and 9 are the integers 0 and 1. From 12 on, an even number is a blob, an odd one
    text, both of (number - 12) // 2 bytes.

    Raises:
        IndexError, ValueError: the record is cut off, or its text is not UTF-8.
    """
    header, at = _varint(record, 0)
    kinds = []
    while at < header:
        kind, at = _varint(record, at)
        kinds.append(kind)
    columns: list[Any] = []
    for kind in kinds:
        size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
        raw = record[at : at + size]
        at += size
        if len(raw) < size:
            raise ValueError("the record is cut off")
        if kind in {8, 9}:
            columns.append(kind - 8)
        elif 1 <= kind <= 6:
            columns.append(int.from_bytes(raw, "big", signed=True))
        elif kind >= 13 and kind % 2:
            columns.append(raw.decode())
        else:
            columns.append(None)
    return columns
