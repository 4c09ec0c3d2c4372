"""The service, by hand: what a process with real signals shows only now and then."""

import contextlib
import fcntl
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.support.daemon import wait_for
from tests.support.journal import readings
from tests.support.network import closed_port
from usbrh.bridge.once import routes, send_once
from usbrh.bridge.service import Bridge
from usbrh.bridge.unsaved import Unsaved
from usbrh.bridge.wakeup import Control
from usbrh.clock import SYSTEM_CLOCK
from usbrh.config import Config, JournalConfig, ZabbixConfig
from usbrh.errors import ConfigError
from usbrh.journal.file import JournalFile
from usbrh.journal.store import Journal
from usbrh.zabbix.fake_server import FakeServer


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    return Config(
        zabbix=ZabbixConfig(servers=(closed_port(),), host="pc"), journal=JournalConfig(path=tmp_path / "journal.db")
    )


@pytest.fixture
def control() -> Iterator[Control]:
    with Control() as control:
        yield control


def unsaved(count: int) -> Unsaved:
    kept = Unsaved()
    kept.add(readings(count))
    return kept


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
def test_a_signal_at_any_moment_ends_the_service(config: Config, control: Control, what: str) -> None:
    for line in range(1, 1000):
        control.stopping = False
        bridge = Bridge(config, routes(config), control, allow_simulated=True)

        def wait(bridge: Bridge = bridge) -> None:
            bridge._wait(SYSTEM_CLOCK.monotonic() + 0.05)

        lines = interrupted(wait if what.startswith("the wait") else control.stop, control.stop, line)
        if lines < line:
            break
        began = time.monotonic()
        bridge._wait(began + 60)
        assert time.monotonic() - began < 5
    assert line > 3


@contextlib.contextmanager
def running(bridge: Bridge, end: Callable[[], None]) -> Iterator[None]:
    """``bridge`` while it runs, from its first round until ``end`` is called."""
    thread = threading.Thread(target=bridge.run)
    thread.start()
    try:
        wait_for("the first round", lambda: bridge.poller.counts.readings > 0)
        yield
    finally:
        end()
        thread.join(20)
        assert not thread.is_alive()


def journalled(path: Path) -> int:
    with Journal(path) as journal:
        return len(list(journal.export()))


def test_at_its_end_it_journals_what_it_has_in_memory(config: Config, control: Control) -> None:
    config.journal.path.mkdir()
    bridge = Bridge(config, routes(config), control, allow_simulated=True)
    with running(bridge, control.stop):
        wait_for("a reading in memory", lambda: bridge.unsaved)
        config.journal.path.rmdir()
    assert len(bridge.unsaved) == 0
    assert journalled(config.journal.path) == 1


def test_what_is_in_memory_outlives_a_reload(
    config: Config, control: Control, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    config.journal.path.mkdir()
    before = Bridge(config, routes(config), control, allow_simulated=True)
    with running(before, control.reload):
        wait_for("a reading in memory", lambda: before.unsaved)
    assert len(before.unsaved) == 1
    assert "lost" not in caplog.text
    other = replace(config, journal=JournalConfig(path=tmp_path / "other.db"))
    counts = before.poller.counts
    control.reloading = False
    after = Bridge(other, routes(other), control, allow_simulated=True, counts=counts, unsaved=before.unsaved)
    with running(after, control.stop):
        wait_for("the next reading", lambda: counts.readings == 2)
    assert journalled(other.journal.path) == 2


def test_each_round_and_each_send_write_the_latest_readings(
    config: Config, control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    file = tmp_path / "readings" / "sim-1"
    send_once(config, allow_simulated=True)
    first = file.read_text()
    config.journal.path.unlink()
    config.journal.path.mkdir()  # also without a journal
    with running(Bridge(config, routes(config), control, allow_simulated=True), control.stop):
        wait_for("the next reading", lambda: file.read_text() != first)
    for line in (first, file.read_text()):
        measured, end, reading = line.split(" ", 2)
        assert int(end) - int(measured) == 9500
        assert json.loads(f"{reading.rstrip()}}}")["sensor"] == "sim-1"


def test_lost_readings_are_logged(config: Config, control: Control, caplog: pytest.LogCaptureFixture) -> None:
    config.journal.path.mkdir()
    bridge = Bridge(config, routes(config), control, allow_simulated=True)
    with running(bridge, control.stop):
        wait_for("a reading in memory", lambda: bridge.unsaved)
    assert "1 reading in memory only, lost where not delivered" in caplog.text


def test_an_unusable_journal_is_in_the_state(config: Config, control: Control) -> None:
    with FakeServer() as server:
        config = replace(config, zabbix=ZabbixConfig(servers=(server.address,), host="pc"))
        config.journal.path.mkdir()
        bridge = Bridge(config, routes(config), control, allow_simulated=True, unsaved=unsaved(3))
        with running(bridge, control.stop):
            wait_for("the state", lambda: any(each.key == "usbrh.bridge" for each in server.values))
        state = json.loads(next(each.value for each in server.values if each.key == "usbrh.bridge"))
    assert state["waiting"] is None
    assert state["error"].startswith(f"the journal {config.journal.path} can't be used: ")
    assert " in memory only" in state["error"]


def test_too_little_memory_for_the_journal_does_not_keep_readings_from_being_delivered(
    config: Config, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_little(*arguments: object, **more: object) -> None:
        raise MemoryError

    monkeypatch.setattr("usbrh.journal.file.JournalFile.transaction", too_little)
    with FakeServer() as server:
        config = replace(config, zabbix=ZabbixConfig(servers=(server.address,), host="pc"))
        sent = send_once(config, allow_simulated=True)
        assert "there is too little memory; see: free -h" in str(sent.journal_error)
        assert sent.journal_error is not None
        assert sent.journal_error.__context__ is None, "it would keep in memory what failed"
        assert "usbrh.get[sim-1]" in [each.key for each in server.values]
        server.values.clear()
        with running(Bridge(config, routes(config), control, allow_simulated=True), control.stop):
            wait_for("the state", lambda: "usbrh.bridge" in [each.key for each in server.values])
            wait_for("the reading", lambda: "usbrh.get[sim-1]" in [each.key for each in server.values])
            assert "there is too little memory" in next(each.value for each in server.values if "bridge" in each.key)


def test_too_little_memory_for_a_delivery_does_not_end_the_service(
    config: Config, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    transaction = JournalFile.transaction

    def too_little_for_workers(*arguments: Any, **more: Any) -> Any:
        if threading.current_thread().name.startswith("to "):
            raise MemoryError
        return transaction(*arguments, **more)

    monkeypatch.setattr(JournalFile, "transaction", too_little_for_workers)
    with FakeServer() as server:
        config = replace(config, zabbix=ZabbixConfig(servers=(server.address,), host="pc"))
        bridge = Bridge(config, routes(config), control, allow_simulated=True)
        with running(bridge, control.stop):
            wait_for("the state", lambda: "usbrh.bridge" in [each.key for each in server.values])
        assert "there is too little memory" in next(each.value for each in server.values if "bridge" in each.key)
        assert [worker.broken for worker in bridge._workers] == [None]


def test_after_a_reload_what_is_in_memory_is_delivered(config: Config, control: Control) -> None:
    with FakeServer() as server:
        config = replace(config, zabbix=ZabbixConfig(servers=(server.address,), host="pc"))
        config.journal.path.mkdir()
        bridge = Bridge(config, routes(config), control, allow_simulated=True, unsaved=unsaved(3))
        with running(bridge, control.stop):
            wait_for("them", lambda: [each.key for each in server.values].count("usbrh.get[living-room]") == 3)


def test_a_reload_that_comes_to_nothing_journals_what_is_in_memory(config: Config, control: Control) -> None:
    bridge = Bridge(config, routes(config), control, allow_simulated=False, unsaved=unsaved(3))
    with pytest.raises(ConfigError, match="refusing to send simulated readings"):
        bridge.run()
    assert journalled(config.journal.path) == 3


def test_an_error_before_the_first_delivery_is_raised(
    config: Config, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    bridge = Bridge(config, routes(config), control, allow_simulated=True)
    monkeypatch.setattr(bridge, "_save", lambda readings: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bridge.run()


def test_many_destinations_that_hang_hold_up_the_end_no_longer_than_one(
    config: Config, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usbrh.bridge.service.STOP_SECONDS", 0.1)
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in silent]
        config = replace(config, zabbix=ZabbixConfig(servers=tuple(addresses), host="pc"))
        bridge = Bridge(config, routes(config), control, allow_simulated=True)
        with running(bridge, control.stop):
            for each in silent:
                stack.enter_context(each.accept()[0])
            began = time.monotonic()
        assert time.monotonic() - began < 3


def test_a_journal_that_another_program_holds_holds_up_the_end_no_longer_than_for_one(
    config: Config, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usbrh.journal.file.BUSY_SECONDS", 0.5)
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(FakeServer()) for _ in range(6)]
        config = replace(config, zabbix=ZabbixConfig(servers=tuple(each.address for each in servers), host="pc"))
        bridge = Bridge(config, routes(config), control, allow_simulated=True)
        path = config.journal.path
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT)
        stack.callback(os.close, lock)
        with running(bridge, control.stop):
            wait_for("all", lambda: all("usbrh.bridge" in [value.key for value in each.values] for each in servers))
            fcntl.flock(lock, fcntl.LOCK_EX)
            began = time.monotonic()
        assert time.monotonic() - began < 2
