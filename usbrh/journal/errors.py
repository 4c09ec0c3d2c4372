"""Errors of the journal as one line of text each, with the step that fixes them."""

import errno
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from usbrh.errors import JournalError
from usbrh.journal.file import BUSY_SECONDS


def explained(error: Exception, path: Path) -> JournalError:
    """The error to raise for ``error``, which a transaction on the file at ``path`` raised."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    directory = path.parent
    full = code == sqlite3.SQLITE_FULL or getattr(error, "errno", 0) == errno.ENOSPC
    read_only = False
    with suppress(OSError):
        disk = os.statvfs(directory)
        full = full or disk.f_bavail * disk.f_frsize < 64 * 1024
        read_only = bool(disk.f_flag & os.ST_RDONLY)
    if isinstance(error, MemoryError):
        cause, remedy = "there is too little memory", "see: free -h"
    elif isinstance(error, BlockingIOError) or code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        cause, remedy = f"another program has locked it for {BUSY_SECONDS:g} s", f"see which one: fuser -v {path}"
    elif full:
        cause, remedy = "the disk is full", f"make room: df -h {directory}"
    elif read_only:
        cause, remedy = "the file system is read-only", f"see why: findmnt -T {directory}"
    elif isinstance(error, PermissionError) or not _is_writable(path):
        cause, remedy = f"no permission to write in {directory}", "run it as the user usbrh, or: sudo usbrh setup"
    else:
        cause, remedy = str(error), "check the disk: dmesg | tail"
    return JournalError(f"the journal {path} can't be used: {cause}", remedy=remedy)


def no_journal(path: Path) -> JournalError:
    """The error of a command that reads the journal at ``path``, where there is none."""
    return JournalError(f"there is no journal at {path} yet", remedy="usbrh run or usbrh send creates it")


def unreadable(path: Path) -> JournalError:
    """The error of a command that reads the journal at ``path``, if this user may not read it."""
    remedy = 'run it with sudo, or join the group that may read it: sudo usermod -aG usbrh "$USER"'
    return JournalError(f"the journal {path} can't be read: no permission", remedy=remedy)


def _is_writable(path: Path) -> bool:
    # os.access raises no error, not even where the disk can't be read.
    exists = os.access(path, os.F_OK)
    return os.access(path.parent, os.W_OK | os.X_OK) and (not exists or os.access(path, os.W_OK))
