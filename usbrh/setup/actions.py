"""The steps of ``usbrh setup``: commands, directories, and files with a stamp that shows who wrote them."""

import difflib
import hashlib
import os
import re
import stat
from contextlib import suppress
from functools import partial

from usbrh.errors import ConfigError
from usbrh.paths import stat_or_none
from usbrh.setup.machine import Machine
from usbrh.steps import Step

_STAMP = re.compile(r"# Written by usbrh setup \(([0-9a-f]{16})\)[^\n]*\n")


def command(machine: Machine, *argv: str) -> Step:
    """Run a command of the system."""
    return Step(f"run {' '.join(argv)}", partial(machine.run, argv))


def remove_account(machine: Machine, user: str, group: str, question: str | None) -> Step:
    """Remove the system user and group."""

    def do() -> None:
        if machine.has_user(user):
            machine.run(("userdel", user))
        if machine.has_group(group):  # userdel may have removed it
            machine.run(("groupdel", group))

    return Step(f"remove user and group {user}", do, question=question)


def make_directory(machine: Machine, name: str, owner: str, group: str, mode: int) -> list[Step]:
    """Create a directory, or give the service's directory back to its account with the files in it.

    An account that was removed and created again has another number. A directory of root stays as it is: somebody may
    have closed it, or given it to a group to keep a PSK in it.
    """
    path = machine.path(name)
    found = stat_or_none(path)
    if found and (owner == "root" or (found.st_uid, found.st_gid) == _ids(machine, owner, group)):
        return []

    def do() -> None:
        path.mkdir(parents=True, exist_ok=True)
        uid, gid = machine.ids(owner, group)
        os.chown(path, uid, gid)  # of a link, which may lead to another disk, the target is checked and changed
        for each in path.iterdir():
            os.chown(each, uid, gid, follow_symlinks=False)
        if not found:
            path.chmod(mode)

    return [Step(f"make directory {name} ({mode:04o} {owner}:{group})", do)]


def _ids(machine: Machine, owner: str, group: str) -> tuple[int, int] | None:
    try:
        return machine.ids(owner, group)
    except ConfigError:  # an earlier step of the plan creates the account
        return None


def remove_directory(machine: Machine, name: str) -> Step:
    """Remove a directory if it is empty."""

    def do() -> None:
        with suppress(OSError):
            machine.path(name).rmdir()

    return Step(f"remove directory {name} if it is empty", do)


def write_file(machine: Machine, name: str, content: str) -> list[Step]:
    """Write ``content`` to ``name``, with a stamp: no step if it is there, a question if setup did not write the file.

    The file is replaced as a whole, or stays as it is.
    """
    wanted = stamped(content)
    do = partial(_write, machine, name, wanted)
    found = read(machine, name)
    if found is None:
        return [Step(f"write {name}", do)]
    if found in (wanted, content):
        return []
    if is_untouched(found):
        return [Step(f"renew {name}", do)]
    old, new = (text.splitlines(keepends=True) for text in (found, wanted))
    difference = "".join(difflib.unified_diff(old, new, f"{name} (now)", f"{name} (new)"))
    return [Step(f"replace {name}", do, question=_not_ours(name), difference=difference)]


def _write(machine: Machine, name: str, content: str) -> None:
    path = machine.path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.usbrh-new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fchown(descriptor, *machine.ids("root", "root"))
            os.fchmod(descriptor, 0o644)
            os.fsync(descriptor)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def remove_file(machine: Machine, name: str, *, unit: bool = False) -> list[Step]:
    """Remove a file: no step if there is none, a question if setup did not write it.

    ``unit``: systemd stops the unit of that name first. In one step, so that a unit whose file stays keeps running.
    """
    found = read(machine, name)
    if found is None:
        return []

    def do() -> None:
        if unit:
            machine.run(("systemctl", "disable", "--now", name.rpartition("/")[2]))
        machine.path(name).unlink(missing_ok=True)

    return [Step(f"{'stop and ' * unit}remove {name}", do, question=None if is_untouched(found) else _not_ours(name))]


def _not_ours(name: str) -> str:
    return f"{name} was not written by setup, or was changed since"


def stamped(content: str) -> str:
    """``content`` below a line with its digest, by which ``is_untouched`` recognises it."""
    return f"# Written by usbrh setup ({_digest(content)}). After you change this file, setup asks first.\n{content}"


def is_untouched(text: str) -> bool:
    """Whether ``text`` is as this or an older version wrote it."""
    stamp = _STAMP.match(text)
    return stamp is not None and _digest(text[stamp.end() :]) == stamp[1]


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def read(machine: Machine, name: str) -> str | None:
    """The text of a file; None if there is none. For a symbolic link it is the path of its target.

    Raises:
        PermissionError: this user may not read it.
    """
    path = machine.path(name)
    try:
        if stat.S_ISLNK(path.lstat().st_mode):
            return f"-> {path.readlink()}\n"
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
