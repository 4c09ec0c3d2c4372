"""Which processes have a device node open."""

import os
import re
from pathlib import Path

_SYSFS = Path("/sys/bus/usb/devices")
_OURS = re.compile(rb"[^\0]*python[^\0]*\0(?:-[^m\0][^\0]*\0)*(?:-m\0|(?:[^\0]*/)?)usbrh(?:\0|$)")
"""The command line of a Python that runs this program, as module or as script."""


def hidraw_nodes(port: str) -> list[Path]:
    """Return the /dev/hidraw nodes of the sensor at USB port path ``port``; none if the HID driver is not bound."""
    return [Path("/dev") / entry.name for entry in _SYSFS.glob(f"{port}:1.0/*/hidraw/hidraw*")]


def holders(nodes: list[Path]) -> list[str]:
    """Return ``name (PID n)`` of each other process that has one of ``nodes`` open.

    A user sees only the file descriptors of the user's own processes; root sees all.
    """
    if not nodes:
        return []
    wanted = {str(node) for node in nodes}
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            # A machine has thousands of descriptors, and paths as objects would take ten times as long.
            with os.scandir(process / "fd") as descriptors:
                holds = any(os.readlink(each.path) in wanted for each in descriptors)  # noqa: PTH115
            if holds:
                found.append(f"{_name(process)} (PID {process.name})")
        except OSError:  # another user's process, or one that has ended
            continue
    return found


def _name(process: Path) -> str:
    """Return the name of a process: its own, or ``usbrh`` for a process of this program.

    The kernel only knows the name of the interpreter if ``python3 -m usbrh`` started it, or a script whose first line
    is too long for the kernel; pip then lets a shell start the script.
    """
    if _OURS.match((process / "cmdline").read_bytes()):
        return "usbrh"
    return (process / "comm").read_text().strip()
