"""The rows of the journal: readings, and the cursors of destinations. Each row has a checksum.

SQLite itself has none, and without it a flipped bit would become a wrong temperature.
"""

import json
import sqlite3
import zlib
from dataclasses import astuple, dataclass, replace
from enum import StrEnum
from typing import Any

from usbrh.reading import Reading


class Damaged(Exception):
    """The file is an SQLite database, but its content can't be true."""


class State(StrEnum):
    """The state of a reading at a destination. The first two are open: they may still change."""

    WAITING = "waiting"
    REJECTED = "rejected"
    """Zabbix did not accept the reading. It is sent again from time to time."""
    DELIVERED = "delivered"
    EXPIRED = "expired"
    """More readings waited than ``max_waiting``. The reading stays in the history only."""
    DROPPED = "dropped"
    """The destination was not in the configuration when the reading was added, or left it while the reading waited."""


OPEN = "state IN ('waiting', 'rejected')"
"""SQL: the state is open."""
ENTRY = "reading.id, reading.time_ns, reading.sensor, reading.simulated, reading.body, reading.crc"
"""The columns of ``Entry.from_row``."""
CURSOR = (
    "id, destination, active, start, offset, delivered, expired, size, complete, open_sum, active_count, revision, crc"
)
"""The columns of ``Cursor.from_row``, in the order of the file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One reading in the journal."""

    id: int
    """Grows with each reading added. No id is used twice, and none is left out among those that wait somewhere."""
    time_ns: int
    sensor: str
    simulated: bool
    body: str
    """The reading as one line of JSON, the value that Zabbix gets."""

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> "Entry":
        """The entry in a row selected by ``ENTRY``.

        Raises:
            Damaged: the checksum is wrong.
        """
        number, time_ns, sensor, simulated, body, checksum = row
        # The same as _checksum, without its loop: a flush does this for each reading of a week.
        text = f"{number}\0{time_ns}\0{sensor}\0{simulated}\0{body}"
        if zlib.crc32(text.encode(errors="replace")) != checksum:
            raise Damaged(f"the checksum of reading {number!r} is wrong")
        return cls(number, time_ns, sensor, bool(simulated), body)

    @property
    def reading(self) -> Reading:
        """The reading, from ``body``."""
        return Reading.from_dict(json.loads(self.body))

    @property
    def row(self) -> tuple[Any, ...]:
        """The row of the table, with its checksum."""
        values = (self.id, self.time_ns, self.sensor, int(self.simulated), self.body)
        return (*values, _checksum(values))


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the delivery to one destination got, during one stay of the destination in the configuration.

    Readings up to ``start`` were added before that stay and are not for the destination. Readings after it and up to
    ``offset`` are delivered, and those after ``offset`` wait. The table ``exceptions`` has a row for each reading up to
    ``offset`` with another state.
    """

    id: int
    """Higher than that of all cursors made before."""
    destination: str
    """Its name: the addresses of its nodes, separated by ";"."""
    active: bool
    """The destination is in the configuration. A cursor of one that left it remains, for the history."""
    start: int
    offset: int
    delivered: int = 0
    """Number of readings delivered."""
    expired: int = 0
    """Number of readings expired."""
    size: int = 0
    """Number of values in the next request, because a larger one failed; 0 if none did."""
    complete: int = 0
    """No reading up to here is open. If the exceptions are lost, the delivery starts again after it."""
    open_sum: int = 0
    """Sum of the ids of the open exceptions: shows whether one is missing."""
    active_count: int = 0
    """Number of active cursors when this row was written: shows whether one is missing."""
    revision: int = 0
    """Grows with each write: shows the newest of several copies in a damaged file."""

    @property
    def paused(self) -> bool:
        """The configuration had no destination any more when this row was written: the queue waits for the next one."""
        return not self.active and self.active_count == 0

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> "Cursor":
        """The cursor in a row selected by ``CURSOR``.

        Raises:
            Damaged: the checksum is wrong.
        """
        *values, checksum = row
        if _checksum(tuple(values)) != checksum:
            raise Damaged(f"the checksum of the cursor {values[0]!r} is wrong")
        number, destination, active, *numbers = values
        return cls(number, destination, bool(active), *numbers)

    @property
    def row(self) -> tuple[Any, ...]:
        """The row of the table, with its checksum."""
        number, destination, active, *numbers = astuple(self)
        values = (number, destination, int(active), *numbers)
        return (*values, _checksum(values))


def cursors(db: sqlite3.Connection, where: str = "true") -> list[Cursor]:
    """The cursors that fulfil the SQL condition ``where``, in the order they were made.

    Raises:
        Damaged: a checksum is wrong, or an offset is too high.
    """
    found = [Cursor.from_row(row) for row in db.execute(f"SELECT {CURSOR} FROM cursor WHERE {where} ORDER BY id")]  # noqa: S608
    last = last_id(db)
    for each in found:
        if each.offset > last:
            raise Damaged(f"the cursor of {each.destination} is after the last reading")
    return found


def active_cursors(db: sqlite3.Connection) -> list[Cursor]:
    """The cursors of the destinations in the configuration.

    Raises:
        Damaged: one is damaged or missing.
    """
    found = cursors(db, "active") or [each for each in cursors(db) if each.active]  # if the only one is damaged
    if any(each.active_count != len(found) for each in found):
        raise Damaged("a cursor is missing")
    return found


def verified(db: sqlite3.Connection, cursor: Cursor) -> Cursor:
    """``cursor``, after a check of its exceptions. To be called before they are used or changed.

    The check reads all exceptions of the cursor, so it is not done for other destinations: one that rejects everything
    does not slow them down.

    Raises:
        Damaged: an exception is missing, or there is one too many.
    """
    if _open(db, cursor) != (cursor.complete, cursor.open_sum):
        raise Damaged(f"the exceptions of {cursor.destination} are incomplete")
    return cursor


def write_cursor(db: sqlite3.Connection, cursor: Cursor) -> None:
    """Insert or update ``cursor``, after its exceptions were written."""
    complete, open_sum = _open(db, cursor)
    query = "SELECT count(*) FROM cursor WHERE active AND id != ?"
    active_count = int(db.execute(query, (cursor.id,)).fetchone()[0]) + cursor.active
    revision = cursor.revision + 1
    row = replace(cursor, complete=complete, open_sum=open_sum, active_count=active_count, revision=revision).row
    db.execute(f"INSERT OR REPLACE INTO cursor ({CURSOR}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608


def count_active(db: sqlite3.Connection) -> None:
    """Write each active cursor again, after one more or one less became active."""
    for each in cursors(db, "active"):
        write_cursor(db, each)


def last_id(db: sqlite3.Connection) -> int:
    """The id of the reading that was added last; 0 before the first."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'reading'").fetchone()
    return int(row[0]) if row else 0


def _open(db: sqlite3.Connection, cursor: Cursor) -> tuple[int, int]:
    """``complete`` and ``open_sum`` of a cursor."""
    query = f"SELECT min(reading), total(reading) FROM exceptions WHERE cursor = ? AND {OPEN}"  # noqa: S608
    first, total = db.execute(query, (cursor.id,)).fetchone()
    return cursor.offset if first is None else min(cursor.offset, first - 1), int(total)


def _checksum(values: tuple[Any, ...]) -> int:
    return zlib.crc32("\0".join(map(str, values)).encode(errors="replace"))
