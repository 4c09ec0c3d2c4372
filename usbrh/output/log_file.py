"""A file that readings are appended to, safe to be killed, rotated or shared at any time."""

import errno
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from usbrh.clock import NS

_LONGEST_LINE = 65536
"""Bytes of which the last line is part; a reading takes some hundred."""


class LogFile:
    """Lines in a file whose name may have the time in it, as strftime writes it: ``room-%Y-%m-%d.csv``.

    The file is opened for each write, with O_APPEND and one write call: what is in it is always whole lines, the next
    one finds a file that was rotated away, and two writers don't mix.
    """

    def __init__(self, pattern: str, header: str | None = None) -> None:
        """``header``: the first line of each new file."""
        self._pattern = pattern
        self._header = header
        self._flowing = False
        """It is a pipe or a terminal, which has no size, and its header has been written."""

    def path(self, time_ns: int) -> Path:
        """The file for this time, in this machine's time zone."""
        if "%" not in self._pattern:
            return Path(self._pattern)
        return Path(time.strftime(self._pattern, time.localtime(time_ns // NS)))

    def append(self, lines: Sequence[str], time_ns: int) -> Path:
        """Add ``lines`` to the file of this time; gives its path.

        Raises:
            OSError: it can't be written, or not whole.
        """
        path = self.path(time_ns)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self._append(descriptor, "".join(f"{line}\n" for line in lines))
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or errno.EIO), str(path)) from error
        finally:
            os.close(descriptor)
        return path

    def _append(self, descriptor: int, text: str) -> None:
        status = os.fstat(descriptor)
        size, regular = status.st_size, stat.S_ISREG(status.st_mode)
        begins = size == 0 if regular else not self._flowing
        if begins and self._header is not None:
            text = f"{self._header}\n{text}"
        elif size:
            text = _end_of_line(descriptor, size) + text
        data = text.encode()
        written = os.write(descriptor, data)
        if written < len(data):
            # Half a number would pass for a whole one. Whatever another writer has added since is not ours to cut off.
            if regular and os.fstat(descriptor).st_size == size + written:
                os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._flowing = not regular


def _end_of_line(descriptor: int, size: int) -> str:
    """What ends the last line, where a power cut left it open.

    Its quote too, or CSV would take all lines up to the next quote for one value (RFC 4180). A line of JSON is broken
    with or without it.
    """
    tail = os.pread(descriptor, _LONGEST_LINE, max(0, size - _LONGEST_LINE))
    if tail.endswith(b"\n"):
        return ""
    return '"\n' if tail.rpartition(b"\n")[2].count(b'"') % 2 else "\n"
