"""Hours, days and weeks of the local calendar, right across changes of daylight saving time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from usbrh.clock import NS

Unit = Literal["hour", "day", "week"]
UNITS: tuple[Unit, ...] = ("hour", "day", "week")


@dataclass(frozen=True, slots=True)
class Period:
    """One hour, day or week by the clock of this machine's time zone."""

    start_ns: int
    end_ns: int
    """The first moment that does not belong to it. Both in ns since 1970-01-01 UTC."""
    label: str
    """The local date of its first day; for an hour also the time and the offset from UTC, as one hour of a year is
    repeated."""


def periods(since_ns: int, until_ns: int, unit: Unit) -> Iterator[Period]:
    """The whole periods that have a part of the time from ``since_ns`` to before ``until_ns``, in ns since 1970."""
    step = timedelta(weeks=1) if unit == "week" else timedelta(days=1)
    day = local(since_ns).date()
    if unit == "week":
        day -= timedelta(days=day.weekday())  # ISO 8601: a week begins on Monday
    while (start := _midnight(day)) < until_ns:
        end = _midnight(day + step)
        for each in _hours(start, end) if unit == "hour" else [Period(start, end, day.isoformat())]:
            if each.start_ns < min(each.end_ns, until_ns) and each.end_ns > since_ns:
                yield each
        day += step


def local(time_ns: int) -> datetime:
    """The second of ``time_ns`` (ns since 1970) on the local clock, with its offset from UTC."""
    return datetime.fromtimestamp(time_ns // NS).astimezone()


def _midnight(day: date) -> int:
    """The first moment of ``day`` on the local clock, in ns since 1970.

    PEP 495: if the clock shows 0:00 twice, this is the first time. If it never does, this is the moment of the change.
    """
    return int(datetime(day.year, day.month, day.day).timestamp()) * NS  # noqa: DTZ001 - local is what is wanted


def _hours(start_ns: int, end_ns: int) -> Iterator[Period]:
    """The hours of one day; shorter ones where the clock changes by less than an hour (Lord Howe Island)."""
    while start_ns < end_ns:
        following = start_ns + 3600 * NS
        whole = following - local(following).minute * 60 * NS
        if local(whole).minute == 0 and whole > start_ns:
            following = whole
        yield Period(start_ns, min(following, end_ns), f"{local(start_ns):%Y-%m-%d %H:%M %z}")
        start_ns = following
