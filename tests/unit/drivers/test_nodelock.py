"""Locks on a device node: between processes, between threads, and after a kill."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from usbrh.clock import Deadline
from usbrh.drivers.nodelock import HEATER, MEASURE, NodeLock
from usbrh.simulator import VirtualClock

HOLDER = """
import sys, time
from pathlib import Path
from usbrh.clock import Deadline
from usbrh.drivers.nodelock import NodeLock
lock = NodeLock(Path(sys.argv[1]))
assert lock.acquire(int(sys.argv[2]), Deadline(1))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "node"
    path.touch()
    return path


def holder(node: Path, byte: int) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLDER, node, str(byte)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_excludes_until_it_is_killed(node: Path) -> None:
    process = holder(node, MEASURE)
    with process, NodeLock(node) as lock:
        started = time.monotonic()
        assert not lock.acquire(MEASURE, Deadline(0.2))
        assert 0.2 <= time.monotonic() - started < 1.0
        assert lock.locked_elsewhere(MEASURE)
        process.kill()
        assert lock.acquire(MEASURE, Deadline(2))


def test_two_opens_in_one_process_exclude_each_other(node: Path) -> None:
    with NodeLock(node) as first, NodeLock(node) as second:
        assert first.acquire(MEASURE, Deadline(0))
        assert not second.acquire(MEASURE, Deadline(0))


def test_bytes_are_locked_apart(node: Path) -> None:
    with NodeLock(node) as heating, NodeLock(node) as reading:
        assert heating.acquire(HEATER, Deadline(0))
        assert reading.acquire(MEASURE, Deadline(0))
        assert reading.locked_elsewhere(HEATER)
        assert not reading.locked_elsewhere(MEASURE)


def test_closing_lets_go(node: Path) -> None:
    with NodeLock(node) as first:
        assert first.acquire(MEASURE, Deadline(0))
    with NodeLock(node) as second:
        assert not second.locked_elsewhere(MEASURE)
        assert second.acquire(MEASURE, Deadline(0))


def test_processes_of_all_versions_lock_the_same_bytes(node: Path) -> None:
    with NodeLock(node) as lock, holder(node, 0) as measuring, holder(node, 1) as heating:
        try:
            assert not lock.acquire(MEASURE, Deadline(0))
            assert not lock.acquire(HEATER, Deadline(0))
        finally:
            measuring.kill()
            heating.kill()


def test_who_waits_gets_the_lock_at_once(node: Path) -> None:
    first = NodeLock(node)
    with NodeLock(node) as second:
        assert first.acquire(MEASURE, Deadline(0))

        class Clock(VirtualClock):
            def sleep(self, seconds: float) -> None:
                super().sleep(seconds)
                if self.monotonic() >= 0.5:
                    first.close()

        clock = Clock()
        assert second.acquire(MEASURE, Deadline(2, clock))
        assert clock.monotonic() < 0.55


def test_a_lock_that_is_closed_already_is_an_os_error(node: Path) -> None:
    with NodeLock(node) as lock:
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        lock.acquire(MEASURE, Deadline(0))


def test_no_node_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        NodeLock(tmp_path / "missing")
