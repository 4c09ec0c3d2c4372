"""Virtual USB-RHs: one model of the device (model.py) behind a pyusb backend and behind a USB/IP server."""

from usbrh.simulator.backend import SimulatorBackend
from usbrh.simulator.clock import VirtualClock
from usbrh.simulator.faults import FAULTS
from usbrh.simulator.model import VirtualUsbRh
from usbrh.simulator.script import backend_from_environment

__all__ = ["FAULTS", "SimulatorBackend", "VirtualClock", "VirtualUsbRh", "backend_from_environment"]
