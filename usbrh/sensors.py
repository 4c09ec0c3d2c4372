"""Which sensors are plugged in, and how they are named and chosen."""

import logging
import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from usbrh import psychrometry
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.config import Config, SensorConfig
from usbrh.config.model import PORT_PATH
from usbrh.drivers import usbrh1, usbrh2
from usbrh.drivers.base import Instrument, LedState, Plugged
from usbrh.errors import LibusbMissing, SensorError, SensorNotFound
from usbrh.reading import Calibration, Reading, SensorInfo

INSTRUMENTS: tuple[Callable[[Any], Iterable[Plugged]], ...] = (usbrh1.plugged_in, usbrh2.plugged_in)
"""What finds the instruments of each kind. Each is given the pyusb backend, whose attribute ``simulated`` says
whether virtual instruments are wanted or real ones; None where USB can't be used."""

READ_TIMEOUT = 5.0
"""s for one operation with a sensor, with all tries and the wait for other processes."""

_log = logging.getLogger(__name__)


class Sensor:
    """One instrument that is plugged in, with what the configuration says of it."""

    def __init__(self, info: SensorInfo, instrument: Instrument, settings: SensorConfig, clock: Clock) -> None:
        self.info = info
        self.settings = settings
        self._instrument = instrument
        self._clock = clock

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
        """Measure once; ends within ``timeout`` seconds.

        Raises:
            SensorError: one of its leaves; there is no reading.
        """
        measured = self._instrument.measure(Deadline(timeout, self._clock))
        calibration = self.calibration
        temperature = measured.temperature * calibration.temperature_scale + calibration.temperature_offset
        humidity = min(100.0, max(0.0, measured.humidity * calibration.humidity_scale + calibration.humidity_offset))
        return Reading(
            sensor=self.info.name,
            port=self.info.port,
            model=self.info.model,
            serial=self.info.serial,
            time_ns=self._clock.time_ns(),
            temperature=temperature,
            humidity=humidity,
            dew_point=psychrometry.dew_point(temperature, humidity),
            absolute_humidity=psychrometry.absolute_humidity(temperature, humidity),
            raw=measured.raw,
            conversion=measured.conversion,
            calibration=None if calibration == Calibration() else calibration,
            heater=measured.heater,
            status=measured.status,
            simulated=self.info.simulated,
        )

    def firmware(self, timeout: float = READ_TIMEOUT) -> str:
        """The firmware's version. Raises SensorError."""
        return self._instrument.firmware(Deadline(timeout, self._clock))

    def set_led(self, number: int, state: bool | LedState, timeout: float = READ_TIMEOUT) -> None:
        """Switch LED 1 or 2. Raises SensorError; ConfigError if there is no such LED, or it can't blink."""
        if isinstance(state, bool):
            state = "on" if state else "off"
        self._instrument.set_led(number, state, Deadline(timeout, self._clock))

    def set_heater(self, on: bool, timeout: float = READ_TIMEOUT) -> None:
        """Switch the heater; on, it stays on until it is switched off, or by the next to open the sensor if we die.

        Raises SensorError.
        """
        self._instrument.set_heater(on, Deadline(timeout, self._clock))

    def release(self, timeout: float = READ_TIMEOUT) -> None:
        """Give the sensor back to the kernel's own driver. Raises SensorError."""
        self._instrument.release(Deadline(timeout, self._clock))


def find(
    config: Config | None = None,
    *,
    backend: Any = None,
    clock: Clock = SYSTEM_CLOCK,
    known: Iterable[Sensor] = (),
) -> list[Sensor]:
    """The sensors that are plugged in, in the order of their ports.

    Args:
        config: names and calibration.
        backend: a pyusb backend; without one libusb, or virtual sensors if ``USBRH_SIMULATE`` is set.
        clock: what measures deadlines and stamps readings.
        known: the result of an earlier call: the same sensor at the same place stays the same object.

    Raises:
        LibusbMissing: libusb can't be loaded or initialised, and there is no sensor that works without it.
        SensorNotFound: this machine has no USB bus at all.
        ConfigError: ``USBRH_SIMULATE`` is wrong.
    """
    config = config or Config()
    before = {sensor.info: sensor for sensor in known}
    sensors = []
    for plugged in sorted(_plugged_in(backend), key=lambda plugged: _natural(plugged.port)):
        identity = plugged.serial or plugged.port
        settings = config.sensor.get(identity, SensorConfig())
        info = SensorInfo(plugged.port, plugged.model, settings.name or identity, plugged.serial, plugged.simulated)
        sensor = before.get(info)
        if sensor is None or sensor.settings != settings:
            label = f"{settings.name} ({identity})" if settings.name else identity
            sensor = Sensor(info, plugged.driver(label, settings, clock), settings, clock)
        sensors.append(sensor)
    return sensors


def usb_problem() -> LibusbMissing | SensorNotFound | None:
    """Why no USB-RH can be found on this machine, whatever is plugged in; None if one can.

    Raises:
        ConfigError: ``USBRH_SIMULATE`` is wrong.
    """
    try:
        _default_backend(os.environ.get("USBRH_SIMULATE", ""))
    except (LibusbMissing, SensorNotFound) as error:
        return error
    return None


def _plugged_in(backend: Any) -> list[Plugged]:
    """All instruments; those that need no libusb even where there is none."""
    problem = None
    if backend is None:
        try:
            backend = _default_backend(os.environ.get("USBRH_SIMULATE", ""))
        except (LibusbMissing, SensorNotFound) as error:
            problem = error
    found = [plugged for instruments in INSTRUMENTS for plugged in instruments(backend)]
    if problem is not None:
        if not found:
            raise problem
        _log.warning("%s", problem)
    return found


def select(sensors: Sequence[Sensor], selectors: Iterable[str]) -> list[Sensor]:
    """The sensors that are meant: a selector is a name, port, serial number, number in ``usbrh list``, or "all".

    Raises:
        SensorNotFound: no such sensor, or none at all.
    """
    chosen: dict[str, Sensor] = {}
    for selector in selectors:
        for sensor in sensors if selector == "all" and sensors else [_select_one(sensors, selector)]:
            chosen[sensor.info.identity] = sensor
    return list(chosen.values())


def named(sensors: Sequence[Sensor], name: str) -> Sensor:
    """The sensor of that name, port or serial number. Never another one because it was unplugged.

    Raises:
        SensorNotFound: no such sensor.
    """
    if not sensors:
        raise SensorNotFound("no sensor is plugged in; plug one in, or try a virtual one: USBRH_SIMULATE=1 usbrh list")
    for field in ("name", "port", "serial"):
        for sensor in sensors:
            if getattr(sensor.info, field) == name:
                return sensor
    there = ", ".join(sensor.info.name for sensor in sensors)
    raise SensorNotFound(f"no sensor {name!r}; there is: {there}")


def _select_one(sensors: Sequence[Sensor], selector: str) -> Sensor:
    try:
        return named(sensors, selector)
    except SensorNotFound:
        numbered = {str(number): sensor for number, sensor in enumerate(sensors, 1)}
        if selector in numbered:
            return numbered[selector]
        raise


def measure_all(sensors: Sequence[Sensor], timeout: float = READ_TIMEOUT, clock: Clock = SYSTEM_CLOCK) -> list[Reading]:
    """One reading of each, all at the same time. A sensor that fails gives a reading that says so."""

    def measure(sensor: Sensor) -> Reading:
        try:
            return sensor.read(timeout)
        except SensorError as error:
            return Reading.failed(sensor.info, clock.time_ns(), error)

    if len(sensors) <= 1:
        return [measure(sensor) for sensor in sensors]
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # costs a single reading 15 ms

    with ThreadPoolExecutor(max_workers=len(sensors)) as pool:
        return list(pool.map(measure, sensors))


def absent(identity: str, name: str | None, simulated: bool) -> SensorInfo:
    """What is known of a configured sensor that is not plugged in."""
    if PORT_PATH.fullmatch(identity):
        return SensorInfo(identity, usbrh1.MODEL, name or identity, simulated=simulated)
    return SensorInfo(identity, usbrh2.MODEL, name or identity, identity, simulated=simulated)


@cache
def _default_backend(simulate: str) -> Any:
    if simulate:
        from usbrh.simulator import backend_from_environment  # noqa: PLC0415  # only for those who asked for it

        return backend_from_environment(simulate)
    from ctypes.util import find_library  # noqa: PLC0415  # as heavy as all the rest, and not for virtual sensors

    from usb.backend import libusb1  # noqa: PLC0415

    backend = libusb1.get_backend()
    if backend is not None:
        return backend
    # pyusb does not say why: no library, or one that found no USB to work with.
    if find_library("usb-1.0") is None:
        raise LibusbMissing("libusb is not installed; sudo apt install libusb-1.0-0")
    if not Path("/dev/bus/usb").exists():
        raise SensorNotFound("no sensor: this machine has no USB bus (no /dev/bus/usb)")
    raise LibusbMissing("libusb can't be initialised; usbrh --debug list says more")


def _natural(port: str) -> list[tuple[int, str]]:
    return [(int(number or 0), word) for number, word in re.findall(r"(\d+)|(\D+)", port)]
