"""The single steps of ``usbrh setup``. Each says what it would do, and does exactly that."""

import difflib
import hashlib
import os
import re
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from usbrh.errors import ConfigError
from usbrh.paths import stat_or_none
from usbrh.setup.machine import Machine

_STAMP = re.compile(r"# Written by usbrh setup \(([0-9a-f]{16})\)[^\n]*\n")


class Action(Protocol):
    """One step."""

    @property
    def question(self) -> str | None:
        """What to ask before it is done; None when there is nothing to ask."""

    @property
    def words(self) -> str:
        """What it does, as a line for a person."""

    def apply(self, machine: Machine) -> None:
        """Do it. Raises OSError or ConfigError."""


@dataclass(frozen=True)
class Command:
    """Run a command of the system."""

    argv: tuple[str, ...]
    question: str | None = None

    @property
    def words(self) -> str:
        return f"run {' '.join(self.argv)}"

    def apply(self, machine: Machine) -> None:
        machine.run(self.argv)


@dataclass(frozen=True)
class RemoveAccount:
    """Remove the system user and group; userdel may have taken the group along."""

    user: str
    group: str
    question: str | None = None

    @property
    def words(self) -> str:
        return f"remove user and group {self.user}"

    def apply(self, machine: Machine) -> None:
        if machine.has_user(self.user):
            machine.run(("userdel", self.user))
        if machine.has_group(self.group):
            machine.run(("groupdel", self.group))


@dataclass(frozen=True)
class MakeDirectory:
    """Make a directory, or give the service's back to it with what is in it; root's stays as it was found."""

    name: str
    owner: str
    group: str
    mode: int
    question: str | None = None

    @property
    def words(self) -> str:
        return f"make directory {self.name} ({self.mode:04o} {self.owner}:{self.group})"

    def needed(self, machine: Machine) -> bool:
        """It is not there, or not the service's: an account that was removed and made again has another number.

        Whoever gave root's to a group, to keep a PSK in it, or closed it meant that.
        """
        found = stat_or_none(machine.path(self.name))
        if found is None or self.owner == "root":
            return found is None
        try:
            return (found.st_uid, found.st_gid) != machine.ids(self.owner, self.group)
        except ConfigError:
            return True

    def apply(self, machine: Machine) -> None:
        path = machine.path(self.name)
        new = stat_or_none(path) is None
        path.mkdir(parents=True, exist_ok=True)
        uid, gid = machine.ids(self.owner, self.group)
        os.chown(path, uid, gid)  # where it is a link, to another disk, that is what needed() looks at
        for each in path.iterdir():
            os.chown(each, uid, gid, follow_symlinks=False)
        if new:
            path.chmod(self.mode)


@dataclass(frozen=True)
class WriteFile:
    """Write a file whole, or leave the old one."""

    name: str
    content: str
    mode: int = 0o644
    group: str = "root"
    verb: str = "write"
    question: str | None = None
    difference: str = ""
    """What would change in a file that is not ours, as a unified diff."""

    @property
    def words(self) -> str:
        return f"{self.verb} {self.name}"

    def apply(self, machine: Machine) -> None:
        path = machine.path(self.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.usbrh-new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(self.content)
                file.flush()
                os.fchown(descriptor, *machine.ids("root", self.group))
                os.fchmod(descriptor, self.mode)
                os.fsync(descriptor)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)


@dataclass(frozen=True)
class RemoveFile:
    """Remove a file."""

    name: str
    question: str | None = None
    difference: str = ""

    @property
    def words(self) -> str:
        return f"remove {self.name}"

    def apply(self, machine: Machine) -> None:
        machine.path(self.name).unlink(missing_ok=True)


@dataclass(frozen=True)
class StopUnit:
    """Stop a unit of systemd's, and remove its file: in one step, so that one whose file stays goes on."""

    file: RemoveFile

    @property
    def question(self) -> str | None:
        return self.file.question

    @property
    def words(self) -> str:
        return f"stop and {self.file.words}"

    def apply(self, machine: Machine) -> None:
        machine.run(("systemctl", "disable", "--now", self.file.name.rpartition("/")[2]))
        self.file.apply(machine)


@dataclass(frozen=True)
class RemoveDirectory:
    """Remove a directory if nothing is left in it."""

    name: str
    question: str | None = None

    @property
    def words(self) -> str:
        return f"remove directory {self.name} if it is empty"

    def apply(self, machine: Machine) -> None:
        with suppress(OSError):
            machine.path(self.name).rmdir()


def stamped(content: str) -> str:
    """``content`` under a line that lets ``is_untouched`` know it again."""
    digest = hashlib.sha256(content.encode()).hexdigest()[:16]
    return (
        f"# Written by usbrh setup ({digest}). Once you change this file it is yours: setup then asks first.\n{content}"
    )


def is_untouched(text: str) -> bool:
    """``text`` is as ``stamped`` made it, whichever version that was."""
    stamp = _STAMP.match(text)
    return stamp is not None and stamped(text[stamp.end() :]) == text


def write_action(machine: Machine, name: str, content: str) -> WriteFile | None:
    """What brings ``content`` to ``name``: nothing if it is there; a question if a file is there that is not ours."""
    wanted = stamped(content)
    found = read(machine, name)
    if found is None:
        return WriteFile(name, wanted)
    if found in (wanted, content):
        return None
    if is_untouched(found):
        return WriteFile(name, wanted, verb="renew")
    difference = "".join(
        difflib.unified_diff(
            found.splitlines(keepends=True), wanted.splitlines(keepends=True), f"{name} (now)", f"{name} (new)"
        )
    )
    return WriteFile(
        name,
        wanted,
        verb="replace",
        question=f"{name} was not written by setup, or was changed since",
        difference=difference,
    )


def remove_action(machine: Machine, name: str) -> RemoveFile | None:
    """What takes ``name`` away: nothing if it is not there; a question if it is not ours."""
    found = read(machine, name)
    if found is None:
        return None
    if is_untouched(found):
        return RemoveFile(name)
    return RemoveFile(name, question=f"{name} was not written by setup, or was changed since")


def read(machine: Machine, name: str) -> str | None:
    """The file's text; None if there is none. A link, which may lead anywhere, reads as its target's name."""
    path = machine.path(name)
    try:
        if stat.S_ISLNK(path.lstat().st_mode):
            return f"-> {path.readlink()}\n"
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
