"""The journal's SQLite file: its schema, transactions on it, and who may replace it."""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from usbrh.clock import Deadline
from usbrh.journal.rows import Damaged

T = TypeVar("T")
log = logging.getLogger(__name__)

BUSY_SECONDS = 5.0
"""How long one access waits for other programs."""
OPENINGS = 5
"""How often a transaction opens the file anew, when others replace it or take it away at that very moment."""
APPLICATION_ID = 0x75736272
"""``usbr``, in the file's header: a database without it is somebody else's."""
MIGRATIONS = (
    """
    CREATE TABLE reading (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time_ns INTEGER NOT NULL,
        sensor TEXT NOT NULL,
        simulated INTEGER NOT NULL,
        body TEXT NOT NULL,
        crc INTEGER NOT NULL,
        UNIQUE (time_ns, sensor)
    );
    CREATE INDEX reading_sensor ON reading (sensor);
    CREATE TABLE destination (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL UNIQUE,
        position INTEGER NOT NULL,
        settled INTEGER NOT NULL,
        open INTEGER NOT NULL,
        gone INTEGER NOT NULL,
        delivered INTEGER NOT NULL,
        expired INTEGER NOT NULL,
        total INTEGER NOT NULL,
        serial INTEGER NOT NULL,
        crc INTEGER NOT NULL
    );
    CREATE TABLE held (
        reading INTEGER NOT NULL REFERENCES reading ON DELETE CASCADE,
        destination INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'rejected', 'expired')),
        reason TEXT,
        PRIMARY KEY (reading, destination)
    ) WITHOUT ROWID;
    CREATE INDEX held_state ON held (destination, state, reading);
    """,
    """
    ALTER TABLE destination ADD COLUMN absent_after INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE destination ADD COLUMN absent_until INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE held_2 (
        reading INTEGER NOT NULL REFERENCES reading ON DELETE CASCADE,
        destination INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'rejected', 'expired', 'dropped', 'delivered')),
        reason TEXT,
        PRIMARY KEY (reading, destination)
    ) WITHOUT ROWID;
    INSERT INTO held_2 SELECT reading, destination, state, reason FROM held;
    DROP TABLE held;
    ALTER TABLE held_2 RENAME TO held;
    CREATE INDEX held_state ON held (destination, state, reading);
    """,
)
"""What brings a file from schema version n (``user_version``, the index) to n + 1."""

LASTING = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}
"""Errors that a connection keeps when their cause is mended: SQLite opens a file that can't be written for reading,
without a word; and what was open on a file system that went away and came back is of no use any more."""


class NotOurs(Exception):
    """The file is a sound database that this version must not touch; the text says why."""


@contextmanager
def _names_are_text() -> Iterator[None]:
    """A name in the schema that is no UTF-8 makes Python fail over SQLite's message about it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise Damaged(f"its schema is no text: {error.reason}") from error


@_names_are_text()
def connect(path: Path, journal_mode: str = "WAL") -> sqlite3.Connection:
    """A connection to the journal's file at ``path``, made or migrated when needed.

    ``journal_mode``: SQLite's; OFF takes the least room, for a file that is thrown away when it does not get ready.

    Raises:
        sqlite3.Error, Damaged: it can't be opened, or is no database.
        NotOurs: it is a database of another program or of a newer version.
    """
    if path.exists() and 0 < path.stat().st_size < 512:
        raise Damaged("it is too short for a database")  # SQLite would take it for a new one
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA foreign_keys = ON")
        version = _version(db)
        db.execute(f"PRAGMA journal_mode = {journal_mode}")
        for number in range(version, len(MIGRATIONS)):
            db.executescript(
                f"BEGIN IMMEDIATE; {MIGRATIONS[number]}; PRAGMA application_id = {APPLICATION_ID};"
                f" PRAGMA user_version = {number + 1}; COMMIT;"
            )
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    empty = not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if not empty and db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise NotOurs("it is a database of another program; name another file as [journal] path")
    if version > len(MIGRATIONS):
        raise NotOurs(f"a newer usbrh wrote it (schema {version}); install that one, or name another file")
    return version


def companions(path: Path) -> tuple[Path, Path]:
    """SQLite's write-ahead log of the file at ``path``, and the log's index; never beside a link to the file."""
    real = os.path.realpath(path)
    return Path(real + "-wal"), Path(real + "-shm")


def replacement(path: Path) -> Path:
    """What comes into the place of the file at ``path`` when it is next opened; whole as soon as it has this name."""
    return path.with_name(path.name + ".rebuilt")


def sync(path: Path) -> None:
    """Bring a file or the names in a directory onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class JournalFile:
    """Transactions on the file at ``path``. Not for two threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def close(self) -> None:
        """Let go of the file; the next transaction opens it again."""
        if self._db is not None:
            # The last connection moves the log into the file, which a full disk can forbid.
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def transaction(
        self, work: Callable[[sqlite3.Connection], T], until: Deadline, *, write: bool, durable: bool = True
    ) -> T:
        """Do ``work`` in one transaction; ``durable``: on the disk when it returns.

        ``until``, here and below: how long other programs are waited for.

        Raises:
            sqlite3.Error, OSError, Damaged, NotOurs: it can't be done.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for opened in range(OPENINGS):
            with self._lock(until, exclusive=False):
                if db := self._current():
                    try:
                        return _transaction(db, work, until, write, durable)
                    except sqlite3.Error as error:
                        if not _lasts(error):
                            raise
                        self.close()
                        if opened:
                            raise
            # Opened alone: for a new file the switch to WAL is not safe for two at once. But worked together: counting
            # millions of readings takes longer than the others wait.
            with self._lock(until, exclusive=True):
                self._reopen()
        raise BlockingIOError("it is replaced again and again")

    def replace(self, rebuild: Callable[[], T], until: Deadline) -> T | None:
        """Call ``rebuild``, which makes a ``replacement`` of our file, and put it in its place while nobody uses it.

        None, without calling it, when another process has replaced the file meanwhile.
        """
        with self._lock(until, exclusive=True):
            if self._take_over() or (not self._current() and self._is_sound()):
                return None
            result = rebuild()
            self._take_over()
            # SQLite sees that the file has moved, and leaves the log of the new one alone.
            self.close()
            return result

    def _take_over(self) -> bool:
        """Put the replacement in the place of our file, and say whether there was one.

        Whoever opens the file next completes what was killed in the middle.
        """
        new = replacement(self.path)
        if not new.exists():
            return False
        # The log goes first: SQLite would apply an old log to a new file.
        for file in companions(self.path):
            file.unlink(missing_ok=True)
        sync(self.path.parent)
        new.replace(self.path)
        sync(self.path.parent)
        return True

    def _reopen(self) -> None:
        if self._current():
            return
        if self._take_over():
            log.error("the journal %s was damaged: what was sound in it is used now, it is kept beside it", self.path)
        self.close()
        new = not self.path.exists()
        if new and self._identity:
            log.error("the journal %s was removed; a new one is begun", self.path)
        self._db = connect(self.path)
        self._identity = self._found()
        if new and os.geteuid() == 0:
            # Made by an administrator's command in the service's directory: the service must be able to write it.
            owner = self.path.parent.stat()
            for file in (self.path, *companions(self.path)):
                with suppress(FileNotFoundError):
                    os.chown(file, owner.st_uid, owner.st_gid)

    def _current(self) -> sqlite3.Connection | None:
        """The connection, if it is to the file that is at the path now, not to one that is or will be set aside."""
        found = self._db is not None and self._found() == self._identity
        return self._db if found and not replacement(self.path).exists() else None

    def _found(self) -> tuple[int, int] | None:
        """Which file is at the path now: device and inode."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _is_sound(self) -> bool:
        try:
            connect(self.path).close()
        except (sqlite3.Error, Damaged):
            return False
        return True

    @contextmanager
    def _lock(self, until: Deadline, *, exclusive: bool) -> Iterator[None]:
        """Held together by those who use the file, alone by who makes or replaces it.

        It is on the directory: closing any descriptor of the file would drop SQLite's own locks on it.
        """
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            while True:
                try:
                    fcntl.flock(directory, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if until.passed:
                        raise
                    until.clock.sleep(0.005)
            yield
        finally:
            os.close(directory)


@_names_are_text()
def _transaction(
    db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], until: Deadline, write: bool, durable: bool
) -> T:
    db.execute(f"PRAGMA busy_timeout = {until.milliseconds(BUSY_SECONDS)}")
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
        raise
    return result


def _lasts(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    # A file that ends too early is damaged: another connection would find the same.
    return code & 0xFF in LASTING and code != sqlite3.SQLITE_IOERR_SHORT_READ
