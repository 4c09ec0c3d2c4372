"""From the journal to one destination, with the real sender and the fake server."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import FixedClock, HandClock, WoundClock
from tests.support.journal import START, reading, readings
from usbrh.bridge.batches import BATCH, MAX_BYTES
from usbrh.bridge.delivery import PAGE, RETRY_SECONDS, Delivery
from usbrh.bridge.route import Route
from usbrh.clock import NS, Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.errors import JournalError, ZabbixUnreachable
from usbrh.journal.store import Journal, State
from usbrh.reading import Reading
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.items import reading_key
from usbrh.zabbix.protocol import HostMetadata, Response, Value
from usbrh.zabbix.sender import Sender

HOST = "living-room-pc"


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def journal(tmp_path: Path, server: FakeServer) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db", clock=FixedClock(START)) as journal:
        journal.sync_destinations([server.address])
        yield journal


def delivery(journal: Journal, server: FakeServer, *, allow_simulated: bool = False, now: int = START) -> Delivery:
    route = Route(server.address, Sender(Destination.parse(server.address), ZabbixConfig()), HOST)
    return Delivery(journal, route, allow_simulated=allow_simulated, clock=FixedClock(now))


def soon() -> Deadline:
    return Deadline(10)


def states(journal: Journal, server: FakeServer) -> list[State]:
    return [delivery[server.address].state for _, delivery in journal.export()]


def test_every_value_has_its_own_clock_and_ns(journal: Journal, server: FakeServer) -> None:
    given = readings(3)
    journal.add(given)
    result = delivery(journal, server).deliver(soon())
    assert (result.delivered, result.rejected, result.error, result.simulated_waiting) == (3, 0, None, False)
    assert server.values == [
        Value(HOST, "usbrh.get[living-room]", each.to_json(), each.time_ns // NS, each.time_ns % NS) for each in given
    ]
    assert states(journal, server) == [State.DELIVERED] * 3


def test_batches_in_the_original_order(journal: Journal, server: FakeServer) -> None:
    journal.add(readings(2 * BATCH + 1))
    assert delivery(journal, server).deliver(soon()).delivered == 2 * BATCH + 1
    assert [len(request["data"]) for request in server.requests] == [BATCH, BATCH, 1]
    moments = [(value.clock, value.ns) for value in server.values]
    assert moments == sorted(moments)


def test_a_request_is_of_bounded_size(journal: Journal, server: FakeServer) -> None:
    sizes = [10, MAX_BYTES, 10, MAX_BYTES // 2, 10]
    journal.add([replace(reading(number), error="x" * size) for number, size in enumerate(sizes)])
    assert delivery(journal, server).deliver(soon()).delivered == len(sizes)
    assert [len(request["data"]) for request in server.requests] == [1, 1, 3]


def test_a_backlog_of_several_sensors_keeps_the_order_of_each(journal: Journal, server: FakeServer) -> None:
    sensors = ["attic", "cellar", "hall"]
    journal.add([reading(number, sensor) for number in range(1, 801) for sensor in sensors])
    assert delivery(journal, server).deliver(soon()).delivered == 2400
    assert len(server.values) == 2400
    for sensor in sensors:
        moments = [(value.clock, value.ns) for value in server.values if value.key == reading_key(sensor)]
        assert moments == sorted(moments)
    assert states(journal, server) == [State.DELIVERED] * 2400


@pytest.mark.parametrize("size", [BATCH, 4])
def test_a_round_of_more_sensors_than_a_request_has_is_no_backlog(
    journal: Journal, server: FakeServer, size: int
) -> None:
    news = [reading(1, f"room-{number}") for number in range(size + 50)]
    journal.keep_request_size(server.address, size)
    journal.add(news)
    assert delivery(journal, server).deliver(soon(), news=news).delivered == len(news)
    assert len(server.values) == len(news), "none is sent twice"


def test_nothing_waits_nothing_is_sent(journal: Journal, server: FakeServer) -> None:
    assert delivery(journal, server).deliver(soon()).delivered == 0
    assert server.requests == []


def test_rejected_values_are_found_and_set_apart(journal: Journal, server: FakeServer) -> None:
    server.reject = lambda value: value.key == reading_key("attic") or value.ns in {7, 8, 90}
    journal.add([reading(number, "attic" if number % 10 == 0 else "living-room") for number in range(1, 101)])
    result = delivery(journal, server).deliver(soon())
    rejected = {7, 8, 90, *range(10, 101, 10)}
    assert [number for number, state in enumerate(states(journal, server), 1) if state == State.REJECTED] == sorted(
        rejected
    )
    assert (result.delivered, result.rejected) == (100 - len(rejected), len(rejected))
    # Each accepted one is there, and was sent again only with its own clock and ns.
    assert {(value.clock, value.ns) for value in server.values} == {
        divmod(reading(number).time_ns, NS) for number in range(1, 101) if number not in rejected
    }
    reasons = {rejection.sensor: rejection.reason for rejection in journal.rejected(server.address)}
    assert 'the host "living-room-pc" has no item usbrh.get[attic]' in reasons["attic"]
    assert "usbrh zabbix provision" in reasons["attic"]


def test_few_requests_find_one_sensor_that_is_not_known(journal: Journal, server: FakeServer) -> None:
    server.reject = lambda value: value.key == reading_key("attic")
    journal.add([reading(number, sensor) for number in range(50) for sensor in ("attic", "cellar", "bath", "hall")])
    delivery(journal, server).deliver(soon())
    assert len(server.requests) == 1 + 4


def test_all_rejected_says_that_the_host_may_be_unknown(journal: Journal, server: FakeServer) -> None:
    server.reject = lambda value: True
    journal.add(readings(5))
    assert delivery(journal, server).deliver(soon()).rejected == 5
    assert len(server.requests) == 1
    assert 'no host "living-room-pc" is monitored by this server' in journal.rejected(server.address)[0].reason


def test_what_was_rejected_does_not_block_and_comes_later(journal: Journal, server: FakeServer) -> None:
    server.reject = lambda value: True
    journal.add(readings(300))
    to_server = delivery(journal, server)
    to_server.deliver(soon())
    server.requests.clear()
    assert to_server.deliver(soon(), retry=True).rejected == 2
    assert [len(request["data"]) for request in server.requests] == [2]  # the oldest and the newest are tried
    server.reject = lambda value: False
    assert to_server.deliver(soon()).delivered == 0
    assert to_server.deliver(soon(), retry=True).delivered == 300
    assert states(journal, server) == [State.DELIVERED] * 300
    assert len({(value.clock, value.ns) for value in server.values}) == 300


def test_an_oldest_that_is_never_accepted_does_not_hide_the_others(journal: Journal, server: FakeServer) -> None:
    server.reject = lambda value: True
    journal.add(readings(10))
    to_server = delivery(journal, server)
    to_server.deliver(soon())
    server.reject = lambda value: value.ns == 1
    to_server.deliver(soon(), retry=True)
    assert states(journal, server) == [State.REJECTED] + [State.DELIVERED] * 9


@pytest.mark.parametrize("in_the_end", ["taken", "rejected"])
def test_what_is_tried_twice_counts_once(journal: Journal, server: FakeServer, in_the_end: str) -> None:
    server.reject = lambda value: True
    journal.add(readings(5))
    to_server = delivery(journal, server)
    to_server.deliver(soon())
    server.requests.clear()
    # All 2 that are retried at once, then each of them; then all 5.
    server.reject = lambda value: value.ns == 1 and (in_the_end == "rejected" or len(server.requests) <= 3)
    result = to_server.deliver(soon(), retry=True)
    assert (result.delivered, result.rejected) == ((5, 0) if in_the_end == "taken" else (4, 1))
    assert states(journal, server).count(State.REJECTED) == result.rejected


class SlowSender(Sender):
    """Needs ``seconds`` of its clock for each request, and rejects the readings of the sensors in ``rejects``."""

    def __init__(self, clock: HandClock, *rejects: str) -> None:
        super().__init__(Destination.parse("192.0.2.1"), ZabbixConfig())
        self.clock = clock
        self.seconds = 2.0
        self.seconds_per_value = 0.0
        """If it is not 0, a request needs this time for each value instead."""
        self.rejects = {reading_key(sensor) for sensor in rejects}
        self.sent: list[list[str]] = []

    def send(self, content: Sequence[Value] | HostMetadata, deadline: Deadline) -> Response:
        assert not isinstance(content, HostMetadata)
        self.clock.now += self.seconds_per_value * len(content) or self.seconds
        if deadline.passed:
            raise ZabbixUnreachable("no whole answer")
        self.sent.append([value.key for value in content])
        accepted = sum(value.key not in self.rejects for value in content)
        return Response(accepted, len(content) - accepted)


def slow(journal: Journal, *rejects: str) -> tuple[Delivery, SlowSender, HandClock]:
    clock = HandClock()
    sender = SlowSender(clock, *rejects)
    journal.sync_destinations(["slow"])
    return Delivery(journal, Route("slow", sender, HOST), clock=clock), sender, clock


def test_many_rejected_sensors_hold_up_nobody(journal: Journal) -> None:
    rooms = [f"room-{number}" for number in range(16)]
    to_server, sender, clock = slow(journal, *rooms)
    journal.add([reading(number, room) for number, room in enumerate(rooms)])
    assert to_server.deliver(Deadline(100, clock)).rejected == 16
    for number in range(100, 103):
        journal.add([reading(number, "good")])
        sender.sent.clear()
        result = to_server.deliver(Deadline(22, clock), retry=True)
        assert (result.delivered, result.rejected, result.error, result.out_of_time) == (1, 16, None, False)
        assert [len(request) for request in sender.sent] == [1, 16]
    sender.rejects = {reading_key(room) for room in rooms[1:]}
    for _ in range(100):
        if to_server.deliver(Deadline(22, clock), retry=True).delivered:
            return
    raise AssertionError("the one that is taken is never found")


def test_a_slow_server_receives_what_it_accepts_again(journal: Journal) -> None:
    to_server, sender, clock = slow(journal, "good", "bad")
    journal.add([reading(number, sensor) for number in range(5) for sensor in ("good", "bad")])
    assert to_server.deliver(Deadline(100, clock)).rejected == 10
    sender.rejects, sender.seconds = {reading_key("bad")}, RETRY_SECONDS + 0.1
    delivered = sum(to_server.deliver(Deadline(22, clock), retry=True).delivered for _ in range(50))
    assert (delivered, [each.count for each in journal.rejected("slow")]) == (5, [5])


def test_a_backlog_with_rejected_readings_gets_shorter_at_a_slow_server(journal: Journal) -> None:
    to_server, sender, clock = slow(journal, "bad")
    journal.add([reading(number, sensor) for number in range(5) for sensor in ("good", "bad")])
    sender.seconds = 20
    waiting = []
    for _ in range(3):
        to_server.deliver(Deadline(3600, clock), seconds=15)
        waiting.append(len(journal.waiting("slow", 100)))
    assert waiting == [5, 0, 0]
    assert [each.count for each in journal.rejected("slow")] == [5]


@pytest.mark.parametrize(("seconds", "rejected"), [(9, 0), (12, 1)])
def test_a_reading_is_to_blame_only_after_half_of_the_timeout(journal: Journal, seconds: int, rejected: int) -> None:
    """A request has two thirds of the time that is left: 6 and 8 of 15 s."""

    class Hanging(SlowSender):
        def send(self, content: Sequence[Value] | HostMetadata, deadline: Deadline) -> Response:
            if content:
                self.clock.now += deadline.remaining()
                error = ZabbixUnreachable("no answer")
                error.after_connecting = True
                raise error
            return Response(0)

    clock = HandClock()
    journal.sync_destinations(["slow"])
    journal.add(readings(1))
    to_server = Delivery(journal, Route("slow", Hanging(clock), HOST), clock=clock)
    result = to_server.deliver(Deadline(seconds, clock))
    assert (result.rejected, result.error is None) == (rejected, bool(rejected))


def test_a_request_takes_a_third_of_the_timeout_at_most(journal: Journal) -> None:
    """What a later one needs more than the one before it, the server may need for other work."""
    to_server, sender, clock = slow(journal)
    journal.keep_request_size("slow", 10)
    journal.add(readings(400))
    sender.seconds_per_value = 0.1
    assert to_server.deliver(Deadline(3600, clock)).delivered == 400
    sizes = [len(request) for request in sender.sent]
    assert sizes[:2] == [10, 50], "5 of 15 s"
    assert max(sizes) < 60


def test_a_retry_that_fails_has_delayed_nothing(journal: Journal, server: FakeServer) -> None:
    server.reject = lambda value: value.key == reading_key("attic")
    journal.add([reading(1, "attic")])
    to_server = delivery(journal, server)
    to_server.deliver(soon())
    journal.add([reading(2, "cellar")])
    original = server.respond

    def hangs_up(request: dict[str, Any], packet: bytes) -> Any:
        return None if "attic" in str(request) else original(request, packet)

    server.respond = hangs_up  # type: ignore[method-assign]
    result = to_server.deliver(soon(), retry=True)
    assert (result.delivered, result.rejected, result.error) == (1, 1, None)
    assert states(journal, server) == [State.REJECTED, State.DELIVERED]
    server.respond = lambda request, packet: original(request, packet) if "cellar" in str(request) else None  # type: ignore[method-assign]
    journal.add([reading(3, "cellar")])
    result = to_server.deliver(soon(), retry=True)
    assert (result.delivered, type(result.error)) == (1, ZabbixUnreachable)
    assert states(journal, server) == [State.REJECTED, State.DELIVERED, State.DELIVERED]


def test_who_has_something_else_to_send_gives_a_backlog_some_seconds(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, page = BATCH // 10, PAGE // 10
    monkeypatch.setattr("usbrh.bridge.batches.BATCH", batch)
    monkeypatch.setattr("usbrh.bridge.delivery.PAGE", page)
    to_server, sender, clock = slow(journal)
    journal.add(readings(2 * page))
    start = clock.now
    result = to_server.deliver(Deadline(3600, clock), seconds=9)
    assert (clock.now - start, result.delivered) == (10, 5 * batch)  # what was begun is brought to its end
    assert (result.out_of_time, result.error) == (True, None)
    result = to_server.deliver(Deadline(3600, clock))
    assert (result.delivered, result.out_of_time) == (2 * page - 5 * batch, False)
    assert sum(len(request) for request in sender.sent) == 2 * page


def test_a_value_that_the_server_does_not_count_is_rejected(journal: Journal, server: FakeServer) -> None:
    journal.add(readings(1))
    server.answers.append({"response": "success", "info": "processed: 0; failed: 0; total: 0; seconds spent: 0.0"})
    assert delivery(journal, server).deliver(soon()).rejected == 1
    assert states(journal, server) == [State.REJECTED]


def test_what_was_delivered_before_the_break_is_marked(journal: Journal, server: FakeServer) -> None:
    journal.add(readings(3 * BATCH))
    server.answers[:] = []
    to_server = delivery(journal, server)
    original, count = server.respond, 0

    def breaks(request: dict[str, object], packet: bytes) -> object:
        nonlocal count
        count += 1
        return None if count >= 3 else original(request, packet)

    server.respond = breaks  # type: ignore[assignment]
    result = to_server.deliver(soon())
    server.respond = original  # type: ignore[method-assign]
    assert isinstance(result.error, ZabbixUnreachable)
    assert result.delivered == 2 * BATCH
    assert len(journal.waiting(server.address, 10000)) == BATCH
    assert to_server.deliver(soon()).delivered == BATCH
    assert len(server.values) == 3 * BATCH


def test_a_passed_deadline_leaves_the_rest(journal: Journal, server: FakeServer) -> None:
    journal.add(readings(3))
    result = delivery(journal, server).deliver(Deadline(0))
    assert (result.out_of_time, result.delivered, server.requests) == (True, 0, [])


def test_simulated_readings_are_not_sent(journal: Journal, server: FakeServer) -> None:
    journal.add([reading(1), reading(2, simulated=True), reading(3)])
    result = delivery(journal, server).deliver(soon(), retry=True)
    assert (result.delivered, result.simulated_waiting) == (2, True)
    assert not any(json.loads(value.value)["simulated"] for value in server.values)
    result = delivery(journal, server, allow_simulated=True).deliver(soon())
    assert (result.delivered, result.simulated_waiting) == (1, False)


def test_warns_before_zabbix_drops_what_is_too_old(
    journal: Journal, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    journal.add(readings(1))
    delivery(journal, server, now=START + 20 * 86400 * NS).deliver(soon())
    assert caplog.text == ""
    late = delivery(journal, server, now=START + 26 * 86400 * NS)
    for number in (2, 3):
        journal.add(readings(1, first=number))
        late.deliver(soon())
    (warning,) = caplog.messages
    assert (
        "for 26 days: Zabbix drops readings without an error when they are older than the item's history period (31 "
        "days" in warning
    )


def test_without_a_journal(journal: Journal, server: FakeServer) -> None:
    server.reject = lambda value: value.ns == 2
    result = delivery(journal, server).send_directly([*readings(3), reading(4, simulated=True)], soon())
    assert (result.delivered, result.rejected, result.error) == (2, 1, None)
    assert list(journal.export()) == []
    server.__exit__(None, None, None)
    assert isinstance(delivery(journal, server).send_directly(readings(1), soon()).error, ZabbixUnreachable)


def test_a_journal_that_breaks_is_an_error_of_the_delivery(
    journal: Journal, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.add(readings(1))
    journal.close()
    journal.path.unlink()
    journal.path.mkdir()
    result = delivery(journal, server).deliver(soon())
    assert isinstance(result.error, JournalError)


def test_a_state_is_of_now_and_a_rejected_one_is_a_warning(
    journal: Journal, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    to_server = delivery(journal, server, now=START + 5)
    to_server.send_state("usbrh.bridge", {"v": 1}, soon())
    assert server.requests[0]["data"] == [{"host": HOST, "key": "usbrh.bridge", "value": '{"v": 1}'}], "server's time"
    assert caplog.text == ""
    server.reject = lambda value: True
    to_server.send_state("usbrh.bridge", {"v": 1}, soon())
    assert 'rejected usbrh.bridge: the host "living-room-pc" has no such item' in caplog.text


def test_readings_without_a_journal_wait_for_the_clock_and_get_their_right_time(
    journal: Journal, server: FakeServer
) -> None:
    clock = WoundClock(0)
    route = Route(server.address, Sender(Destination.parse(server.address), ZabbixConfig()), HOST)
    to_server = Delivery(journal, route, clock=clock)
    one = Reading("attic", "1-1", "USB-RH", clock.time_ns(), 20.0, 50.0, boot_ns=clock.boot_ns())
    clock.sleep(60)
    result = to_server.send_directly([one], soon())
    assert (result.delivered, str(result.error).startswith("the system clock is not set")) == (0, True)
    assert server.requests == []
    clock.set(START)
    assert to_server.send_directly([one], soon()).delivered == 1
    assert server.values == [
        Value(HOST, reading_key("attic"), replace(one, time_ns=START - 60 * NS).to_json(), START // NS - 60, 0)
    ]


@pytest.mark.parametrize(("time_ns", "year"), [((2**31) * NS, "2038-01-19T03:14:08Z"), (-NS, "1969-12-31T23:59:59Z")])
def test_the_reason_names_a_time_that_zabbix_never_accepts(
    journal: Journal, server: FakeServer, time_ns: int, year: str
) -> None:
    server.reject = lambda value: not 0 <= value.clock < 2**31
    journal.add([reading(1), Reading("living-room", "1-1", "USB-RH", time_ns, 20.0, 50.0)])
    assert delivery(journal, server).deliver(soon()).delivered == 1
    (rejection,) = journal.rejected(server.address)
    assert rejection.reason.startswith(f"the time of the reading is {year}, and Zabbix accepts ")
    assert journal.drop_rejected("attic") == {server.address: 0}
    assert journal.drop_rejected() == {server.address: 1}
    assert states(journal, server) == [State.DELIVERED, State.DROPPED]
    assert delivery(journal, server).deliver(soon(), retry=True).delivered == 0
