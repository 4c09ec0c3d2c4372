"""The measuring loop: readings of all selected sensors, round by round."""

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from usbrh.clock import SYSTEM_CLOCK, Clock, Schedule
from usbrh.config import Config
from usbrh.drivers.base import Bus
from usbrh.errors import SensorNotFound, UsbrhError
from usbrh.reading import Reading, SensorInfo
from usbrh.sensors import READ_TIMEOUT, Sensor, absent, find, measure_all, select

log = logging.getLogger(__name__)


@dataclass
class Counts:
    """Good readings, and failed ones by ``state``, since the process ``started`` (s, monotonic)."""

    started: float
    readings: int = 0
    failures: Counter[str] = field(default_factory=Counter)


def oldest_first(readings: Iterable[Reading]) -> list[Reading]:
    """The readings of one round, sorted by time: sensors are measured in parallel, and a slow one ends last."""
    return sorted(readings, key=lambda reading: reading.time_ns)


_NEXT_ROUND = 1.5
"""Intervals within which a round counts as the next one: a slow sensor delays a round."""


def _jump(before: Reading | None, reading: Reading) -> float:
    """Return the larger change of temperature (°C) and humidity (%RH); 0 if one of the readings has no values."""
    if before is None or before.error is not None or reading.error is not None:
        return 0.0
    pairs = ((before.temperature, reading.temperature), (before.humidity, reading.humidity))
    return max(abs(new - old) for old, new in pairs if old is not None and new is not None)


class Poller:
    """Measures all selected sensors at the same time, round after round.

    Without ``selectors`` (the bridge), a round has a reading of every sensor that is plugged in. A configured sensor
    that is not plugged in gives a failed reading in every round. A sensor without configuration that was unplugged
    gives one failed reading, because it may be in use elsewhere now. The poller logs when a sensor begins to fail and
    when it works again.

    With ``selectors`` (``usbrh watch`` and ``usbrh log``), a round has a reading of every selected sensor, plugged in
    or not. If all sensors are selected, new sensors join when they are plugged in. The caller shows every reading, so
    the poller logs nothing.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock = SYSTEM_CLOCK,
        *,
        selectors: Sequence[str] | None = None,
        counts: Counts | None = None,
        backend: Bus | None = None,
    ) -> None:
        """Select the sensors as ``sensors.select`` does; no selector selects all. ``backend`` as in ``sensors.find``.

        Raises:
            SensorNotFound: a selected sensor is not plugged in, or no sensor is.
            LibusbMissing, ConfigError: with ``selectors``, as ``sensors.find``.
        """
        self.clock = clock
        self.counts = counts or Counts(clock.monotonic())
        self.sensors: list[Sensor] = []  # of the last round
        self.problem: UsbrhError | None = None
        """The error that prevented the last search for sensors."""
        self._config = config
        self._interval = config.bridge.interval
        self._before: dict[str, Reading] = {}  # of the last round, by identity
        self._before_at = -math.inf
        self._backend = backend
        self._states: dict[str, str] = {}
        self._selected = selectors is not None
        self._named = bool(selectors) and "all" not in (selectors or ())
        if selectors is not None:
            self.sensors = select(find(config, backend=backend, clock=clock), selectors or ["all"])

    @property
    def simulated(self) -> bool:
        """Whether the last round had a simulated sensor."""
        return any(sensor.info.simulated for sensor in self.sensors)

    def refresh(self) -> None:
        """Find the sensors that are plugged in now. An error is kept in ``problem``."""
        if self._named:
            return
        before = self.sensors
        try:
            self.sensors = find(self._config, backend=self._backend, clock=self.clock, known=before)
            self.problem = None
        except UsbrhError as problem:
            if not self._selected and str(problem) != str(self.problem):
                log.warning("%s", problem)
            self.sensors, self.problem = [], problem
        if self._selected:  # measuring a sensor that was unplugged gives the error
            found = {sensor.info.identity for sensor in self.sensors}
            self.sensors += [sensor for sensor in before if sensor.info.identity not in found]

    def measure(self, timeout: float = READ_TIMEOUT) -> list[Reading]:
        """Measure one round within ``timeout`` seconds; a sensor that fails gives a reading with the error.

        A sensor whose values jumped by more than its ``spike`` is measured again, within another ``timeout`` seconds.
        """
        before = [sensor.info for sensor in self.sensors]
        self.refresh()
        readings = self._without_spikes(measure_all(self.sensors, timeout, self.clock), timeout)
        if not self._selected:
            plugged_in = {sensor.info.identity for sensor in self.sensors}
            unplugged = {info.identity: info for info in [*self._missing(), *before] if info.identity not in plugged_in}
            readings += [self._not_plugged_in(info) for info in unplugged.values()]
            self._log_changes(readings)
        self._count(readings)
        return readings

    def rounds(self, interval: float) -> Iterator[list[Reading]]:
        """Measure continuously: the first round now, then one every ``interval`` seconds."""
        self._interval = interval
        schedule = Schedule(interval, self.clock, align=False)
        while True:
            yield self.measure()
            schedule.sleep()

    def discovery(self) -> list[dict[str, str]]:
        """The value of ``usbrh.discovery``: the sensors that are plugged in or configured."""
        infos = [*(sensor.info for sensor in self.sensors), *self._missing()]
        return [{"{#SENSOR}": info.name, "{#PORT}": info.port, "{#MODEL}": info.model} for info in infos]

    def _without_spikes(self, readings: list[Reading], timeout: float) -> list[Reading]:
        """Measure sensors once more whose values jumped since the last round; return the second result of those."""
        now = self.clock.monotonic()
        if now - self._before_at > _NEXT_ROUND * self._interval:
            self._before.clear()
        jumped = [
            number
            for number, (sensor, reading) in enumerate(zip(self.sensors, readings, strict=True))
            if _jump(self._before.get(sensor.info.identity), reading) > (sensor.settings.spike or math.inf)
        ]
        again = measure_all([self.sensors[number] for number in jumped], timeout, self.clock)
        for number, reading in zip(jumped, again, strict=True):
            readings[number] = replace(reading, repeated=True)
        infos = (sensor.info for sensor in self.sensors)
        self._before = {info.identity: reading for info, reading in zip(infos, readings, strict=True)}
        self._before_at = now
        return readings

    def _missing(self) -> list[SensorInfo]:
        """Configured sensors that are not plugged in: simulated ones only beside simulated sensors, and vice versa."""
        found = {sensor.info.identity for sensor in self.sensors}
        return [
            absent(identity, settings.name, self.simulated)
            for identity, settings in self._config.sensor.items()
            if identity not in found and identity.startswith("sim-") == self.simulated
        ]

    def _not_plugged_in(self, info: SensorInfo) -> Reading:
        message = f"{info.name} ({info.identity}) is not plugged in"
        error = SensorNotFound(message, info.port, remedy="see: usbrh list")
        return Reading.failed(info, self.clock.time_ns(), error, self.clock.boot_ns())

    def _count(self, readings: Sequence[Reading]) -> None:
        failures = [reading.state for reading in readings if reading.error is not None]
        self.counts.failures.update(failures)
        self.counts.readings += len(readings) - len(failures)

    def _log_changes(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            identity = reading.serial or reading.port
            before = self._states.get(identity, "ok")
            if reading.error is not None and reading.state != before:
                log.warning("%s", reading.problem)
            elif reading.error is None and before != "ok":
                log.info("%s works again", reading.sensor)
            self._states[identity] = reading.state
