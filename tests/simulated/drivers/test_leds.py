"""An LED that is on during a measurement, and one that blinks so that a person finds the sensor."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.clocks import HurriedClock
from usbrh.config import Config, SensorConfig
from usbrh.errors import SensorError
from usbrh.sensors import Sensor, find
from usbrh.simulator import SimulatorBackend, VirtualClock, VirtualUsbRh, VirtualUsbrh2

MEASURING = SensorConfig(led="measuring")


class Bench:
    """A virtual USB-RH that notes its LEDs at each measurement."""

    def __init__(self, settings: SensorConfig = MEASURING) -> None:
        self.clock = VirtualClock()
        self.seen: list[tuple[object, object]] = []
        self.model = VirtualUsbRh(clock=self.clock, ticks=self.measured)
        self.backend = SimulatorBackend([self.model], self.clock)
        (self.sensor,) = find(Config(sensor={"sim-1": settings}), backend=self.backend, clock=self.clock)

    def measured(self, number: int) -> tuple[int, int]:
        self.seen.append(self.model.leds)
        return 6500, 1500


def test_led_1_is_on_during_a_measurement_and_off_after_it() -> None:
    bench = Bench()
    bench.sensor.read()
    assert (bench.seen, bench.model.leds) == ([(True, False)], (False, False))


def test_without_the_setting_no_led_is_touched() -> None:
    bench = Bench(SensorConfig())
    bench.sensor.set_led(1, True)
    bench.sensor.read()
    assert (bench.seen, bench.model.leds) == ([(True, False)], (True, False))
    bench.sensor.set_led(1, False)
    bench.sensor.read()
    assert bench.seen[-1] == (False, False)


@pytest.mark.parametrize("fault", ["feature_stalls", "feature_hangs"])
def test_an_led_that_can_not_be_switched_does_not_cost_the_reading(fault: str) -> None:
    bench = Bench()
    bench.model.fault(fault)
    assert bench.sensor.read().humidity
    assert bench.clock.monotonic() < 2.5


def test_it_is_off_after_a_measurement_that_failed() -> None:
    bench = Bench()
    bench.model.fault("no_answer")
    with pytest.raises(SensorError):
        bench.sensor.read()
    assert bench.model.leds == (False, False)
    assert bench.clock.monotonic() <= 5.02


@pytest.fixture
def usbrh2() -> Iterator[Callable[..., tuple[VirtualUsbrh2, Sensor]]]:
    buses = []

    def make(settings: SensorConfig = MEASURING, **model: Any) -> tuple[VirtualUsbrh2, Sensor]:
        virtual = VirtualUsbrh2(serial="E02A", **model)
        buses.append(SimulatorBackend([virtual]))
        (sensor,) = find(Config(sensor={"E02A": settings}), backend=buses[-1], clock=HurriedClock())
        return virtual, sensor

    yield make
    for bus in buses:
        bus.close()


def test_led_1_of_a_usbrh2(usbrh2: Callable[..., tuple[VirtualUsbrh2, Sensor]]) -> None:
    seen = []

    def measured(number: int) -> tuple[float, float]:
        seen.append(model.leds)
        return 20.0, 50.0

    model, sensor = usbrh2(air=measured)
    assert sensor.read().humidity == 50
    assert (seen, model.leds) == ([("on", "off")], ("off", "off"))
    model.fault("no_answer")
    with pytest.raises(SensorError):
        sensor.read(1.5)
    until = time.monotonic() + 5  # no time was left to wait for the device
    while model.leds != ("off", "off"):
        assert time.monotonic() < until
        time.sleep(0.01)


class Watched(VirtualClock):
    """A virtual clock that notes the LED at each sleep."""

    def __init__(self) -> None:
        super().__init__()
        self.model: VirtualUsbRh | None = None
        self.seen: list[bool] = []

    def sleep(self, seconds: float) -> None:
        if self.model and seconds >= 0.5:
            self.seen.append(self.model.leds[0])
        super().sleep(seconds)


def test_blinks_for_ten_seconds_and_is_off_afterwards() -> None:
    clock = Watched()
    clock.model = VirtualUsbRh(clock=clock)
    (sensor,) = find(backend=SimulatorBackend([clock.model], clock), clock=clock)
    sensor.set_led(1, True)
    sensor.blink()
    assert clock.seen == [True, False] * 10
    assert clock.model.leds == (False, False)


@pytest.mark.parametrize("state", ["on", "off", "blink"])
def test_a_usbrh2_blinks_and_is_as_before(usbrh2: Callable[..., tuple[VirtualUsbrh2, Sensor]], state: Any) -> None:
    model, sensor = usbrh2(SensorConfig())
    sensor.set_led(1, state)
    sensor.blink(0.1)
    assert model.leds == (state, "off")


@pytest.mark.parametrize(
    ("answer", "after"),
    [("LED1 = on", "on"), ("led1: BLINK, led2: off", "blink"), ("Led 1 true", "on"), ("nothing known", "off")],
)
def test_the_list_of_settings_in_other_forms(
    usbrh2: Callable[..., tuple[VirtualUsbrh2, Sensor]], answer: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, sensor = usbrh2(SensorConfig())
    do = model._do

    def other(words: list[str], at: float) -> None:
        if words == ["list"]:
            model._send_line(answer)
        else:
            do(words, at)

    monkeypatch.setattr(model, "_do", other)
    sensor.blink(0.1)
    assert model.leds == (after, "off")
