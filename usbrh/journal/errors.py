"""What went wrong with the journal, in words, with the command that mends it."""

import errno
import os
import sqlite3
from pathlib import Path

from usbrh.errors import JournalError
from usbrh.journal.file import BUSY_SECONDS, NotOurs
from usbrh.paths import stat_or_none


def explained(error: Exception, path: Path) -> JournalError:
    """``error``, which a transaction on the file at ``path`` raised, as one line."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    directory = path.parent
    if isinstance(error, NotOurs):
        words = str(error)
    elif isinstance(error, MemoryError):
        words = "there is too little memory; see: free -h"
    elif isinstance(error, BlockingIOError) or code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        words = f"another program has held it for {BUSY_SECONDS:g} s; see which: fuser -v {path}"
    elif _full(directory) or code == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) == errno.ENOSPC:
        words = f"the disk is full; make room: df -h {directory}"
    elif _read_only(directory):
        words = f"the file system is read-only; see why: findmnt -T {directory}"
    elif isinstance(error, PermissionError) or not _writable(path):
        words = f"no permission to write in {directory}; run it as the user usbrh, or: sudo usbrh setup"
    else:
        words = f"{error}; look at the disk: dmesg | tail"
    return JournalError(f"the journal {path} can't be used: {words}")


def is_there(path: Path) -> bool:
    """Whether there is a journal at ``path``; to ask a ``Journal`` would make one.

    Raises:
        JournalError: it can't be seen by this user.
    """
    try:
        return stat_or_none(path) is not None
    except OSError as error:
        raise explained(error, path) from error


def _full(directory: Path) -> bool:
    try:
        room = os.statvfs(directory)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < 64 * 1024


def _read_only(directory: Path) -> bool:
    try:
        return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _writable(path: Path) -> bool:
    # Whether it is there is asked by what raises nothing, not even where the disk can't be read.
    there = os.access(path, os.F_OK)
    return os.access(path.parent, os.W_OK | os.X_OK) and (not there or os.access(path, os.W_OK))
