"""Deadlines, and those of a part."""

import pytest

from tests.support.clocks import HandClock
from usbrh.clock import Deadline


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
