"""Single values of readings, for pictures: much faster than whole readings."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from usbrh.journal.queries import PAGE
from usbrh.journal.rows import ENTRY, Entry


@dataclass(frozen=True, slots=True)
class Point:
    """Some values of one reading."""

    time_ns: int
    sensor: str
    simulated: bool
    failed: bool
    heater: bool
    """It was on, so the values are not those of the room."""
    values: Sequence[float | None]
    """In the order of the keys."""


Run = Callable[[Callable[[sqlite3.Connection], list[Point]]], list[Point] | None]


def points(run: Run, since_ns: int, until_ns: int, sensors: Sequence[str], keys: Sequence[str]) -> Iterator[Point]:
    """The values ``keys`` of the readings of ``sensors``, in the order of time.

    From ``since_ns`` to before ``until_ns`` (ns since 1970). ``keys`` are of ``usbrh.reading.QUANTITIES``. ``run``
    makes a transaction for each page. Readings without a known time are left out.
    """
    after = (since_ns, "")
    while page := run(partial(_page, after=after, until_ns=until_ns, sensors=sensors, keys=keys)):
        yield from page
        after = (page[-1].time_ns, page[-1].sensor)


def _page(
    db: sqlite3.Connection, after: tuple[int, str], until_ns: int, sensors: Sequence[str], keys: Sequence[str]
) -> list[Point]:
    # The "+" keeps SQLite from the index on the sensor: it would sort all readings for each page.
    columns = ", ".join(f"json_extract(body, '$.{key}')" for key in ("heater", "temperature", *keys))
    query = (
        f"SELECT {columns}, {ENTRY} FROM reading WHERE (time_ns, sensor) > (?, ?) AND time_ns < ? AND timing != 2"  # noqa: S608
        f" AND +sensor IN ({', '.join('?' * len(sensors))}) ORDER BY time_ns, sensor LIMIT ?"
    )
    found = []
    for row in db.execute(query, (*after, until_ns, *sensors, PAGE)):
        heater, temperature, *values = row[: len(keys) + 2]
        entry = Entry.from_row(row[len(keys) + 2 :])  # checks the checksum
        point = Point(entry.time_ns, entry.sensor, entry.simulated, temperature is None, bool(heater), values)
        found.append(point)
    return found
