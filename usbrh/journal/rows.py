"""The rows of the journal: readings, and the cursors of destinations. Each row has a checksum.

SQLite itself has none, and without it a flipped bit would become a wrong temperature.
"""

import json
import sqlite3
import zlib
from dataclasses import astuple, dataclass, replace
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

from usbrh.clock import NS
from usbrh.reading import Reading, format_time


class Damaged(Exception):
    """The file is an SQLite database, but its content can't be true."""


class Outdated(Damaged):
    """Version 0.1.0 wrote the file. It is used after a conversion, as a damaged one after a repair."""


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
    UNDATED = "undated"
    """The time of the reading can't be determined any more. The reading stays in the history only."""


class Timing(IntEnum):
    """Whether the time of a reading is right."""

    KNOWN = 0
    UNCONFIRMED = 1
    """The clock was in doubt. The reading waits, and gets its right time if the clock is set before the next boot."""
    UNKNOWN = 2
    """The time is wrong, and can't be corrected."""


_TIMINGS = tuple(Timing)
STEP_NS = 2 * NS
"""Larger changes of wall time minus boot time are a setting of the clock; leap seconds and a resume are smaller."""
ALL_SENSORS = ""
"""Name of the row with the numbers of all sensors together; no sensor has it."""
OPEN = "state IN ('waiting', 'rejected')"
"""SQL: the state is open."""
ENTRY = (
    "reading.id, reading.time_ns, reading.sensor, reading.simulated, reading.body, reading.omitted,"
    " reading.boot, reading.boot_ns, reading.timing, reading.crc"
)
"""The columns of ``Entry.from_row``."""
_CHECKED = ("id", "time_ns", "sensor", "simulated", "body", "omitted", "boot", "boot_ns", "timing")
SOUND = f"crc32(CAST({'||char(0)||'.join(_CHECKED)} AS BLOB)) = crc"
"""SQL: the checksum of a reading is right, as ``Entry.from_row`` computes it. Needs ``add_crc32``."""
CURSOR = (
    "id, destination, active, start, offset, delivered, expired, size, complete, open_sum, open_count, active_count,"
    " revision, crc"
)
"""The columns of ``Cursor.from_row``, in the order of the file."""


def _ends(simulated: str) -> tuple[str, ...]:
    usual = (
        *('"calibration":null', '"heater":false', '"status":null', '"repeated":false', f'"simulated":{simulated}'),
        *('"state":"ok"', '"error":null', '"remedy":null'),
    )
    return tuple("".join(f",{pair}" for pair in usual[len(usual) - n :]) + "}" for n in range(len(usual) + 1))


_ENDS = _ends("false"), _ends("true")
"""The usual ends of a reading's JSON, of a real and of a simulated one. The file has only how many pairs of key and
value are omitted: without them, two readings fit in one page."""


class Entry(NamedTuple):
    """One reading in the journal: a tuple, because a flush makes one of each row of a week."""

    id: int
    """Grows with each reading added. No id is used twice, and none is left out among those that wait somewhere."""
    time_ns: int
    sensor: str
    simulated: bool
    body: str
    """The reading as one line of JSON without spaces, the value that Zabbix gets."""
    boot: int = 0
    """As in ``Moment``; 0 if the reading has no boot time. Its time is then taken as it is."""
    boot_ns: int = 0
    """Nanoseconds from the start of the machine to the measurement."""
    timing: Timing = Timing.KNOWN

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> "Entry":
        """The entry in a row selected by ``ENTRY``.

        Raises:
            Damaged: the checksum is wrong.
        """
        number, time_ns, sensor, simulated, body, omitted, boot, boot_ns, timing, found = row
        # The same as checksum, without its loop.
        text = f"{number}\0{time_ns}\0{sensor}\0{simulated}\0{body}\0{omitted}\0{boot}\0{boot_ns}\0{timing}"
        if zlib.crc32(text.encode(errors="replace")) != found:
            raise Damaged(f"the checksum of reading {number!r} is wrong")
        body = body[:-1] + _ENDS[simulated][omitted]
        # The same as cls(...), in half the time.
        return tuple.__new__(cls, (number, time_ns, sensor, simulated == 1, body, boot, boot_ns, _TIMINGS[timing]))

    @classmethod
    def of(cls, reading: Reading, number: int = 0, boot: int = 0) -> "Entry":
        """The entry for ``reading``, which was measured in this ``boot``."""
        found = (reading.time_ns, reading.sensor, reading.simulated, reading.to_json())
        return cls(number, *found) if reading.boot_ns is None else cls(number, *found, boot, reading.boot_ns)

    @property
    def reading(self) -> Reading:
        """The reading, from ``body``."""
        return Reading.from_dict(json.loads(self.body))

    @property
    def row(self) -> tuple[Any, ...]:
        """The row of the table, with its checksum."""
        ends = _ENDS[self.simulated]
        omitted = next(number for number in reversed(range(len(ends))) if self.body.endswith(ends[number]))
        body = self.body.removesuffix(ends[omitted]) + "}"
        what = (self.id, self.time_ns, self.sensor, int(self.simulated), body, omitted)
        values = (*what, self.boot, self.boot_ns, int(self.timing))
        return (*values, checksum(values))

    def corrected(self, offset_ns: int) -> "Entry":
        """The same reading with the time that it has if wall time minus boot time is ``offset_ns``."""
        right = self.boot_ns + offset_ns
        return self.at(right if self.boot and abs(right - self.time_ns) > STEP_NS else self.time_ns, Timing.KNOWN)

    def at(self, time_ns: int, timing: Timing) -> "Entry":
        """The same reading with another time."""
        body = self.body
        if time_ns != self.time_ns:
            body = compact({**json.loads(body), "time": format_time(time_ns)})
        return self._replace(time_ns=time_ns, body=body, timing=timing)


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
    open_count: int = 0
    """Number of open exceptions."""
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
        *values, found = row
        if checksum(tuple(values)) != found:
            raise Damaged(f"the checksum of the cursor {values[0]!r} is wrong")
        number, destination, active, *numbers = values
        return cls(number, destination, bool(active), *numbers)

    @property
    def row(self) -> tuple[Any, ...]:
        """The row of the table, with its checksum."""
        number, destination, active, *numbers = astuple(self)
        values = (number, destination, int(active), *numbers)
        return (*values, checksum(values))


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
    """``cursor``, after a check of the number and the ids of its exceptions. To be called before they are used.

    The check reads what the table ``open_exceptions`` has about them, however many there are. ``check_exceptions``
    compares that table with the exceptions themselves.

    Raises:
        Damaged: an exception is missing, or there is one too many.
    """
    if counted_open(db, cursor) != (cursor.complete, cursor.open_sum, cursor.open_count):
        raise Damaged(f"the exceptions of {cursor.destination} are incomplete")
    return cursor


def check_exceptions(db: sqlite3.Connection) -> None:
    """Check the table ``open_exceptions``: count all open exceptions. A million of them need a tenth of a second.

    Raises:
        Damaged: an exception is missing, or there is one too many.
    """
    counted = "SELECT cursor, state, sensor, count(*), sum(reading) FROM exceptions"
    rows = "SELECT cursor, state, sensor, readings, ids FROM open_exceptions WHERE readings != 0 ORDER BY 1, 2, 3"
    # The order of the columns is that of the index exceptions_sensor.
    query = f"{counted} WHERE {OPEN} GROUP BY cursor, state, sensor ORDER BY 1, 2, 3"
    if db.execute(query).fetchall() != db.execute(rows).fetchall():
        raise Damaged("the exceptions are incomplete")
    for cursor in cursors(db):
        verified(db, cursor)


def write_cursor(db: sqlite3.Connection, cursor: Cursor) -> None:
    """Insert or update ``cursor``, after its exceptions were written."""
    complete, open_sum, open_count = counted_open(db, cursor)
    query = "SELECT count(*) FROM cursor WHERE active AND id != ?"
    active_count = int(db.execute(query, (cursor.id,)).fetchone()[0]) + cursor.active
    revision = cursor.revision + 1
    row = replace(
        cursor,
        complete=complete,
        open_sum=open_sum,
        open_count=open_count,
        active_count=active_count,
        revision=revision,
    ).row
    db.execute(f"INSERT OR REPLACE INTO cursor ({CURSOR}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608


def count_active(db: sqlite3.Connection) -> None:
    """Write each active cursor again, after one more or one less became active."""
    for each in cursors(db, "active"):
        write_cursor(db, each)


def last_id(db: sqlite3.Connection) -> int:
    """The id of the reading that was added last, also if it is deleted by now; 0 before the first."""
    row = db.execute("SELECT newest FROM sensor WHERE name = ?", (ALL_SENSORS,)).fetchone()
    return int(row[0]) if row else 0


def open_exceptions(db: sqlite3.Connection, cursor: Cursor) -> tuple[int, int]:
    """The sum of the ids and the number of the open exceptions of ``cursor``."""
    query = "SELECT coalesce(sum(ids), 0), coalesce(sum(readings), 0) FROM open_exceptions WHERE cursor = ?"
    total, count = db.execute(query, (cursor.id,)).fetchone()
    return total, count


def counted_open(db: sqlite3.Connection, cursor: Cursor) -> tuple[int, int, int]:
    """``complete``, ``open_sum`` and ``open_count`` of a cursor."""
    total, count = open_exceptions(db, cursor)
    oldest = "SELECT min(reading) FROM exceptions WHERE cursor = ? AND state = ?"
    found = [db.execute(oldest, (cursor.id, state.value)).fetchone()[0] for state in (State.WAITING, State.REJECTED)]
    first = min((number for number in found if number is not None), default=cursor.offset + 1)
    return min(cursor.offset, first - 1), total, count


def add_crc32(db: sqlite3.Connection) -> None:
    """Let SQL compute checksums."""
    db.create_function("crc32", 1, zlib.crc32, deterministic=True)


def compact(data: dict[str, Any]) -> str:
    """The JSON object as one line without spaces."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def checksum(values: tuple[Any, ...]) -> int:
    """The checksum of a row with these columns."""
    return zlib.crc32("\0".join(map(str, values)).encode(errors="replace"))
