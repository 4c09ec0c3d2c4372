"""The checks of a sensor: permission for its device node, programs that use it, its kernel driver, a reading."""

import os
import re
import shlex
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from usbrh.drivers.holders import holders
from usbrh.errors import AccessDenied, exit_status
from usbrh.findings import Finding, fault, not_checked, ok, warning
from usbrh.reading import Reading
from usbrh.sensors import Sensor, measure_all
from usbrh.setup.machine import Machine
from usbrh.system.access import GROUP, RULE, cause, is_for_group, node_of, rules, trigger

_OUR_DRIVERS = {
    "cdc_acm": "cdc_acm, the right one for a USBRH2",
    "usbhid": "usbhid, which the first reading detaches",
    "usbfs": "usbfs: a program uses it now",
}


def examine(sensors: Sequence[Sensor], machine: Machine) -> Iterator[Finding]:
    """Check permission, other programs, kernel driver and a reading of each sensor."""
    real = [sensor.info.port for sensor in sensors if not sensor.info.simulated]
    if not real:
        for check in ("permission", "in use", "kernel driver"):
            yield not_checked(check, "virtual sensors have no device node")
    permissions = {port: permission(machine, port) for port in real}
    yield from permissions.values()
    yield from (in_use(machine, port) for port in real)
    yield from (kernel_driver(machine, port) for port in real)
    rejected = {port for port, finding in permissions.items() if finding.exit_status}
    yield from (not_checked("reading", f"{port}: no permission") for port in rejected)
    for reading in measure_all([sensor for sensor in sensors if sensor.info.port not in rejected]):
        yield reading_of(reading)


def permission(machine: Machine, port: str) -> Finding:
    """Check whether this user and the service's group may use the device node."""
    node = node_of(machine, port)
    try:
        found = machine.path(node).stat() if node else None
    except FileNotFoundError:
        found = None
    if node is None or found is None:
        return fault("permission", f"{port}: the sensor has no device node", "unplug it and plug it in again", 3)
    group = machine.group_name(found.st_gid)
    what = f"{node} ({stat.S_IMODE(found.st_mode):04o} {machine.user_name(found.st_uid)}:{group})"
    if not os.access(machine.path(node), os.R_OK | os.W_OK, effective_ids=True):
        why, remedy = cause(machine, node, found)
        return fault("permission", f"{port}: no permission for {what}: {why}", remedy, AccessDenied.exit_status)
    named = rules(machine, node)
    if is_for_group(machine, found) or found.st_mode & 0o006 == 0o006:
        by = f", by {named[0]}" if named else ""
        return ok("permission", f"{port}: {what}{by}")
    ours = bool(named) and named[0].endswith(RULE)
    why = f"despite {named[0]}" if named else "and no udev rule grants it"
    message = f"{port}: you may use {what}, but the group {GROUP} may not, {why}"
    return warning("permission", message, trigger(node) if ours else "sudo usbrh setup")


def in_use(machine: Machine, port: str) -> Finding:
    """Check which other programs have the sensor open."""
    node = node_of(machine, port)
    hidraw = [
        Path("/dev") / entry.name for entry in machine.path("/sys/bus/usb/devices").glob(f"{port}:1.0/*/hidraw/hidraw*")
    ]
    found = holders([machine.path(each) for each in (node, *hidraw) if each])
    others = [holder for holder in found if not holder.startswith("usbrh ")]
    if others:
        numbers = " ".join(re.findall(r"\(PID (\d+)\)", " ".join(others)))
        return warning("in use", f"{port}: {', '.join(others)} has it open", f"if it blocks usbrh: kill {numbers}")
    if found:
        return ok("in use", f"{port}: by {', '.join(found)}, which shares it")
    unseen = "" if os.geteuid() == 0 else " that this user can see (sudo usbrh doctor sees all)"
    return ok("in use", f"{port}: by no program{unseen}")


def kernel_driver(machine: Machine, port: str) -> Finding:
    """Check which kernel driver is bound to the sensor's interface."""
    try:
        driver = machine.path(f"/sys/bus/usb/devices/{port}:1.0/driver").readlink().name
    except OSError:
        return ok("kernel driver", f"{port}: none")
    if driver in _OUR_DRIVERS:
        return ok("kernel driver", f"{port}: {_OUR_DRIVERS[driver]}")
    message = f"{port}: {driver}, the driver of another program"
    return warning("kernel driver", message, f"if the sensor can't be read: sudo modprobe -r {driver}")


def reading_of(reading: Reading) -> Finding:
    """Report a reading, or why there is none."""
    if reading.error:
        return fault("reading", reading.error, reading.remedy or "usbrh --debug read", exit_status(reading.state))
    values = f"{reading.sensor}: {reading.temperature:.2f} °C, {reading.humidity:.2f} %RH"
    if reading.heater:
        return warning("reading", f"{values}, with the heater on", f"usbrh heater off {shlex.quote(reading.sensor)}")
    return ok("reading", values)
