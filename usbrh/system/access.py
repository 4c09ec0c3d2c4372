"""Who may use a sensor: its device node, the group of the node, and the udev rules that set it."""

import os
import re
import stat
from pathlib import Path
from typing import Protocol

from usbrh.errors import AccessDenied
from usbrh.system.files import read_regular

GROUP = "usbrh"
"""The group that may use the sensors."""
RULE = "70-usbrh.rules"
"""The udev rule that gives the sensors to the group."""
_RULE_FOLDERS = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d")
_RULE_USB, _RULE_TTY = r'^[^#\n]*"1774".*"1001"', r"^[^#\n]*USBRH2"
_TRIGGER_USB = "sudo udevadm control --reload && sudo udevadm trigger --subsystem-match=usb --attr-match=idVendor=1774"
_TRIGGER_TTY = "sudo udevadm control --reload && sudo udevadm trigger --property-match=ID_MODEL=USBRH2"
_MAX_RULES = 1 << 20
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
"""Of Docker, of Podman, and of systemd in any other container."""
_GROUP_MAY = stat.S_IRGRP | stat.S_IWGRP


class Computer(Protocol):
    """The files and accounts of a computer."""

    def path(self, name: str | Path) -> Path:
        """Return the path for this process of the file that the computer calls ``name``."""

    def user_name(self, uid: int) -> str:
        """Return the name of a user; the number if it has no name."""

    def group_name(self, gid: int) -> str:
        """Return the name of a group; the number if it has no name."""

    def is_member(self, user: str, group: str) -> bool:
        """Return whether ``user`` is listed as a member of ``group``."""


class ThisComputer:
    """The computer that this process runs on, with its accounts from every source (nsswitch.conf)."""

    def path(self, name: str | Path) -> Path:
        """Return ``name`` as a path."""
        return Path(name)

    def user_name(self, uid: int) -> str:
        """Return the name of a user; the number if it has no name."""
        import pwd  # noqa: PLC0415 - only errors need it

        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def group_name(self, gid: int) -> str:
        """Return the name of a group; the number if it has no name."""
        import grp  # noqa: PLC0415 - only errors need it

        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)

    def is_member(self, user: str, group: str) -> bool:
        """Return whether ``user`` is listed as a member of ``group``."""
        import grp  # noqa: PLC0415 - only errors need it

        try:
            return user in grp.getgrnam(group).gr_mem
        except KeyError:
            return False


def denied(label: str, node: Path, port: str) -> AccessDenied:
    """Return the error of a sensor whose ``node`` this user may not open, with the cause and its remedy."""
    message = f"no permission for {label} ({node})"
    try:
        why, remedy = cause(ThisComputer(), node, node.stat())
    except OSError:  # a virtual sensor has no node
        return AccessDenied(message, port, remedy="sudo usbrh setup, then plug it in again")
    return AccessDenied(f"{message}: {why}", port, remedy=remedy)


def cause(computer: Computer, node: Path, status: os.stat_result) -> tuple[str, str]:
    """Return why this user may not use ``node``, which has this ``status``, and the remedy."""
    if _in_container(computer):
        return _cause_in_container(node, status)
    if _mode_allows(status):
        why = "its mode permits it, but DeviceAllow= of a systemd unit, AppArmor or SELinux does not"
        return why, "see: sudo journalctl -k | grep -i denied"
    if is_for_group(computer, status):
        return _cause_group(computer, status.st_gid)
    found = rules(computer, node)
    if not found:
        return "no udev rule gives it to the group usbrh", "sudo usbrh setup"
    if not found[0].endswith(RULE):
        return f"{found[0]} does not give it to the group usbrh", "sudo usbrh setup"
    return f"{found[0]} was not applied to it", trigger(node)


def is_for_group(computer: Computer, status: os.stat_result) -> bool:
    """Return whether a node with this ``status`` may be used by the group usbrh."""
    return computer.group_name(status.st_gid) == GROUP and status.st_mode & _GROUP_MAY == _GROUP_MAY


def _cause_group(computer: Computer, gid: int) -> tuple[str, str]:
    user = computer.user_name(os.geteuid())
    for_now = f"sg {GROUP} -c 'usbrh read'"
    if computer.is_member(user, GROUP) and gid not in os.getgroups():
        return f"{user} was added to the group {GROUP} after logging in", f"log in again, or for now: {for_now}"
    remedy = f"sudo usermod -aG {GROUP} {user}, then log in again, or for now: {for_now}"
    return f"{user} is not in the group {GROUP}", remedy


def _cause_in_container(node: Path, status: os.stat_result) -> tuple[str, str]:
    if _mode_allows(status):
        remedy = f"start it with the device, for example: docker run --device={node}"
        return "the container has no access to this device", remedy
    if status.st_gid != 0 and status.st_mode & _GROUP_MAY == _GROUP_MAY:
        remedy = f"start it with that group, for example: docker run --group-add={status.st_gid}"
        return f"the user in the container is not in the group {status.st_gid} of the host", remedy
    return "the host gives it to root only", "on the host: sudo usbrh setup"


def _in_container(computer: Computer) -> bool:
    inside = isinstance(computer, ThisComputer) and "container" in os.environ  # set by Podman, LXC and systemd-nspawn
    return inside or any(computer.path(name).exists() for name in _CONTAINER_FILES)


def _mode_allows(status: os.stat_result) -> bool:
    """Whether owner, group and mode permit reading and writing to this user, as path_resolution(7) describes."""
    if os.geteuid() == 0:
        return True
    if status.st_uid == os.geteuid():
        wanted = stat.S_IRUSR | stat.S_IWUSR
    elif status.st_gid in (os.getegid(), *os.getgroups()):
        wanted = _GROUP_MAY
    else:
        wanted = stat.S_IROTH | stat.S_IWOTH
    return status.st_mode & wanted == wanted


def node_of(computer: Computer, port: str) -> Path | None:
    """Return the device node of the sensor at ``port``; None if it was unplugged."""
    terminals = [entry.name for entry in computer.path("/sys/bus/usb/devices").glob(f"{port}:1.0/tty/*")]
    if terminals:
        return Path("/dev") / terminals[0]
    device = computer.path(f"/sys/bus/usb/devices/{port}")
    try:
        bus, number = (int((device / name).read_text()) for name in ("busnum", "devnum"))
    except (OSError, ValueError):
        return None
    return Path(f"/dev/bus/usb/{bus:03d}/{number:03d}")


def rules(computer: Computer, node: Path) -> list[str]:
    """Return the udev rule files for such a node, ours first; a file hides those of the same name in later folders."""
    pattern = _RULE_TTY if _is_terminal(node) else _RULE_USB
    found: dict[str, str] = {}
    for folder in _RULE_FOLDERS:
        for path in sorted(computer.path(folder).glob("*.rules")):
            if path.name not in found:
                try:
                    text = read_regular(path, _MAX_RULES).decode(errors="replace")
                except OSError:  # a folder, a pipe, a broken link, or closed to this user (root can read it)
                    text = ""
                found[path.name] = f"{folder}/{path.name}" if re.search(pattern, text, re.MULTILINE) else ""
    return sorted(filter(None, found.values()), key=lambda name: not name.endswith(RULE))


def trigger(node: Path) -> str:
    """Return the command that makes udev apply its rules to such a node."""
    return _TRIGGER_TTY if _is_terminal(node) else _TRIGGER_USB


def _is_terminal(node: Path) -> bool:
    return node.name.startswith("tty")
