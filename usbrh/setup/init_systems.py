"""The services of ``usbrh setup``: systemd units, or instructions for cron and OpenRC."""

import shlex
from pathlib import Path

from usbrh.access import GROUP
from usbrh.resources import resource
from usbrh.setup.actions import command, write_file
from usbrh.setup.machine import USER, Machine
from usbrh.steps import Step

UNITS = ("usbrh.service", "usbrh-send.service", "usbrh-send.timer")
PACKAGED_EXECUTABLE = "/usr/bin/usbrh"
"""The executable that the units of record name."""


def unit_steps(machine: Machine, usbrh: Path) -> list[Step]:
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


def _for_cron(usbrh: Path) -> str:
    """The path as a word of the shell in a crontab, where a "%" ends the command (crontab(5))."""
    return shlex.quote(str(usbrh)).replace("%", "\\%")


def without_systemd(machine: Machine, usbrh: Path) -> str:
    """How to run ``usbrh`` without systemd: an OpenRC service or a line for cron."""
    if machine.path("/sbin/openrc-run").exists():
        return (
            "no systemd on this machine; for OpenRC write the file below into /etc/init.d/usbrh, then run: "
            "rc-update add usbrh && rc-service usbrh start\n"
            "    #!/sbin/openrc-run\n"
            "    supervisor=supervise-daemon\n"
            f"    command={shlex.quote(str(usbrh))}\n"
            "    command_args=run\n"
            f"    command_user={USER}:{GROUP}\n"
            "    depend() { need net; }"
        )
    return (
        "no systemd on this machine; for cron write into /etc/cron.d/usbrh:\n"
        f"    * * * * * {USER} {_for_cron(usbrh)} send >/dev/null"
    )
