"""Temporary folders of these tests are in memory: there a journal takes a third of the time of the processor, and no
test waits for the disk of a machine that has other work."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm").resolve()
LEAST = 1 << 28
"""Bytes that must be free there. The tests need a few MB at a time."""


def has_room() -> bool:
    """Return whether the tests can use the memory. In some containers it is small, or its programs can't be run."""
    if not os.access(MEMORY, os.W_OK):
        return False
    found = os.statvfs(MEMORY)
    return found.f_bavail * found.f_frsize >= LEAST and not found.f_flag & os.ST_NOEXEC


@pytest.fixture(scope="package", autouse=True)
def in_memory() -> Iterator[None]:
    """Let ``tempfile`` use the memory. Programs that the tests start keep their own folder."""
    before = tempfile.tempdir
    if has_room():
        tempfile.tempdir = str(MEMORY)
    yield
    tempfile.tempdir = before


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """An empty folder, as pytest's own, but where ``tempfile`` has it."""
    with tempfile.TemporaryDirectory(prefix="usbrh-test-", ignore_cleanup_errors=True) as name:
        yield Path(name)
