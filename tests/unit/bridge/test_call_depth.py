"""How many functions of ours a value passes through on its route to the socket."""

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import usbrh
from tests.support.journal import reading
from usbrh.bridge.batches import BATCH
from usbrh.bridge.delivery import Delivery
from usbrh.bridge.once import open_journal, routes, send_once
from usbrh.bridge.unsaved import Unsaved
from usbrh.bridge.worker import DestinationWorker
from usbrh.config import Config, JournalConfig, ZabbixConfig
from usbrh.zabbix.fake_server import FakeServer

PACKAGE = str(Path(usbrh.__file__).parent)
FAKE_SERVER = str(Path(PACKAGE, "zabbix", "fake_server.py"))


def functions(frame: FrameType | None) -> list[str]:
    """The functions of the package that have called each other up to ``frame``, outermost first."""
    found = []
    while frame:
        if frame.f_code.co_filename.startswith(PACKAGE):
            found.append(frame.f_code.co_name)
        frame = frame.f_back
    return found[::-1]


class Recorder:
    """Records what leads to every use of a socket, across the starts of threads."""

    def __init__(self) -> None:
        self.stacks: list[list[str]] = []
        """From the outermost function to the one that uses the socket, in the thread that does it."""
        self.routes: list[list[str]] = []
        """The same with the functions that started the thread, and those that started its starter."""
        self._starters: dict[threading.Thread, list[str]] = {}

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        start = threading.Thread.start
        recorder = self

        def recorded_start(thread: threading.Thread) -> None:
            starter = recorder._starters.get(threading.current_thread(), [])
            recorder._starters[thread] = starter + functions(sys._getframe(1))
            start(thread)

        class RecordedSocket(socket.socket):
            def connect(self, address: Any) -> None:
                recorder.record(sys._getframe(1))
                super().connect(address)

            def send(self, *arguments: Any) -> int:
                recorder.record(sys._getframe(1))
                return super().send(*arguments)

            def recv(self, *arguments: Any) -> bytes:
                recorder.record(sys._getframe(1))
                return super().recv(*arguments)

        monkeypatch.setattr(threading.Thread, "start", recorded_start)
        monkeypatch.setattr(socket, "socket", RecordedSocket)

    def record(self, frame: FrameType) -> None:
        if frame.f_code.co_filename != FAKE_SERVER:
            stack = functions(frame)
            self.stacks.append(stack)
            self.routes.append(self._starters.get(threading.current_thread(), []) + stack)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    recorder.install(monkeypatch)
    return recorder


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """Of a server that rejects the readings of one sensor, and a backlog of two sensors: enough for two connections."""
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    with FakeServer(reject=lambda value: value.key == "usbrh.get[attic]") as server:
        config = Config(
            zabbix=ZabbixConfig(servers=(server.address,), host="pc"),
            journal=JournalConfig(path=tmp_path / "journal.db"),
        )
        with open_journal(config) as journal:
            journal.sync_destinations([server.address])
            journal.add([reading(number, sensor) for number in range(BATCH) for sensor in ("attic", "cellar")])
        yield config


def test_from_a_workers_thread_to_the_socket(config: Config, recorder: Recorder) -> None:
    with open_journal(config) as journal:
        (route,) = routes(config)
        worker = DestinationWorker(Delivery(journal, route), dict, Unsaved())
        worker.send_discovery([])
        worker.stop(20)
        worker.start()
        worker.join(30)
        assert journal.standings()[0].waiting == 0
    assert {stack[-1] for stack in recorder.stacks} == {"connect", "_exchange"}
    assert max(len(stack) for stack in recorder.stacks) <= 8
    # A large backlog has a second thread, and what leads to that counts too.
    deepest = max((route[route.index("_run") :] for route in recorder.routes), key=len)
    assert "run_parallel" in deepest
    assert len(deepest) <= 8, deepest


def test_from_send_once_to_the_socket(config: Config, recorder: Recorder) -> None:
    with open_journal(config) as journal:
        assert journal.waiting(config.zabbix.servers[0], 1)
    send_once(config, allow_simulated=True)
    del recorder.stacks[:], recorder.routes[:]
    send_once(config, allow_simulated=True)  # no backlog, so no second connection
    deepest = max(recorder.routes, key=len)
    assert deepest[0] == "send_once"
    assert len(deepest[1:]) <= 7, f"it was 14 when there was a layer for everything: {deepest}"
