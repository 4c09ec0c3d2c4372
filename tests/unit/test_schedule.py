"""When to measure, with clocks that jump."""

import pytest

from usbrh.clock import NS, Moment, Schedule


class TwoClocks:
    """A monotonic clock and a wall clock that can be set."""

    def __init__(self, wall: float = 1_790_000_017.25) -> None:
        self.now = 1000.0
        self.wall = wall

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return round(self.wall * NS)

    def boot_ns(self) -> int:
        return round(self.now * NS)

    def moment(self) -> Moment:
        return Moment(self.time_ns(), self.boot_ns(), boot=1)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.wall += seconds

    def sleep_until(self, moment: float) -> None:
        self.sleep(moment - self.now)


def test_aligned_to_the_wall_clock() -> None:
    clock = TwoClocks()
    schedule = Schedule(60, clock)
    for _ in range(3):
        clock.sleep_until(schedule.next())
        assert clock.wall % 60 == pytest.approx(0, abs=1e-3)
        clock.sleep(0.4)  # the measurement


def test_jitter_is_a_fixed_delay() -> None:
    clock = TwoClocks()
    schedule = Schedule(60, clock, delay=7.5)
    for _ in range(3):
        clock.sleep_until(schedule.next())
        assert clock.wall % 60 == pytest.approx(7.5, abs=1e-3)


def test_not_aligned() -> None:
    clock = TwoClocks()
    schedule = Schedule(60, clock, align=False)
    moments = []
    for _ in range(3):
        clock.sleep_until(schedule.next())
        moments.append(clock.now)
        clock.sleep(1.5)
    assert moments == [1060, 1120, 1180]


@pytest.mark.parametrize("delay", [0.0, 7.5, 29.0, 31.0, 59.9, 60.0, 3000.0])
def test_jitter_without_alignment_makes_no_gap(delay: float) -> None:
    clock = TwoClocks()
    schedule = Schedule(60, clock, align=False, delay=delay)
    start = before = clock.now
    for _ in range(3):
        clock.sleep(0.4)
        clock.sleep_until(schedule.next())
        assert 30 <= clock.now - before <= 90
        assert (clock.now - start - delay + 30) % 60 == pytest.approx(30)
        before = clock.now


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("jump", [-3600.0, 3600.0, -3623.0, 3623.0, -29.9, 29.9, 1e9, -1e9])
def test_a_wall_clock_that_jumps(align: bool, jump: float) -> None:
    clock = TwoClocks()
    schedule = Schedule(60, clock, align=align)
    clock.sleep_until(schedule.next())
    before = clock.now
    clock.wall += jump
    for _ in range(5):
        clock.sleep_until(schedule.next())
        assert 30 <= clock.now - before <= 90
        before = clock.now
        clock.sleep(0.3)


@pytest.mark.parametrize("align", [True, False])
def test_moments_that_passed_are_not_made_up_for(align: bool) -> None:
    clock = TwoClocks()
    schedule = Schedule(60, clock, align=align)
    clock.sleep_until(schedule.next())
    clock.sleep(3600 * 8 + 11)
    assert 0 < schedule.next() - clock.now <= 60


def test_woken_a_moment_early_does_not_measure_twice() -> None:
    clock = TwoClocks()
    schedule = Schedule(60, clock)
    clock.sleep_until(schedule.next())
    clock.wall -= 0.01
    assert schedule.next() - clock.now == pytest.approx(60.01)
