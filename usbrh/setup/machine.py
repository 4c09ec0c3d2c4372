"""The computer that ``usbrh setup`` and ``usbrh doctor`` deal with: its files, its accounts, its commands."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from usbrh.errors import ConfigError

COMMAND_TIMEOUT = 60.0
"""s for one command of the system."""


def run(command: Sequence[str]) -> None:
    """Run a command of the system.

    Raises:
        ConfigError: it is missing, failed or did not end in time; the message has its last line of words.
    """
    try:
        subprocess.run(  # noqa: S603 - the commands are those of setup.py
            command, check=True, capture_output=True, text=True, timeout=COMMAND_TIMEOUT, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise ConfigError(f"{command[0]} is not installed; install it, and run usbrh setup again") from None
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{' '.join(command)} did not end within {COMMAND_TIMEOUT:g} s; try it by hand") from None
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout or f"exit status {error.returncode}").strip().splitlines()[-1]
        raise ConfigError(f"{' '.join(command)} failed: {words}") from None


@dataclass(frozen=True)
class Machine:
    """The computer that is set up: its root directory, and what runs its commands."""

    root: Path = Path("/")
    run: Callable[[Sequence[str]], None] = run

    def path(self, name: str | Path) -> Path:
        """Where the file that it calls ``name`` is for us."""
        return self.root / str(name).lstrip("/")

    @property
    def systemd_runs(self) -> bool:
        """As sd_booted(3) tests it."""
        return self.path("/run/systemd/system").is_dir()

    def has_user(self, name: str) -> bool:
        """The account is in its passwd file."""
        return self._entry("passwd", name) is not None

    def has_group(self, name: str) -> bool:
        """The group is in its group file."""
        return self._entry("group", name) is not None

    def home_and_shell(self, name: str) -> tuple[str, str] | None:
        """Of the account with this name; None if there is none."""
        entry = self._entry("passwd", name)
        if entry is None:
            return None
        home, shell = (*entry[5:7], "", "")[:2]  # a line that somebody cut short has neither
        return home, shell

    def user_name(self, uid: int) -> str:
        """The account's name; its number if it has none."""
        return self._name("passwd", uid)

    def group_name(self, gid: int) -> str:
        """The group's name; its number if it has none."""
        return self._name("group", gid)

    def is_member(self, user: str, group: str) -> bool:
        """``user`` is listed as a member of ``group``."""
        entry = self._entry("group", group)
        return entry is not None and user in entry[3].split(",")

    def ids(self, owner: str, group: str) -> tuple[int, int]:
        """uid and gid.

        Raises:
            ConfigError: there is no such account.
        """
        user_entry, group_entry = self._entry("passwd", owner), self._entry("group", group)
        if user_entry is None or group_entry is None:
            missing = f"user {owner}" if user_entry is None else f"group {group}"
            raise ConfigError(f"there is no {missing}; usbrh setup makes it, look at /etc/passwd and /etc/group")
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
    """The machine has this command; root's folders count, whoever asks."""
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None
