"""Which sensors are plugged in, and how they are named and selected."""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from usbrh import psychrometry
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.config import Config, SensorConfig
from usbrh.config.value_types import composed
from usbrh.drivers import usbrh1, usbrh2
from usbrh.drivers.base import Bus, Instrument, Kind, LedState
from usbrh.errors import LibusbMissing, SensorBusy, SensorError, SensorNotFound
from usbrh.reading import Calibration, Reading, SensorInfo

if TYPE_CHECKING:
    from usbrh.drivers.recording import Recorder
    from usbrh.simulator import SimulatorBackend

INSTRUMENTS: tuple[Kind, ...] = (usbrh1.KIND, usbrh2.KIND)
READ_TIMEOUT = 5.0
"""s for one operation with a sensor, with all tries and the wait for other processes."""

MOST_AT_ONCE = 500
"""Sensors that are measured at the same time; the others follow. 1,000 threads would need 100 MB."""

BLINK_SECONDS = 10.0
"""s of blinking, to find a sensor."""
_BLINK_PAUSE = 0.5

_log = logging.getLogger(__name__)


class Sensor:
    """One instrument that is plugged in, with its settings from the configuration."""

    def __init__(self, info: SensorInfo, instrument: Instrument, settings: SensorConfig, clock: Clock) -> None:
        """Combine what ``find`` found; ``clock`` measures deadlines, stamps readings, and lets time pass."""
        self.info = info
        self.settings = settings
        self._instrument = instrument
        self.clock = clock

    @property
    def calibration(self) -> Calibration:
        """What the configuration does to the converted values."""
        return Calibration(
            temperature_offset=self.settings.temperature_offset,
            temperature_scale=self.settings.temperature_scale,
            humidity_offset=self.settings.humidity_offset,
            humidity_scale=self.settings.humidity_scale,
        )

    def read(self, timeout: float = READ_TIMEOUT) -> Reading:
        """Measure once, within ``timeout`` seconds. Raises SensorError."""
        measured = self._instrument.measure(Deadline(timeout, self.clock))
        calibration = self.calibration
        temperature = measured.temperature * calibration.temperature_scale + calibration.temperature_offset
        humidity = min(100.0, max(0.0, measured.humidity * calibration.humidity_scale + calibration.humidity_offset))
        return Reading(
            sensor=self.info.name,
            port=self.info.port,
            model=self.info.model,
            serial=self.info.serial,
            time_ns=self.clock.time_ns(),
            boot_ns=self.clock.boot_ns(),
            temperature=temperature,
            humidity=humidity,
            **psychrometry.derived(temperature, humidity),
            raw=measured.raw,
            conversion=measured.conversion,
            calibration=None if calibration == Calibration() else calibration,
            heater=measured.heater,
            status=measured.status,
            simulated=self.info.simulated,
        )

    def firmware(self, timeout: float = READ_TIMEOUT) -> str:
        """Ask for the version of the firmware. Raises SensorError."""
        return self._instrument.firmware(Deadline(timeout, self.clock))

    def set_led(self, number: int, state: bool | LedState, timeout: float = READ_TIMEOUT) -> None:
        """Switch LED 1 or 2. Raises SensorError; ConfigError if there is no such LED, or it can't blink."""
        if isinstance(state, bool):
            state = "on" if state else "off"
        self._instrument.set_led(number, state, Deadline(timeout, self.clock))

    def blink(self, seconds: float = BLINK_SECONDS) -> None:
        """Let LED 1 blink, and then restore its state; it is off then if the instrument does not report it.

        Raises SensorError; ConfigError if there is no LED.
        """
        before = self._instrument.led_state(1, Deadline(READ_TIMEOUT, self.clock))
        end = Deadline(seconds, self.clock)
        try:
            while not end.passed:
                for state in (True, False):
                    self.set_led(1, state)
                    self.clock.sleep(_BLINK_PAUSE)
        finally:
            self.set_led(1, before or "off")

    def set_heater(self, on: bool, timeout: float = READ_TIMEOUT) -> None:
        """Switch the heater, as ``Instrument.set_heater``. Raises SensorError."""
        self._instrument.set_heater(on, Deadline(timeout, self.clock))

    @contextmanager
    def heating(self) -> Iterator[None]:
        """Switch the heater on, and off again in every case, also after an interrupt while it is being switched on.

        Raises SensorError; SensorBusy if another process has the heater on.
        """
        ours = True
        try:
            try:
                self.set_heater(True)
            except SensorBusy:  # the other process will switch it off
                ours = False
                raise
            yield
        finally:
            if ours:
                self.set_heater(False)

    def release(self, timeout: float = READ_TIMEOUT) -> None:
        """Give the sensor back to the kernel's own driver. Raises SensorError."""
        self._instrument.release(Deadline(timeout, self.clock))


def find(
    config: Config | None = None,
    *,
    backend: Bus | None = None,
    clock: Clock = SYSTEM_CLOCK,
    known: Iterable[Sensor] = (),
) -> list[Sensor]:
    """Find the sensors that are plugged in, in the order of their ports.

    Without ``backend``, such as a ``SimulatorBackend``, use the USB of this machine, or virtual sensors if
    ``USBRH_SIMULATE`` is set. ``known`` is the result of an earlier call: a sensor still at its port stays the same
    object.

    Raises:
        LibusbMissing: libusb can't be loaded or initialised, and no sensor works without it.
        SensorNotFound: this machine has no USB bus.
        ConfigError: ``USBRH_SIMULATE`` is wrong.
    """
    config = config or Config()
    bus = backend or default_bus()
    before = {sensor.info: sensor for sensor in known}
    sensors = []
    found = [(kind.model, plugged) for kind in INSTRUMENTS for plugged in kind.plugged_in(bus)]
    for model, plugged in sorted(found, key=lambda each: _natural(each[1].port)):
        identity = plugged.serial or plugged.port
        settings = config.sensor.get(identity, SensorConfig())
        info = SensorInfo(plugged.port, model, settings.name or identity, plugged.serial, bus.simulated)
        sensor = before.get(info)
        if sensor is None or sensor.settings != settings:
            label = f"{settings.name} ({identity})" if settings.name else identity
            driver = plugged.driver(
                label=label,
                coefficients=settings.coefficients,
                supply=settings.supply,
                measuring_led=settings.measuring_led,
            )
            sensor = Sensor(info, driver, settings, clock)
        sensors.append(sensor)
    if bus.problem is not None:
        if not sensors:
            raise bus.problem
        if isinstance(bus.problem, LibusbMissing):  # a serial port needs no bus
            _log.warning("%s", bus.problem)
    return sensors


def absent(identity: str, name: str | None, simulated: bool) -> SensorInfo:
    """Describe a sensor that the configuration names and that is not plugged in.

    The form of its identity shows its kind; ``model`` is ``unknown`` if no driver knows the form. Where a sensor with a
    serial number belongs is not known: ``port`` is the serial number then.
    """
    for kind in INSTRUMENTS:
        if kind.identity.fullmatch(identity):
            serial = identity if kind.has_serial else None
            return SensorInfo(identity, kind.model, name or identity, serial, simulated)
    return SensorInfo(identity, "unknown", name or identity, simulated=simulated)


def usb_problem() -> LibusbMissing | SensorNotFound | None:
    """Return why no USB-RH can be found on this machine; None if one can. Raises ConfigError (``USBRH_SIMULATE``)."""
    return default_bus().problem


def select(sensors: Sequence[Sensor], selectors: Iterable[str]) -> list[Sensor]:
    """Select by name, port, serial number, number in ``usbrh list``, or "all". Raises SensorNotFound."""
    chosen: dict[str, Sensor] = {}
    for selector in selectors:
        for sensor in sensors if selector == "all" and sensors else [_select_one(sensors, selector)]:
            chosen[sensor.info.identity] = sensor
    return list(chosen.values())


def named(sensors: Sequence[Sensor], name: str) -> Sensor:
    """Return the sensor with that name, port or serial number, and never another one. Raises SensorNotFound."""
    if not sensors:
        raise SensorNotFound(
            "no sensor is plugged in", remedy="plug one in, or try a virtual one: USBRH_SIMULATE=1 usbrh list"
        )
    for field in ("name", "port", "serial"):
        for sensor in sensors:
            value = getattr(sensor.info, field)
            if value is not None and composed(value) == composed(name):
                return sensor
    names = ", ".join(sensor.info.name for sensor in sensors)
    raise SensorNotFound(f"no sensor {name!r}", remedy=f"choose one of: {names}")


def _select_one(sensors: Sequence[Sensor], selector: str) -> Sensor:
    try:
        return named(sensors, selector)
    except SensorNotFound:
        numbered = {str(number): sensor for number, sensor in enumerate(sensors, 1)}
        if selector in numbered:
            return numbered[selector]
        raise


def measure_all(sensors: Sequence[Sensor], timeout: float = READ_TIMEOUT, clock: Clock = SYSTEM_CLOCK) -> list[Reading]:
    """Measure with all sensors at the same time. A sensor that fails gives a reading with the error."""

    def measure(sensor: Sensor) -> Reading:
        try:
            return sensor.read(timeout)
        except SensorError as error:
            return Reading.failed(sensor.info, clock.time_ns(), error, clock.boot_ns())

    if len(sensors) <= 1:
        return [measure(sensor) for sensor in sensors]
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # costs a single reading 15 ms

    with ThreadPoolExecutor(max_workers=min(len(sensors), MOST_AT_ONCE)) as pool:
        return list(pool.map(measure, sensors))


def default_bus(recorder: "Recorder | None" = None) -> Bus:
    """Return the simulator if ``USBRH_SIMULATE`` is set, else the USB of this machine as it is now.

    ``recorder`` records every transfer on it. Raises ConfigError (``USBRH_SIMULATE``).
    """
    simulate = os.environ.get("USBRH_SIMULATE")
    if simulate:
        simulator = _simulator(simulate)
        simulator.recorder = recorder
        return simulator
    from usbrh.drivers.bus import SystemBus  # noqa: PLC0415  # libusb is slow to load, and virtual sensors don't need it

    return SystemBus(recorder)


@cache
def _simulator(simulate: str) -> "SimulatorBackend":
    """Return the virtual sensors of this process; they keep their state from call to call."""
    from usbrh.simulator import backend_from_environment  # noqa: PLC0415  # only needed with USBRH_SIMULATE

    return backend_from_environment(simulate)


def _natural(port: str) -> list[tuple[int, str]]:
    return [(int(number or 0), word) for number, word in re.findall(r"(\d+)|(\D+)", port)]
