"""Measuring in rounds: all sensors at once, those that come and go, and what is counted of it."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from usbrh import __version__
from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.config.model import Config
from usbrh.drivers.base import Bus
from usbrh.errors import SensorNotFound, UsbrhError
from usbrh.journal.store import NS, DestinationStatus
from usbrh.reading import Reading, SensorInfo
from usbrh.sensors import READ_TIMEOUT, Sensor, absent, find, measure_all

log = logging.getLogger(__name__)


@dataclass
class Counts:
    """Since the process started."""

    started: float
    """By the monotonic clock."""
    readings: int = 0
    """Good ones."""
    failures: Counter[str] = field(default_factory=Counter)
    """Failed ones, by ``state``."""


def oldest_first(readings: Iterable[Reading]) -> list[Reading]:
    """The readings of one round in the order of their times: a slow sensor's comes after that of the next."""
    return sorted(readings, key=lambda reading: reading.time_ns)


class Rounds:
    """One measurement of every sensor, again and again."""

    def __init__(
        self, config: Config, clock: Clock = SYSTEM_CLOCK, counts: Counts | None = None, *, backend: Bus | None = None
    ) -> None:
        """``backend``: where to look for sensors, see ``sensors.find``."""
        self.counts = counts or Counts(clock.monotonic())
        self.sensors: list[Sensor] = []
        """Those plugged in at the last round."""
        self.problem: UsbrhError | None = None
        """Why the last round could not even look for sensors."""
        self._config = config
        self._clock = clock
        self._backend = backend
        self._states: dict[str, str] = {}

    @property
    def simulated(self) -> bool:
        """Whether there was a virtual sensor at the last round."""
        return any(sensor.info.simulated for sensor in self.sensors)

    def refresh(self) -> None:
        """See which sensors are plugged in."""
        try:
            self.sensors = find(self._config, backend=self._backend, clock=self._clock, known=self.sensors)
            self.problem = None
        except UsbrhError as problem:
            if str(problem) != str(self.problem):
                log.warning("%s", problem)
            self.sensors, self.problem = [], problem

    def measure(self, timeout: float = READ_TIMEOUT) -> list[Reading]:
        """A reading of each sensor that is plugged in, configured, or was there in the last round; some have failed."""
        before = [sensor.info for sensor in self.sensors]
        self.refresh()
        there = {sensor.info.identity for sensor in self.sensors}
        gone = {info.identity: info for info in [*self._missing(), *before] if info.identity not in there}
        readings = measure_all(self.sensors, timeout, self._clock)
        for info in gone.values():
            error = SensorNotFound(f"{info.name} ({info.identity}) is not plugged in; see: usbrh list", info.port)
            readings.append(Reading.failed(info, self._clock.time_ns(), error))
        self._count(readings)
        return readings

    def discovery(self) -> str:
        """The value of ``usbrh.discovery``: the sensors plugged in and those configured."""
        infos = [*(sensor.info for sensor in self.sensors), *self._missing()]
        return json.dumps(
            [{"{#SENSOR}": info.name, "{#PORT}": info.port, "{#MODEL}": info.model} for info in infos],
            ensure_ascii=False,
        )

    def state(self, standings: Sequence[DestinationStatus] | None, error: str | None = None) -> str:
        """The value of ``usbrh.bridge``; if the journal can't be used, ``error`` says why instead of ``standings``."""
        waited: float | None = None
        if standings is not None:
            oldest = min((each.oldest_ns for each in standings if each.oldest_ns is not None), default=None)
            waited = 0 if oldest is None else max(0, (self._clock.time_ns() - oldest) // NS)
        each: list[DestinationStatus] = list(standings or [])
        value: dict[str, Any] = {
            "v": 1,
            "version": __version__,
            "uptime": int(self._clock.monotonic() - self.counts.started),
            "sensors": len(self.sensors),
            "readings": self.counts.readings,
            "failed": self.counts.failures.total(),
            "failures": dict(self.counts.failures),
            "waiting": max((one.waiting for one in each), default=None if standings is None else 0),
            "oldest_waiting_age": waited,
            "rejected": sum(one.rejected_count for one in each) if standings is not None else None,
            "expired": sum(one.expired for one in each) if standings is not None else None,
            "simulated": self.simulated,
            "error": error,
        }
        return json.dumps(value, ensure_ascii=False)

    def _missing(self) -> list[SensorInfo]:
        """What the configuration names and is not plugged in. Among virtual sensors, only virtual ones are missed."""
        there = {sensor.info.identity for sensor in self.sensors}
        return [
            absent(identity, settings.name, self.simulated)
            for identity, settings in self._config.sensor.items()
            if identity not in there and identity.startswith("sim-") == self.simulated
        ]

    def _count(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            if reading.error is None:
                self.counts.readings += 1
            else:
                self.counts.failures[reading.state] += 1
            identity = reading.serial or reading.port
            before = self._states.get(identity, "ok")
            if reading.error is not None and reading.state != before:
                log.warning("%s", reading.problem)
            elif reading.error is None and before != "ok":
                log.info("%s measures again", reading.sensor)
            self._states[identity] = reading.state
