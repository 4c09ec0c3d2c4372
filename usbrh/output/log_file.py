"""A log file for readings that survives kill, log rotation and several writers."""

import codecs
import errno
import os
import stat
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from usbrh.output.times import TimeStyle
from usbrh.system.files import open_output

_JSON = '{"v":'
"""The first characters of a line of JSON."""
_MAX_LINE = 65536
"""Bytes at the end of a file that contain its last line. A reading has a few hundred."""


class LogFile:
    """A text file whose name can contain the time in strftime notation: ``room-%Y-%m-%d.csv``.

    Folders whose names contain the time are made. The folder before them must exist, because its name can be wrong.

    Each write opens the file with O_APPEND and makes one write call. The file therefore contains whole lines only, a
    rotated file is noticed, and the lines of two writers do not mix.
    """

    def __init__(self, pattern: str, header: str | None = None, *, local: bool = False) -> None:
        """``header`` is the first line of each new file; without one, each line is a JSON object of a reading.

        The time in ``pattern`` is in UTC, or with ``local`` in the time zone of this machine.
        """
        self._pattern = pattern
        self._local = local
        self._header = header
        self._header_in_stream = False
        """The file is a pipe or a terminal, which has no size, and its header has been written."""

    def path(self, time_ns: int) -> Path:
        """Return the file for a time in nanoseconds since 1970."""
        return Path(TimeStyle(local=self._local, form=self._pattern).text(time_ns))

    def append(self, lines: Sequence[str], time_ns: int) -> Path:
        """Append ``lines`` to the file for ``time_ns`` and return its path.

        Raises:
            OSError: The file is not a log of this kind, or the lines can't be written completely. The file then
                contains none of them.
        """
        path = self.path(time_ns)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        descriptor = open_output(path, flags, 0o644, make_folders=self._makes_folders())
        try:
            self._append(descriptor, "".join(f"{line}\n" for line in lines))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            os.close(descriptor)
        return path

    def _makes_folders(self) -> bool:
        """Whether the folder of the file has a time in its name; raises OSError if the folder before it is missing."""
        folders = Path(self._pattern).parent.parts
        fixed = list(takewhile(lambda part: "%" not in part, folders))
        if len(fixed) == len(folders):
            return False
        Path(*fixed).stat()
        return True

    def _append(self, descriptor: int, text: str) -> None:
        status = os.fstat(descriptor)
        size, regular = status.st_size, stat.S_ISREG(status.st_mode)
        begins = size == 0 if regular else not self._header_in_stream
        if begins and self._header is not None:
            text = f"{self._header}\n{text}"
        elif size:
            text = self._rest_of_header(descriptor) + _end_of_line(descriptor, size) + text
        data = text.encode()
        written = os.write(descriptor, data)
        if written < len(data):
            # Half a number looks like a number. Lines that another writer has added since then must stay.
            if regular and os.fstat(descriptor).st_size == size + written:
                os.ftruncate(descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._header_in_stream = not regular

    def _rest_of_header(self, descriptor: int) -> str:
        """Check that the file is a log of this kind; return what a power cut left out of its header.

        Raises:
            OSError: Its first line is another one. The file can belong to another program.
        """
        wanted = (self._header or _JSON).encode()
        begin = os.pread(descriptor, len(codecs.BOM_UTF8) + len(wanted) + 1, 0)
        begin = begin.removeprefix(codecs.BOM_UTF8)[: len(wanted) + 1]  # Windows editors write it, and "\r"
        if begin.startswith(wanted) and (self._header is None or begin[len(wanted) :] in (b"", b"\r", b"\n")):
            return ""
        if wanted.startswith(begin):
            return wanted[len(begin) :].decode() if self._header else ""
        kind = "the header of these readings" if self._header else "a reading in JSON"
        raise OSError(errno.EEXIST, f"the file exists, and its first line is not {kind}")


def _end_of_line(descriptor: int, size: int) -> str:
    """Return the characters that complete the last line, if a power cut left it incomplete.

    An open quote is closed, too: otherwise CSV readers take all lines up to the next quote as one value (RFC 4180). A
    line of JSON stays invalid either way.
    """
    tail = os.pread(descriptor, _MAX_LINE, max(0, size - _MAX_LINE))
    if tail.endswith(b"\n"):
        return ""
    return '"\n' if tail.rpartition(b"\n")[2].count(b'"') % 2 else "\n"
