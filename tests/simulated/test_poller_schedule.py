"""Measuring on a schedule, in the simulator's own time."""

from itertools import islice

import pytest

from usbrh.clock import Clock, Moment
from usbrh.config import Config
from usbrh.errors import SensorNotFound
from usbrh.poller import Poller
from usbrh.reading import Reading
from usbrh.sensors import _simulator


class Time:
    """Time that passes only when somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int(self.now * 1e9)

    def boot_ns(self) -> int:
        return int(self.now * 1e9)

    def moment(self) -> Moment:
        return Moment(self.time_ns(), self.boot_ns(), boot=1)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Slow(Poller):
    """Its rounds last as long as the test says."""

    def __init__(self, clock: Clock, takes: list[float]) -> None:
        super().__init__(Config(), clock)
        self.takes = takes
        self.starts: list[float] = []

    def measure(self, timeout: float = 0.0) -> list[Reading]:
        self.starts.append(self.clock.monotonic())
        self.clock.sleep(self.takes.pop(0))
        return []


@pytest.mark.parametrize(
    ("takes", "starts"),
    [
        ([0.3, 0.3, 0.3], [100, 110, 120]),
        ([0.3, 12.0, 0.3], [100, 110, 130]),  # a late round skips, and the schedule stays
        ([10.0, 0.3, 0.3], [100, 110, 120]),
        ([35.0, 0.3, 0.3], [100, 140, 150]),
    ],
)
def test_the_schedule_does_not_drift(takes: list[float], starts: list[float]) -> None:
    clock = Time()
    slow = Slow(clock, takes)
    for _ in islice(slow.rounds(10), 3):
        pass
    assert slow.starts == pytest.approx(starts)


def test_all_sensors_or_those_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "3")
    assert [each.sensor for each in Poller(Config(), selectors=[]).measure()] == ["sim-1", "sim-2", "sim-3"]
    assert [each.sensor for each in Poller(Config(), selectors=["sim-2"]).measure()] == ["sim-2"]
    with pytest.raises(SensorNotFound):
        Poller(Config(), selectors=["cellar"])


def test_a_sensor_plugged_in_later_is_measured_too_and_one_unplugged_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    poller = Poller(Config(), selectors=[])
    monkeypatch.setenv("USBRH_SIMULATE", "2")
    assert [each.sensor for each in poller.measure()] == ["sim-1", "sim-2"]
    backend = _simulator("2")
    backend.models["sim-2"].unplug()
    assert [(each.sensor, each.state) for each in poller.measure()] == [("sim-1", "ok"), ("sim-2", "not_found")]
    backend.models["sim-2"].plug()
    assert [(each.sensor, each.state) for each in poller.measure()] == [("sim-1", "ok"), ("sim-2", "ok")]
