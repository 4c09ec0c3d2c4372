"""A backlog over paths and to servers that fail at large requests. All times are a tenth of those of real life."""

import math
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import FixedClock, HandClock, WoundClock
from tests.support.journal import START, reading, readings
from usbrh.bridge.batches import BATCH, FORGET, BatchSize
from usbrh.bridge.delivery import PAGE, Delivered, Delivery
from usbrh.bridge.once import BACKLOG_SHARE, REQUEST_SHARE
from usbrh.bridge.route import Route
from usbrh.bridge.unsaved import Unsaved
from usbrh.bridge.worker import DestinationWorker
from usbrh.clock import NS, Clock, Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.errors import ZabbixUnreachable
from usbrh.journal.rows import Entry
from usbrh.journal.store import Journal
from usbrh.reading import Reading
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.items import BRIDGE
from usbrh.zabbix.protocol import Response, encode_request
from usbrh.zabbix.sender import SLOWEST, Sender

WAITING = 300
TIMEOUT = 1.5
SEND_SECONDS = 2.5
HOST = "living-room-pc"

Obstacle = Callable[[Any, bytes], tuple[float, bool]]
"""Returns how many s an exchange of these values takes, in a request of these bytes, and whether the server gets it."""


def slow_values(values: Any, request: bytes) -> tuple[float, bool]:
    return 0.01 * len(values), True


def lost_above_20_kb(values: Any, request: bytes) -> tuple[float, bool]:
    return (math.inf, False) if len(request) > 20_000 else (0.0, True)


def hang_at_one(values: Any, request: bytes) -> tuple[float, bool]:
    return (math.inf, False) if has_poison(value.ns for value in values) else (0.0, True)


def slow_uplink(values: Any, request: bytes) -> tuple[float, bool]:
    seconds = len(request) / 40_000
    return seconds, seconds <= SLOWEST * TIMEOUT


def has_poison(ns: Iterable[int]) -> bool:
    return reading(100).time_ns % NS in ns


class Hampered(Sender):
    """Exchanges values with a real server over a path that takes virtual time.

    The request of a slow uplink moves, so it has more time than one that gets no answer.
    """

    def __init__(self, address: str, clock: Clock, obstacle: Obstacle) -> None:
        super().__init__(Destination.parse(address), ZabbixConfig(timeout=TIMEOUT))
        self.clock, self.obstacle = clock, obstacle

    def send(self, values: Any, deadline: Deadline) -> Response:
        seconds, arrives = self.obstacle(values, encode_request(values, self.clock.time_ns()))
        patience = SLOWEST * TIMEOUT if self.obstacle is slow_uplink else TIMEOUT
        limit = min(patience, deadline.remaining())
        # The exchange itself has time of its own: the wound clock stands still.
        response = super().send(values, Deadline(20)) if arrives else None
        self.clock.sleep(min(seconds, limit))
        if response is None or seconds > limit:
            error = ZabbixUnreachable("no complete answer")
            error.after_connecting = True
            raise error
        return response


Respond = Callable[[dict[str, Any], bytes], Any]


def hang_up_above_64_kb(respond: Respond, request: dict[str, Any], packet: bytes) -> Any:
    return None if len(packet) > 1 << 16 else respond(request, packet)


def hang_up_at_one(respond: Respond, request: dict[str, Any], packet: bytes) -> Any:
    return None if has_poison(value["ns"] for value in request["data"]) else respond(request, packet)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db", clock=FixedClock(START)) as journal:
        journal.sync_destinations(["there"])
        journal.add(readings(WAITING))
        yield journal


def new_delivery(journal: Journal, sender: Sender, clock: Clock) -> Delivery:
    return Delivery(journal, Route("there", sender, HOST), clock=clock)


def plain(server: FakeServer) -> Sender:
    return Sender(Destination.parse(server.address), ZabbixConfig(timeout=TIMEOUT))


def drain(journal: Journal, sender: Sender, clock: Clock, command: str) -> int:
    """Deliver everything as the service does, or by one ``usbrh send`` after another; how many are rejected."""
    news, rejected = [reading(WAITING)], 0
    delivery = new_delivery(journal, sender, clock)
    for count in range(1, 21):
        if command == "send":
            delivery = new_delivery(journal, sender, clock)
            deadline = Deadline(SEND_SECONDS, clock)
            rejected += delivery.deliver(deadline, news=news, seconds=0.9 * SEND_SECONDS).rejected
        else:
            deadline = Deadline(360, clock)
            rejected += delivery.deliver(deadline, news=news if count == 1 else (), seconds=1.5).rejected
        if not journal.waiting("there", 1):
            print(f"{command}: {count} deliveries")
            return rejected
    raise AssertionError(f"{len(journal.waiting('there', 1000))} still wait")


def check_order(server: FakeServer, missing: int = 0) -> None:
    """Each has arrived, and those that are not news in their order."""
    first = list(dict.fromkeys((value.clock, value.ns) for value in server.values))
    newest = divmod(reading(WAITING).time_ns, NS)
    assert first[0] == newest, "news first"
    assert first[1:] == sorted(first[1:])
    assert len(first) == WAITING - missing


def check_rejections(journal: Journal, server: FakeServer, rejected: int) -> None:
    """The rejected reading has a reason, and is accepted once the server does so."""
    rejections = journal.rejected("there")
    assert [each.first for each in rejections] == [100] * rejected
    if rejected:
        assert rejections[0].reason.endswith("when it received this reading alone; check the server's log")
        assert new_delivery(journal, plain(server), FixedClock(START)).deliver(Deadline(5), retry=True).delivered == 1


@pytest.mark.parametrize("command", ["run", "send"])
@pytest.mark.parametrize("obstacle", [slow_values, lost_above_20_kb, hang_at_one])
def test_a_backlog_drains(journal: Journal, server: FakeServer, command: str, obstacle: Obstacle) -> None:
    clock = WoundClock(START, synchronised=True)
    poisonous = int(obstacle is hang_at_one)
    assert drain(journal, Hampered(server.address, clock, obstacle), clock, command) == poisonous
    check_order(server, poisonous)
    check_rejections(journal, server, poisonous)


@pytest.mark.parametrize("command", ["run", "send"])
@pytest.mark.parametrize("obstacle", [hang_up_above_64_kb, hang_up_at_one])
def test_a_backlog_drains_to_a_server_that_hangs_up(
    journal: Journal, server: FakeServer, command: str, obstacle: Any
) -> None:
    respond = server.respond
    server.respond = lambda request, packet: obstacle(respond, request, packet)  # type: ignore[method-assign]
    poisonous = int(obstacle is hang_up_at_one)
    assert drain(journal, plain(server), FixedClock(START), command) == poisonous
    check_order(server, poisonous)
    server.respond = respond  # type: ignore[method-assign]
    check_rejections(journal, server, poisonous)


@pytest.mark.parametrize("command", ["run", "send"])
def test_a_backlog_drains_over_a_slow_uplink(journal: Journal, server: FakeServer, command: str) -> None:
    clock = WoundClock(START, synchronised=True)
    start = clock.monotonic()
    assert drain(journal, Hampered(server.address, clock, slow_uplink), clock, command) == 0
    assert clock.monotonic() - start < 20
    check_order(server)


def test_a_server_that_answers_nothing_is_no_reason_to_reject(journal: Journal, server: FakeServer) -> None:
    server.respond = lambda request, packet: None  # type: ignore[method-assign]
    for _ in range(3):
        result = new_delivery(journal, plain(server), FixedClock(START)).deliver(Deadline(5))
        assert (result.rejected, result.delivered) == (0, 0)
        assert result.error is not None
    assert len(journal.waiting("there", 1000)) == WAITING


def test_the_size_of_a_request_is_found_and_kept() -> None:
    size, tried, lost = BatchSize(), 0, 0
    for _ in range(200):
        values = size.values
        tried += values
        if values > 40:
            lost += 1
            size.failed(values)
        else:
            size.succeeded(values, 0.1, 5.0)
    assert lost < 20
    assert size.values > 25
    for _ in range(2 * FORGET):
        size.succeeded(size.values, 0.1, 5.0)
    assert size.values == BATCH


def test_a_slow_first_answer_makes_the_next_request_small() -> None:
    size = BatchSize()
    size.succeeded(2, 0.25, 5.0)
    assert size.values == 16
    size.succeeded(16, 2.0, 5.0)
    assert size.values == 40
    size.succeeded(40, 5.0, 5.0)
    assert size.values == 41


def test_news_go_before_a_long_backlog_within_an_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """60 requests, which are a tenth as long as usual."""
    monkeypatch.setattr("usbrh.bridge.batches.BATCH", BATCH // 10)
    monkeypatch.setattr("usbrh.bridge.delivery.PAGE", PAGE // 10)
    clock, interval = HandClock(), 10.0
    measured: dict[int, float] = {}
    arrived: dict[int, float] = {}
    states: list[float] = []
    with Journal(tmp_path / "journal.db") as journal:
        journal.sync_destinations(["there"])
        journal.add(readings(1500))

        class OneSecond(Sender):
            def send(self, values: Any, deadline: Deadline) -> Response:
                clock.now += 1
                states.extend(clock.now for value in values if value.key == BRIDGE)
                for value in values:
                    arrived.setdefault(value.clock * NS + value.ns, clock.now)
                if clock.now - 1000 >= interval * (len(measured) + 1):
                    measure()
                return Response(len(values))

        route = Route("there", OneSecond(Destination.parse("192.0.2.1"), ZabbixConfig()), HOST)
        worker = DestinationWorker(Delivery(journal, route, clock=clock), dict, Unsaved(), clock)

        def measure() -> None:
            new = reading(20_000 + len(measured))
            journal.add([new])
            measured[new.time_ns] = clock.now
            worker.wake([new])

        while journal.waiting("there", 1):
            assert worker.deliver(Deadline(3600, clock)) is None
    assert len(measured) >= 6
    assert all(arrived[moment] - made <= interval for moment, made in measured.items())
    assert clock.now - 1000 < 100, "and the history follows as fast as the server is"
    assert all(after - before <= 60 + interval for before, after in pairwise([1000.0, *states]))
    history = [arrived[each.time_ns] for each in readings(1500)]
    assert history == sorted(history)


Sent = set[tuple[str, int]]
"""Key and time of values."""


class Hangs(Sender):
    """To a server that answers after 50 ms, or not at all if ``hangs`` says so of the values. Time is virtual."""

    def __init__(self, clock: HandClock, hangs: Callable[[Sent], bool]) -> None:
        super().__init__(Destination.parse("192.0.2.1"), ZabbixConfig())
        self.clock, self.hangs = clock, hangs
        self.arrived: Sent = set()

    def send(self, values: Any, deadline: Deadline) -> Response:
        sent = {(value.key, value.clock * NS + value.ns) for value in values}
        if self.hangs(sent):
            self.clock.now += min(self.timeout, deadline.remaining())
            error = ZabbixUnreachable("no complete answer")
            error.after_connecting = True
            raise error
        self.clock.now += 0.05
        self.arrived |= sent
        return Response(len(values))


def sends(path: Path, clock: HandClock, sender: Sender, count: int, measuring: float = 0.5) -> list[Delivered]:
    """Deliver as ``count`` runs of ``usbrh send`` by a timer do, each in a separate process, with two sensors."""
    results = []
    for number in range(count):
        end = Deadline(25.0, clock)
        clock.now += measuring
        with Journal(path) as journal:
            news = [reading(5000 + number, sensor) for sensor in ("living-room", "attic")]
            journal.sync_destinations(["there"])
            journal.add(news)
            delivery = Delivery(journal, Route("there", sender, HOST), clock=clock)
            limit, seconds = end.within(REQUEST_SHARE * end.remaining()), BACKLOG_SHARE * end.remaining()
            results.append(delivery.deliver(limit, news=news, retry=True, seconds=seconds))
        clock.now = end.clock.monotonic() + 35
    return results


@pytest.mark.parametrize("measuring", [0.5, 5.0])
@pytest.mark.parametrize("places", [(1,), (3,), (100,), (300,), (40, 41), (1, 150, 300)])
def test_repeated_sends_isolate_the_readings_that_make_a_server_hang(
    tmp_path: Path, places: tuple[int, ...], measuring: float
) -> None:
    """One run has no time for that: the size of the requests is kept in the journal."""
    path, clock = tmp_path / "journal.db", HandClock()
    poison = {reading(number).time_ns for number in places}
    sender = Hangs(clock, lambda sent: any(moment in poison for _, moment in sent))
    with Journal(path) as journal:
        journal.sync_destinations(["there"])
        journal.add(readings(WAITING))
    runs = 6 * len(places)
    results = sends(path, clock, sender, runs, measuring)
    with Journal(path) as journal:
        assert journal.waiting("there", 1) == []
        assert sum(each.count for each in journal.rejected("there")) == len(places)
    assert len(sender.arrived) == WAITING - len(places) + 2 * runs
    assert (results[-1].error, results[-1].rejected > 0) == (None, True)


def test_a_sensor_whose_readings_make_a_server_hang_does_not_stop_the_others(tmp_path: Path) -> None:
    """Although its newest reading is among the news of each run."""
    path, clock = tmp_path / "journal.db", HandClock()
    sender = Hangs(clock, lambda sent: any("attic" in key for key, _ in sent))
    results = sends(path, clock, sender, 12)
    assert sender.arrived == {("usbrh.get[living-room]", reading(5000 + number).time_ns) for number in range(12)}
    assert sum(each.delivered for each in results) == 12


def test_a_server_that_is_down_for_a_while_does_not_make_requests_small_for_long(tmp_path: Path) -> None:
    path, clock = tmp_path / "journal.db", HandClock()
    down = True
    sender = Hangs(clock, lambda sent: down)
    with Journal(path) as journal:
        journal.sync_destinations(["there"])
        journal.add(readings(WAITING))
        sends(path, clock, sender, 3)
        assert journal.request_size("there") == 1
        assert journal.rejected("there") == []
        down = False
        (result,) = sends(path, clock, sender, 1)
        assert result.delivered >= WAITING
        assert journal.request_size("there") == 0


def test_the_next_page_is_fetched_while_one_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the readings were delivered once, and wait again: their rows are exceptions."""
    for size in ("PAGE", "FIRST_PAGE"):
        monkeypatch.setattr(f"usbrh.bridge.delivery.{size}", 20)
    fetched = threading.Semaphore(0)
    sent: list[int] = []
    late = reading(1000)

    class Watched(Journal):
        def waiting(self, destination: str, limit: int, *, simulated: bool = True, after: int = 0) -> list[Entry]:
            found = super().waiting(destination, limit, simulated=simulated, after=after)
            if after:
                fetched.release()
            return found

    class Waits(Sender):
        def send(self, values: Any, deadline: Deadline) -> Response:
            if len(values) == 20:
                assert fetched.acquire(timeout=10), "no page was fetched meanwhile"
            elif late not in added:
                added.append(late)
                journal.add([late])
            sent.extend(value.clock * NS + value.ns for value in values)
            return Response(len(values))

    added: list[Reading] = []
    with Watched(tmp_path / "journal.db", clock=FixedClock(START)) as journal:
        journal.sync_destinations(["there"])
        ids = journal.add(readings(70))
        journal.acknowledge("there", ids[:50])
        journal.send_again("there", ids[:30])
        delivery = new_delivery(journal, Waits(Destination.parse("192.0.2.1"), ZabbixConfig()), FixedClock(START))
        assert delivery.deliver(Deadline(60)).delivered == 51
    expected = [*readings(30), *readings(20, first=51), late]
    assert sent == [each.time_ns for each in expected]
