"""Hours, days and weeks of the local calendar."""

from datetime import datetime
from itertools import pairwise

import pytest

from tests.support.zones import BEIRUT, BERLIN, HAVANA, LORD_HOWE, TOKYO, zone
from usbrh.clock import NS
from usbrh.periods import UNITS, Period, Unit, local, periods


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NS


def found(since: str, until: str, unit: Unit) -> list[tuple[str, float]]:
    """The label of each period, and its length in hours."""
    return [(each.label, (each.end_ns - each.start_ns) / NS / 3600) for each in periods(ns(since), ns(until), unit)]


def test_days_are_whole() -> None:
    with zone(TOKYO):
        assert found("2026-11-21T23:59", "2026-11-23T00:00", "day") == [("2026-11-21", 24), ("2026-11-22", 24)]
        (first, _) = periods(ns("2026-11-21T23:59"), ns("2026-11-23T00:00"), "day")
    assert first == Period(ns("2026-11-21T00:00+09:00"), ns("2026-11-22T00:00+09:00"), "2026-11-21")


def test_weeks_begin_on_monday() -> None:
    with zone(TOKYO):
        assert found("2026-11-22T12:00", "2026-11-23T00:01", "week") == [("2026-11-16", 168), ("2026-11-23", 168)]


def test_days_and_weeks_when_the_clock_changes() -> None:
    with zone(BERLIN):
        assert found("2026-10-24", "2026-10-27", "day") == [("2026-10-24", 24), ("2026-10-25", 25), ("2026-10-26", 24)]
        assert found("2026-03-28", "2026-03-30", "day") == [("2026-03-28", 24), ("2026-03-29", 23)]
        assert found("2026-10-22", "2026-10-23", "week") == [("2026-10-19", 169)]


def test_the_repeated_and_the_missing_hour() -> None:
    with zone(BERLIN):
        assert found("2026-10-25T01:30", "2026-10-25T03:01", "hour") == [
            ("2026-10-25 01:00 +0200", 1),
            ("2026-10-25 02:00 +0200", 1),
            ("2026-10-25 02:00 +0100", 1),
            ("2026-10-25 03:00 +0100", 1),
        ]
        assert found("2026-03-29T01:30", "2026-03-29T03:30", "hour") == [
            ("2026-03-29 01:00 +0100", 1),
            ("2026-03-29 03:00 +0200", 1),
        ]


def test_a_midnight_that_is_missing_or_repeated() -> None:
    with zone(BEIRUT):
        assert found("2026-03-28", "2026-03-30", "day") == [("2026-03-28", 24), ("2026-03-29", 23)]
    with zone(HAVANA):
        assert found("2026-10-31", "2026-11-02", "day") == [("2026-10-31", 24), ("2026-11-01", 25)]
        assert [label for label, _ in found("2026-10-31T23:00", "2026-11-01T02:00", "hour")] == [
            "2026-10-31 23:00 -0400",
            "2026-11-01 00:00 -0400",
            "2026-11-01 00:00 -0500",
            "2026-11-01 01:00 -0500",
        ]


def test_a_change_of_half_an_hour() -> None:
    with zone(LORD_HOWE):
        assert found("2026-04-05T01:00", "2026-04-05T02:30", "hour") == [
            ("2026-04-05 01:00 +1100", 1),
            ("2026-04-05 01:30 +1030", 0.5),
            ("2026-04-05 02:00 +1030", 1),
        ]
        assert found("2026-10-04T01:00", "2026-10-04T03:30", "hour") == [
            ("2026-10-04 01:00 +1030", 1),
            ("2026-10-04 02:30 +1100", 0.5),
            ("2026-10-04 03:00 +1100", 1),
        ]


@pytest.mark.parametrize("rules", ["UTC", TOKYO, BERLIN, BEIRUT, HAVANA, LORD_HOWE])
@pytest.mark.parametrize("unit", UNITS)
def test_a_year_has_neither_gaps_nor_overlaps(rules: str, unit: Unit) -> None:
    with zone(rules):
        since, until = ns("2026-01-01"), ns("2027-01-01")
        year = list(periods(since, until, unit))
        for one, next_one in pairwise(year):
            assert one.end_ns == next_one.start_ns > one.start_ns
        assert year[0].start_ns <= since < year[0].end_ns
        assert year[-1].start_ns < until <= year[-1].end_ns
        assert len({each.label for each in year}) == len(year)
        if unit != "hour":
            assert [local(each.start_ns).date().isoformat() for each in year] == [each.label for each in year]
