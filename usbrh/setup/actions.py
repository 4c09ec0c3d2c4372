"""The steps of ``usbrh setup``: commands, directories, and files with a stamp that shows who wrote them."""

import difflib
import hashlib
import os
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from usbrh.errors import ConfigError
from usbrh.setup.machine import Machine
from usbrh.steps import Step
from usbrh.system.files import open_folder
from usbrh.system.paths import stat_or_none

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
        ids = machine.ids(owner, group)
        with open_folder(path, make=True) as folder:
            before = os.fstat(folder).st_uid
            os.fchown(folder, *ids)
            if not found:
                os.fchmod(folder, mode)
            for each in os.listdir(folder):  # noqa: PTH208 - of a descriptor
                _give(folder, each, before, ids)

    return [Step(f"make directory {name} ({mode:04o} {owner}:{group})", do)]


def _give(folder: int, name: str, before: int, ids: tuple[int, int]) -> None:
    """Give a regular file to the account. ``before``: the owner of the folder until now.

    If that is not root, this owner can put a link to a file of root under this name at any time, or a second name of
    it. So links and files of another owner stay as they are.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:  # a link, a socket, or gone
        return
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and before in (0, status.st_uid):
            os.fchown(descriptor, *ids)
    finally:
        os.close(descriptor)


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


def write_file(machine: Machine, name: str, content: str, mode: int = 0o644) -> list[Step]:
    """Write ``content`` to ``name``, with a stamp: no step if it is there, a question if setup did not write the file.

    The file is replaced as a whole, or stays as it is.
    """
    wanted = stamped(content)
    do = partial(_write, machine, name, wanted, mode)
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


def _write(machine: Machine, name: str, content: str, mode: int) -> None:
    path = machine.path(name)
    with open_folder(path.parent, make=True) as folder:
        new = f".{path.name}.usbrh-new"
        _unlink(folder, new)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
                file.flush()
                os.fchown(descriptor, *machine.ids("root", "root"))
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            os.replace(new, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            _unlink(folder, new)


def _unlink(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def remove_file(machine: Machine, name: str, stop: Sequence[Sequence[str]] = ()) -> list[Step]:
    """Remove a file: no step if there is none, a question if setup did not write it.

    ``stop``: commands that stop the service of that file first. In one step, so that a service whose file stays keeps
    running.
    """
    found = read(machine, name)
    if found is None:
        return []

    def do() -> None:
        for each in stop:
            machine.run(each)
        path = machine.path(name)
        with open_folder(path.parent) as folder:
            _unlink(folder, path.name)

    return [
        Step(
            f"{'stop and ' if stop else ''}remove {name}", do, question=None if is_untouched(found) else _not_ours(name)
        )
    ]


def _not_ours(name: str) -> str:
    return f"{name} was not written by setup, or was changed since"


def stamped(content: str) -> str:
    """``content`` with a line that has its digest, by which ``is_untouched`` recognises it.

    It is the first line, or in a script the second one.
    """
    first, rest = _split(content)
    stamp = f"# Written by usbrh setup ({_digest(content)}). After you change this file, setup asks first.\n"
    return f"{first}{stamp}{rest}"


def is_untouched(text: str) -> bool:
    """Whether ``text`` is as this or an older version wrote it."""
    first, rest = _split(text)
    stamp = _STAMP.match(rest)
    return stamp is not None and _digest(first + rest[stamp.end() :]) == stamp[1]


def _split(text: str) -> tuple[str, str]:
    """The line with the interpreter of a script, which must be the first one, and the rest."""
    end = text.find("\n") + 1 if text.startswith("#!") else 0
    return text[:end], text[end:]


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def read(machine: Machine, name: str) -> str | None:
    """The text of a file; None if there is none. For a symbolic link it is the path of its target.

    Raises:
        PermissionError: this user may not read it.
    """
    path = machine.path(name)
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return f"-> {path.readlink()}\n"
        if not stat.S_ISREG(mode):
            return "not a regular file\n"
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
