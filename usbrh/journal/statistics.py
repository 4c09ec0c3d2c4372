"""Summaries of the readings in the journal by period.

The journal has no columns or tables for them: they would have to be written with each reading, and repaired after
damage. A query reads the rows of its period only, and SQLite checks them and takes their values out of the JSON. So the
time it needs grows with the readings in the period, not with the journal: ``python -m benchmarks.history``.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from usbrh.journal.rows import SOUND, Damaged, Timing, add_crc32
from usbrh.periods import Period, Unit, periods
from usbrh.summary import SUMMARISED, Spread, Summary

T = TypeVar("T")
_ID_BITS = 40
"""An extreme and the id of its reading are one integer: value · 100 · 2⁴⁰ ± id. So min() and max() find both, and of
several equal values the first. A value in the journal has two decimals."""
_VALUES = ", ".join(f"json_extract(body, '$.{name}') AS {name}" for name in ("heater", *SUMMARISED))
_SPREADS = ", ".join(
    f"avg({name}), min((CAST(round({name} * 100) AS INTEGER) << {_ID_BITS}) + id),"
    f" max((CAST(round({name} * 100) AS INTEGER) << {_ID_BITS}) - id)"
    for name in SUMMARISED
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
    add_crc32(db)
    # With the "+", SQLite uses the index of times, and not that of sensors, which has all readings of each.
    # A reading whose time can't be determined any more belongs to no period.
    chosen = f"+sensor IN ({', '.join('?' * len(sensors))})"
    where = f"time_ns >= ? AND time_ns < ? AND timing != {Timing.UNKNOWN:d} AND {chosen}"
    values = (period.start_ns, period.end_ns, *sensors)
    # CASE: SQLite calls damaged() only where the checksum is wrong, and leaves that reading out. Its JSON may be none.
    damaged: list[int] = []
    db.create_function("damaged", 1, damaged.append)
    rows = db.execute(
        f"WITH value AS MATERIALIZED (SELECT id, sensor, simulated, {_VALUES} FROM reading WHERE {where}"  # noqa: S608
        f" AND CASE WHEN {SOUND} THEN true ELSE damaged(id) END)"
        f" SELECT sensor, heater, max(simulated), count(*), count(temperature), {_SPREADS} FROM value"
        " GROUP BY sensor, heater ORDER BY sensor, heater",
        values,
    ).fetchall()
    if damaged:
        raise Damaged(f"the checksum of reading {damaged[0]} is wrong")
    found: dict[str, Summary] = {}
    for sensor, heater, simulated, count, good, *spreads in rows:
        if not heater:
            each = {name: _spread(db, *spreads[3 * n : 3 * n + 3]) for n, name in enumerate(SUMMARISED)}
            found[sensor] = Summary(sensor, period, good, count - good, 0, bool(simulated), each)
        else:
            cold = found.get(sensor) or Summary(sensor, period, 0, 0, 0, False, dict.fromkeys(SUMMARISED))
            found[sensor] = replace(cold, heated=count, simulated=cold.simulated or bool(simulated))
    return list(found.values())


def _spread(db: sqlite3.Connection, mean: float | None, low: int, high: int) -> Spread | None:
    if mean is None:
        return None

    def split(packed: int) -> tuple[int, int]:
        """The value · 100, and the time of the reading whose id is packed with it."""
        number = packed & ((1 << _ID_BITS) - 1)
        time_ns = db.execute("SELECT time_ns FROM reading WHERE id = ?", (number,)).fetchone()[0]
        return packed >> _ID_BITS, time_ns

    least, min_ns = split(low)
    greatest, max_ns = split(-high)
    return Spread(least / 100, min_ns, mean, -greatest / 100, max_ns)
