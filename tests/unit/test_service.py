"""The service, by hand: what a process with real signals shows only now and then."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from usbrh.bell import Bell
from usbrh.clock import SYSTEM_CLOCK
from usbrh.config import Config, JournalConfig, ZabbixConfig
from usbrh.service import Bridge


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    return Config(
        zabbix=ZabbixConfig(servers=("192.0.2.1",), host="pc"), journal=JournalConfig(path=tmp_path / "journal.db")
    )


@pytest.fixture
def bell() -> Iterator[Bell]:
    with Bell() as bell:
        yield bell


def interrupted(work: Callable[[], Any], handler: Callable[[], Any], line: int) -> int:
    """How many lines of Python ``work`` runs through, while ``handler`` comes before one of them, as a signal does."""
    lines = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == line:
                handler()
        return trace

    def run() -> None:
        sys.settrace(trace)
        work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive(), f"it hangs when it is interrupted before its line {line}"
    return lines


@pytest.mark.parametrize("what", ["the wait for the next round", "another signal"])
def test_a_signal_at_any_moment_ends_the_service(config: Config, bell: Bell, what: str) -> None:
    for line in range(1, 1000):
        bridge = Bridge(config, bell, allow_simulated=True)

        def wait(bridge: Bridge = bridge) -> None:
            bridge._wait(SYSTEM_CLOCK.monotonic() + 0.05)

        lines = interrupted(wait if what.startswith("the wait") else bridge.end, bridge.end, line)
        if lines < line:
            break
        began = time.monotonic()
        bridge._wait(began + 60)
        assert time.monotonic() - began < 5
    assert line > 3
