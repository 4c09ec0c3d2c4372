"""Folders and files without permissions, seen by a process that is not root."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as several users: sudo make test")


@contextmanager
def reachable() -> Iterator[Path]:
    """Yield a temporary folder that every user may enter. Other users may not enter the folders of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """Remove all permissions of ``path``, and drop root, who would not need them."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        with nobody():
            yield
    finally:
        path.chmod(mode)


@contextmanager
def nobody() -> Iterator[None]:
    """Run as the user nobody if this process is root."""
    if os.geteuid() != 0:
        yield
        return
    groups, gid = os.getgroups(), os.getgid()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, gid)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(gid, gid, gid)
        os.setgroups(groups)
