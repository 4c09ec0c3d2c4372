"""The USB of this machine: libusb, and the serial ports that udev names."""

import ctypes.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

from usb.backend import IBackend, libusb1

from usbrh.drivers.base import SerialPort
from usbrh.errors import LibusbMissing, SensorNotFound

if TYPE_CHECKING:
    from usbrh.drivers.recording import Recorder

LIBRARY = "libusb-1.0.so.0"
"""The name of libusb on Linux, which the loader finds in the usual folders."""
NODES = Path("/dev/bus/usb")
"""Where udev makes the nodes of USB devices."""


class SystemBus:
    """The ``Bus`` of real instruments."""

    simulated = False

    def __init__(self, recorder: "Recorder | None" = None) -> None:
        """Load libusb; without it or without a USB bus, ``problem`` shows why, and only serial ports are found."""
        self.recorder = recorder
        self.usb_backend: IBackend | None = libusb1.get_backend(find_library=_find_library)
        # libusb starts without the nodes too: in a container, it finds the bus in /sys.
        self.problem = None if self.usb_backend and NODES.exists() else _libusb_problem()

    def serial_ports(self) -> list[SerialPort]:
        """Find the serial ports that are plugged in now."""
        return serial_ports()


def serial_ports(dev: Path = Path("/dev"), sys: Path = Path("/sys")) -> list[SerialPort]:
    """Find the serial ports in /dev/serial/by-id, in the order of their names."""
    links = [(link.name, link.resolve()) for link in sorted(dev.glob("serial/by-id/*"))]
    return [(name, _port_path(node, sys), node) for name, node in links]


def _port_path(node: Path, sys: Path) -> str:
    """``1-1.4``, from the path of the USB interface ``.../1-1.4/1-1.4:1.0``; else the name of the node."""
    interface = (sys / "class/tty" / node.name / "device").resolve().name
    match = re.fullmatch(r"(\d+-\d+(?:\.\d+)*):\d+\.\d+", interface)
    return match[1] if match else node.name


def _find_library(name: str) -> str | None:
    """Return the file of libusb. Python's own search starts programs (ldconfig, gcc, ld); the usual name needs none."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return ctypes.util.find_library(name)
    return LIBRARY


def _libusb_problem() -> LibusbMissing | SensorNotFound:
    """The reason that pyusb does not report: no library, or no USB that the library can work with."""
    if _find_library("usb-1.0") is None:
        return LibusbMissing("libusb is not installed", remedy="sudo apt install libusb-1.0-0")
    if not NODES.exists():
        message = f"no sensor: this machine has no USB bus (no {NODES})"
        remedy = f"in a container, start it with the bus, for example: docker run --device={NODES}"
        return SensorNotFound(message, remedy=remedy)
    return LibusbMissing("libusb can't be initialised", remedy="usbrh --debug list shows more")
