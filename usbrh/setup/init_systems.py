"""The services of ``usbrh setup``: systemd units, an OpenRC service, or instructions for cron."""

import shlex
from pathlib import Path
from typing import Literal

from usbrh.setup import openrc
from usbrh.setup.actions import command, write_file
from usbrh.setup.machine import CRON, USER, Machine
from usbrh.steps import Step
from usbrh.system.resources import resource

UNITS = ("usbrh.service", "usbrh-send.service", "usbrh-send.timer")
PACKAGED_EXECUTABLE = "/usr/bin/usbrh"
"""The executable that the units of record name."""


def init_system(machine: Machine) -> Literal["systemd", "openrc"] | None:
    """The init system that runs or, in a root directory that has not been booted, the one that is installed."""
    if machine.init_system:
        return machine.init_system
    if machine.path("/usr/lib/systemd/systemd").exists():
        return "systemd"
    return "openrc" if machine.path("/sbin/openrc-run").exists() else None


def service_steps(machine: Machine, usbrh: Path) -> list[Step]:
    """Install the service that runs ``usbrh``; no step where ``cron_note`` is needed instead."""
    match init_system(machine):
        case "systemd":
            return _unit_steps(machine, usbrh)
        case "openrc":
            return openrc.service_steps(machine, usbrh)
        case None:
            return []


def _unit_steps(machine: Machine, usbrh: Path) -> list[Step]:
    """Install the systemd units that run ``usbrh``, unless the distribution's package has installed them."""
    steps = [
        step
        for unit in UNITS
        if not machine.packaged(f"systemd/system/{unit}")
        for step in write_file(machine, f"/etc/systemd/system/{unit}", unit_text(unit, usbrh))
    ]
    if steps and machine.systemd_runs:
        steps += [
            command(machine, "systemctl", "daemon-reload"),
            command(machine, "systemctl", "try-restart", UNITS[0]),
        ]
    return steps


def unit_text(unit: str, usbrh: Path) -> str:
    """The text of a unit, with the path of the executable."""
    path = str(usbrh).replace("%", "%%").replace("\\", "\\\\")
    quoted = f'"{path}"' if " " in path else path
    text = resource(f"systemd/{unit}").read_text(encoding="utf-8")
    return text.replace(f"={PACKAGED_EXECUTABLE} ", f"={quoted} ")


def cron_note(machine: Machine, usbrh: Path) -> str | None:
    """The line for cron where neither systemd nor OpenRC is installed, and cron does not have a line yet.

    Cron mails all output, once per minute. So the readings are dropped and the problems go to syslog.
    """
    if init_system(machine) or machine.path(CRON).exists():
        return None
    # In a crontab, "%" ends the command (crontab(5)).
    path = shlex.quote(str(usbrh)).replace("%", "\\%")
    return (
        f"neither systemd nor OpenRC on this machine; for cron write into {CRON}:\n"
        f"    * * * * * {USER} {path} send 2>&1 >/dev/null | logger -t usbrh"
    )
