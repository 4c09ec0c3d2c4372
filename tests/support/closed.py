"""Folders and files as one sees them who may not look into them."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def reachable() -> Iterator[Path]:
    """A temporary folder that every user may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def closed(path: Path) -> Iterator[None]:
    """``path`` is closed, and this process is no longer root, whom that would not keep out."""
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        with nobody():
            yield
    finally:
        path.chmod(mode)


@contextmanager
def nobody() -> Iterator[None]:
    """This process is no longer root."""
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
