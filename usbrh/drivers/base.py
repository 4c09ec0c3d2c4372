"""What an instrument is, and what its driver module offers to ``usbrh.sensors``.

A driver module has a class with the methods of ``Instrument``, and one ``Kind``. docs/architecture.md has an example.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from usbrh.clock import Deadline
from usbrh.errors import LibusbMissing, SensorNotFound
from usbrh.reading import Ticks

if TYPE_CHECKING:
    from usb.backend import IBackend

    from usbrh.drivers.recording import Recorder

LedState = Literal["off", "on", "blink"]


class Measurement(NamedTuple):
    """What an instrument measured, before calibration."""

    temperature: float  # °C
    humidity: float  # %RH, 0 to 100
    conversion: str
    """How the values were computed from ticks, such as ``sht1x-v3@5V``; ``device`` when the instrument converts."""
    raw: Ticks | None = None
    heater: bool = False
    status: str | None = None
    """The status word of the sensor chip in hexadecimal, such as ``0x8010``; None if the instrument sends none."""


class Instrument(Protocol):
    """One instrument. Each call ends by its deadline, and raises a SensorError if it fails."""

    def measure(self, deadline: Deadline) -> Measurement:
        """Measure temperature and humidity once."""

    def firmware(self, deadline: Deadline) -> str:
        """Ask for the version of the firmware, in the instrument's own words."""

    def set_led(self, number: int, state: LedState, deadline: Deadline) -> None:
        """Switch LED 1 or 2. Raises ConfigError if the instrument has no such LED or no such state."""

    def led_state(self, number: int, deadline: Deadline) -> LedState | None:
        """Return the state of an LED; None if the instrument does not report it."""

    def set_heater(self, on: bool, deadline: Deadline) -> None:
        """Switch the heater. If this process ends while it is on, the next one to open the sensor switches it off."""

    def release(self, deadline: Deadline) -> None:
        """Give the instrument back to the kernel's own driver, if the driver took it from there."""


SerialPort = tuple[str, str, Path]
"""One serial port: its name in /dev/serial/by-id, such as ``usb-Strawberry_Linux_USBRH2_E02A-if00``; its USB port path
``1-1.4``, or the name of the node if it is not on USB; and its device node, such as ``/dev/ttyACM0``."""


class Bus(Protocol):
    """Where drivers find instruments: the USB of this machine, or the simulator."""

    simulated: bool
    """True for virtual instruments. A driver must then not report real ones."""

    @property
    def recorder(self) -> "Recorder | None":
        """What records every transfer with its time; None, except for ``usbrh verify``."""

    @property
    def usb_backend(self) -> "IBackend | None":
        """The pyusb backend; None if libusb can't be used."""

    @property
    def problem(self) -> LibusbMissing | SensorNotFound | None:
        """Why libusb can't be used; None if it can."""

    def serial_ports(self) -> list[SerialPort]:
        """Find the serial ports that are plugged in now."""


class Plugged(NamedTuple):
    """One instrument that is plugged in, at USB port path ``port``, such as ``1-1.4``."""

    port: str
    serial: str | None
    driver: Callable[..., Instrument]
    """Makes its driver, without opening it. Keyword arguments: ``label``, the name for messages; ``coefficients`` and
    ``supply`` for an instrument that sends ticks (``usbrh.sht1x``); ``measuring_led``, whether LED 1 is on during a
    measurement."""


class Kind(NamedTuple):
    """One kind of instrument: how to find the ones that are plugged in, and how to recognise one that is not."""

    model: str
    plugged_in: Callable[[Bus], Iterable[Plugged]]
    """Finds the instruments of this kind. Opens none of them."""
    identity: "re.Pattern[str]"
    """Matches every identity of this kind that a configuration can name: serial number, without one the port."""
    has_serial: bool = False
