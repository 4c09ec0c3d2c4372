"""The real libusb, and none at all."""

import os
import subprocess
import sys

import libusb_package

# What ctypes finds is all that differs: pyusb, libusb and the command line are the real ones.
LIST = """
import ctypes.util, sys
library = sys.argv[1] or None
ctypes.util.find_library = lambda name: library
from usbrh.cli import main
sys.argv[1:] = ["list"]
main()
"""


def usbrh_list(library: str) -> "subprocess.CompletedProcess[str]":
    clean = {key: value for key, value in os.environ.items() if not key.startswith("USBRH_")}
    return subprocess.run(
        [sys.executable, "-c", LIST, library], env=clean, capture_output=True, text=True, timeout=30, check=False
    )


def test_no_libusb_is_one_line_with_the_command_that_installs_it() -> None:
    done = usbrh_list("")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "usbrh: libusb is not installed; sudo apt install libusb-1.0-0\n"


def test_the_real_libusb_looks_for_sensors_and_says_that_there_is_none() -> None:
    """On a machine with a USB bus or without; a real sensor that is plugged in is listed."""
    done = usbrh_list(str(libusb_package.get_library_path()))
    if done.returncode == 0:
        assert "USB-RH" in done.stdout or "USBRH2" in done.stdout
    else:
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("usbrh: no sensor")
