"""The OpenRC service: the steps that install and remove it, and its present state."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from usbrh.setup.actions import command, is_untouched, read, write_file
from usbrh.setup.machine import Machine
from usbrh.steps import Step
from usbrh.system.access import RULE
from usbrh.system.paths import stat_or_none
from usbrh.system.resources import resource

SERVICE = "usbrh"
SCRIPT, SETTINGS = "/etc/init.d/usbrh", "/etc/conf.d/usbrh"
LOG = "/var/log/usbrh.log"
"""The log file, unless ``SETTINGS`` names another one."""
_VALUES = "/run/openrc/options/usbrh"
"""What supervise-daemon notes about the service. Only root may read it."""


def service_steps(machine: Machine, usbrh: Path) -> list[Step]:
    """Install the service that runs ``usbrh``, unless a package of the distribution has installed it."""
    if packaged(machine):
        return []
    steps = write_file(machine, SCRIPT, script_text(usbrh), mode=0o755)
    if steps and machine.openrc_runs:
        steps.append(command(machine, "rc-service", "--ifstarted", SERVICE, "restart"))
    # Like the configuration, the settings are written once, and then belong to the user.
    if not stat_or_none(machine.path(SETTINGS), follow_symlinks=False):
        steps += write_file(machine, SETTINGS, resource("openrc/usbrh.confd").read_text(encoding="utf-8"))
    return steps


def packaged(machine: Machine) -> bool:
    """Whether a package of the distribution has installed the service: a script without the stamp of setup."""
    script = read(machine, SCRIPT)
    return script is not None and not is_untouched(script) and machine.packaged(f"udev/rules.d/{RULE}")


def script_text(usbrh: Path) -> str:
    """The text of the service script, with the path of the executable: a word of the shell in a word of the shell."""
    text = resource("openrc/usbrh.initd").read_text(encoding="utf-8")
    return text.replace("\ncommand=/usr/bin/usbrh\n", f"\ncommand={shlex.quote(shlex.quote(str(usbrh)))}\n")


def stop_commands(machine: Machine) -> Sequence[Sequence[str]]:
    """The commands that stop the service and remove it from the runlevels."""
    stop = [("rc-service", SERVICE, "stop")] if machine.openrc_runs else []
    return [*stop, *(("rc-update", "delete", SERVICE, level) for level in _runlevels(machine))]


@dataclass(frozen=True)
class ServiceState:
    """The state of the OpenRC service."""

    installed: bool
    enabled: bool
    """Whether it is in a runlevel, so that the next boot starts it."""
    started: bool
    """Whether OpenRC considers it started. Its process can be absent between two respawns."""
    pid: int | None = None
    """Its running process; None if there is none, or if this user may not know."""
    respawns: int | None = None
    """How often its process ended unasked since the start; None if this user may not know."""
    since: str | None = None
    """Local time of the last start of its process, as "2026-11-28 18:12:10"; None if this user may not know."""


def service_state(machine: Machine) -> ServiceState:
    """Return the state of the service, from the files that OpenRC keeps."""
    pid, respawns = _number(machine, "child_pid"), _number(machine, "start_count")
    return ServiceState(
        installed=machine.path(SCRIPT).exists(),
        enabled=bool(_runlevels(machine)),
        started=machine.path(f"/run/openrc/started/{SERVICE}").is_symlink(),
        pid=pid if pid and machine.path(f"/proc/{pid}").exists() else None,
        respawns=respawns,
        since=_value(machine, "start_time"),
    )


def _runlevels(machine: Machine) -> list[str]:
    levels = machine.path("/etc/runlevels").glob("*")
    return sorted(level.name for level in levels if (level / SERVICE).is_symlink())


def _number(machine: Machine, name: str) -> int | None:
    value = _value(machine, name) or ""
    return int(value) if value.isdecimal() else None


def _value(machine: Machine, name: str) -> str | None:
    """A value that supervise-daemon noted; None if there is none, or if this user may not read it."""
    try:
        return machine.path(f"{_VALUES}/{name}").read_text(encoding="utf-8").strip()
    except OSError:
        return None
