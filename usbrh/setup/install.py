"""What ``usbrh setup`` does to a machine: a plan of actions, which is shown or carried out.

A plan holds only what is not in place yet, so a second run has nothing to do. Every file written carries a stamp
with its own digest in the first line: one whose stamp fits is ours to renew and to remove; any other is asked about.
The configuration is written once and then belongs to whoever edits it.
"""

import shlex
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from usbrh.installation import by_debian
from usbrh.paths import stat_or_none
from usbrh.resources import resource
from usbrh.setup.actions import (
    Action,
    Command,
    MakeDirectory,
    WriteFile,
    stamped,
    write_action,
)
from usbrh.setup.agents import AGENT_FILE, AGENT_USER, agent_directory, agent_text, agents
from usbrh.setup.machine import Machine, installed

USER = GROUP = "usbrh"
CONFIG = "/etc/usbrh/usbrh.toml"
STATE = "/var/lib/usbrh"
RULE = "70-usbrh.rules"
UNITS = ("usbrh.service", "usbrh-send.service", "usbrh-send.timer")
_VENDOR = ("/usr/lib", "/lib", "/usr/local/lib")
_PACKAGED_EXECUTABLE = "/usr/bin/usbrh"


@dataclass
class Plan:
    """What is to be done, and what a person should know of what is not."""

    actions: list[Action] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def executable() -> Path:
    """The ``usbrh`` that is running, with links followed; for ``python3 -m usbrh`` the one of that Python."""
    called = Path(sys.argv[0]).resolve()
    if called.name == "usbrh":
        return called
    script = Path(sysconfig.get_path("scripts")) / "usbrh"
    # Debian's Python has its scripts in /usr/local/bin, but for those that came in a package.
    return Path(_PACKAGED_EXECUTABLE) if by_debian() and not stat_or_none(script) else script


def plan(machine: Machine, usbrh: Path) -> Plan:
    """What is missing on ``machine`` for the ``usbrh`` at that path to run there as a service and behind an agent."""
    result = Plan()
    _plan_account(machine, result)
    for directory in (
        MakeDirectory("/etc/usbrh", "root", "root", 0o755),
        MakeDirectory(STATE, USER, GROUP, 0o750),
    ):
        if directory.needed(machine):
            result.actions.append(directory)
    with looking(result):
        if not stat_or_none(machine.path(CONFIG), follow_symlinks=False):
            result.actions.append(WriteFile(CONFIG, stamped(_text("etc/usbrh.toml")), 0o644))
    with looking(result):
        _plan_rule(machine, result)
    obstacle = out_of_reach(machine, usbrh)
    if obstacle:
        result.notes.append(
            f"no units and no agent file: {obstacle}, where a service can't run it; install it for the whole machine,"
            " in its source folder: /usr/bin/python3 -m venv /opt/usbrh && /opt/usbrh/bin/pip install ."
            " && /opt/usbrh/bin/usbrh setup"
        )
        return result
    with looking(result):
        _plan_units(machine, usbrh, result)
    with looking(result):
        _plan_agents(machine, usbrh, result)
    return result


@contextmanager
def looking(result: Plan) -> Iterator[None]:
    """What is closed to who asks becomes a note, and the rest of the plan goes on: --dry-run needs no root."""
    try:
        yield
    except PermissionError as error:
        result.notes.append(f"not looked at: {error.filename} is closed to this user; with sudo it is")


def _plan_account(machine: Machine, result: Plan) -> None:
    if not machine.has_group(GROUP):
        result.actions.append(Command(("groupadd", "--system", GROUP)))
    if not machine.has_user(USER):
        options = ("--system", "--gid", GROUP, "--home-dir", STATE, "--no-create-home", "--shell", "/usr/sbin/nologin")
        result.actions.append(Command(("useradd", *options, USER)))
    elif odd := stranger(machine):
        result.notes.append(
            f"{odd}; the service runs as it all the same, so if it is a person's, name that one otherwise first:"
            f" usermod --login NAME {USER}"
        )


def stranger(machine: Machine) -> str | None:
    """What tells the account that is here from the one that setup makes; None if nothing does.

    The distribution's package makes the same one; the folder of nologin is the distribution's.
    """
    found = machine.home_and_shell(USER)
    if found is None:
        return f"there is a group {GROUP} without the user that setup makes" if machine.has_group(GROUP) else None
    home, shell = found
    if home == STATE and shell.endswith("/nologin"):
        return None
    return f"the user {USER} is not as setup makes it: its home is {home}, its shell {shell}"


def _plan_rule(machine: Machine, result: Plan) -> None:
    if provided(machine, f"udev/rules.d/{RULE}"):
        return
    if not any(machine.path(f"{top}/udev").is_dir() for top in ("/etc", *_VENDOR)):
        result.notes.append(
            f"no udev here: give the group {GROUP} the sensor's node in /dev/bus/usb by other means, at each boot"
        )
        return
    action = write_action(machine, f"/etc/udev/rules.d/{RULE}", _text(f"udev/{RULE}"))
    if action:
        result.actions += [action, *reload_udev(machine)]


def _plan_units(machine: Machine, usbrh: Path, result: Plan) -> None:
    if not (machine.systemd_runs or machine.path("/usr/lib/systemd/systemd").exists()):
        result.notes.append(without_systemd(machine, usbrh))
        return
    actions = [
        write_action(machine, f"/etc/systemd/system/{unit}", unit_text(unit, usbrh))
        for unit in UNITS
        if not provided(machine, f"systemd/system/{unit}")
    ]
    needed = [action for action in actions if action]
    result.actions += needed
    if needed and machine.systemd_runs:
        result.actions += [Command(("systemctl", "daemon-reload")), Command(("systemctl", "try-restart", UNITS[0]))]


def _plan_agents(machine: Machine, usbrh: Path, result: Plan) -> None:
    configs = agents(machine).values()
    for config in configs:
        with looking(result):
            directory = agent_directory(machine, config)
            if directory is None:
                result.notes.append(
                    f"no agent file: {config} includes no directory; add to it: Include=/etc/zabbix/usbrh.d/*.conf"
                    " and run usbrh setup again"
                )
                continue
            action = write_action(machine, f"{directory}/{AGENT_FILE}", agent_text(usbrh))
            if action:
                result.actions.append(action)
    if configs and machine.has_user(AGENT_USER) and not machine.is_member(AGENT_USER, GROUP):
        result.actions.append(Command(("usermod", "--append", "--groups", GROUP, AGENT_USER)))


def reload_udev(machine: Machine) -> list[Action]:
    if not machine.path("/run/udev").is_dir() or not installed("udevadm"):
        return []
    # Not for all devices: a trigger makes udev go over each again.
    usb = ("udevadm", "trigger", "--subsystem-match=usb", "--attr-match=idVendor=1774")
    tty = ("udevadm", "trigger", "--subsystem-match=tty", "--property-match=ID_MODEL=USBRH2")
    return [Command(("udevadm", "control", "--reload")), Command(usb), Command(tty)]


def provided(machine: Machine, name: str) -> bool:
    """The distribution's own package of usbrh brought this file below /usr/lib."""
    return any(machine.path(f"{top}/{name}").exists() for top in _VENDOR)


def out_of_reach(machine: Machine, usbrh: Path) -> str | None:
    """Why a service of another user can't run this executable or its Python; None if it can."""
    for program in (usbrh, Path(sys.executable).resolve()):
        if program.parts[1:2] in (("home",), ("root",)):
            return f"{program} is in a home directory"
        for folder in reversed(program.parents):  # from the top: what is behind a closed one can't be looked at
            found = stat_or_none(machine.path(folder))
            # Of a folder that the machine does not have (yet), nothing is known.
            if found and not found.st_mode & 0o001:
                return f"{folder} is closed to other users"
    return None


def unit_text(unit: str, usbrh: Path) -> str:
    """The unit with the path of the executable."""
    quoted = str(usbrh).replace("%", "%%").replace("\\", "\\\\")
    return _text(f"systemd/{unit}").replace(
        f"={_PACKAGED_EXECUTABLE} ", f'="{quoted}" ' if " " in quoted else f"={quoted} "
    )


def without_systemd(machine: Machine, usbrh: Path) -> str:
    """What to do where there is no systemd: a cron line, or an OpenRC service."""
    if machine.path("/sbin/openrc-run").exists():
        return (
            "no systemd here; for OpenRC write /etc/init.d/usbrh, then rc-update add usbrh && rc-service usbrh start:\n"
            "    #!/sbin/openrc-run\n"
            "    supervisor=supervise-daemon\n"
            f"    command={shlex.quote(str(usbrh))}\n"
            "    command_args=run\n"
            f"    command_user={USER}:{GROUP}\n"
            "    depend() { need net; }"
        )
    return (
        f"no systemd here; for cron write into /etc/cron.d/usbrh:\n    * * * * * {USER} {shlex.quote(str(usbrh))} send"
    )


def next_steps(machine: Machine, usbrh: Path, person: str | None) -> list[tuple[str, str]]:
    """Commands to go on with, each with what it is for; ``person`` is who called sudo."""
    steps = []
    if person and person != "root" and not machine.is_member(person, GROUP):
        steps.append(
            (f"sudo usermod -aG {GROUP} {person}", "read the sensor as yourself over ssh, too; log in anew then")
        )
    steps += [
        (f"sudoedit {CONFIG}", "name the sensors, and the Zabbix server"),
        (f"sudo {usbrh} doctor", "see whether everything works"),
    ]
    if machine.systemd_runs and machine.path(f"/etc/systemd/system/{UNITS[0]}").exists():
        steps.append((f"sudo systemctl enable --now {UNITS[0]}", "a service that reads and sends; or instead of it"))
        steps.append((f"sudo systemctl enable --now {UNITS[2]}", "a timer that does so each minute"))
    if machine.systemd_runs:
        for service in agents(machine):
            steps.append((f"sudo systemctl restart {service}", "let the agent see its new file and group"))
    return steps


def _text(name: str) -> str:
    return resource(name).read_text(encoding="utf-8")
