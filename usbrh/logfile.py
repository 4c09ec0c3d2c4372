"""A file that readings are appended to, safe to be killed, rotated or shared at any time."""

import errno
import os
import time
from collections.abc import Sequence
from pathlib import Path


class LogFile:
    """Lines in a file whose name may have the time in it, as strftime writes it: ``room-%Y-%m-%d.csv``.

    The file is opened for each write, with O_APPEND and one write call: what is in it is always whole lines, the next
    one finds a file that was rotated away, and two writers don't mix.
    """

    def __init__(self, pattern: str, header: str | None = None) -> None:
        """``header``: the first line of each new file."""
        self._pattern = pattern
        self._header = header

    def path(self, time_ns: int) -> Path:
        """The file for this time, in this machine's time zone."""
        if "%" not in self._pattern:
            return Path(self._pattern)
        return Path(time.strftime(self._pattern, time.localtime(time_ns // 1_000_000_000)))

    def append(self, lines: Sequence[str], time_ns: int) -> Path:
        """Add ``lines`` to the file of this time; gives its path.

        Raises:
            OSError: it can't be written, or not whole.
        """
        path = self.path(time_ns)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            text = "".join(f"{line}\n" for line in lines)
            size = os.fstat(descriptor).st_size
            if size == 0 and self._header is not None:
                text = f"{self._header}\n{text}"
            elif size and os.pread(descriptor, 1, size - 1) != b"\n":
                text = f"\n{text}"  # a full disk, or a power cut, broke the line before
            data = text.encode()
            if os.write(descriptor, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        finally:
            os.close(descriptor)
        return path
