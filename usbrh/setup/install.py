"""The plan of ``usbrh setup``: the steps that are missing on a machine, so a second run has nothing to do.

Every file that setup writes has a stamp with a digest in its first line. While the stamp fits, setup may renew and
remove the file; otherwise it asks first. The configuration is written once, and then belongs to the user.
"""

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from usbrh.setup import openrc
from usbrh.setup.actions import command, make_directory, write_file
from usbrh.setup.agents import AGENT_FILE, AGENT_USER, agent_directory, agent_text, agents, restart_command
from usbrh.setup.init_systems import PACKAGED_EXECUTABLE, UNITS, cron_note, service_steps
from usbrh.setup.machine import CONFIG, STATE, USER, VENDOR, Machine, installed
from usbrh.steps import Step
from usbrh.system.access import GROUP, RULE, is_for_group, node_of
from usbrh.system.installation import by_debian
from usbrh.system.paths import stat_or_none
from usbrh.system.resources import resource


@dataclass
class Plan:
    """The steps, and notes on what setup does not do itself."""

    steps: list[Step] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    obstacle: str | None = None
    """Why the service and the agent's file are left out; None if they are not."""

    @contextmanager
    def noting_denied(self) -> Iterator[None]:
        """Turn a PermissionError into a note, and continue: --dry-run works without root."""
        try:
            yield
        except PermissionError as error:
            self.notes.append(f"not checked: this user can't read {error.filename}; root can")


def executable() -> Path:
    """The ``usbrh`` that is running, with links resolved; for ``python3 -m usbrh`` the one of that Python."""
    called = Path(sys.argv[0]).resolve()
    if called.parent.parent.name == "python-exec":  # Gentoo's copy for one version of Python, which is removed with it
        return Path(PACKAGED_EXECUTABLE)
    if called.name == "usbrh":
        return called
    script = Path(sysconfig.get_path("scripts")) / "usbrh"
    # Debian's Python has its scripts in /usr/local/bin, except those of packages.
    return Path(PACKAGED_EXECUTABLE) if by_debian() and not stat_or_none(script) else script


def plan(machine: Machine, usbrh: Path) -> Plan:
    """What is missing on ``machine`` to run the executable ``usbrh`` as a service and from a Zabbix agent."""
    result = Plan()
    _plan_account(machine, result)
    result.steps += make_directory(machine, "/etc/usbrh", "root", "root", 0o755)
    result.steps += make_directory(machine, STATE, USER, GROUP, 0o750)
    with result.noting_denied():
        if not stat_or_none(machine.path(CONFIG), follow_symlinks=False):
            result.steps += write_file(machine, CONFIG, _text("etc/usbrh.toml"))
    with result.noting_denied():
        _plan_rule(machine, result)
    if obstacle := out_of_reach(machine, usbrh):
        result.obstacle = (
            f"no service and no agent file: {obstacle}, so a service can't run it; install usbrh for the whole "
            "machine, in its source folder: /usr/bin/python3 -m venv /opt/usbrh && /opt/usbrh/bin/pip install . && "
            "/opt/usbrh/bin/usbrh setup"
        )
        return result
    with result.noting_denied():
        result.steps += service_steps(machine, usbrh)
        result.notes += filter(None, [cron_note(machine, usbrh)])
    with result.noting_denied():
        _plan_agents(machine, usbrh, result)
    return result


def _plan_account(machine: Machine, result: Plan) -> None:
    if not machine.has_group(GROUP):
        result.steps.append(command(machine, "groupadd", "--system", GROUP))
    if not machine.has_user(USER):
        options = ("--system", "--gid", GROUP, "--home-dir", STATE, "--no-create-home", "--shell", "/usr/sbin/nologin")
        result.steps.append(command(machine, "useradd", *options, USER))
    elif difference := foreign_account(machine):
        result.notes.append(
            f"{difference}; the service runs as this user nevertheless; if it is a person's account, rename it first: "
            f"usermod --login NAME {USER}"
        )


def foreign_account(machine: Machine) -> str | None:
    """How the account differs from the one that setup creates; None if it does not, or if there is none.

    The distribution's package creates the same account; the folder of nologin depends on the distribution.
    """
    found = machine.home_and_shell(USER)
    if found is None:
        return f"there is a group {GROUP} without the user that setup creates" if machine.has_group(GROUP) else None
    home, shell = found
    if home == STATE and shell.endswith("/nologin"):
        return None
    return f"the user {USER} is not as setup creates it: its home is {home}, its shell {shell}"


def _plan_rule(machine: Machine, result: Plan) -> None:
    packaged = machine.packaged(f"udev/rules.d/{RULE}")
    if not packaged and not any(machine.path(f"{top}/udev").is_dir() for top in ("/etc", *VENDOR)):
        result.notes.append(
            f"no udev on this machine: at each boot, give the group {GROUP} the sensor's node in /dev/bus/usb by other "
            "means"
        )
        return
    steps = [] if packaged else write_file(machine, f"/etc/udev/rules.d/{RULE}", _text(f"udev/{RULE}"))
    # A sensor that was plugged in before the rule or the group existed keeps its owner.
    if steps or not all(is_for_group(machine, status) for status in _nodes(machine)):
        result.steps += [*steps, *reload_udev(machine)]


def _nodes(machine: Machine) -> Iterator[os.stat_result]:
    """Yield the status of the device node of each sensor that is plugged in."""
    for device in machine.path("/sys/bus/usb/devices").glob("*/idProduct"):
        with suppress(OSError):  # unplugged meanwhile
            ids = [(device.parent / name).read_text().strip() for name in ("idVendor", "idProduct")]
            node = node_of(machine, device.parent.name) if ids == ["1774", "1001"] else None
            if node:
                yield machine.path(node).stat()
    for link in machine.path("/dev/serial/by-id").glob("usb-Strawberry_Linux_USBRH2_*"):
        with suppress(OSError):
            yield link.stat()


def reload_udev(machine: Machine) -> list[Step]:
    """Apply the changed rule to the sensors that are plugged in; no step where udev does not run."""
    if not machine.path("/run/udev").is_dir() or not installed("udevadm"):
        return []
    # A trigger for all devices would make udev process each of them again.
    usb = ("udevadm", "trigger", "--subsystem-match=usb", "--attr-match=idVendor=1774")
    tty = ("udevadm", "trigger", "--subsystem-match=tty", "--property-match=ID_MODEL=USBRH2")
    return [command(machine, *argv) for argv in (("udevadm", "control", "--reload"), usb, tty)]


def _plan_agents(machine: Machine, usbrh: Path, result: Plan) -> None:
    configs = agents(machine).values()
    for config in configs:
        with result.noting_denied():
            directory = agent_directory(machine, config)
            if directory is None:
                result.notes.append(
                    f"no agent file: {config} includes no directory; add the line Include=/etc/zabbix/usbrh.d/*.conf "
                    "and run usbrh setup again"
                )
            else:
                result.steps += write_file(machine, f"{directory}/{AGENT_FILE}", agent_text(usbrh))
    if configs and machine.has_user(AGENT_USER) and not machine.is_member(AGENT_USER, GROUP):
        result.steps.append(command(machine, "usermod", "--append", "--groups", GROUP, AGENT_USER))


def out_of_reach(machine: Machine, usbrh: Path) -> str | None:
    """Why a service of another user can't run this executable or its Python; None if it can."""
    for program in (usbrh, Path(sys.executable).resolve()):
        if program.parts[1:2] in (("home",), ("root",)):
            return f"{program} is in a home directory"
        for folder in reversed(program.parents):  # from the top: nothing below a closed folder can be checked
            found = stat_or_none(machine.path(folder))
            if found and not found.st_mode & 0o001:  # a folder that does not exist yet may become open
                return f"{folder} is closed to other users"
    return None


def next_steps(machine: Machine, usbrh: Path, person: str | None) -> list[tuple[str, str]]:
    """Commands to continue with, and the purpose of each; ``person`` is the user who called sudo."""
    steps = []
    if person and person != "root" and not machine.is_member(person, GROUP):
        steps.append((f"sudo usermod -aG {GROUP} {person}", "read the sensor as yourself, also over ssh; log in again"))
    steps += [
        (f"sudoedit {CONFIG}", "name the sensors and the Zabbix server"),
        (f"sudo {usbrh} doctor", "check whether everything works"),
    ]
    if machine.systemd_runs and machine.path(f"/etc/systemd/system/{UNITS[0]}").exists():
        steps.append((f"sudo systemctl enable --now {UNITS[0]}", "a service that reads and sends; or instead of it:"))
        steps.append((f"sudo systemctl enable --now {UNITS[2]}", "a timer that reads and sends every minute"))
    if machine.openrc_runs and machine.path(openrc.SCRIPT).exists():
        steps.append((f"sudo rc-service {openrc.SERVICE} start", "a service that reads and sends"))
        steps.append((f"sudo rc-update add {openrc.SERVICE} default", "start it at each boot"))
    if machine.init_system and not out_of_reach(machine, usbrh):
        for service in agents(machine):
            steps.append((restart_command(machine, service), "so that the agent uses its new file and group"))
    return steps


def _text(name: str) -> str:
    return resource(name).read_text(encoding="utf-8")
