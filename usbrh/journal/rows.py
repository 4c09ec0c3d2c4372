"""The rows of the journal: readings and the places of destinations, each with its checksum."""

import json
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from usbrh.reading import Reading


class Damaged(Exception):
    """The file is an SQLite database, and what stands in it can't be true."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One reading in the journal."""

    id: int
    """Grows with each reading added; no number is left out among those that wait somewhere, and none is used twice."""
    time_ns: int
    sensor: str
    simulated: bool
    body: str
    """Its JSON, one line: the value that Zabbix gets."""

    @property
    def reading(self) -> Reading:
        return Reading.from_dict(json.loads(self.body))

    @property
    def row(self) -> tuple[int, int, str, int, str, int]:
        """The table row, with its checksum."""
        values = (self.id, self.time_ns, self.sensor, int(self.simulated), self.body)
        return (*values, _checksum(values))


ENTRY = "reading.id, reading.time_ns, reading.sensor, reading.simulated, reading.body, reading.crc"
"""The columns of ``entry``."""


def entry(row: tuple[Any, ...]) -> Entry:
    """The entry of a row selected by ``ENTRY``.

    Raises:
        Damaged: its checksum does not fit.
    """
    number, time_ns, sensor, simulated, body, checksum = row
    # What _checksum does, without a loop: this is done for each of a week's readings.
    text = f"{number}\0{time_ns}\0{sensor}\0{simulated}\0{body}"
    if zlib.crc32(text.encode(errors="replace")) != checksum:
        raise Damaged(f"the checksum of reading {number!r} is wrong")
    return Entry(number, time_ns, sensor, bool(simulated), body)


@dataclass(frozen=True, slots=True)
class Place:
    """How far one destination has come: readings up to ``position`` are settled there unless held."""

    id: int
    text: str
    position: int
    settled: int = 0
    """Readings up to here are settled without exception: where to go on when ``held`` is lost."""
    open: int = 0
    """Sum of the ids of those held that are not settled: shows whether ``held`` is what it was."""
    gone: bool = False
    """It left the configuration."""
    delivered: int = 0
    expired: int = 0
    total: int = 0
    """Number of destinations when this row was written: shows whether one was lost."""
    serial: int = 0
    """Grows with each write: tells the newest of several copies in a damaged file."""
    absent_after: int = 0
    absent_until: int = 0
    """Readings after the one and up to the other came while it was not in the configuration, and were never for it
    unless held. When it left and came back more than once, what was delivered in between counts among them."""


PLACE = "id, text, position, settled, open, gone, delivered, expired, total, serial, crc, absent_after, absent_until"
"""The columns of ``place_of``, in the order of the file."""


def place_of(row: tuple[Any, ...]) -> Place:
    """The place of a row selected by ``PLACE``.

    Raises:
        Damaged: its checksum does not fit.
    """
    *values, checksum, after, until = row
    number, text, position, settled, open_, gone, delivered, expired, total, serial = values
    if _place_checksum(values, after, until) != checksum:
        raise Damaged(f"the checksum of destination {number!r} is wrong")
    return Place(number, text, position, settled, open_, bool(gone), delivered, expired, total, serial, after, until)


def places(db: sqlite3.Connection) -> list[Place]:
    """All destinations, those that left the configuration too.

    Raises:
        Damaged: a checksum does not fit.
    """
    found = [place_of(row) for row in db.execute(f"SELECT {PLACE} FROM destination ORDER BY id")]  # noqa: S608
    last = last_id(db)
    for place in found:
        if place.position > last:
            raise Damaged(f"{place.text} has taken more readings than there were")
    return found


def checked(db: sqlite3.Connection, place: Place) -> Place:
    """``place``, with what is held there as it was; to be called before that is used or changed.

    It reads all that is held: where a destination rejects everything, it is of no concern to the others.

    Raises:
        Damaged: something is missing, or too much.
    """
    if _open(db, place) != (place.settled, place.open):
        raise Damaged(f"what is held for {place.text} is not what was")
    return place


def last_id(db: sqlite3.Connection) -> int:
    """The id of the reading that was added last, 0 before the first."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'reading'").fetchone()
    return int(row[0]) if row else 0


def write_place(db: sqlite3.Connection, place: Place) -> None:
    """Insert or update ``place``, after what is held there."""
    settled, open_ = _open(db, place)
    total = db.execute("SELECT count(*) FROM destination WHERE id != ?", (place.id,)).fetchone()[0] + 1
    values = (
        *(place.id, place.text, place.position, settled, open_, int(place.gone)),
        *(place.delivered, place.expired, total, place.serial + 1),
    )
    absent = (place.absent_after, place.absent_until)
    row = (*values, _place_checksum(values, *absent), *absent)
    db.execute(f"INSERT OR REPLACE INTO destination ({PLACE}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608


def _open(db: sqlite3.Connection, place: Place) -> tuple[int, int]:
    """``settled`` and ``open`` of a place."""
    first, total = db.execute(
        "SELECT min(reading), total(reading) FROM held WHERE destination = ? AND state IN ('waiting', 'rejected')",
        (place.id,),
    ).fetchone()
    return place.position if first is None else min(place.position, first - 1), int(total)


def _place_checksum(values: Sequence[Any], after: int, until: int) -> int:
    """Schema 1 had no absence: the checksum of a row without one is what it was."""
    return _checksum((*values, after, until) if until else tuple(values))


def _checksum(values: tuple[Any, ...]) -> int:
    return zlib.crc32("\0".join(map(str, values)).encode(errors="replace"))
