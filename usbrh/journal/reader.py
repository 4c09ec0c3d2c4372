"""Read-only access to the journal, for the agent and ``usbrh doctor``. It never creates, repairs or changes the file.

The agent imports this at each question, so what it seldom needs is imported inside functions.
"""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from usbrh.errors import JournalError
from usbrh.journal.rows import ENTRY, Damaged, Entry
from usbrh.journal.schema import has_tables
from usbrh.paths import stat_or_none
from usbrh.reading import Reading

if TYPE_CHECKING:
    from usbrh.journal.queries import DestinationStatus, Status

T = TypeVar("T")
BUSY_SECONDS = 0.3
"""How long a query waits for programs that write."""


class JournalReader:
    """The journal at ``path``. All methods return None if there is none yet.

    Every method raises JournalError if the file can't be read: no permission, damaged, no journal of this version.
    """

    def __init__(self, path: Path) -> None:
        """``path``: of the file, or of a link to it."""
        self.path = Path(os.path.realpath(path))

    def latest(self, sensor: str) -> Reading | None:
        """The reading of ``sensor`` that was added last; None also if there is none."""

        def query(db: sqlite3.Connection) -> Reading | None:
            text = f"SELECT {ENTRY} FROM reading WHERE sensor = ? ORDER BY id DESC LIMIT 1"  # noqa: S608
            row = db.execute(text, (sensor,)).fetchone()
            return Entry.from_row(row).reading if row else None

        return self._run(query)

    def standings(self) -> "list[DestinationStatus] | None":
        """The status of each destination; quick, however many readings there are."""
        from usbrh.journal import queries  # noqa: PLC0415

        return self._run(queries.standings)

    def status(self) -> "Status | None":
        """What the journal contains, and the status of each destination. Counts all readings."""
        from usbrh.journal import queries  # noqa: PLC0415

        return self._run(lambda db: queries.status(db, self.path))

    def _run(self, query: Callable[[sqlite3.Connection], T]) -> T | None:
        """The result of ``query``, which sees the file as it is at one moment."""
        try:
            if not self._has_content():
                return None
            with closing(self._connect()) as db:
                db.execute("BEGIN")
                has_tables(db, self.path)
                return query(db)
        except (sqlite3.Error, OSError, Damaged, UnicodeDecodeError) as error:
            raise self._explained(error) from error

    def _has_content(self) -> bool:
        found = stat_or_none(self.path)
        if found and not stat.S_ISREG(found.st_mode):  # to open a named pipe could block
            raise OSError("it is not a file")
        return bool(found and found.st_size)

    def _connect(self) -> sqlite3.Connection:
        """A connection that creates no file; SQLite alone would create a missing write-ahead log or its index.

        If one of them is missing, no program has the file open, and no lock is needed.
        """
        log, index = (self.path.with_name(self.path.name + suffix) for suffix in ("-wal", "-shm"))
        how = "&immutable=1" if not log.exists() else "&vfs=unix-none" if not index.exists() else ""
        uri = f"file:{quote(str(self.path))}?mode=ro{how}"
        db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
        if "unix-none" in how:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")  # the index stays in memory
        return db

    def _explained(self, error: Exception) -> JournalError:
        from usbrh.journal.errors import explained  # noqa: PLC0415

        if not os.access(self.path, os.R_OK):
            return explained(error, self.path)
        return JournalError(f"the journal {self.path} can't be read: {error}", remedy="see: usbrh journal status")
