"""What the steps of ``usbrh verify`` work with: the sensor, the records, the person in front of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from usbrh.clock import Clock, Deadline
from usbrh.config import Config
from usbrh.drivers.base import Bus
from usbrh.errors import SensorError
from usbrh.reading import Reading, SensorInfo
from usbrh.sensors import Sensor, find, named
from usbrh.verify.capture import Capture, header, values

if TYPE_CHECKING:
    from usbrh.drivers.recording import Recorder

CALL_SECONDS = 5.0
"""s for one call of the driver, as for every reading."""

Ask = Callable[[str, Sequence[str]], str | None]
"""Asks the person a question with these answers; None: nobody is asked."""


def nobody(question: str, answers: Sequence[str]) -> None:
    """Ask nobody."""


@dataclass
class Bench:
    """One sensor with default settings, whose transfers are recorded."""

    sensor: Sensor
    bus: Bus
    clock: Clock
    capture: Capture
    recorder: "Recorder"
    ask: Ask = nobody
    progress: Callable[[str], None] = lambda words: None
    """Shows how far the current step is."""
    readings: list[tuple[str, Reading]] = field(default_factory=list)
    """Every reading, with what was switched on during it."""

    @classmethod
    def of(cls, info: SensorInfo, bus: Bus, clock: Clock, capture: Capture, **person: Any) -> "Bench":
        """Write the first record. ``bus`` has a recorder that writes to ``capture``. Raises as ``sensors.find``.

        The settings of the user do not matter, so messages name the sensor by its port or serial number.
        """
        sensor = named(find(Config(), backend=bus, clock=clock), info.identity)
        capture.serial = info.serial
        if bus.recorder is None:
            raise ValueError("the bus has no recorder")
        capture.write(header(info, clock))
        return cls(sensor, bus, clock, capture, bus.recorder, **person)

    def deadline(self, seconds: float = CALL_SECONDS) -> Deadline:
        """Return a deadline for one call."""
        return Deadline(seconds, self.clock)

    def read(self, while_on: str = "") -> Reading:
        """Measure; ``while_on`` is what was switched on. Raises SensorError."""
        with self._call("measure", **({"while_on": while_on} if while_on else {})) as returns:
            reading = self.sensor.read()
            returns.update(values(reading))
        self.readings.append((while_on, reading))
        return reading

    def firmware(self) -> str:
        """Ask for the firmware. Raises SensorError."""
        with self._call("firmware") as returns:
            returns["firmware"] = version = self.sensor.firmware()
        return version

    @property
    def mark(self) -> int:
        """The number of records until now."""
        return len(self.capture.records)

    @contextmanager
    def _call(self, name: str, **what: str) -> Iterator[dict[str, Any]]:
        """Record a call of the driver and what it returns or raises, so that a replay can do it again."""
        returns: dict[str, Any] = {}
        self.recorder.note(call=name, **what)
        try:
            yield returns
        except SensorError as error:
            self.recorder.note(raises=error.kind)  # its message can name users and their programs
            raise
        self.recorder.note(returns=returns)
