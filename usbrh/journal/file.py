"""The journal's SQLite file: transactions on it, and its replacement after damage, with other processes at work."""

import fcntl
import logging
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from usbrh.clock import Deadline
from usbrh.journal.rows import Damaged
from usbrh.journal.schema import CREATE, PAGE_SIZE, check_size, has_tables, not_a_journal
from usbrh.system.paths import stat_or_none

T = TypeVar("T")
log = logging.getLogger(__name__)

BUSY_SECONDS = 5.0
"""How long one access waits for other programs."""
LOG_PAGES = 4000
"""Pages in the write-ahead log after which SQLite moves them into the file: 4 MB. A page that many transactions changed
is moved once."""
OPENINGS = 5
"""How often one transaction opens the file again because other programs replaced or removed it at that moment."""
FILE_MODE, FOLDER_MODE = 0o640, 0o750
"""Of a new journal and its folder. The group reads, such as the user of an agent; only the owner writes."""
LASTING = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}
"""Errors that stay with a connection after their cause is fixed. SQLite silently opens a file without write permission
for reading only. A connection to a file system that was unmounted and mounted again does not work any more."""


def connect(path: Path, journal_mode: str = "WAL") -> sqlite3.Connection:
    """A connection to the journal's file at ``path``. The file is created if there is none.

    ``journal_mode``: as in SQLite. OFF needs the least space, for a file that is deleted if it is not completed.

    Raises:
        sqlite3.Error, Damaged, UnicodeDecodeError: the file can't be opened, or is no sound database.
        JournalError: the database belongs to another program, or to another version of usbrh.
    """
    create(path)
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):  # to open a named pipe could block
        raise not_a_journal(path)
    check_size(path, found.st_size)
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA foreign_keys = ON")
        complete = has_tables(db, path)
        if not complete:
            db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        db.execute(f"PRAGMA journal_mode = {journal_mode}")
        if not complete:
            db.executescript(CREATE)
            # Now the tables are in the file itself. A damaged log then hides its readings only, and not the journal.
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except BaseException:
        db.close()
        raise
    return db


def create(path: Path) -> None:
    """Create an empty file at ``path`` unless there is one, with ``FILE_MODE``. SQLite gives its log the same mode."""
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        try:
            os.fchmod(descriptor, FILE_MODE)  # whatever the umask is
            if os.geteuid() == 0:
                folder = path.parent.stat()
                os.fchown(descriptor, folder.st_uid, folder.st_gid)
        finally:
            os.close(descriptor)


def _make_folder(folder: Path) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        with suppress(FileExistsError):
            each.mkdir()
            each.chmod(FOLDER_MODE)  # whatever the umask is


def companions(path: Path) -> tuple[Path, Path]:
    """SQLite's write-ahead log of the file at ``path`` and the log's index. They are next to the target of a link."""
    real = os.path.realpath(path)
    return Path(real + "-wal"), Path(real + "-shm")


def is_part(file: Path, path: Path) -> bool:
    """Whether ``file`` is the journal at ``path``, or one of SQLite's files beside it, by this or another name."""
    real = Path(os.path.realpath(path))
    parts = (real, *companions(path), real.with_name(real.name + ".lock"))
    statuses = [found for found in map(stat_or_none, parts) if found]
    found = stat_or_none(file)
    return file.resolve() in parts or bool(found and any(os.path.samestat(found, each) for each in statuses))


def replacement(path: Path) -> Path:
    """The file that replaces the damaged one at ``path`` at the next opening. It gets this name when it is complete."""
    return path.with_name(path.name + ".rebuilt")


def install_replacement(path: Path) -> bool:
    """Move the replacement of the file at ``path`` there; False if there is none.

    A process that is killed in between leaves the rest to the next one that opens the file.
    """
    new = replacement(path)
    if not new.exists():
        return False
    # The log first: SQLite would apply the old log to the new file.
    for file in companions(path):
        file.unlink(missing_ok=True)
    sync(path.parent)
    new.replace(path)
    sync(path.parent)
    return True


def sync(path: Path) -> None:
    """Write the file at ``path`` to the disk, or the names in the directory at ``path``."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class JournalFile:
    """Transactions on the journal's file. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        """``path``: of the file itself, not of a link to it."""
        self.path = path
        self.lock = path.with_name(path.name + ".lock")
        self._db: sqlite3.Connection | None = None
        self.openings = 0
        """How often the file was opened."""
        self._identity: tuple[int, int] | None = None
        """Of the file that ``_db`` has open: device and inode."""

    def close(self) -> None:
        """Close the file; the next transaction opens it again."""
        if self._db is not None:
            # The last connection moves the log into the file, and a full disk can prevent that.
            with suppress(sqlite3.Error):
                self._db.close()
        self._db = None

    def transaction(
        self, work: Callable[[sqlite3.Connection], T], deadline: Deadline, *, write: bool, durable: bool = True
    ) -> T:
        """Call ``work`` in one transaction, and return its result.

        ``deadline``: end of the wait for other programs. ``durable``: the changes are on the disk on return.

        Raises:
            sqlite3.Error, OSError, Damaged, UnicodeDecodeError: the transaction failed.
            JournalError: the file belongs to another program, or to another version of usbrh.
        """
        _make_folder(self.path.parent)
        for opened in range(OPENINGS):
            with self._lock(deadline, exclusive=False):
                if db := self._current():
                    try:
                        return _transaction(db, work, deadline, write, durable)
                    except sqlite3.Error as error:
                        if not _is_lasting(error):
                            raise
                        self.close()
                        if opened:
                            raise
            # Only opening needs the exclusive lock: two processes can't switch a new file to WAL at once. A transaction
            # must not have it, because counting millions of readings takes longer than other programs wait.
            with self._lock(deadline, exclusive=True):
                self._open()
        raise BlockingIOError("other programs replace the file again and again")

    def replace(self, rebuild: Callable[[], T], deadline: Deadline) -> T | None:
        """Replace the damaged file: call ``rebuild``, which makes its ``replacement``, while no other program uses it.

        None, without the call, if another process replaced the file before.
        """
        with self._lock(deadline, exclusive=True):
            if install_replacement(self.path) or (not self._current() and self._is_sound()):
                return None
            result = rebuild()
            install_replacement(self.path)
            # SQLite notices that the file was moved, and does not touch the log of the new one.
            self.close()
            return result

    def _open(self) -> None:
        if self._current():
            return
        if install_replacement(self.path):
            log.warning("the repair or conversion of the journal %s ended before its last step: done now", self.path)
        self.close()
        new = not self.path.exists()
        if new and self._identity:
            log.error("the journal %s was removed: a new one is started", self.path)
        self._db = connect(self.path)
        self.openings += 1
        self._identity = self._identity_at_path()

    def _current(self) -> sqlite3.Connection | None:
        """The open connection; None if the file at the path is another one by now, or will be replaced."""
        same = self._db is not None and self._identity_at_path() == self._identity
        return self._db if same and not replacement(self.path).exists() else None

    def _identity_at_path(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _is_sound(self) -> bool:
        try:
            connect(self.path).close()
        except (sqlite3.Error, Damaged, UnicodeDecodeError):
            return False
        return True

    @contextmanager
    def _lock(self, deadline: Deadline, *, exclusive: bool) -> Iterator[None]:
        """Hold a lock: shared for the use of the file, exclusive to create or replace it.

        The lock is on a file next to the journal, because closing any descriptor of the journal drops SQLite's own
        locks on it (https://www.sqlite.org/howtocorrupt.html, §2.2). Only the owner can open that file: a lock on the
        directory could be held by everybody who may read the directory.

        Raises:
            BlockingIOError: another program held it until the deadline.
        """
        lock = os.open(self.lock, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            while True:
                try:
                    fcntl.flock(lock, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if deadline.passed:
                        raise
                    deadline.clock.sleep(0.005)
            yield
        finally:
            os.close(lock)


def _transaction(
    db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], deadline: Deadline, write: bool, durable: bool
) -> T:
    db.execute(f"PRAGMA busy_timeout = {deadline.milliseconds(BUSY_SECONDS)}")
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


def _is_lasting(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)
    # A file that ends too early is damaged: a new connection would find the same.
    return code & 0xFF in LASTING and code != sqlite3.SQLITE_IOERR_SHORT_READ
