"""Which processes have a device node open: who holds the sensor?"""

import os
import re
from pathlib import Path

_SYSFS = Path("/sys/bus/usb/devices")
_OURS = re.compile(rb"[^\0]*python[^\0]*\0(?:-[^m\0][^\0]*\0)*(?:-m\0|(?:[^\0]*/)?)usbrh(?:\0|$)")
"""The command line of a Python that runs this program, as module or as script."""


def hidraw_nodes(port: str) -> list[Path]:
    """The /dev/hidraw nodes of the sensor at USB port path ``port``; empty when the HID driver is not bound."""
    return [Path("/dev") / entry.name for entry in _SYSFS.glob(f"{port}:1.0/*/hidraw/hidraw*")]


def holders(nodes: list[Path]) -> list[str]:
    """``name (PID n)`` of each other process that has one of ``nodes`` open.

    Only processes whose descriptors this user may see: one's own, or all as root.
    """
    if not nodes:
        return []
    wanted = {str(node) for node in nodes}
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            if any(str(descriptor.readlink()) in wanted for descriptor in (process / "fd").iterdir()):
                found.append(f"{_name(process)} (PID {process.name})")
        except OSError:  # not ours to see, or ended while we looked
            continue
    return found


def _name(process: Path) -> str:
    """What a process is called: its own name, but ``usbrh`` for one of ours.

    The kernel has the interpreter's name for what was started by ``python3 -m usbrh``, or by a script whose first line
    is too long for the kernel, which pip then lets a shell start.
    """
    if _OURS.match((process / "cmdline").read_bytes()):
        return "usbrh"
    return (process / "comm").read_text().strip()
