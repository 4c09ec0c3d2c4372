"""One destination's thread, with the real sender, the stand-in for the server, and a clock that is moved by hand."""

import socket
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import FixedClock, HandClock
from tests.support.daemon import wait_for
from tests.support.journal import START, reading, readings
from usbrh.bridge.delivery import BATCH, Delivery
from usbrh.bridge.worker import FIRST_RETRY, LONGEST_PAUSE, RETRY_REJECTED, STATE_INTERVAL, DestinationWorker
from usbrh.clock import Clock, Deadline, SystemClock
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Address, Destination
from usbrh.errors import ZabbixUnreachable
from usbrh.journal.store import NS, Journal
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.protocol import Value
from usbrh.zabbix.sender import Outcome, Sender

HOST = "living-room-pc"
DISCOVERY, BRIDGE, READING = "usbrh.discovery", "usbrh.bridge", "usbrh.get[living-room]"


class Bench:
    """A worker, and what its server is sent."""

    def __init__(self, server: FakeServer, path: Path, clock: Clock) -> None:
        self.server = server
        self.journal = Journal(path, clock=FixedClock(START))
        self.journal.sync_destinations([server.address])
        senders = [Sender(Destination.parse(server.address), ZabbixConfig())]
        self.worker = DestinationWorker(Delivery(self.journal, server.address, senders, HOST), lambda: "{}", clock)
        self.measured = 0

    def measure(self) -> None:
        self.measured += 1
        self.journal.add([reading(self.measured)])

    def deliver(self) -> list[str]:
        """A new reading; the keys of what is sent."""
        self.measure()
        before = len(self.server.requests)
        assert self.worker.deliver(Deadline(10)) is None
        return [value["key"] for request in self.server.requests[before:] for value in request["data"]]

    def readings(self) -> int:
        """How many the server has taken."""
        return len({(value.clock, value.ns) for value in self.server.values if value.key == READING})


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def bench(tmp_path: Path, clock: HandClock) -> Iterator[Bench]:
    with FakeServer() as server:
        bench = Bench(server, tmp_path / "journal.db", clock)
        yield bench
        bench.journal.close()


def test_a_host_that_is_not_known_yet_is_tried_again_soon_and_then_ever_more_rarely(
    bench: Bench, clock: HandClock
) -> None:
    bench.server.reject = lambda value: True
    bench.worker.new_discovery("[]")
    assert bench.deliver() == [DISCOVERY, READING, BRIDGE]
    pauses = []
    for _ in range(6):
        start = clock.now
        while DISCOVERY not in (sent := bench.deliver()):
            assert sent == [READING]  # a new one does not put off the retry
            clock.now += 1
        # Of those that were rejected the oldest and the newest, and the new one.
        assert sent == [DISCOVERY, *[READING] * 3, BRIDGE]
        pauses.append(clock.now - start)
    assert pauses == [5, 10, 20, 40, 60, 60]
    bench.server.reject = lambda value: False
    clock.now += RETRY_REJECTED
    assert bench.deliver()[0] == DISCOVERY
    assert bench.readings() == bench.measured
    clock.now += RETRY_REJECTED
    assert bench.deliver() == [READING, BRIDGE]


def test_a_discovery_that_was_taken_is_sent_again_while_its_readings_are_rejected(
    bench: Bench, clock: HandClock
) -> None:
    bench.worker.new_discovery("[]")
    assert bench.deliver() == [DISCOVERY, READING, BRIDGE]  # by the host that was deleted, as it turns out
    bench.server.reject = lambda value: value.key == READING
    assert bench.deliver() == [READING]
    clock.now += FIRST_RETRY
    assert bench.deliver()[0] == DISCOVERY
    bench.server.reject = lambda value: False
    clock.now += 2 * FIRST_RETRY
    assert bench.deliver()[0] == DISCOVERY
    assert bench.readings() == bench.measured
    clock.now += RETRY_REJECTED
    assert bench.deliver() == [READING, BRIDGE]


def test_a_stop_does_not_wait_for_the_next_retry(bench: Bench) -> None:
    bench.server.reject = lambda value: True
    for _ in range(3):
        bench.deliver()
    bench.server.reject = lambda value: False
    assert bench.deliver() == [READING]
    assert bench.readings() == 1
    bench.worker.stop(10)
    bench.deliver()
    assert bench.readings() == bench.measured == 5


def test_what_could_not_be_sent_is_new_still(bench: Bench, clock: HandClock) -> None:
    with FakeServer() as gone:
        pass
    sender = Sender(Destination.parse(gone.address), ZabbixConfig())
    cut = DestinationWorker(Delivery(bench.journal, bench.server.address, [sender], HOST), lambda: "{}", clock)
    cut.new_discovery("[]")
    assert isinstance(cut.deliver(Deadline(5)), ZabbixUnreachable)
    with FakeServer(gone.port) as back:
        assert cut.deliver(Deadline(5)) is None
        assert [value.key for value in back.values] == [DISCOVERY, BRIDGE]


def test_the_thread_retries_although_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.bridge.worker.FIRST_RETRY", 0.2)
    with FakeServer(reject=lambda value: True) as server:
        bench = Bench(server, tmp_path / "journal.db", SystemClock())
        bench.measure()
        bench.worker.start()
        try:
            wait_for("the first try", lambda: len(server.requests) >= 2)
            server.reject = lambda value: False
            wait_for("the reading", lambda: bench.readings() == 1, LONGEST_PAUSE / 2)
        finally:
            bench.worker.stop(1)
            bench.worker.join(10)
            bench.journal.close()


def test_a_stop_ends_an_exchange_that_has_more_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, Journal(tmp_path / "journal.db") as journal:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        journal.sync_destinations([address])
        journal.add(readings(3 * BATCH))
        senders = [Sender(Destination.parse(address), ZabbixConfig(timeout=60)) for _ in range(2)]
        worker = DestinationWorker(Delivery(journal, address, senders, HOST), lambda: "{}")
        worker.start()
        with silent.accept()[0]:
            worker.stop(0.2)
            worker.join(5)
            assert not worker._thread.is_alive()


def test_what_comes_while_a_full_queue_is_sent_is_sent_next(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.bridge.worker.UNSAVED", 100)
    worker = DestinationWorker(bench.worker._delivery, lambda: "{}")
    worker.new_readings(readings(100))
    worker.deliver(Deadline(0))  # no time, nothing sent
    take, late = bench.server._take, readings(16, first=1000)

    def meanwhile(request: dict[str, Any], packet: bytes) -> Any:
        worker.new_readings(late)
        late.clear()
        return take(request, packet)

    bench.server._take = meanwhile  # type: ignore[method-assign]
    assert worker.deliver(Deadline(10)) is None
    assert worker.deliver(Deadline(10)) is None
    assert bench.readings() == 116


def test_a_long_backlog_keeps_neither_state_nor_discovery_waiting(tmp_path: Path, clock: HandClock) -> None:
    told: list[tuple[float, str]] = []

    class Slow:
        def send(self, values: Sequence[Value], deadline: Deadline) -> Outcome:
            clock.now += 4
            if values[0].key != READING:
                told.append((clock.now, values[0].key))
            return Outcome(len(values), 0, Address("192.0.2.1", 10051))

    with Journal(tmp_path / "journal.db") as journal:
        journal.sync_destinations(["slow"])
        journal.add(readings(60 * BATCH))
        worker = DestinationWorker(Delivery(journal, "slow", [Slow()], HOST, clock=clock), lambda: "{}", clock)
        worker.new_discovery("[]")
        discovered = 0.0
        while journal.waiting("slow", 1):
            if not discovered and clock.now > 1030:
                worker.new_discovery("[another]")
                discovered = clock.now
            assert worker.deliver(Deadline(3600, clock)) is None
    states = [moment for moment, key in told if key == BRIDGE]
    assert clock.now - 1000 > 240
    assert states[0] - 1000 < 40
    assert all(after - before <= STATE_INTERVAL + 40 for before, after in pairwise(states))
    assert [moment - discovered <= 8 for moment, key in told if key == DISCOVERY] == [True, True]


def test_the_thread_goes_on_at_once_with_a_backlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.bridge.worker.PORTION", 0.05)
    with FakeServer() as server:
        take = server._take
        server._take = lambda *request: time.sleep(0.05) or take(*request)  # type: ignore[func-returns-value,method-assign]
        bench = Bench(server, tmp_path / "journal.db", SystemClock())
        bench.journal.add(readings(20))
        monkeypatch.setattr("usbrh.bridge.delivery.BATCH", 1)
        bench.worker.start()
        try:
            wait_for("all of them", lambda: bench.readings() == 20, LONGEST_PAUSE / 2)
        finally:
            bench.worker.stop(1)
            bench.worker.join(10)
            bench.journal.close()


def test_a_rejected_value_at_which_the_server_hangs_up_does_not_silence_the_bridge(
    bench: Bench, clock: HandClock
) -> None:
    bench.server.reject = lambda value: value.key == READING
    bench.deliver()
    original = bench.server._take
    first = str(reading(1).time_ns % NS)

    def hangs_up(request: dict[str, Any], packet: bytes) -> Any:
        return None if any(str(value["ns"]) == first for value in request["data"]) else original(request, packet)

    bench.server._take = hangs_up  # type: ignore[method-assign]
    clock.now += RETRY_REJECTED
    assert isinstance(bench.worker.deliver(Deadline(10)), ZabbixUnreachable)
    clock.now += LONGEST_PAUSE
    assert bench.deliver() == [READING, BRIDGE]
