"""Repair of a damaged journal: the file is kept under another name, and its sound rows go into a new file.

A row counts only if its checksum is right (``rows``), so damage can hide a row but can't change one. Pages that SQLite
does not use any more are read too: they can contain older copies of rows, and rows that were deleted.

A journal can have millions of rows. They are copied page by page, in little memory.
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from usbrh.journal import sensors
from usbrh.journal.file import companions, connect, replacement, sync
from usbrh.journal.pages import MAGIC, Pages, Row
from usbrh.journal.rows import ENTRY, Cursor, Damaged, Entry, Timing, count_active, write_cursor
from usbrh.journal.schema import APPLICATION_ID, PAGE_SIZE, not_a_journal
from usbrh.journal.timing import close_undated, rewrite
from usbrh.journal.updates import INSERT
from usbrh.reading import format_time

ENTRY_COLUMNS, CURSOR_COLUMNS = 10, 14
"""The number of columns shows which table a row is from."""
OLD_PAGE_SIZE = 4096
"""Of files that an unreleased version made, in bytes."""
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
    return any(_proofs(path))


def _proofs(path: Path) -> Iterator[bool]:
    with Pages(path) as pages:
        for page in pages:
            header = page.content[:72]
            yield header.startswith(MAGIC) and int.from_bytes(header[68:], "big") == APPLICATION_ID
    with Pages(path, _page_size(path)) as pages:
        for page in pages:
            yield any(_sound(*row) for row in pages.rows(page))


def _page_size(path: Path) -> int:
    """The size of a page. If the headers do not say it, the one with which most rows are found."""
    with Pages(path) as pages:
        if pages.known_size:
            return pages.known_size
    found = {}
    for size in (PAGE_SIZE, OLD_PAGE_SIZE):
        with Pages(path, size) as pages:
            found[size] = sum(1 for page in pages for row in pages.rows(page) if _sound(*row))
    return max(found, key=found.__getitem__)


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
        with Pages(damaged, _page_size(damaged)) as pages:
            for number, page in enumerate(pages):
                copy.add_page(pages.rows(page))
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

    def add_page(self, rows: Iterable[Row]) -> None:
        """Copy the ``rows`` of a page whose checksum is right."""
        for row in rows:
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
        query = "SELECT 1 FROM reading WHERE id = ? OR (time_ns = ? AND sensor = ?)"
        done = not self._db.execute(query, (new.id, new.time_ns, new.sensor)).fetchone()
        if done:
            self._db.execute(INSERT, new.row)
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
        sensors.count(self._db, number)
        for cursor in sorted(moved_cursors, key=lambda each: not each.active):  # one before them would be paused
            write_cursor(self._db, cursor)
        count_active(self._db)
