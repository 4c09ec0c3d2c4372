"""The rows in the pages of a damaged SQLite file.

SQLite stops at the first bad page, so this module reads the pages itself. It needs only a small part of SQLite's
file format (https://www.sqlite.org/fileformat2.html, below "the format"):

- The file is a row of pages of equal size. The size is in the header of the first page (the format, §1.3).
- The rows of a table are in its *leaf pages*. A leaf page begins with the byte 13, the number of its rows, and the
  offset of each row in the page (§1.6). All other pages only help to find them, and are skipped.
- A row is its length, its id, a list with the type of each column, and the columns (§2.1). The end of a row that is too
  long for a page is in a chain of *overflow pages* (§1.6, §1.7).
- New pages are first written to the write-ahead log, a second file, each after a short header (§4).
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from usbrh.journal.file import companions
from usbrh.journal.schema import PAGE_SIZE

MAGIC = b"SQLite format 3\0"
"""The first bytes of the file (the format, §1.3)."""
LEAF = 0x0D
"""First byte of a leaf page of a table (the format, §1.6)."""
WAL_HEADER, FRAME_HEADER = 32, 24
"""Bytes before the first page of the log, and before each page in it (§4.1)."""
LONGEST = 1 << 20
"""Bytes of the longest row that is read."""

Row = tuple[int, list[Any]]
"""Id and columns."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the file or of its log."""

    content: bytes
    frame: int | None
    """Its place in the log, from 0; None for a page of the file."""


class Pages:
    """The pages of the file at ``path``, then those of its log, oldest first. To be used in a ``with`` block."""

    def __init__(self, path: Path, size: int | None = None) -> None:
        """``size``: of a page, in bytes; by default as the header of the file or of its log says.

        Raises:
            OSError: the file can't be read.
        """
        self._opened = ExitStack()
        try:
            self._file = self._opened.enter_context(_open_for_reading(path))
            self._log: BinaryIO | None = None
            with suppress(FileNotFoundError):
                self._log = self._opened.enter_context(_open_for_reading(companions(path)[0]))
            self.known_size = self._size()
        except BaseException:
            self._opened.close()
            raise
        self.size = size or self.known_size or PAGE_SIZE

    def __enter__(self) -> "Pages":
        """The pages; the files are closed at the end of the ``with`` block."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the files."""
        self._opened.close()

    def __iter__(self) -> Iterator[Page]:
        """Each page. One that is cut off ends with zeros."""
        number = 0
        while content := self._read(self._file, number * self.size, self.size):
            yield Page(content.ljust(self.size, b"\0"), None)  # the first page includes the file's header
            number += 1
        frame = 0
        while content := self._frame(frame):
            yield Page(content[FRAME_HEADER:].ljust(self.size, b"\0"), frame)
            frame += 1

    def rows(self, page: Page) -> Iterator[Row]:
        """The rows of a leaf page. A row that makes no sense is left out.

        The format, §1.6: the number of rows is at byte 3, the list of their offsets begins at byte 8.
        """
        data = page.content
        if data[0] != LEAF:
            return
        count = int.from_bytes(data[3:5], "big")
        for number in range(min(count, (len(data) - 8) // 2)):
            offset = int.from_bytes(data[8 + 2 * number : 10 + 2 * number], "big")
            with suppress(IndexError, ValueError):
                length, start = _varint(data, offset)
                rowid, start = _varint(data, start)
                yield rowid, _columns(self._record(page, start, length))

    def _record(self, page: Page, start: int, length: int) -> bytes:
        """The ``length`` bytes of a row that begins at ``start``.

        The format, §1.6: how many bytes of it are in the page itself. Then follows the number of the overflow page with
        the next ones. Each overflow page begins with the number of the one after it.
        """
        most, least = self.size - 35, (self.size - 12) * 32 // 255 - 23
        if length <= most:
            return page.content[start : start + length]
        here = least + (length - least) % (self.size - 4)
        end = start + (here if here <= most else least)
        record, following = page.content[start:end], page.content[end : end + 4]
        while len(record) < length <= LONGEST:
            content = self._version(int.from_bytes(following, "big"), page.frame)
            following, record = content[:4], record + content[4 : 4 + length - len(record)]
            if len(content) <= 4:
                raise ValueError("an overflow page is missing")
        return record

    def _version(self, number: int, frame: int | None) -> bytes:
        """The page ``number`` as it was when the transaction of ``frame`` in the log was complete; None: in the file.

        The format, §4.1: the header of a frame begins with the number of its page. The next four bytes are not zero in
        the last frame of a transaction.
        """
        found = None
        place = 0
        while frame is not None and (content := self._frame(place)):
            if int.from_bytes(content[:4], "big") == number:
                found = content[FRAME_HEADER:]
            if place >= frame and content[4:8] != bytes(4):
                break
            place += 1
        return self._read(self._file, (number - 1) * self.size, self.size) if found is None else found

    def _frame(self, place: int) -> bytes:
        step = FRAME_HEADER + self.size
        return self._read(self._log, WAL_HEADER + place * step, step) if self._log else b""

    @staticmethod
    def _read(file: BinaryIO, offset: int, length: int) -> bytes:
        if offset < 0:
            return b""
        file.seek(offset)
        return file.read(length)

    def _size(self) -> int | None:
        """The size of a page. The format, §1.3.2 and §4.1: at byte 16 of the file, where 1 is 65536; byte 8 of the log.

        None if both headers are damaged or missing.
        """
        size = int.from_bytes(self._read(self._file, 16, 2), "big")
        sizes = [65536 if size == 1 else size, int.from_bytes(self._read(self._log, 8, 4), "big") if self._log else 0]
        return next((each for each in sizes if 512 <= each <= 65536 and not each & (each - 1)), None)


def _open_for_reading(path: Path) -> BinaryIO:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a file")
    return os.fdopen(descriptor, "rb")


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """The number at ``start`` and the offset after it.

    The format, §1.6: up to eight bytes with 7 bits each, whose top bit says that another byte follows, and a ninth byte
    with 8 bits.
    """
    value = 0
    for index in range(8):
        byte = data[start + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, start + index + 1
    return value << 8 | data[start + 8], start + 9


def _columns(record: bytes) -> list[Any]:
    """The columns of a row.

    The format, §2.1: the header is its own length and one number per column. 0 is NULL, 1 to 6 are integers of 1, 2, 3,
    4, 6 and 8 bytes, 7 is a float, 8 and 9 are the integers 0 and 1. From 12 on, an even number is a blob, an odd one
    text, both of (number - 12) // 2 bytes.

    Raises:
        IndexError, ValueError: the record is cut off, or its text is not UTF-8.
    """
    header, at = _varint(record, 0)
    kinds = []
    while at < header:
        kind, at = _varint(record, at)
        kinds.append(kind)
    columns: list[Any] = []
    for kind in kinds:
        size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
        raw = record[at : at + size]
        at += size
        if len(raw) < size:
            raise ValueError("the record is cut off")
        if kind in {8, 9}:
            columns.append(kind - 8)
        elif 1 <= kind <= 6:
            columns.append(int.from_bytes(raw, "big", signed=True))
        elif kind >= 13 and kind % 2:
            columns.append(raw.decode())
        else:
            columns.append(None)
    return columns
