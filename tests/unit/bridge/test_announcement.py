"""Announcements of the host: when they are sent, and what is logged."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import HandClock
from tests.support.network import closed_port
from usbrh.bridge.announcement import INTERVAL, Announcement, register
from usbrh.bridge.delivery import Delivery
from usbrh.bridge.route import Route
from usbrh.clock import Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.errors import ZabbixUnreachable
from usbrh.findings import Status
from usbrh.journal.store import Journal
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.sender import Sender

UNKNOWN = {"response": "failed", "info": "host [pc] not found"}
MONITORED: dict[str, Any] = {"response": "success", "data": []}


class Server(FakeServer):
    """Answers announcements with ``answer``."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: dict[str, Any] | bytes | None = UNKNOWN
        self.announced: list[dict[str, Any]] = []

    def respond(self, request: dict[str, Any], packet: bytes) -> dict[str, Any] | bytes | None:
        if request["request"] != "active checks":
            return super().respond(request, packet)
        self.announced.append(request)
        return self.answer


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def route(address: str, metadata: str | None = "usbrh") -> Route:
    settings = ZabbixConfig(servers=(address,))
    return Route(address, Sender(Destination.parse(address), settings), "pc", metadata)


@pytest.fixture
def announcement(server: Server, hand_clock: HandClock) -> Announcement:
    return Announcement(route(server.address), hand_clock)


@pytest.fixture
def hand_clock() -> HandClock:
    return HandClock()


def test_at_start_and_every_half_hour(server: Server, announcement: Announcement, hand_clock: HandClock) -> None:
    server.answer = MONITORED
    announcement.send_if_due(Deadline(5))
    assert server.announced == [{"request": "active checks", "host": "pc", "host_metadata": "usbrh"}]
    hand_clock.now += INTERVAL - 1
    announcement.send_if_due(Deadline(5))
    assert len(server.announced) == 1
    hand_clock.now += 1
    announcement.send_if_due(Deadline(5))
    assert len(server.announced) == 2


def test_soon_after_a_rejection_but_with_a_pause(
    server: Server, announcement: Announcement, hand_clock: HandClock
) -> None:
    announcement.send_if_due(Deadline(5))
    announcement.repeat_soon()
    announcement.send_if_due(Deadline(5))
    assert len(server.announced) == 1
    hand_clock.now += 4.9
    announcement.send_if_due(Deadline(5))
    assert len(server.announced) == 1
    hand_clock.now += 0.1
    announcement.send_if_due(Deadline(5))
    assert len(server.announced) == 2


def test_each_change_is_logged_once(
    server: Server, announcement: Announcement, hand_clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for answer, lines in ((UNKNOWN, 1), (UNKNOWN, 1), (MONITORED, 2), (MONITORED, 2)):
        server.answer = answer
        announcement.send_if_due(Deadline(5))
        assert len(caplog.records) == lines
        hand_clock.now += INTERVAL
    assert [record.getMessage() for record in caplog.records] == [
        f'{server.address}: announced the host "pc" with the metadata "usbrh"; the server does not monitor it yet: '
        "host [pc] not found",
        f'{server.address}: the host "pc" is monitored now',
    ]


def test_a_server_that_does_not_answer_announcements_can_get_values(
    server: Server, announcement: Announcement, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = None
    announcement.send_if_due(Deadline(5))
    assert "can't announce the host" in caplog.text


def test_an_unreachable_server_is_an_error_and_the_announcement_stays_due(hand_clock: HandClock) -> None:
    with Server() as server:
        announcement = Announcement(route(server.address), hand_clock)
    with pytest.raises(ZabbixUnreachable):
        announcement.send_if_due(Deadline(5))
    with Server() as server:
        announcement._route = route(server.address)
        announcement.send_if_due(Deadline(5))
        assert len(server.announced) == 1


def test_nothing_is_announced_unless_it_is_configured(server: Server, hand_clock: HandClock) -> None:
    Announcement(route(server.address, metadata=None), hand_clock).send_if_due(Deadline(5))
    assert server.announced == []


def test_a_rejected_state_is_a_reason_to_announce_the_host_again(
    server: Server, hand_clock: HandClock, tmp_path: Path
) -> None:
    server.reject = lambda value: True
    with Journal(tmp_path / "journal.db") as journal:
        delivery = Delivery(journal, route(server.address), clock=hand_clock)
        for _ in range(2):
            assert not delivery.send_state("usbrh.bridge", {}, Deadline(5))
        assert len(server.announced) == 1
        hand_clock.now += 5
        delivery.send_state("usbrh.bridge", {}, Deadline(5))
    assert len(server.announced) == 2


def test_register_says_what_each_destination_answers(server: Server) -> None:
    (finding,) = register([route(server.address)], "usbrh")
    assert (finding.check, finding.status) == ("register", Status.WARNING)
    assert "host [pc] not found" in finding.message
    assert str(finding.remedy).startswith("run this again in a minute")
    server.answer = MONITORED
    (finding,) = register([route(server.address)], "usbrh")
    assert (finding.check, finding.status) == ("register", Status.OK)
    assert finding.message == f'{server.address}: host "pc" is monitored'
    closed = closed_port()
    (finding,) = register([route(closed)], "usbrh")
    assert (finding.check, finding.status) == ("register", Status.FAULT)
    assert finding.message.startswith(f"announcing to {closed}: ")


@pytest.mark.parametrize("answer", [b"no packet", {"response": "maybe"}, {"response": "failed"}, {"response": []}])
def test_an_answer_that_no_server_gives_is_an_error(server: Server, answer: Any) -> None:
    server.answer = answer
    (finding,) = register([route(server.address)], "usbrh")
    assert finding.status is Status.FAULT
