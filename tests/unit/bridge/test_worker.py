"""One destination's thread, with the real sender, the fake server, and a clock that is moved by hand."""

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
from usbrh.bridge.batches import BATCH
from usbrh.bridge.delivery import PAGE, Delivery
from usbrh.bridge.route import Route
from usbrh.bridge.unsaved import Unsaved
from usbrh.bridge.worker import FIRST_RETRY, LONGEST_PAUSE, RETRY_REJECTED, STATE_INTERVAL, DestinationWorker
from usbrh.clock import NS, Clock, Deadline, SystemClock
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.errors import ZabbixUnreachable
from usbrh.journal.store import Journal
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.protocol import HostMetadata, Response, Value
from usbrh.zabbix.sender import Sender

HOST = "living-room-pc"
DISCOVERY, BRIDGE, READING = "usbrh.discovery", "usbrh.bridge", "usbrh.get[living-room]"


def delivery(journal: Journal, destination: str, address: str, **settings: Any) -> Delivery:
    """To ``address``, of what waits for ``destination``."""
    sender = Sender(Destination.parse(address), ZabbixConfig(**settings))
    return Delivery(journal, Route(destination, sender, HOST))


class Bench:
    """A worker, and what its server is sent."""

    def __init__(self, server: FakeServer, path: Path, clock: Clock) -> None:
        self.server = server
        self.journal = Journal(path, clock=FixedClock(START))
        self.journal.sync_destinations([server.address])
        self.delivery = delivery(self.journal, server.address, server.address)
        self.unsaved = Unsaved(100)
        self.worker = DestinationWorker(self.delivery, dict, self.unsaved, clock)
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
        """How many the server has accepted."""
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
    bench.worker.send_discovery([])
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


def test_an_accepted_discovery_is_sent_again_while_its_readings_are_rejected(bench: Bench, clock: HandClock) -> None:
    bench.worker.send_discovery([])
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
    to_gone = delivery(bench.journal, bench.server.address, gone.address)
    cut = DestinationWorker(to_gone, dict, Unsaved(), clock)
    cut.send_discovery([])
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
        worker = DestinationWorker(delivery(journal, address, address, timeout=60), dict, Unsaved())
        worker.start()
        with silent.accept()[0]:
            worker.stop(0.2)
            worker.join(5)
            assert not worker._thread.is_alive()


def test_what_comes_while_a_full_queue_is_sent_is_sent_next(bench: Bench) -> None:
    bench.unsaved.add(readings(100))
    bench.worker.deliver(Deadline(0))  # no time, nothing sent
    respond, late = bench.server.respond, readings(16, first=1000)

    def meanwhile(request: dict[str, Any], packet: bytes) -> Any:
        assert bench.unsaved.add(late) == len(late)
        late.clear()
        return respond(request, packet)

    bench.server.respond = meanwhile  # type: ignore[method-assign]
    assert bench.worker.deliver(Deadline(10)) is None
    assert bench.worker.deliver(Deadline(10)) is None
    assert bench.readings() == 116
    received = len(bench.server.values)
    assert bench.worker.deliver(Deadline(10)) is None
    assert len(bench.server.values) == received, "each is sent once"


def test_what_the_journal_has_is_not_sent_from_memory_too(bench: Bench) -> None:
    bench.unsaved.add(readings(5))
    bench.journal.add(readings(5))
    bench.unsaved.clear()
    bench.unsaved.add(readings(1, first=6))
    assert bench.worker.deliver(Deadline(10)) is None
    assert [value.key for value in bench.server.values].count(READING) == 6


def test_a_long_backlog_keeps_neither_state_nor_discovery_waiting(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 requests, which are a tenth as long as usual."""
    monkeypatch.setattr("usbrh.bridge.batches.BATCH", BATCH // 10)
    monkeypatch.setattr("usbrh.bridge.delivery.PAGE", PAGE // 10)
    states_sent: list[tuple[float, str]] = []

    class Slow(Sender):
        def send(self, content: Sequence[Value] | HostMetadata, deadline: Deadline) -> Response:
            assert not isinstance(content, HostMetadata)
            clock.now += 4
            if content[0].key != READING:
                states_sent.append((clock.now, content[0].key))
            return Response(len(content))

    with Journal(tmp_path / "journal.db") as journal:
        journal.sync_destinations(["slow"])
        journal.add(readings(60 * (BATCH // 10)))
        route = Route("slow", Slow(Destination.parse("192.0.2.1"), ZabbixConfig()), HOST)
        worker = DestinationWorker(Delivery(journal, route, clock=clock), dict, Unsaved(), clock)
        worker.send_discovery([])
        discovered = 0.0
        while journal.waiting("slow", 1):
            if not discovered and clock.now > 1030:
                worker.send_discovery([{"{#SENSOR}": "another"}])
                discovered = clock.now
            assert worker.deliver(Deadline(3600, clock)) is None
    states = [moment for moment, key in states_sent if key == BRIDGE]
    assert clock.now - 1000 > 240
    assert len(states) > 2
    assert states[0] - 1000 < 40
    assert all(after - before <= STATE_INTERVAL + 40 for before, after in pairwise(states))
    assert [moment - discovered <= 8 for moment, key in states_sent if key == DISCOVERY] == [True, True]


def test_the_thread_goes_on_at_once_with_a_backlog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.bridge.worker.PORTION", 0.05)
    with FakeServer() as server:
        respond = server.respond
        server.respond = lambda *request: time.sleep(0.05) or respond(*request)  # type: ignore[func-returns-value,method-assign]
        bench = Bench(server, tmp_path / "journal.db", SystemClock())
        bench.journal.add(readings(20))
        monkeypatch.setattr("usbrh.bridge.batches.BATCH", 1)
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
    original = bench.server.respond
    first = str(reading(1).time_ns % NS)

    def hangs_up(request: dict[str, Any], packet: bytes) -> Any:
        return None if any(str(value.get("ns")) == first for value in request["data"]) else original(request, packet)

    bench.server.respond = hangs_up  # type: ignore[method-assign]
    clock.now += RETRY_REJECTED
    for _ in range(2):
        sent = bench.deliver()
        assert (sent[0], sent[-1]) == (READING, BRIDGE)
        clock.now += LONGEST_PAUSE


def test_no_reading_waits_in_a_journal_that_cant_be_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "journal.db"
    path.write_text("not a journal\n" * 100)
    with FakeServer() as server, Journal(path) as journal:
        worker = DestinationWorker(delivery(journal, server.address, server.address), dict, Unsaved())
        worker.start()
        wait_for("the error of the journal", lambda: "can't be used" in caplog.text)
        worker.stop(1)
        worker.join(10)
    assert "wait in the journal" not in caplog.text


def test_an_error_drops_no_reading_in_memory(bench: Bench) -> None:
    respond = bench.server.respond
    bench.server.respond = lambda *request: None  # type: ignore[method-assign]  # the server hangs up
    bench.unsaved.add(readings(5))
    for _ in range(2):
        assert isinstance(bench.worker.deliver(Deadline(10)), ZabbixUnreachable)
    bench.server.respond = respond  # type: ignore[method-assign]
    assert bench.worker.deliver(Deadline(10)) is None
    assert bench.readings() == 5


def test_rejected_readings_in_memory_are_a_reason_to_announce_the_sensors_again_soon(
    bench: Bench, clock: HandClock
) -> None:
    bench.worker.send_discovery([])
    assert bench.worker.deliver(Deadline(10)) is None
    bench.server.reject = lambda value: value.key == READING
    bench.unsaved.add(readings(1))
    assert bench.worker.deliver(Deadline(10)) is None
    clock.now += FIRST_RETRY
    assert bench.deliver()[0] == DISCOVERY


def test_no_discovery_before_there_is_one(bench: Bench) -> None:
    assert bench.deliver() == [READING, BRIDGE]
    bench.worker.send_discovery([])
    assert bench.deliver() == [DISCOVERY, READING]
    assert bench.deliver() == [READING]


def test_the_state_is_sent_once_per_interval(bench: Bench, clock: HandClock) -> None:
    assert bench.deliver() == [READING, BRIDGE]
    clock.now += STATE_INTERVAL - 1
    assert bench.deliver() == [READING]
    clock.now += 1
    assert bench.deliver() == [READING, BRIDGE]


@pytest.mark.parametrize(("share", "expected"), [(1.0, [1, 2, 4, 8, 15, 15]), (0.5, [0.5, 1, 2, 4, 7.5, 7.5])])
def test_each_failure_doubles_the_pause_and_a_success_ends_that(
    bench: Bench, clock: HandClock, monkeypatch: pytest.MonkeyPatch, share: float, expected: list[float]
) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: low + (high - low) * (2 * share - 1))
    respond = bench.server.respond

    def pauses(attempts: int) -> list[float]:
        found = []
        for _ in range(attempts):
            bench.worker._note(bench.worker.deliver(Deadline(10)))
            found.append(bench.worker._pause())
        return found

    bench.server.respond = lambda *request: None  # type: ignore[method-assign]
    bench.measure()
    assert pauses(6) == expected
    bench.server.respond = respond  # type: ignore[method-assign]
    clock.now += RETRY_REJECTED
    assert pauses(1) == [15]
    bench.server.respond = lambda *request: None  # type: ignore[method-assign]
    bench.measure()
    assert pauses(2) == expected[:2]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Bench]:
    """A worker whose thread runs, with the real clock."""
    with FakeServer() as server:
        bench = Bench(server, tmp_path / "journal.db", SystemClock())
        try:
            yield bench
        finally:
            bench.worker.stop(1)
            bench.worker.join(10)
            bench.journal.close()


def test_a_new_reading_does_not_wait_for_the_end_of_the_pause(running: Bench) -> None:
    running.worker.start()
    wait_for("the first delivery", lambda: running.server.values)
    for count in (1, 2):
        running.measure()
        running.worker.wake()
        wait_for("the reading", lambda count=count: running.readings() == count, 2, 0.005)  # type: ignore[misc]


def test_after_a_failure_a_new_reading_waits_for_the_end_of_the_pause(running: Bench) -> None:
    tried = []
    respond = running.server.respond
    running.server.respond = lambda *request: tried.append(time.monotonic())  # type: ignore[method-assign]
    running.measure()
    running.worker.start()
    wait_for("the failure", lambda: running.worker.error, 10, 0.005)
    first = len(tried)
    until = time.monotonic() + 0.15
    while time.monotonic() < until:
        running.worker.wake()
        time.sleep(0.01)
    if time.monotonic() - tried[-1] < 0.4:  # the shortest pause is 0.5 s
        assert len(tried) == first
    running.server.respond = respond  # type: ignore[method-assign]
    stopped = time.monotonic()
    running.worker.stop(5)  # ends the pause
    running.worker.join(10)
    assert time.monotonic() - stopped < 5
    assert running.readings() == 1
    assert running.worker.error is None
