"""The real libusb, and none at all."""

import os
import subprocess
import sys
from pathlib import Path

import libusb_package
import pytest

# What ctypes finds is all that differs: pyusb, libusb and the command line are the real ones.
PROGRAM = """
import ctypes.util, sys
from pathlib import Path
library, nodes, *words = sys.argv[1:]
ctypes.util.find_library = lambda name: library or None
import usbrh.drivers.bus
usbrh.drivers.bus.LIBRARY = library or "/nonexistent"
usbrh.drivers.bus.NODES = Path(nodes)
from usbrh.cli import main
sys.argv[1:] = words
main()
"""


def usbrh(library: str, nodes: str, *words: str) -> "subprocess.CompletedProcess[str]":
    clean = {key: value for key, value in os.environ.items() if not key.startswith("USBRH_")}
    command = [sys.executable, "-c", PROGRAM, library, nodes, *words]
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60, check=False)


def test_no_libusb_is_one_line_with_the_command_that_installs_it() -> None:
    done = usbrh("", "/dev/bus/usb", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "usbrh: libusb is not installed; sudo apt install libusb-1.0-0\n"


def test_the_real_libusb_looks_for_sensors_and_says_that_there_is_none() -> None:
    """On a machine with a USB bus or without; a real sensor that is plugged in is listed."""
    done = usbrh(str(libusb_package.get_library_path()), "/dev/bus/usb", "list")
    if done.returncode == 0:
        assert "USB-RH" in done.stdout or "USBRH2" in done.stdout
    else:
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("usbrh: no sensor")


@pytest.mark.parametrize("command", ["list", "read", "doctor"])
def test_no_usb_bus_is_reported_as_that_although_libusb_starts(command: str, tmp_path: Path) -> None:
    """As in a container: libusb finds the devices in /sys and can open none. A real sensor is an error too then."""
    done = usbrh(str(libusb_package.get_library_path()), str(tmp_path / "none"), command)
    if done.returncode not in (3, 4) or "USB-RH" in done.stdout:
        pytest.skip("a real sensor is plugged in")
    reported = done.stdout if command == "doctor" else done.stderr
    assert f"no sensor: this machine has no USB bus (no {tmp_path / 'none'})" in reported
    assert f"in a container, start it with the bus, for example: docker run --device={tmp_path / 'none'}" in reported
