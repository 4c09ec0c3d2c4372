"""Summaries of the readings in the journal by period.

The index of times has the values that are summarised (``schema.INDEXED``), so a query reads the part of the index that
belongs to its period, and no reading except those with an extreme. SQLite itself keeps the index equal to the readings,
and each entry has a checksum. The time that a query needs grows with the readings in the period, not with the journal:
``python -m benchmarks.history``.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, TypeVar

from usbrh.journal.rows import ENTRY, Damaged, Entry, Timing
from usbrh.journal.schema import PARITY
from usbrh.periods import Period, Unit, periods
from usbrh.reading import SUMMARISED, rounded
from usbrh.summary import Spread, Summary

T = TypeVar("T")
_ID_BITS = 40
"""An extreme and the id of its reading are one integer: value · 100 · 2⁴⁰ ± id. So min() and max() find both, and of
several equal values the first. A value in the journal has two decimals."""
_ID = (1 << _ID_BITS) - 1
_SPREADS = ", ".join(
    f"avg({name} / 100.0), min(({name} << {_ID_BITS}) + id), max(({name} << {_ID_BITS}) - id)" for name in SUMMARISED
)


class Run(Protocol):
    """Calls a query in one transaction; None if there is no journal."""

    def __call__(self, query: Callable[[sqlite3.Connection], T], /) -> T | None:
        """The result of the query."""


def summaries(run: Run, since_ns: int, until_ns: int, unit: Unit, sensors: Sequence[str]) -> Iterator[Summary]:
    """The summaries of ``sensors`` by period (``usbrh.periods.periods``) and name, without those without a reading.

    Each period has a separate transaction, so that other programs wait only shortly.
    """
    following = run(partial(_next, time_ns=since_ns))
    for period in periods(since_ns, until_ns, unit):
        if following is None:
            return
        if following < period.end_ns:
            yield from run(partial(_of_period, period=period, sensors=sensors)) or ()
            following = run(partial(_next, time_ns=period.end_ns))


def _next(db: sqlite3.Connection, time_ns: int) -> int | None:
    """The time of the first reading from ``time_ns`` on; None if there is none."""
    found: int | None = db.execute("SELECT min(time_ns) FROM reading WHERE time_ns >= ?", (time_ns,)).fetchone()[0]
    return found


def _of_period(db: sqlite3.Connection, period: Period, sensors: Sequence[str]) -> list[Summary]:
    # A reading whose time can't be determined any more belongs to no period.
    rows = db.execute(
        "SELECT sensor, heater, max(simulated), count(*), count(temperature),"  # noqa: S608
        f" min(CASE WHEN parity != {PARITY} THEN id END), {_SPREADS} FROM reading WHERE time_ns >= ? AND time_ns < ?"
        f" AND timing != {Timing.UNKNOWN:d} AND sensor IN ({', '.join('?' * len(sensors))})"
        " GROUP BY sensor, heater ORDER BY sensor, heater",
        (period.start_ns, period.end_ns, *sensors),
    ).fetchall()
    found: dict[str, Summary] = {}
    for sensor, heater, simulated, count, good, damaged, *spreads in rows:
        if damaged is not None:
            raise Damaged(f"the checksum of reading {damaged} is wrong in the index")
        if not heater:
            each = {name: _spread(db, name, sensor, spreads[3 * n : 3 * n + 3]) for n, name in enumerate(SUMMARISED)}
            found[sensor] = Summary(sensor, period, good, count - good, 0, bool(simulated), each)
        else:
            cold = found.get(sensor) or Summary(sensor, period, 0, 0, 0, False, dict.fromkeys(SUMMARISED))
            found[sensor] = replace(cold, heated=count, simulated=cold.simulated or bool(simulated))
    return list(found.values())


def _spread(db: sqlite3.Connection, name: str, sensor: str, extremes: Sequence[Any]) -> Spread | None:
    """The spread of the quantity ``name``. ``extremes``: as in ``_SPREADS``.

    Raises:
        Damaged: the reading of an extreme has another value, or is not sound.
    """
    mean, low, high = extremes
    if mean is None:
        return None

    def time_of(number: int, value: float) -> int:
        row = db.execute(f"SELECT {ENTRY} FROM reading WHERE id = ?", (number,)).fetchone()  # noqa: S608
        entry = Entry.from_row(row) if row else None
        if entry is None or (entry.sensor, rounded(getattr(entry.reading, name))) != (sensor, value):
            raise Damaged(f"the index has another value than reading {number}")
        return entry.time_ns

    least, greatest = (low >> _ID_BITS) / 100, -(-high >> _ID_BITS) / 100
    first, last = low & _ID, -high & _ID
    return Spread(least, time_of(first, least), mean, greatest, time_of(last, greatest))
