"""The driver in front of a virtual sensor that fails: by its deadline a right value, or an error with a name.

Time is virtual, so that deadlines are checked to the millisecond. Each measurement of the sensor has ticks of its
own: an answer is right only if it was measured after it was asked for.
"""

import errno
from typing import Any

import pytest

from usbrh.config import Config, SensorConfig
from usbrh.drivers.shared import REPLUG
from usbrh.drivers.usbrh1 import CONTROL_TIMEOUT, FASTEST_ANSWER, check
from usbrh.errors import (
    AccessDenied,
    BadReport,
    ConfigError,
    SensorBusy,
    SensorError,
    SensorNotFound,
    SensorTimeout,
    TransferFailed,
)
from usbrh.reading import Reading
from usbrh.sensors import Sensor, find, measure_all, select
from usbrh.simulator import FAULTS, SimulatorBackend, VirtualClock, VirtualUsbRh
from usbrh.simulator.chapter9 import TransferError

MEASURING = 0.302
DEADLINE = 5.0


class Bench:
    """One virtual sensor and the driver in front of it."""

    def __init__(self, measuring: float = MEASURING) -> None:
        self.clock = VirtualClock()
        self.model = VirtualUsbRh(clock=self.clock, measuring=measuring, ticks=lambda n: (6000 + n, 1500))
        self.backend = SimulatorBackend([self.model], self.clock)
        (self.sensor,) = self.find()

    def find(self) -> list[Sensor]:
        return find(backend=self.backend, clock=self.clock)

    def read(self, sensor: Sensor | None = None, timeout: float = DEADLINE) -> tuple[Reading, float]:
        """A right reading and the seconds it took; asserts that it is not an older one, and not past its deadline."""
        measured, started = self.model.measured, self.clock.monotonic()
        try:
            reading = (sensor or self.sensor).read(timeout)
        finally:
            elapsed = self.clock.monotonic() - started
            assert elapsed <= timeout + 0.02
        assert reading.raw
        assert reading.raw.humidity == 1500
        assert reading.raw.temperature >= 6000 + measured, "measured before it was asked for"
        return reading, elapsed


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_one_reading_takes_the_measuring_time(bench: Bench) -> None:
    _, elapsed = bench.read()
    assert MEASURING <= elapsed < MEASURING + 0.005


def test_every_transfer_is_given_a_time_out_within_the_deadline(bench: Bench) -> None:
    bench.read(timeout=0.4)
    assert {transfer.kind for transfer in bench.backend.transfers} == {"control", "interrupt"}
    assert all(0 < transfer.timeout <= 400 for transfer in bench.backend.transfers)
    bench.read(timeout=30)
    control = [transfer.timeout for transfer in bench.backend.transfers if transfer.kind == "control"]
    assert max(control) == CONTROL_TIMEOUT * 1000


def test_the_kernel_driver_is_detached_once_and_no_transfer_is_cancelled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    detached = 0

    def detach(handle: Any, interface: int) -> None:
        nonlocal detached
        detached += 1
        SimulatorBackend.detach_kernel_driver(bench.backend, handle, interface)

    monkeypatch.setattr(bench.backend, "detach_kernel_driver", detach)
    for _ in range(10):
        bench.read()
    assert detached == 1
    assert len(bench.backend.transfers) == 3 * 10  # the heater off, the request, its answer


def test_release_gives_the_sensor_back_and_the_next_reading_takes_it_again(bench: Bench) -> None:
    def kernel_has_it() -> bool:
        (device,) = bench.backend.enumerate_devices()
        return device.kernel_driver

    assert kernel_has_it()
    bench.read()
    assert not kernel_has_it()
    bench.sensor.release()
    assert kernel_has_it()
    bench.read()
    assert not kernel_has_it()


# fault, how often it occurs, and what then happens: None, recovers within so many seconds; else the error
RECOVERED = {
    "busy": (3, 1.0),
    "request_stalls": (3, 1.0),
    "request_hangs": (1, 2.0),
    "request_io_error": (2, 1.0),
    "first_answer_hangs": (1, 2.0),
    "feature_stalls": (1, 1.0),
    "feature_hangs": (1, 1.0),
    "no_answer": (2, 3.0),
    "late": (1, 4.0),
    "endpoint_halts": (1, 1.5),
    "read_io_error": (2, 2.0),
    **dict.fromkeys(("short", "long", "empty", "garbage", "all_zero", "all_ff", "out_of_range"), (3, 2.5)),
    "duplicate": (1, 0.4),
    "unsolicited": (1, 0.4),
}


@pytest.mark.parametrize("fault", RECOVERED)
def test_a_passing_fault_is_recovered_from(bench: Bench, fault: str) -> None:
    times, within = RECOVERED[fault]
    bench.model.fault(fault, times)
    _, elapsed = bench.read()
    assert elapsed < within
    assert not bench.model.faults
    _, elapsed = bench.read()
    assert elapsed < 1.0, "the fault had consequences"


def test_a_sensor_that_is_free_too_late_to_be_measured_was_busy(bench: Bench) -> None:
    bench.model.fault("busy", 18)  # it is tried each 0.1 s
    with pytest.raises(SensorBusy, match="in use by another program"):
        bench.sensor.read(2.0)
    bench.read()


@pytest.mark.parametrize(
    "fault", ["unplug_before_request", "unplug_during_request", "unplug_while_measuring", "unplug_during_read"]
)
def test_unplugged_for_a_second_in_the_middle_of_it(bench: Bench, fault: str) -> None:
    bench.model.fault(fault, 1, seconds=1.0)
    _, elapsed = bench.read()
    assert elapsed < 1.0 + 2.0
    bench.read()


LASTING = {
    "access_denied": AccessDenied,
    "busy": SensorBusy,
    "detach_rejected": TransferFailed,
    "request_stalls": TransferFailed,
    "request_hangs": SensorTimeout,
    "request_io_error": TransferFailed,
    "no_answer": SensorTimeout,
    "late": SensorTimeout,
    "endpoint_halts": TransferFailed,
    "read_io_error": TransferFailed,
    **dict.fromkeys(("short", "long", "empty", "garbage", "all_zero", "all_ff", "out_of_range"), BadReport),
    **dict.fromkeys((name for name in FAULTS if name.startswith("unplug_")), SensorNotFound),
}


@pytest.mark.parametrize("fault", LASTING)
def test_a_lasting_fault_is_an_error_with_a_name(bench: Bench, fault: str) -> None:
    bench.model.fault(fault)
    with pytest.raises(SensorError) as raised:
        bench.read()
    assert type(raised.value) is LASTING[fault]
    assert raised.value.port == "sim-1"
    assert "sim-1" in raised.value.message
    assert raised.value.remedy
    assert "\n" not in str(raised.value)
    bench.model.clear_faults()
    if not bench.model.plugged:
        bench.model.plug()
    bench.clock.sleep(20)
    bench.read(bench.find()[0])
    bench.read()


def test_each_fault_is_tested() -> None:
    assert set(RECOVERED) | set(LASTING) == set(FAULTS)


@pytest.mark.parametrize("late", [4.9, 5.1, 5.25, 5.6, 6.2])
@pytest.mark.parametrize("same_object", [True, False])
def test_an_answer_after_our_deadline_never_becomes_the_next_reading(late: float, same_object: bool) -> None:
    bench = Bench()
    bench.read()
    bench.model.fault("no_answer", 3)
    bench.model.fault("late", seconds=late)
    with pytest.raises(SensorTimeout):
        bench.read()
    bench.model.clear_faults()
    for _ in range(8):
        bench.read(bench.sensor if same_object else bench.find()[0])


@pytest.mark.parametrize("after", [0.0, 0.05, 0.15, 0.25, 0.31, 1.0])
def test_an_answer_that_a_killed_process_asked_for_is_not_ours(bench: Bench, after: float) -> None:
    device = next(iter(bench.backend.enumerate_devices()))
    handle = bench.backend.open_device(device)
    bench.backend.detach_kernel_driver(handle, 0)
    bench.model.control((0x21, 0x09), 0x0200, 0, bytes(7))
    bench.backend.close_device(handle)
    bench.clock.sleep(after)
    for _ in range(3):
        bench.read()


@pytest.mark.parametrize(("number", "resets"), [(errno.ETIMEDOUT, 1), (errno.EIO, 1), (errno.EPIPE, 0)])
def test_a_request_that_arrived_although_its_transfer_failed_is_settled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, number: int, resets: int
) -> None:
    """Otherwise its answer could be the reading of the next process. Only after a stall the device has no request."""
    send = bench.model.control
    failures = [number]

    def fail_once(request: tuple[int, int], value: int, *rest: Any, **more: Any) -> bytes | None:
        if value != 0x0200 or not failures:
            return send(request, value, *rest, **more)
        if number != errno.EPIPE:
            send(request, value, *rest, **more)
        failures.pop()
        if number == errno.ETIMEDOUT:
            return None
        raise TransferError(number)

    monkeypatch.setattr(bench.model, "control", fail_once)
    bench.read()
    assert bench.model.wire.count("reset") == resets
    bench.clock.sleep(2)
    assert bench.model.unread == 0


def test_a_report_that_comes_faster_than_the_chip_measures_is_never_a_reading() -> None:
    bench = Bench(measuring=FASTEST_ANSWER - 0.001)
    with pytest.raises(SensorTimeout, match=r"sent only reports that came within 0\.2 s, too soon") as raised:
        bench.read()
    assert raised.value.remedy == REPLUG
    bench.model.measuring = FASTEST_ANSWER
    bench.read()


def test_replugged_under_another_address(bench: Bench) -> None:
    bench.read()
    bench.model.unplug()
    with pytest.raises(SensorNotFound, match="sim-1 is not plugged in"):
        bench.read()
    bench.model.plug()
    bench.read()


def test_the_port_keeps_its_name_and_the_object(bench: Bench) -> None:
    config = Config(sensor={"sim-1": SensorConfig(name="attic")})
    (first,) = find(config, backend=bench.backend, clock=bench.clock)
    (again,) = find(config, backend=bench.backend, clock=bench.clock, known=[first])
    assert first is again
    assert first.info.name == "attic"
    changed = Config(sensor={"sim-1": SensorConfig(name="attic", temperature_offset=1.0)})
    (third,) = find(changed, backend=bench.backend, clock=bench.clock, known=[first])
    assert third is not first


def test_sensors_come_and_go(bench: Bench) -> None:
    bench.model.unplug()
    assert bench.find() == []
    bench.model.plug()
    assert [sensor.info.port for sensor in bench.find()] == ["sim-1"]


def test_calibration_is_applied_after_conversion_and_stays_in_range(bench: Bench) -> None:
    plain, _ = bench.read()
    settings = SensorConfig(temperature_scale=1.1, temperature_offset=-2, humidity_offset=60)
    (sensor,) = find(Config(sensor={"sim-1": settings}), backend=bench.backend, clock=bench.clock)
    reading, _ = bench.read(sensor)
    assert plain.temperature is not None
    assert reading.temperature == pytest.approx((plain.temperature + 0.01) * 1.1 - 2, abs=0.02)
    assert reading.humidity == 100.0


@pytest.mark.parametrize(
    ("settings", "temperature", "humidity", "conversion"),
    [  # data sheets v2.02 and 5, tables of the coefficients, with SO_T = 6500 and SO_RH = 1500
        (SensorConfig(), 25.0, 50.45, "sht1x-v3@5V"),
        (SensorConfig(coefficients="v4", supply=3.5), 25.3, 49.452325, "sht1x-v4@3.5V"),
        (SensorConfig(coefficients="v4", supply=3.3), 25.34, 49.457525, "sht1x-v4@3.3V"),
    ],
)
def test_coefficients_and_supply_of_the_configuration_reach_the_conversion(
    settings: SensorConfig, temperature: float, humidity: float, conversion: str
) -> None:
    clock = VirtualClock()
    backend = SimulatorBackend([VirtualUsbRh(clock=clock, ticks=lambda n: (6500, 1500))], clock)
    (sensor,) = find(Config(sensor={"sim-1": settings}), backend=backend, clock=clock)
    reading = sensor.read()
    assert reading.temperature == pytest.approx(temperature, abs=1e-6)
    assert reading.humidity == pytest.approx(humidity, abs=1e-6)
    assert reading.conversion == conversion


@pytest.mark.parametrize(("timeout", "tries"), [(2.8, 1), (3.0, 2)])  # a try takes 1 s, and another one needs 1.9 s
def test_no_further_try_without_time_for_it(bench: Bench, timeout: float, tries: int) -> None:
    bench.model.fault("no_answer")
    with pytest.raises(SensorTimeout, match=r"sim-1 did not answer within 1\.0 s"):
        bench.read(timeout=timeout)
    assert int(bench.clock.monotonic()) == tries


def test_readings_with_the_heater_on_are_marked_and_the_heater_ends(bench: Bench) -> None:
    for on in (True, False):
        bench.sensor.set_heater(on)
        assert bench.model.heater is on
        assert bench.sensor.read().heater is on


def test_a_heater_that_was_left_on_is_switched_off_by_the_next_to_open_the_sensor(bench: Bench) -> None:
    bench.sensor.set_heater(True)
    (next_process,) = bench.find()
    next_process.firmware()
    assert not bench.model.heater


def test_a_heater_that_was_left_on_while_we_live_does_not_warm_our_readings(bench: Bench) -> None:
    cold = bench.sensor.read()
    (killed,) = bench.find()
    killed.set_heater(True)
    bench.clock.sleep(60)
    bench.sensor.read()
    assert not bench.model.heater
    bench.clock.sleep(600)
    assert bench.sensor.read().temperature == pytest.approx(cold.temperature, abs=0.1)


@pytest.mark.parametrize("fault", ["feature_hangs", "feature_stalls"])
def test_a_passing_fault_does_not_leave_the_heater_on(bench: Bench, fault: str) -> None:
    bench.sensor.set_heater(True)
    bench.model.fault(fault, times=1)
    bench.sensor.set_heater(False)
    assert not bench.model.heater


@pytest.mark.parametrize("fault", ["feature_hangs", "feature_stalls"])
def test_a_heater_that_could_not_be_switched_off_is_switched_off_by_the_next_operation(
    bench: Bench, fault: str
) -> None:
    bench.sensor.set_heater(True)
    bench.model.fault(fault)
    with pytest.raises(SensorError):
        bench.sensor.set_heater(False)
    bench.model.clear_faults()
    assert [bench.model.heater] == [True]
    bench.sensor.read()
    assert not bench.model.heater


@pytest.mark.parametrize("fault", ["feature_hangs", "feature_stalls"])
def test_a_heater_that_does_not_go_on_is_an_error_and_marks_nothing(bench: Bench, fault: str) -> None:
    bench.model.fault(fault)
    with pytest.raises(SensorError):
        bench.sensor.set_heater(True)
    bench.model.clear_faults()
    assert bench.sensor.read().heater is False


def test_leds(bench: Bench) -> None:
    bench.sensor.set_led(2, True)
    assert bench.model.leds == (False, True)
    bench.sensor.set_led(2, False)
    assert bench.model.leds == (False, False)
    bench.sensor.set_led(1, "on")
    assert bench.model.leds == (True, False)
    with pytest.raises(ConfigError, match="has 1 and 2"):
        bench.sensor.set_led(3, True)
    with pytest.raises(ConfigError, match="can't blink"):
        bench.sensor.set_led(1, "blink")


def test_firmware_date(bench: Bench) -> None:
    assert bench.sensor.firmware() == "06/01/09"


@pytest.mark.parametrize(
    "report",
    [
        "04de1c010002",
        "04de1c0100024100",
        "",
        "00000000000000",
        "ffffffffffffff",
        "14de1c01000241",
        "04de5c01000241",
        "0fff1c01000241",
        "04de3fff000241",
        "00001c01000241",
        "04de0000000241",
    ],
)
def test_what_can_not_be_a_measurement_is_rejected(report: str) -> None:
    with pytest.raises(BadReport):
        check(bytes.fromhex(report))


def test_the_captured_report() -> None:
    ticks = check(bytes.fromhex("04de1c01000241"))
    assert (ticks.temperature, ticks.humidity, ticks.reserved.hex()) == (7169, 1246, "000241")


def test_one_failing_sensor_neither_hides_nor_delays_the_others() -> None:
    models = [VirtualUsbRh(number) for number in (1, 2, 3)]
    models[1].fault("no_answer")
    sensors = find(backend=SimulatorBackend(models))
    readings = measure_all(sensors, timeout=1.2)
    assert [reading.state for reading in readings] == ["ok", "timeout", "ok"]
    assert abs(readings[0].time_ns - readings[2].time_ns) < 0.2e9


def test_sixteen_sensors_are_measured_at_the_same_time() -> None:
    sensors = find(backend=SimulatorBackend([VirtualUsbRh(number) for number in range(1, 17)]))
    assert [sensor.info.port for sensor in sensors][8:11] == ["sim-9", "sim-10", "sim-11"]
    readings = measure_all(sensors)
    assert all(reading.state == "ok" for reading in readings)
    times = [reading.time_ns for reading in readings]
    assert max(times) - min(times) < 0.3e9


def test_selectors(bench: Bench) -> None:
    named = Sensor(
        bench.sensor.info._replace(port="1-2", name="2"), bench.sensor._instrument, SensorConfig(), bench.clock
    )
    there = [bench.sensor, named]
    assert select(there, ["2"]) == [named], "a name goes before a number"
    assert select(there, ["1", "sim-1", "all"]) == there
    for written, typed in (("か\u3099", "が"), ("が", "か\u3099")):
        attic = Sensor(named.info._replace(name=written), named._instrument, SensorConfig(), bench.clock)
        assert select([attic], [typed]) == [attic], "one program composes the character, and another does not"
    with pytest.raises(SensorNotFound, match="no sensor '3'; choose one of: sim-1, 2"):
        select(there, ["3"])
    with pytest.raises(SensorNotFound, match="plug one in"):
        select([], ["all"])


@pytest.mark.parametrize("opening", [0.0, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("late", [4.0, 4.6, 5.0, 5.4, 6.0, 10.0])
def test_a_slow_machine_too_settles_what_the_sensor_owes_before_the_deadline(
    opening: float, late: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the late answer could come while the next process waits for its own."""
    bench = Bench()

    def open_slowly(device: Any) -> Any:
        bench.clock.sleep(opening)
        return SimulatorBackend.open_device(bench.backend, device)

    monkeypatch.setattr(bench.backend, "open_device", open_slowly)
    bench.model.fault("late", seconds=late)
    with pytest.raises(SensorTimeout):
        bench.sensor.read(DEADLINE)
    assert bench.model.wire[-1] == "reset"
    bench.model.clear_faults()
    for _ in range(8):
        bench.read(bench.find()[0])
