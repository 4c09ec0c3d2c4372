"""Access to the journal as the user who owns its folder, for commands that root starts.

The folder usually belongs to the user ``usbrh``. That user can replace each file in it by a link to a file of root at
any moment, so root never opens, creates or changes a file there. Group ids and supplementary groups change too.
"""

import codecs
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from usbrh.errors import JournalError

LINKS = 40
"""Symbolic links to follow in one path, as in the kernel."""


class _Owner(NamedTuple):
    """The user to become, and the group."""

    name: str
    """Empty if the user has none."""
    uid: int
    gid: int


def become_owner(path: Path) -> None:
    """Become the owner of the folder of the journal ``path``, if this process is root and the owner is not.

    The change is permanent and applies to all threads. Call it before the first access to the journal, and before
    threads start.

    Raises:
        JournalError: this process may not change its user.
    """
    if owner := _owner(path):
        # Sockets load this codec at first use. By then, the owner may not be able to read a Python below /root.
        codecs.lookup("idna")
        _set_groups(owner)
        os.setresgid(owner.gid, owner.gid, owner.gid)
        os.setresuid(owner.uid, owner.uid, owner.uid)


@contextmanager
def as_owner(path: Path) -> Iterator[None]:
    """As ``become_owner``, until the end of the ``with`` block. It changes effective ids, of all threads.

    Raises:
        JournalError: this process may not change its user.
    """
    owner = _owner(path)
    if owner is None:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    _set_groups(owner)
    try:
        os.setegid(owner.gid)
        os.seteuid(owner.uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _set_groups(owner: _Owner) -> None:
    try:
        if owner.name:
            os.initgroups(owner.name, owner.gid)
        else:
            os.setgroups([owner.gid])
    except PermissionError as error:
        remedy = f"run it as the user {owner.name or owner.uid}"
        raise JournalError("root may not change its user here, so it can't use the journal", remedy=remedy) from error


def _owner(path: Path) -> _Owner | None:
    """The user to become; None if this process is not root, or if only root can change the path."""
    if os.geteuid() != 0:
        return None
    found = _first_of_another(path.absolute())
    if found is None:
        return None
    try:
        known = pwd.getpwuid(found.st_uid)
    except KeyError:
        return _Owner("", found.st_uid, found.st_gid or found.st_uid)  # never the group root
    return _Owner(known.pw_name, known.pw_uid, known.pw_gid)


def _first_of_another(path: Path) -> os.stat_result | None:
    """The first folder, link or file on the way to ``path`` that does not belong to root.

    Its owner can exchange everything after it. What is before it belongs to root, so the answer stays true.
    """
    for _ in range(LINKS):
        for step in (*reversed(path.parents), path):
            try:
                found = step.lstat()
            except OSError:
                return None  # the access itself reports the problem
            if found.st_uid != 0:
                return found
            if stat.S_ISLNK(found.st_mode):
                path = step.parent / step.readlink() / path.relative_to(step)
                break
        else:
            return None
    return None
