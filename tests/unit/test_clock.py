"""Deadlines, and those of a part."""

import time

import pytest

from tests.support.clocks import HandClock
from usbrh.clock import NS, SYSTEM_CLOCK, Deadline, Moment


def test_a_part_ends_with_the_whole_at_the_latest() -> None:
    clock = HandClock()
    whole = Deadline(10, clock)
    clock.now += 4
    part, long = whole.within(2), whole.within(60)
    assert (part.remaining(), part.seconds) == (2, 2)
    assert (long.remaining(), long.seconds) == (6, 6)
    clock.now += 2
    assert part.passed
    assert not whole.passed


def test_who_shortens_the_whole_shortens_its_parts() -> None:
    clock = HandClock()
    whole = Deadline(3600, clock)
    part = whole.within(60)
    inner = part.within(50)
    clock.now += 5
    whole.shorten(10)
    assert whole.remaining() == part.remaining() == inner.remaining() == 10
    assert inner.seconds == pytest.approx(15)
    whole.shorten(20)
    assert inner.remaining() == 10
    whole.shorten(0)
    assert inner.passed
    clock.now += 1
    late = whole.within(5)
    assert (late.remaining(), late.seconds) == (0, 0)


def test_the_clock_of_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert abs(SYSTEM_CLOCK.time_ns() - time.time() * 1e9) < 10 * NS
    assert abs(SYSTEM_CLOCK.monotonic() - time.monotonic()) < 10
    before = time.monotonic()
    SYSTEM_CLOCK.sleep(0.02)
    assert time.monotonic() - before >= 0.02
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: clock)
    assert SYSTEM_CLOCK.boot_ns() == time.CLOCK_BOOTTIME, "the clock that includes suspend"


def test_a_second_has_a_billion_nanoseconds() -> None:
    assert NS == 10**9
    assert Moment(5 * NS, 2 * NS, 1).offset_ns == 3 * NS
