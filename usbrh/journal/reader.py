"""Read-only access to the journal, for all commands that do not deliver. It never creates, repairs or changes the file.

The agent imports this at each question, so what it seldom needs is imported inside functions.
"""

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from usbrh.errors import ClockError, JournalError
from usbrh.journal.owner import as_owner
from usbrh.journal.rows import Damaged, Outdated, check_exceptions
from usbrh.journal.schema import check_size, has_tables, not_a_journal
from usbrh.reading import Reading
from usbrh.system.paths import stat_or_none

if TYPE_CHECKING:
    from collections.abc import Sequence

    from usbrh.journal.queries import DestinationStatus, Exported, Overview, Status
    from usbrh.journal.series import Point
    from usbrh.periods import Unit
    from usbrh.summary import Summary

T = TypeVar("T")
UNUSABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}
"""Errors of a log's index that can't be used."""
BUSY_SECONDS = 0.3
"""How long a query waits for programs that write."""


class JournalReader:
    """The journal at ``path``. All methods return None if there is none yet.

    Every method raises JournalError if the file can't be read: no permission, damaged, no journal of this version.
    """

    def __init__(self, path: Path) -> None:
        """``path``: of the file, or of a link to it."""
        self._given = path
        with as_owner(path):
            self.path = Path(os.path.realpath(path))

    def check(self) -> None:
        """Raise JournalError if the file belongs to another program or version. A damaged journal passes."""
        from usbrh.journal import recovery  # noqa: PLC0415

        try:
            self._read(lambda db: db.execute("SELECT 1 FROM reading LIMIT 1"))
        except (sqlite3.Error, Damaged, UnicodeDecodeError) as error:
            if not recovery.is_damage(error):
                raise
            if not recovery.is_journal(self.path):
                raise not_a_journal(self.path) from error

    def latest(self, sensor: str) -> Reading | None:
        """The reading of ``sensor`` that was added last; None also if there is none."""
        from usbrh.journal.sensors import latest  # noqa: PLC0415

        def query(db: sqlite3.Connection) -> Reading | None:
            found = latest(db, sensor)
            return found.reading if found else None

        return self._run(query)

    def newest(self) -> list[Reading] | None:
        """The reading that was added last of each sensor, by name; quick, however many readings there are."""
        from usbrh.journal import queries  # noqa: PLC0415

        return self._run(queries.newest)

    def overview(self) -> "Overview | None":
        """The newest readings and the deliveries; quick, however many readings there are."""
        from usbrh.journal import queries  # noqa: PLC0415

        return self._run(queries.overview)

    def standings(self) -> "list[DestinationStatus] | None":
        """The status of each destination; quick, however many readings there are."""
        from usbrh.journal import queries  # noqa: PLC0415

        return self._run(queries.standings)

    def clock_problem(self) -> "ClockError | None":
        """Why the system clock is in doubt, as of the last use of the journal; None if it is not."""
        from usbrh.journal import queries  # noqa: PLC0415

        return self._run(queries.clock_problem)

    def status(self) -> "Status | None":
        """What the journal contains, and the status of each destination; quick, however many readings there are."""
        from usbrh.journal import queries  # noqa: PLC0415

        return self._run(lambda db: queries.status(db, self.path))

    def points(
        self, since_ns: int, until_ns: int, sensors: "Sequence[str]", keys: "Sequence[str]"
    ) -> "Iterator[Point]":
        """The values ``keys`` of the readings of ``sensors`` from ``since_ns`` to before ``until_ns``; fast."""
        from usbrh.journal import series  # noqa: PLC0415

        return series.points(self._run, since_ns, until_ns, sensors, keys)

    def export(
        self, since_ns: int | None = None, until_ns: int | None = None, sensors: "Sequence[str]" = ()
    ) -> "Iterator[Exported]":
        """The readings, oldest first, each with its state at each destination.

        From ``since_ns`` to before ``until_ns`` (ns since 1970), and of ``sensors``; by default all. With a limit of
        time, the ``undated`` readings are left out.
        """
        from usbrh.journal import queries  # noqa: PLC0415

        self._run(check_exceptions)
        if since_ns is None and until_ns is None and not sensors:
            return queries.export(self._run)
        return queries.export_part(self._run, since_ns, until_ns, sensors)

    def undated(self, sensors: "Sequence[str]" = ()) -> int:
        """The number of readings without a known time, of ``sensors`` or of all. Counts all readings."""
        from usbrh.journal import queries  # noqa: PLC0415

        return self._run(lambda db: queries.undated(db, sensors)) or 0

    def summaries(self, since_ns: int, until_ns: int, unit: "Unit", sensors: "Sequence[str]") -> "Iterator[Summary]":
        """The readings of ``sensors`` summed up by period and name, without those that have none.

        The periods are whole: they begin at or before ``since_ns`` (ns since 1970), and end at ``until_ns`` or later.
        """
        from usbrh.journal import statistics  # noqa: PLC0415

        return statistics.summaries(self._run, since_ns, until_ns, unit, sensors)

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T | None:
        """The result of ``query``, which sees the file as it is at one moment. Root reads as the folder's owner."""
        try:
            with as_owner(self._given):
                return self._read(query)
        except (sqlite3.Error, OSError, Damaged, UnicodeDecodeError) as error:
            from usbrh.journal import errors, recovery  # noqa: F401, PLC0415 - the owner may not read the package

            with as_owner(self._given):
                raise self._explained(error) from error

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T | None:
        if not self._has_content():
            return None
        try:
            return self._query(query, alone=False)
        except sqlite3.OperationalError as error:
            # The log's index can't be opened or used: no permission, a full disk, a read-only file system.
            if (getattr(error, "sqlite_errorcode", 0) & 0xFF) not in UNUSABLE:
                raise
            return self._query(query, alone=True)

    def _query(self, query: Callable[[sqlite3.Connection], T], *, alone: bool) -> T | None:
        with closing(self._connect(alone=alone)) as db:
            db.execute("BEGIN")
            # Another process may be creating the journal: it makes the tables a moment after the file.
            return query(db) if has_tables(db, self.path) else None

    def _has_content(self) -> bool:
        found = stat_or_none(self.path)
        if found and not stat.S_ISREG(found.st_mode):  # to open a named pipe could block
            raise not_a_journal(self.path)
        if found:
            check_size(self.path, found.st_size)
        return bool(found and found.st_size)

    def _connect(self, *, alone: bool) -> sqlite3.Connection:
        """A connection that creates no file; SQLite alone would create a missing write-ahead log or its index.

        If one of them is missing, no program has the file open, and no lock is needed. ``alone``: use neither locks nor
        the index, although it is there. A wrong checksum then shows a write at the same moment.
        """
        log, index = (self.path.with_name(self.path.name + suffix) for suffix in ("-wal", "-shm"))
        how = "&immutable=1" if not log.exists() else "&vfs=unix-none" if alone or not index.exists() else ""
        uri = f"file:{quote(str(self.path))}?mode=ro{how}"
        db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        if "unix-none" in how:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")  # the index stays in memory
        return db

    def _explained(self, error: Exception) -> JournalError:
        from usbrh.journal import recovery  # noqa: PLC0415
        from usbrh.journal.errors import unreadable  # noqa: PLC0415

        if not os.access(self.path, os.R_OK, effective_ids=True):
            return unreadable(self.path)
        remedy = "check the disk: dmesg | tail"
        if self.path.is_file() and recovery.is_damage(error):
            if not recovery.is_journal(self.path):
                return not_a_journal(self.path)
            remedy = f"{'convert' if isinstance(error, Outdated) else 'repair'} it: usbrh journal flush"
        return JournalError(f"the journal {self.path} can't be read: {error}", remedy=remedy)


def existing(path: Path) -> JournalReader:
    """The journal at ``path``, to be read.

    Raises:
        JournalError: there is none, or this user can't see whether there is one.
    """
    from usbrh.journal.errors import explained, no_journal, unreadable  # noqa: PLC0415

    with as_owner(path):
        try:
            found = stat_or_none(path)
        except PermissionError as error:
            raise unreadable(path) from error
        except OSError as error:
            raise explained(error, path) from error
    if found is None:
        raise no_journal(path)
    return JournalReader(path)
