"""Virtual instruments.

One model of the USB-RH (usbrh1.py) is behind a pyusb backend (backend.py) and a USB/IP server (usbip.py). The model of
the USBRH2 (usbrh2.py) is behind a pseudo-terminal (pty.py) and, as a CDC-ACM device (cdc_acm.py), the same server.
"""

from usbrh.simulator.backend import SimulatorBackend
from usbrh.simulator.clock import VirtualClock
from usbrh.simulator.faults import FAULTS
from usbrh.simulator.script import backend_from_environment
from usbrh.simulator.usbrh1 import VirtualUsbRh
from usbrh.simulator.usbrh2 import VirtualUsbrh2

__all__ = ["FAULTS", "SimulatorBackend", "VirtualClock", "VirtualUsbRh", "VirtualUsbrh2", "backend_from_environment"]
