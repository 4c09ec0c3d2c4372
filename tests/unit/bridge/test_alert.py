"""The test problem and its messages, with the fake server and a scripted front end; tests/zabbix has real ones."""

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.frontend import FrontEnd, Rejection
from tests.support.network import closed_port
from usbrh.bridge.alert import PROBLEM_SECONDS, TestAlert
from usbrh.bridge.route import Route
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.errors import ZabbixUnreachable
from usbrh.findings import Finding, Status
from usbrh.simulator.clock import VirtualClock
from usbrh.zabbix.api import Api
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.items import TEST
from usbrh.zabbix.sender import Sender

ALERT = {
    "alertid": "1", "actionid": "3", "mediatypeid": "4", "userid": "5", "sendto": "keeper@zoo.example", "status": "1",
    "error": "", "alerttype": "0",
}  # fmt: skip
ADDRESSEE = 'action "Call" to keeper by Mail (keeper@zoo.example)'


def rejected(params: dict[str, Any]) -> Any:
    raise Rejection("No permissions to call this method.")


class Zabbix:
    """A Zabbix that shows the problem and sends messages; a test changes what it answers, and when."""

    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.clock = VirtualClock()
        self.visible = 2.0
        """s from the start until the problem is visible."""
        self.suppressed = "0"
        self.alerts: list[tuple[float, dict[str, str]]] = []
        """Seconds from the start, and the row that appears then in the place of an earlier one with the same id."""
        self.front_end = FrontEnd(
            answers={
                "host.get": lambda params: [{"hostid": "1"}],
                "item.get": lambda params: [{"itemid": "2"}],
                "trigger.get": lambda params: [{"triggerid": "9"}] if params["itemids"] == ["2"] else [],
                "problem.get": self.problems,
                "alert.get": self.messages,
                "user.get": lambda params: [{"username": "keeper"}] if params["userids"] == ["5"] else [],
                "mediatype.get": lambda params: [{"name": "Mail"}] if params["mediatypeids"] == ["4"] else [],
                "action.get": lambda params: [{"actionid": "3", "name": "Call"}],
            }
        )

    def passed(self, seconds: float) -> bool:
        return self.clock.monotonic() >= seconds

    def problems(self, params: dict[str, Any]) -> list[dict[str, str]]:
        assert params["objectids"] == ["9"]
        earlier = {"eventid": "6", "suppressed": "0"}
        return [earlier, {"eventid": "7", "suppressed": self.suppressed}] if self.passed(self.visible) else []

    def messages(self, params: dict[str, Any]) -> list[dict[str, str]]:
        assert params["eventids"] == ["7"], "the newest problem"
        return list({row["alertid"]: row for seconds, row in self.alerts if self.passed(seconds)}.values())

    def walk(self, *servers: str, seconds: float = 60, with_api: bool = True) -> list[Finding]:
        """Return the findings of a test with this API."""
        routes = [
            Route(each, Sender(Destination.parse(each), ZabbixConfig()), "pc")
            for each in servers or [self.server.address]
        ]
        with self.front_end, Api(self.front_end.url, token="secret") as api:
            return list(TestAlert(routes, "unencrypted", api if with_api else None, seconds, self.clock).run())


@pytest.fixture
def zabbix() -> Iterator[Zabbix]:
    with FakeServer() as server:
        yield Zabbix(server)


def shown(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(each.check, each.status.value, each.message) for each in findings]


def sent(server: FakeServer) -> list[tuple[str, str, str]]:
    return [(value.host, value.key, value.value) for value in server.values]


def test_from_the_value_to_the_messages(zabbix: Zabbix) -> None:
    """One message is sent, another one fails after a retry, and nothing is awaited after that."""
    second = ALERT | {"alertid": "2", "actionid": "0", "mediatypeid": "0", "userid": "0", "sendto": ""}
    zabbix.alerts = [
        (3, ALERT | {"status": "0"}),
        (3, second | {"status": "3"}),
        (5, ALERT),
        (9, second | {"status": "2", "error": "the line is dead"}),
    ]
    findings = zabbix.walk()
    server = zabbix.server.address
    assert shown(findings) == [
        ("raise", "ok", f"{server}: {TEST} of host pc is 1"),
        ("problem", "ok", "visible after 2.0 s"),
        ("message", "waiting", "up to 60 s for the messages of actions"),
        ("message", "ok", f"{ADDRESSEE}: sent after 5.0 s"),
        ("message", "fault", "a message: not sent: the line is dead"),
        ("clear", "ok", f"{server}: {TEST} is 0 again"),
    ]
    assert findings[4].exit_status == 1
    assert sent(zabbix.server) == [("pc", TEST, "1"), ("pc", TEST, "0")]
    assert zabbix.clock.monotonic() == pytest.approx(9)


def test_a_message_that_still_waits_at_the_end(zabbix: Zabbix) -> None:
    zabbix.alerts = [
        (3, ALERT | {"status": "0"}), (3, ALERT | {"alertid": "2", "status": "3", "error": "busy"}),
    ]  # fmt: skip
    *_, one, other, cleared = zabbix.walk(seconds=20)
    assert one.message == f"{ADDRESSEE}: not sent within 20 s: still waiting"
    assert other.message == f"{ADDRESSEE}: not sent within 20 s: busy"
    assert (one.status, one.exit_status, other.status, other.exit_status) == (Status.FAULT, 1) * 2
    assert cleared.status is Status.OK
    assert zabbix.clock.monotonic() == pytest.approx(22)


def test_no_action_sends_a_message(zabbix: Zabbix) -> None:
    actions = zabbix.front_end.answers["action.get"]
    zabbix.front_end.answers["action.get"] = lambda params: (
        actions(params) if params["filter"] == {"eventsource": 0, "status": 0} else []
    )
    *_, found, _ = zabbix.walk(seconds=20)
    assert found.message == (
        'no action sent a message within 20 s that this user may see; enabled trigger actions: "Call"'
    )
    assert (found.check, found.status, found.exit_status) == ("message", Status.FAULT, 1)
    assert found.remedy == "compare the conditions and the first step of these actions, and the media of their users"


@pytest.mark.parametrize("answer", [lambda params: [], rejected])
def test_no_action_that_this_user_may_see(zabbix: Zabbix, answer: Any) -> None:
    zabbix.front_end.answers["action.get"] = answer
    *_, found, _ = zabbix.walk(seconds=20)
    assert found.message.endswith("that this user may see: this user sees no enabled trigger action")
    assert (found.check, found.status, found.exit_status) == ("message", Status.FAULT, 1)
    assert str(found.remedy).startswith("create or enable a trigger action")


def test_a_user_who_may_not_see_the_other_users(zabbix: Zabbix) -> None:
    zabbix.front_end.answers["user.get"] = rejected
    zabbix.alerts = [(3, ALERT)]
    *_, found, _ = zabbix.walk()
    assert found.message == 'action "Call" by Mail (keeper@zoo.example): sent after 3.0 s'


def test_a_host_in_maintenance(zabbix: Zabbix) -> None:
    zabbix.suppressed = "1"
    zabbix.alerts = [(2, ALERT)]
    found = zabbix.walk()
    assert [(each.check, each.status) for each in found[1:4]] == [
        ("problem", Status.OK), ("problem", Status.WARNING), ("message", Status.WAITING),
    ]  # fmt: skip
    assert found[2].message == "the host pc is in maintenance, so Zabbix may send no messages"


@pytest.mark.parametrize("missing", ["problem.get", "trigger.get", "item.get"])
def test_a_problem_that_never_becomes_visible(zabbix: Zabbix, missing: str) -> None:
    zabbix.front_end.answers[missing] = lambda params: []
    _, found, cleared = zabbix.walk()
    seconds = PROBLEM_SECONDS if missing == "problem.get" else 0
    assert (found.check, found.status, found.exit_status) == ("problem", Status.FAULT, 1)
    assert found.message == f"the front end shows no problem of the host pc after {seconds:.0f} s"
    assert cleared.status is Status.OK
    assert zabbix.clock.monotonic() == pytest.approx(seconds)


def test_a_host_that_this_user_may_not_see(zabbix: Zabbix) -> None:
    zabbix.front_end.answers["host.get"] = lambda params: []
    _, found, _ = zabbix.walk()
    assert (found.check, found.message) == (
        "problem", 'there is no host "pc", or this user has no permission for it',
    )  # fmt: skip
    assert sent(zabbix.server)[-1] == ("pc", TEST, "0")


def test_without_an_api_a_person_sees_the_problem(zabbix: Zabbix) -> None:
    findings = zabbix.walk(seconds=45, with_api=False)
    assert [(each.check, each.status) for each in findings] == [
        ("raise", Status.OK), ("problem", Status.WAITING), ("clear", Status.OK),
    ]  # fmt: skip
    assert findings[1].message.startswith("for 45 s, the host pc has the test problem in Monitoring")
    assert zabbix.clock.monotonic() == 45


def test_an_api_that_fails_does_not_leave_the_problem(zabbix: Zabbix) -> None:
    with FakeServer() as other:
        zabbix.front_end.answers["alert.get"] = lambda params: "nothing that an API returns"
        with pytest.raises(Exception, match=r"alert\.get"):
            zabbix.walk(other.address, zabbix.server.address)
        assert sent(other)[-1] == sent(zabbix.server)[-1] == ("pc", TEST, "0")


def test_one_destination_that_is_not_reached_and_one_that_rejects(zabbix: Zabbix) -> None:
    closed = closed_port()
    zabbix.server.reject = lambda value: True
    down, rejecting = zabbix.walk(closed, zabbix.server.address, with_api=False)
    assert (down.check, down.status, down.exit_status) == ("raise", Status.FAULT, ZabbixUnreachable.exit_status)
    assert down.message.startswith(f"sending to {closed}: ")
    assert (rejecting.check, rejecting.status, rejecting.exit_status) == ("raise", Status.FAULT, 7)
    assert rejecting.message == f"{zabbix.server.address}: {TEST} of host pc: rejected"
    assert str(rejecting.remedy).endswith("usbrh zabbix provision --force")


@pytest.mark.parametrize("how", ["rejects", "down"])
def test_a_problem_that_can_not_be_cleared(zabbix: Zabbix, how: str) -> None:
    zabbix.server.reject = lambda value: value.value == "0"
    if how == "down":
        zabbix.server.answers = [
            {"response": "success", "info": "processed: 1; failed: 0; total: 1; seconds spent: 0.000100"},
            None,
        ]
    *_, found = zabbix.walk(with_api=False)
    assert (found.check, found.status, found.exit_status) == ("clear", Status.FAULT, 1)
    address = zabbix.server.address
    problem = "rejected" if how == "rejects" else f"{address}: the server closed the connection without an answer"
    assert found.message == f"{address}: {TEST} is still 1: {problem}"
    assert found.remedy == "close the test problem of the host pc in the front end"


def test_a_value_that_arrived_without_an_answer_is_cleared(zabbix: Zabbix) -> None:
    """The server may have raised the problem."""
    zabbix.server.answers = [None]
    lost, cleared = zabbix.walk(with_api=False)
    assert (lost.check, lost.status) == ("raise", Status.FAULT)
    assert lost.message.endswith("the server closed the connection without an answer")
    assert (cleared.check, cleared.status) == ("clear", Status.OK)
    assert sent(zabbix.server)[-1] == ("pc", TEST, "0")


def test_a_value_whose_arrival_is_unknown_and_that_can_not_be_cleared(zabbix: Zabbix) -> None:
    zabbix.server.answers = [None, None]
    address = zabbix.server.address
    *_, found = zabbix.walk(with_api=False)
    assert found.message == f"{address}: {TEST} can be 1: {address}: the server closed the connection without an answer"
    assert found.remedy == "close the test problem of the host pc in the front end"


def test_a_signal_before_the_answer_clears_the_problem_too() -> None:
    """The server may have the value already."""
    answered = threading.Event()
    with FakeServer() as server:
        respond = server.respond

        def interrupt(request: dict[str, Any], packet: bytes) -> Any:
            answer = respond(request, packet)
            if server.values[-1].value == "1":
                os.kill(os.getpid(), signal.SIGINT)
                answered.wait(30)
            return answer

        server.respond = interrupt  # type: ignore[method-assign]
        route = Route(server.address, Sender(Destination.parse(server.address), ZabbixConfig()), "pc")
        try:
            with pytest.raises(KeyboardInterrupt):
                list(TestAlert([route], "unencrypted", None, 60).run())
        finally:
            answered.set()
        assert [value.value for value in server.values] == ["1", "0"]
