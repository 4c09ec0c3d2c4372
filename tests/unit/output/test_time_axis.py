"""Marks of the time axis, at changes of the local clock too."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usbrh.output.time_axis import Mark, marks

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture(params=["UTC"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def labels(found: list[Mark]) -> list[str]:
    return [f"{mark.label} {mark.context}".strip() for mark in found]


def in_zone(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("zone", [name], indirect=True)


@in_zone("Europe/Berlin")
@pytest.mark.usefixtures("zone")
def test_the_missing_hour_has_no_mark() -> None:
    found = marks(at("2026-03-28 23:00"), at("2026-03-29 04:00"), HOUR)
    assert labels(found) == ["00:00 Mar 29", "01:00", "03:00 CEST", "04:00", "05:00", "06:00"]
    assert {after.second - before.second for before, after in pairwise(found)} == {HOUR}


@in_zone("Europe/Berlin")
@pytest.mark.usefixtures("zone")
def test_the_repeated_hour_has_its_mark_twice() -> None:
    found = marks(at("2026-10-24 22:00"), at("2026-10-25 03:00"), HOUR)
    assert labels(found) == ["00:00 Oct 25", "01:00", "02:00", "02:00 CET", "03:00", "04:00"]
    assert {after.second - before.second for before, after in pairwise(found)} == {HOUR}


@in_zone("America/New_York")
@pytest.mark.usefixtures("zone")
def test_wider_steps_stay_at_round_local_times() -> None:
    found = marks(at("2026-10-31 16:00"), at("2026-11-02 05:00"), 6 * HOUR)
    assert labels(found) == [
        *("12:00 Oct 31", "18:00", "00:00 Nov 1", "06:00 EST", "12:00", "18:00", "00:00 Nov 2"),
    ]
    assert [after.second - before.second for before, after in pairwise(found)] == [
        *(6 * HOUR, 6 * HOUR, 7 * HOUR, 6 * HOUR, 6 * HOUR, 6 * HOUR),
    ]


@in_zone("Australia/Lord_Howe")
@pytest.mark.usefixtures("zone")
def test_a_change_by_half_an_hour() -> None:
    autumn = marks(at("2026-04-04 14:00"), at("2026-04-04 16:00"), HOUR / 2)
    assert labels(autumn) == ["01:00 Apr 5", "01:30", "01:30 +1030", "02:00", "02:30"]
    spring = marks(at("2026-10-03 15:00"), at("2026-10-03 16:00"), HOUR / 2)
    assert labels(spring) == ["01:30 Oct 4", "02:30 +11", "03:00"]


@in_zone("America/Sao_Paulo")
@pytest.mark.usefixtures("zone")
def test_a_day_without_midnight_begins_at_one() -> None:
    found = marks(at("2018-11-02 12:00"), at("2018-11-06 12:00"), DAY)
    assert labels(found) == ["Nov 3 2018", "Nov 4", "Nov 5", "Nov 6"]
    assert [after.second - before.second for before, after in pairwise(found)] == [DAY, 23 * HOUR, DAY]


@pytest.mark.usefixtures("zone")
def test_longer_times() -> None:
    start = at("2025-12-28 12:00")
    assert labels(marks(start, start + 40 * DAY, 5 * DAY)) == [
        *("Dec 29 2025", "Jan 5 2026", "Jan 12", "Jan 19", "Jan 26", "Feb 2"),  # Mondays
    ]
    assert labels(marks(start, start + 365 * DAY, 50 * DAY)) == [
        *("Jan 2026", "Mar", "May", "Jul", "Sep", "Nov"),
    ]
    assert labels(marks(start, start + 10 * 365 * DAY, 500 * DAY)) == ["2026", "2028", "2030", "2032", "2034"]
    assert labels(marks(start, start + 3, 1)) == ["12:00:00 Dec 28", "12:00:01", "12:00:02", "12:00:03"]


@pytest.mark.usefixtures("zone")
def test_the_distance_between_marks_is_that_of_a_clock() -> None:
    start = at("2026-06-01 00:00")
    found = [0.0]
    while found[-1] < 12 * HOUR:
        span = found[-1] + 0.5
        before, after = (mark.second for mark in marks(start, start + 3 * span, span)[:2])
        found.append(after - before)
    seconds, minutes, hours = (1, 2, 5, 10, 15, 30), (1, 2, 5, 10, 15, 30), (1, 2, 3, 6, 12)
    assert found[1:] == [*seconds, *(60 * each for each in minutes), *(HOUR * each for each in hours)]


@pytest.mark.parametrize(
    "zone",
    ["Asia/Kathmandu", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Tokyo"],
    indirect=True,
)
@pytest.mark.usefixtures("zone")
def test_some_marks_at_any_time() -> None:
    """Round times in order, at least three and few."""

    @given(start=st.floats(1e8, 4e9), length=st.floats(60, 1e9))
    def check(start: float, length: float) -> None:
        found = marks(start, start + length, length / 9)
        assert 3 <= len(found) <= 14
        assert all(before.second < after.second for before, after in pairwise(found))
        assert start <= found[0].second
        assert found[-1].second <= start + length

    check()
