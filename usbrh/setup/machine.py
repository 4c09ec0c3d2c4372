"""The computer that ``usbrh setup`` changes and ``usbrh doctor`` checks: its files, its accounts, its commands."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from usbrh.errors import ConfigError
from usbrh.system.access import GROUP, ThisComputer

USER = GROUP
"""The account of the service."""
CONFIG = "/etc/usbrh/usbrh.toml"
STATE = "/var/lib/usbrh"
"""The directory of the journal."""
LATEST = "/run/usbrh/readings"
"""The directory of the latest readings (``usbrh.bridge.latest``); the next boot removes it, too."""
CRON = "/etc/cron.d/usbrh"
"""The crontab of a machine without an init system that setup knows."""
COMMAND_TIMEOUT = 60.0
"""s for one command of the system."""
VENDOR = ("/usr/lib", "/lib", "/usr/local/lib")
"""Where packages install udev rules and systemd units."""


def run(command: Sequence[str]) -> None:
    """Run a command of the system.

    Raises:
        ConfigError: it is missing, failed (the message has the last line of its output), or took too long.
    """
    try:
        subprocess.run(  # noqa: S603 - the commands are those of this package
            command, check=True, capture_output=True, text=True, timeout=COMMAND_TIMEOUT, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise ConfigError(f"{command[0]} is not installed", remedy="install it, and run usbrh setup again") from None
    except subprocess.TimeoutExpired:
        message = f"{' '.join(command)} did not end within {COMMAND_TIMEOUT:g} s"
        raise ConfigError(message, remedy="run it by hand") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout or f"exit status {error.returncode}").strip().splitlines()[-1]
        raise ConfigError(f"{' '.join(command)} failed: {reason}") from None


@dataclass(frozen=True)
class Machine:
    """A computer: its root directory, and the function that runs its commands."""

    root: Path = Path("/")
    run: Callable[[Sequence[str]], None] = run

    def path(self, name: str | Path) -> Path:
        """The path for this process of the file that the computer calls ``name``."""
        return self.root / str(name).lstrip("/")

    @property
    def init_system(self) -> Literal["systemd", "openrc"] | None:
        """The init system that runs; None for all others, and in a root directory that has not been booted.

        The test for systemd is that of sd_booted(3). OpenRC keeps the name of its runlevel in the file softlevel.
        """
        if self.path("/run/systemd/system").is_dir():
            return "systemd"
        return "openrc" if self.path("/run/openrc/softlevel").exists() else None

    @property
    def systemd_runs(self) -> bool:
        """Whether systemd runs."""
        return self.init_system == "systemd"

    @property
    def openrc_runs(self) -> bool:
        """Whether OpenRC runs."""
        return self.init_system == "openrc"

    def packaged(self, name: str) -> bool:
        """Whether the distribution's own package of usbrh installed this file below /usr/lib."""
        return any(self.path(f"{top}/{name}").exists() for top in VENDOR)

    def has_user(self, name: str) -> bool:
        """Whether the account is in the passwd file."""
        return self._entry("passwd", name) is not None

    def has_group(self, name: str) -> bool:
        """Whether the group is in the group file."""
        return self._entry("group", name) is not None

    def home_and_shell(self, name: str) -> tuple[str, str] | None:
        """Home directory and shell of an account; None if there is no such account."""
        entry = self._entry("passwd", name)
        if entry is None:
            return None
        home, shell = (*entry[5:7], "", "")[:2]  # an incomplete line has neither
        return home, shell

    def user_name(self, uid: int) -> str:
        """The name of the account with this number; the number if it has no name."""
        name = self._name("passwd", uid)
        # An account of LDAP or of another service is not in the file.
        return ThisComputer().user_name(uid) if name.isdigit() and self.root == Path("/") else name

    def group_name(self, gid: int) -> str:
        """The name of the group with this number; the number if it has no name."""
        return self._name("group", gid)

    def is_member(self, user: str, group: str) -> bool:
        """Whether ``user`` is listed as a member of ``group``."""
        entry = self._entry("group", group)
        return entry is not None and user in entry[3].split(",")

    def ids(self, owner: str, group: str) -> tuple[int, int]:
        """The numbers of user and group.

        Raises:
            ConfigError: there is no such user or group.
        """
        user_entry, group_entry = self._entry("passwd", owner), self._entry("group", group)
        if user_entry is None or group_entry is None:
            missing = f"user {owner}" if user_entry is None else f"group {group}"
            raise ConfigError(f"there is no {missing} on this machine", remedy="sudo usbrh setup creates it")
        return int(user_entry[2]), int(group_entry[2])

    def _name(self, table: str, number: int) -> str:
        return next((entry[0] for entry in self._entries(table) if entry[2] == str(number)), str(number))

    def _entry(self, table: str, name: str) -> list[str] | None:
        return next((entry for entry in self._entries(table) if entry[0] == name), None)

    def _entries(self, table: str) -> list[list[str]]:
        try:
            text = self.path(f"/etc/{table}").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            text = "root:x:0:"
        return [entry for line in text.splitlines() if len(entry := line.split(":")) >= 4]


def installed(command: str) -> bool:
    """Whether the machine has this command, also in root's folders."""
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
