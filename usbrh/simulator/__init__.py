"""Virtual instruments.

A USB-RH is one model of the device (model.py) behind a pyusb backend and behind a USB/IP server, a USBRH2 (usbrh2.py)
is behind a pseudo-terminal (pty.py) and the same server (cdc_acm.py).
"""

from usbrh.simulator.backend import SimulatorBackend
from usbrh.simulator.clock import VirtualClock
from usbrh.simulator.faults import FAULTS
from usbrh.simulator.model import VirtualUsbRh
from usbrh.simulator.script import backend_from_environment
from usbrh.simulator.usbrh2 import VirtualUsbrh2

__all__ = ["FAULTS", "SimulatorBackend", "VirtualClock", "VirtualUsbRh", "VirtualUsbrh2", "backend_from_environment"]
