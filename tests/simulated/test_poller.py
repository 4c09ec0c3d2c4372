"""The measuring loop: sensors that fail, are unplugged and plugged in, in virtual time."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from usbrh.bridge.state import bridge_state
from usbrh.clock import NS
from usbrh.config import Config, SensorConfig
from usbrh.errors import JournalError, SensorNotFound
from usbrh.journal.store import DestinationStatus, Rejection
from usbrh.poller import Poller
from usbrh.reading import Reading
from usbrh.sensors import find
from usbrh.simulator import SimulatorBackend, VirtualClock, VirtualUsbRh


class House:
    """Two virtual sensors."""

    def __init__(self, config: Config | None = None) -> None:
        self.clock = VirtualClock()
        self.sensors = [VirtualUsbRh(number, clock=self.clock) for number in (1, 2)]
        backend = SimulatorBackend(self.sensors, self.clock)
        self.poller = Poller(config or Config(), self.clock, backend=backend)

    def states(self) -> dict[str, str]:
        return {reading.sensor: reading.state for reading in self.poller.measure()}


def test_a_sensor_that_comes_and_goes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    house = House()
    assert house.states() == {"sim-1": "ok", "sim-2": "ok"}
    house.sensors[1].unplug()
    assert house.states() == {"sim-1": "ok", "sim-2": "not_found"}
    assert "sim-2 (sim-2) is not plugged in" in caplog.text
    assert house.states() == {"sim-1": "ok"}  # not configured: it may be somewhere else now
    house.sensors[1].plug()
    assert house.states() == {"sim-1": "ok", "sim-2": "ok"}
    assert "sim-2 works again" in caplog.text
    assert (house.poller.counts.readings, dict(house.poller.counts.failures)) == (6, {"not_found": 1})


class CountingBackend(SimulatorBackend):
    """Counts how often the bus is listed."""

    listings = 0

    def enumerate_devices(self) -> Iterator[Any]:
        self.listings += 1
        return super().enumerate_devices()


def test_a_round_lists_the_bus_once_however_many_sensors_there_are() -> None:
    backend = CountingBackend([VirtualUsbRh(number) for number in range(1, 9)])
    poller = Poller(Config(), backend=backend)
    for rounds in (1, 2, 3):
        assert [reading.state for reading in poller.measure()] == ["ok"] * 8
        assert backend.listings == rounds


def test_a_sensor_that_moved_since_the_bus_was_listed_is_found() -> None:
    """It was plugged in again, so it has another address; and the one after it has left."""
    models = [VirtualUsbRh(number, clock=VirtualClock()) for number in (1, 2)]
    backend = CountingBackend(models, models[0].clock)
    first, second = find(backend=backend, clock=models[0].clock)
    for model in models:
        model.unplug()
    models[0].plug()
    assert first.read().state == "ok"
    with pytest.raises(SensorNotFound, match="sim-2 is not plugged in"):
        second.read()


def test_a_listing_serves_each_sensor_once() -> None:
    backend = CountingBackend([VirtualUsbRh()])
    (sensor,) = find(backend=backend)
    sensor.read()
    assert backend.listings == 1
    sensor.read()
    assert backend.listings > 1


def test_a_configured_sensor_is_missed_as_long_as_it_is_gone() -> None:
    names = {"sim-2": SensorConfig(name="attic"), "1-1.4": SensorConfig(name="real")}
    house = House(Config(sensor=names))
    house.sensors[1].unplug()
    for _ in range(3):
        assert house.states() == {"sim-1": "ok", "attic": "not_found"}
    assert [each["{#SENSOR}"] for each in house.poller.discovery()] == ["sim-1", "attic"]
    house.sensors[1].plug()
    assert house.states() == {"sim-1": "ok", "attic": "ok"}


def spiky(*ticks: tuple[int, int], spike: float | None = 5.0) -> tuple[House, VirtualUsbRh]:
    """A house whose first sensor measures these ticks, in turn, and whose second one stays as it is."""
    house = House(Config(sensor={"sim-1": SensorConfig(spike=spike)}))
    house.sensors[1].unplug()
    house.sensors[0].source = lambda n: ticks[min(n, len(ticks) - 1)]
    return house, house.sensors[0]


def rounds(house: House, count: int, interval: float = 60.0) -> list[tuple[float | None, bool]]:
    found = []
    for _ in range(count):
        (reading,) = house.poller.measure()
        found.append((reading.to_dict()["temperature"], reading.repeated))
        house.clock.sleep(interval)
    return found


def test_a_jump_is_measured_once_more_and_the_second_value_counts() -> None:
    house, sensor = spiky((6000, 1500), (6700, 1500), (6001, 1500), (6002, 1500), (6900, 1500), (6900, 1500))
    assert rounds(house, 5) == [(20, False), (20.01, True), (20.02, False), (29, True), (29, False)]
    assert sensor.measured == 7
    assert house.poller.counts.readings == 5


def test_a_jump_of_the_humidity_counts_too() -> None:
    house, _ = spiky((6000, 1500), (6000, 1700), (6000, 1500))
    assert rounds(house, 2) == [(20, False), (20, True)]
    assert Reading.from_dict(house.poller.measure()[0].to_dict()).repeated is False


@pytest.mark.parametrize(("spike", "interval"), [(None, 60.0), (8.0, 60.0), (5.0, 91.0)])
def test_no_second_measurement_without_the_key_below_the_jump_or_after_a_longer_time(
    spike: float | None, interval: float
) -> None:
    house, sensor = spiky((6000, 1500), (6700, 1500), (6000, 1500), spike=spike)
    assert rounds(house, 3, interval) == [(20, False), (27, False), (20, False)]
    assert sensor.measured == 3


def test_a_second_measurement_that_fails_is_an_error() -> None:
    house, sensor = spiky((6000, 1500), (6700, 1500))
    rounds(house, 1)
    source = sensor.source

    def then_fail(number: int) -> object:
        sensor.fault("request_stalls")
        return source(number)

    sensor.source = then_fail
    (reading,) = house.poller.measure()
    assert (reading.state, reading.temperature, reading.repeated) == ("transfer_failed", None, True)


def test_a_failure_is_logged_once_and_counted_by_kind(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    house = House()
    house.sensors[0].fault("request_stalls")
    for _ in range(3):
        assert house.states()["sim-1"] != "ok"
    kinds = house.poller.counts.failures
    assert kinds.total() == 3
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1
    state = bridge_state(house.poller, [])
    assert (state["failed"], state["failures_by_kind"], state["readings"], state["sensors"]) == (3, dict(kinds), 3, 2)


def test_the_state_sums_up_the_destinations() -> None:
    house = House()
    house.poller.refresh()
    start = house.clock.time_ns()
    house.clock.sleep(90)
    rejections = [Rejection("a", 4, 1, 9, "?"), Rejection("b", 1, 3, 3, "?")]
    one = DestinationStatus("one", 7, start + 30 * NS, 100, 2, rejections)
    other = DestinationStatus("other", 0, None, 107, 0, [])
    state = bridge_state(house.poller, [one, other])
    assert (state["waiting"], state["oldest_waiting_age"], state["rejected"], state["expired"]) == (7, 60, 5, 2)
    assert (state["uptime"], state["simulated"], state["error"]) == (90, True, None)
    assert state["clock_synchronised"] is True
    state = bridge_state(house.poller, [other])
    assert (state["waiting"], state["oldest_waiting_age"]) == (0, 0)
    state = bridge_state(house.poller, None, JournalError("the disk is full", remedy="df -h"))
    assert (state["waiting"], state["oldest_waiting_age"]) == (None, None)
    assert (state["error"], state["remedy"]) == ("the disk is full", "df -h")


def test_a_clock_that_was_set_back_makes_no_negative_age() -> None:
    house = House()
    late = DestinationStatus("one", 1, house.clock.time_ns() + 3600 * NS, 0, 0, [])
    assert bridge_state(house.poller, [late])["oldest_waiting_age"] == 0
