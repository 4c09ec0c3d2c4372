"""Words to systemd, with a socket that is really there."""

import contextlib
import os
import socket
import time
from pathlib import Path

import pytest

from tests.support.waits import within
from usbrh.bridge.systemd import Notifier


@pytest.mark.parametrize("abstract", [True, False])
def test_says_it_to_the_socket(tmp_path: Path, abstract: bool) -> None:
    name = f"usbrh-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name if abstract else name)
        Notifier({"NOTIFY_SOCKET": "@" + name if abstract else name}).send("READY=1", "STATUS=well")
        assert manager.recv(100) == b"READY=1\nSTATUS=well"


def test_nobody_listens(tmp_path: Path) -> None:
    Notifier({}).send("READY=1")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).send("READY=1")


def test_a_queue_that_is_full_delays_nobody(tmp_path: Path) -> None:
    name = str(tmp_path / "notify")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        manager.bind(name)
        sender.setblocking(False)
        with contextlib.suppress(BlockingIOError):  # the queue is full
            while True:
                sender.sendto(b"x", name)
        begin = time.process_time()
        with within(5):
            Notifier({"NOTIFY_SOCKET": name}).send("READY=1")
        assert time.process_time() - begin < 0.5, "it does not wait by trying again and again"


def test_watchdog() -> None:
    assert Notifier({}).watchdog is None
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog == 30
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watchdog == 30
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog is None
