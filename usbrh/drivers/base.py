"""What every instrument can do. A new one is a module that has a class like this and a function that finds it.

docs/architecture.md shows one being added.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from usbrh.clock import Clock, Deadline
from usbrh.config import SensorConfig
from usbrh.reading import Ticks

LedState = Literal["off", "on", "blink"]


class Measurement(NamedTuple):
    """What an instrument measured, before calibration."""

    temperature: float
    """°C."""
    humidity: float
    """%RH, 0 to 100."""
    conversion: str
    raw: Ticks | None = None
    heater: bool = False
    """Measured with the heater on."""
    status: str | None = None
    """The status word of the sensor chip in hexadecimal, such as ``0x8010``, from instruments that tell it."""


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

    def set_led(self, number: int, state: LedState, deadline: Deadline) -> None:
        """Switch LED 1 or 2. Raises ConfigError if the instrument has no such LED or no such state."""

    def set_heater(self, on: bool, deadline: Deadline) -> None:
        """Switch the sensor's heater. On, it stays on until it is switched off; if this process ends before, by
        the next to open the sensor."""

    def release(self, deadline: Deadline) -> None:
        """Give the instrument back to the kernel's own driver; nothing if it was never taken from it."""


class Plugged(NamedTuple):
    """One instrument that was found: what names it, and how its driver is made."""

    model: str
    port: str
    """USB port path, ``1-1.4``."""
    serial: str | None
    simulated: bool
    driver: Callable[[str, SensorConfig, Clock], Instrument]
    """Makes the driver from the label for messages, the settings and the clock; touches no device."""
