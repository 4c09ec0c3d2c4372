"""``usbrh zabbix check``: send one value to each destination, and read it back through the API."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from usbrh import __version__
from usbrh.bridge.diagnosis import SERVER, TLS, findings, probe_nodes
from usbrh.bridge.once import reject_simulated, routes
from usbrh.bridge.route import Route
from usbrh.clock import NS, SYSTEM_CLOCK, Clock, Deadline
from usbrh.config import Config
from usbrh.errors import ConfigError, ZabbixApiError, ZabbixRejected, ZabbixUnreachable
from usbrh.findings import Finding, Status, fault, of_error, ok, warning
from usbrh.poller import Poller
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.answers import Row
from usbrh.zabbix.api import Api
from usbrh.zabbix.history import find_host, find_item, find_kept, no_host, stored
from usbrh.zabbix.items import BRIDGE
from usbrh.zabbix.protocol import Value
from usbrh.zabbix.rejection import Reasons, servers_reason, why_rejected

VALUE, HISTORY = "value", "history"
SEND_SECONDS = 15.0
ACCEPT_SECONDS = 75.0
"""s to wait until a server accepts the value: some servers read their configuration only once a minute."""
STORE_SECONDS = 15.0
"""s to wait until an accepted value is in the history."""
PAUSE = 2.0
"""s between two tries."""


def required_routes(config: Config) -> list[Route]:
    """The routes of readings to the servers; raises ConfigError if there is none."""
    found = routes(config)
    if not found:
        remedy = f"ask the Zabbix agent: zabbix_get -s 127.0.0.1 -k {BRIDGE}"
        raise ConfigError("servers is empty, so nothing is sent from here", remedy=remedy)
    return found


def count_sensors(config: Config, *, allow_simulated: bool) -> int:
    """The number of sensors that are plugged in; raises UsbrhError if they can't be listed, or must not be used."""
    poller = Poller(config)
    poller.refresh()
    if poller.problem:
        raise poller.problem
    reject_simulated(poller.simulated, allow_simulated)
    return len(poller.sensors)


def round_trip(
    config: Config, api: Api | None, sensors: int, *, patience: float = ACCEPT_SECONDS, clock: Clock = SYSTEM_CLOCK
) -> Iterator[Finding]:
    """Send the number of ``sensors`` to each destination, and with an ``api`` read it back.

    ``patience``: s to wait for a server that does not accept the value yet.

    Raises:
        ConfigError: no server is configured.
        ZabbixApiError, ZabbixUnreachable: the API fails.
    """
    tls_connect = effective(config.zabbix).tls_connect
    accepted: list[tuple[Route, int]] = []
    for route in required_routes(config):
        time_ns = yield from _RouteCheck(route, tls_connect, api, Deadline(patience, clock), clock).run(sensors)
        if time_ns is not None:
            accepted.append((route, time_ns))
    if api and accepted:
        yield from _read_back(api, accepted, clock)


@dataclass
class _RouteCheck:
    """The check of one destination: its nodes, then one value."""

    route: Route
    tls_connect: str
    api: Api | None
    deadline: Deadline
    """For a server that has not read its configuration yet."""
    clock: Clock
    waited: bool = False

    def run(self, sensors: int) -> Generator[Finding, None, int | None]:
        """Yield the findings; returns the time of the accepted value in ns since 1970, None without one."""
        if not (yield from self._reach()):
            return None
        route = self.route
        subject = f"{route.destination}: {BRIDGE} of host {route.host}"
        time_ns = self.clock.time_ns()
        value = Value.at(time_ns, route.host, BRIDGE, f'{{"v": 1, "version": "{__version__}", "sensors": {sensors}}}')
        while True:
            try:
                outcome = route.sender.send([value], Deadline(SEND_SECONDS, self.clock))
            except ZabbixUnreachable as error:
                yield of_error(VALUE, error, f"sending to {route.destination}")
                return None
            if outcome.accepted:
                yield ok(VALUE, f"{subject} is accepted")
                return time_ns
            reasons = self._reasons()
            if reasons.certain or self.deadline.passed:
                reason = reasons.certain or _joined(reasons.possible) or _unknown(self.api)
                words = servers_reason(self.api, value) if self.api else ""
                yield of_error(VALUE, ZabbixRejected(f"{reason.message}{words}", remedy=reason.remedy), subject)
                return None
            possible = _joined(reasons.possible)
            yield from self._wait(VALUE, f"{subject} is not accepted yet" + (f": {possible}" if possible else ""))

    def _reach(self) -> Generator[Finding, None, bool]:
        """Whether a node answers: one is enough, since the standby nodes of a cluster do not listen."""
        sender = self.route.sender
        while True:
            probes = probe_nodes(sender, self.clock)
            works = any(probe.error is None for probe in probes)
            # A server closes the connection if it does not know the PSK identity, or does not know it yet.
            unknown_key = self.tls_connect == "psk" and any(list(probe.passed) == [SERVER] for probe in probes)
            cause = self._reasons().certain if unknown_key and not works else None
            if works or not unknown_key or cause or self.deadline.passed:
                yield from findings(probes, self.tls_connect, cause)
                return works
            yield from self._wait(TLS, f"{self.route.destination}: the server does not know the PSK yet")

    def _reasons(self) -> Reasons:
        return why_rejected(self.api, self.route.host, BRIDGE, self.tls_connect) if self.api else Reasons()

    def _wait(self, check: str, message: str) -> Iterator[Finding]:
        if not self.waited:
            self.waited = True
            reason = "some servers read their configuration only once a minute"
            yield Finding(check, Status.WAITING, f"{message} (retrying for {self.deadline.seconds:.0f} s: {reason})")
        self.clock.sleep(min(PAUSE, self.deadline.remaining()))


def _joined(possible: Sequence[ZabbixRejected]) -> ZabbixRejected | None:
    if not possible:
        return None
    remedies = [reason.remedy for reason in possible if reason.remedy]
    return ZabbixRejected("; or ".join(reason.message for reason in possible), remedy="; or ".join(remedies))


def _unknown(api: Api | None) -> ZabbixRejected:
    message, remedy = "rejected, and the server gives no reason", "give --url and a login to find the reason"
    if api:
        message = (
            "rejected, although the API shows nothing wrong: another server or proxy answers there, or it has not read "
            "its configuration yet"
        )
        remedy = "try again in a minute, then compare servers with the front end's Zabbix"
    return ZabbixRejected(message, remedy=remedy)


def _read_back(api: Api, accepted: Sequence[tuple[Route, int]], clock: Clock) -> Iterator[Finding]:
    """Find the accepted values in the history; each has its own time."""
    host = accepted[0][0].host
    hostid = find_host(api, host)
    if hostid is None:
        yield of_error(HISTORY, no_host(host))
        return
    item = find_kept(api, hostid, f"{BRIDGE}.sensors", BRIDGE)
    if item is None:
        message, remedy = f"the host keeps no history of {BRIDGE}", "usbrh zabbix provision links the template"
        yield fault(HISTORY, message, remedy, ZabbixApiError.exit_status)
        return
    key = item["key_"]
    deadline = Deadline(STORE_SECONDS, clock)
    missing = list(accepted)
    while True:
        found = stored(api, item, [time_ns for _, time_ns in missing])
        for route, time_ns in missing:
            if time_ns in found:
                seconds = (clock.time_ns() - time_ns) / NS
                yield ok(HISTORY, f"{route.destination}: the value is in the history of {key} after {seconds:.1f} s")
        missing = [each for each in missing if each[1] not in found]
        if not missing or deadline.passed:
            break
        clock.sleep(0.5)
    item = find_item(api, hostid, key) or item
    for route, _ in missing:
        if len(missing) < len(accepted):
            message = f"{route.destination}: the value is not in this front end's Zabbix"
            yield warning(HISTORY, message, "if the destination belongs to another Zabbix, give --url of its front end")
        else:
            yield _not_stored(route, item)


def _not_stored(route: Route, item: Row) -> Finding:
    """The fault of a value that the server accepted and did not store."""
    if item.integer("state"):
        reason = f"the item {item['key_']} is not supported: {item['error']}"
        remedy = "usbrh zabbix provision --dry-run shows what differs from the template"
    else:
        reason = (
            f"no value in the history of {item['key_']}: the server knows an older host of this name, or is not the "
            "front end's"
        )
        remedy = "try again in a minute, then compare --url with servers"
    message = f"{route.destination}: accepted but not stored: {reason}"
    return fault(HISTORY, message, remedy, ZabbixRejected.exit_status)
