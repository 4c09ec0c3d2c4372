"""``usbrh zabbix test-alert``: raise a test problem, follow it to the messages that Zabbix sends, and clear it."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from usbrh.bridge.route import Route
from usbrh.clock import NS, SYSTEM_CLOCK, Clock, Deadline
from usbrh.errors import ZabbixApiError, ZabbixRejected, ZabbixUnreachable
from usbrh.findings import Finding, Status, fault, of_error, ok, warning
from usbrh.zabbix.answers import Row
from usbrh.zabbix.api import Api
from usbrh.zabbix.history import find_host, find_item, no_host
from usbrh.zabbix.items import TEST
from usbrh.zabbix.protocol import Value
from usbrh.zabbix.rejection import why_rejected

SEND_SECONDS = 15.0
PROBLEM_SECONDS = 30.0
"""Time until the problem must be visible, and until it must have disappeared."""
PAUSE = 1.0
"""Pause between two questions to the API."""
SENT, FAILED = 1, 2
"""States of an alert in the API; the others mean that it waits or is repeated."""
TRIGGER_ACTIONS = 0


@dataclass
class TestAlert:
    """One test of the whole route from this machine to a person."""

    __test__ = False  # pytest collects classes with such a name

    routes: Sequence[Route]
    tls_connect: str
    api: Api | None
    seconds: float
    """Time for the messages; without an ``api``, time for which the problem lasts."""
    clock: Clock = SYSTEM_CLOCK
    _sent: list[Route] = field(default_factory=list)
    """Where the value may have arrived, so that it must be cleared."""
    _raised: list[Route] = field(default_factory=list)
    """Where it has been accepted."""

    def run(self) -> Generator[Finding, None, None]:
        """Yield what happens; the problem is cleared whatever happens.

        Raises:
            ZabbixApiError, ZabbixUnreachable: the API fails.
        """
        try:
            yield from self._raise()
            if self._raised:
                yield from self._follow(self.api) if self.api else self._last()
        finally:
            cleared = self._clear()
        yield from cleared

    def _send(self, route: Route, value: int) -> bool:
        values = [Value.at(self.clock.time_ns(), route.host, TEST, str(value))]
        return route.sender.send(values, Deadline(SEND_SECONDS, self.clock)).accepted == 1

    def _raise(self) -> Iterator[Finding]:
        for route in self.routes:
            subject = f"{route.destination}: {TEST} of host {route.host}"
            self._sent.append(route)  # before the answer, which a signal or a broken connection can prevent
            try:
                accepted = self._send(route, 1)
            except ZabbixUnreachable as error:
                if not error.after_connecting:
                    self._sent.remove(route)
                yield of_error("raise", error, f"sending to {route.destination}")
                continue
            if accepted:
                self._raised.append(route)
                yield ok("raise", f"{subject} is 1")
                continue
            self._sent.remove(route)
            reasons = why_rejected(self.api, route.host, TEST, self.tls_connect) if self.api else None
            reason = reasons and (reasons.certain or next(iter(reasons.possible), None))
            remedy = "import the template of this version: usbrh zabbix provision --force"
            yield of_error("raise", reason or ZabbixRejected("rejected", remedy=remedy), subject)

    def _clear(self) -> list[Finding]:
        findings = []
        for route in self._sent:
            state = "is still" if route in self._raised else "can be"
            try:
                accepted, problem = self._send(route, 0), "rejected"
            except ZabbixUnreachable as error:
                accepted, problem = False, error.message
            remedy = f"close the test problem of the host {route.host} in the front end"
            findings.append(
                ok("clear", f"{route.destination}: {TEST} is 0 again")
                if accepted
                else fault("clear", f"{route.destination}: {TEST} {state} 1: {problem}", remedy)
            )
        return findings

    def _last(self) -> Iterator[Finding]:
        """Leave the problem for a person to see."""
        host = self._raised[0].host
        message = f"for {self.seconds:.0f} s, the host {host} has the test problem in Monitoring → Problems"
        yield Finding("problem", Status.WAITING, f"{message}; each person who gets alerts gets a message")
        self.clock.sleep(self.seconds)

    def _follow(self, api: Api) -> Iterator[Finding]:
        started, host = self.clock.time_ns(), self._raised[0].host
        hostid = find_host(api, host)
        if hostid is None:
            yield of_error("problem", no_host(host))
            return
        problem = self._problem(api, hostid)
        seconds = (self.clock.time_ns() - started) / NS
        if problem is None:
            message = f"the front end shows no problem of the host {host} after {seconds:.0f} s"
            remedy = f"check that the host and the trigger of {TEST} are enabled, and that --url fits servers"
            yield fault("problem", message, remedy, ZabbixApiError.exit_status)
            return
        yield ok("problem", f"visible after {seconds:.1f} s")
        if str(problem["suppressed"]) == "1":
            message = f"the host {host} is in maintenance, so Zabbix may send no messages"
            yield warning("problem", message, "end the maintenance period, and run this again")
        yield from self._messages(api, problem, started)

    def _problem(self, api: Api, hostid: str) -> Row | None:
        item = find_item(api, hostid, TEST)
        triggers = api.call("trigger.get", itemids=[item["itemid"]], output=["triggerid"]) if item else []
        deadline = Deadline(PROBLEM_SECONDS, self.clock)
        while triggers:
            found: list[Row] = api.call(
                "problem.get", objectids=[triggers[0]["triggerid"]], output=["eventid", "suppressed"]
            )
            if found:
                return found[-1]
            if deadline.passed:
                break
            self.clock.sleep(PAUSE)
        return None

    def _messages(self, api: Api, problem: Row, started: int) -> Iterator[Finding]:
        deadline = Deadline(self.seconds, self.clock)
        reported: set[str] = set()
        yield Finding("message", Status.WAITING, f"up to {self.seconds:.0f} s for the messages of actions")
        while True:
            rows = api.call(
                "alert.get",
                eventids=[problem["eventid"]],
                output=["alertid", "actionid", "mediatypeid", "userid", "sendto", "status", "error", "alerttype"],
            )
            for row in rows:
                if row["alertid"] not in reported and row.integer("status") in {SENT, FAILED}:
                    reported.add(row["alertid"])
                    yield _of_alert(api, row, (self.clock.time_ns() - started) / NS)
            pending = [row for row in rows if row["alertid"] not in reported]
            if deadline.passed or (rows and not pending):
                break
            self.clock.sleep(PAUSE)
        for row in pending:
            message = f"{_addressee(api, row)}: not sent within {self.seconds:.0f} s: {row['error'] or 'still waiting'}"
            yield fault("message", message, "check the media type with its Test button", ZabbixApiError.exit_status)
        if not rows:
            yield _no_action(api, self.seconds)


def _of_alert(api: Api, row: Row, seconds: float) -> Finding:
    """The finding for one message that was sent or failed."""
    addressee = _addressee(api, row)
    if row.integer("status") == SENT:
        return ok("message", f"{addressee}: sent after {seconds:.1f} s")
    remedy = "check the user's media and the media type (with its Test button) in the front end"
    return fault("message", f"{addressee}: not sent: {row['error']}", remedy, ZabbixApiError.exit_status)


def _addressee(api: Api, row: Row) -> str:
    """Who gets the message, by which media, and which action sends it, as far as this user may see it."""
    user = _name(api, "user", "userids", row["userid"], "username")
    media = _name(api, "mediatype", "mediatypeids", row["mediatypeid"], "name")
    action = _name(api, "action", "actionids", row["actionid"], "name")
    parts = [
        f'action "{action}"' if action else "",
        f"to {user}" if user else "",
        f"by {media}" if media else "",
        f"({row['sendto']})" if row["sendto"] else "",
    ]
    return " ".join(part for part in parts if part) or "a message"


def _name(api: Api, kind: str, parameter: str, number: str, output: str) -> str:
    try:
        rows = api.call(f"{kind}.get", **{parameter: [number]}, output=[output]) if str(number) != "0" else []
    except ZabbixApiError:  # the user's role may not include this method
        rows = []
    return str(rows[0][output]) if rows else ""


def _no_action(api: Api, seconds: float) -> Finding:
    """Why no action has begun to send a message."""
    try:
        actions = api.call(
            "action.get", filter={"eventsource": TRIGGER_ACTIONS, "status": 0}, output=["actionid", "name"]
        )
    except ZabbixApiError:
        actions = []
    # Zabbix shows a Super admin all messages, and others those to users of their user groups.
    message = f"no action sent a message within {seconds:.0f} s that this user may see"
    if not actions:
        remedy = "create or enable a trigger action in Alerts → Actions (6.0: Configuration → Actions)"
        return fault(
            "message", f"{message}: this user sees no enabled trigger action", remedy, ZabbixApiError.exit_status
        )
    names = ", ".join(f'"{row["name"]}"' for row in actions[:5])
    remedy = "compare the conditions and the first step of these actions, and the media of their users"
    return fault("message", f"{message}; enabled trigger actions: {names}", remedy, ZabbixApiError.exit_status)
