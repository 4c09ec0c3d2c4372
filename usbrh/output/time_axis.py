"""Marks of a time axis: at round local times, also where the local clock changes.

A moment is chosen by its local time, but kept in seconds since 1970. So the repeated hour of autumn has its marks
twice, the missing hour of spring has none, and the distances between marks are those of the real time.
"""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
"""Steps below a day, in s."""
_DAYS = (1, 2, 7, 14)
_MONTHS = (1, 2, 3, 6)
_DAY = 86400
_MONTH = 2_629_746
_QUARTER = 900
"""All offsets from UTC in use are multiples of a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One mark of the axis."""

    second: float
    """Since 1970."""
    label: str
    context: str
    """The date, the year or the time zone, where it differs from that of the mark before; else empty."""


def marks(start: float, end: float, span: float) -> list[Mark]:
    """Return the marks from ``start`` to ``end`` (s since 1970) with the finest step of at least ``span`` seconds.

    Where the local clock changes, the distance between two marks can be shorter or longer.
    """
    for step in _SECONDS:
        if step >= span:
            form = "%H:%M" if step >= 60 else "%H:%M:%S"
            return _marks(list(moments(start, end, step)), form, "%b %-d", zones=True)
    for step in _DAYS:
        if step * _DAY >= span:
            chosen = (day for day in _days(start, end) if (day.toordinal() - 1) % step == 0)  # Mondays for 7 days
            return _marks(_midnights(chosen, start, end), "%b %-d", "%Y")
    for step in _MONTHS:
        if step * _MONTH >= span:
            chosen = (day for day in _first_days(start, end) if (day.month - 1) % step == 0)
            return _marks(_midnights(chosen, start, end), "%b", "%Y")
    years = math.ceil(span / _MONTH / 12)
    chosen = (day for day in _first_days(start, end) if day.month == 1 and day.year % years == 0)
    return _marks(_midnights(chosen, start, end), "%Y", "")


def moments(start: float, end: float, step: int) -> Iterator[int]:
    """Yield the moments whose local time of day is a multiple of ``step`` (s, up to a day)."""
    every = math.gcd(step, _QUARTER)
    for moment in range(math.ceil(start / every) * every, math.floor(end) + 1, every):
        local = time.localtime(moment)
        if (local.tm_hour * 3600 + local.tm_min * 60 + local.tm_sec) % step == 0:
            yield moment


def _days(start: float, end: float) -> Iterator[date]:
    first, last = (datetime.fromtimestamp(moment).toordinal() for moment in (start, end))  # noqa: DTZ006 - local
    return map(date.fromordinal, range(first, last + 1))


def _first_days(start: float, end: float) -> Iterator[date]:
    """Yield the first day of each month."""
    first, last = (datetime.fromtimestamp(moment) for moment in (start, end))  # noqa: DTZ006 - local
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        yield date(month // 12, month % 12 + 1, 1)


def _midnights(days: Iterable[date], start: float, end: float) -> list[float]:
    """Return the first moments of the ``days``, if they are between ``start`` and ``end``.

    On some days the clock goes from 23:59 to 1:00; then this is 1:00 (PEP 495).
    """
    moments = (datetime(day.year, day.month, day.day).timestamp() for day in days)  # noqa: DTZ001 - local
    return [moment for moment in moments if start <= moment <= end]


def _marks(chosen: list[int] | list[float], form: str, context: str, *, zones: bool = False) -> list[Mark]:
    """Label the moments. With ``zones``, a mark after a change of the local clock also has the name of the zone."""
    local = [time.localtime(moment) for moment in chosen]
    contexts = [time.strftime(context, each) for each in local]
    shown = contexts[:1] + [new if new != old else "" for old, new in pairwise(contexts)]
    if zones:
        for number, (before, after) in enumerate(pairwise(local), 1):
            if before.tm_gmtoff != after.tm_gmtoff:
                shown[number] = f"{shown[number]} {after.tm_zone}".strip()
    return [
        Mark(moment, time.strftime(form, each), text) for moment, each, text in zip(chosen, local, shown, strict=True)
    ]
