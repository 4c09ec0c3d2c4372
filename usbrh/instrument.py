"""What every instrument can do. A new one is a module that has a class like this, and its line in discovery.py."""

from dataclasses import dataclass
from typing import Protocol

from usbrh.clock import Deadline
from usbrh.reading import Ticks


@dataclass(frozen=True, slots=True)
class Measurement:
    """What an instrument measured, before calibration."""

    temperature: float
    """°C."""
    humidity: float
    """%RH, 0 to 100."""
    conversion: str
    raw: Ticks | None = None
    heater: bool = False
    """Measured with the heater on."""


class Instrument(Protocol):
    """One instrument that is plugged in. A call ends by its deadline, and raises a SensorError if it can't be done."""

    model: str
    port: str
    serial: str | None
    simulated: bool
    label: str
    """What messages call it: its name and port."""

    def measure(self, deadline: Deadline) -> Measurement:
        """Measure temperature and humidity once."""

    def firmware(self, deadline: Deadline) -> str:
        """The firmware's version, in the instrument's own words."""

    def set_led(self, number: int, on: bool, deadline: Deadline) -> None:
        """Switch LED 1 or 2."""

    def set_heater(self, on: bool, deadline: Deadline) -> None:
        """Switch the sensor's heater. On, it stays on until it is switched off or this process ends."""

    def release(self, deadline: Deadline) -> None:
        """Give the instrument back to the kernel's own driver."""
