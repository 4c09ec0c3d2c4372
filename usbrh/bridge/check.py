"""Is the way to Zabbix whole? One value is sent to each destination, and read back through the API."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from usbrh import __version__
from usbrh.bridge.once import Route, routes
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.config import Config
from usbrh.config.addresses import Address
from usbrh.errors import ConfigError, UsbrhError, ZabbixApiError, ZabbixRejected, ZabbixUnreachable
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.api import Api
from usbrh.zabbix.history import NS, find_host, find_item, find_kept, stored
from usbrh.zabbix.protocol import Value
from usbrh.zabbix.rejection import Reasons, why_rejected
from usbrh.zabbix.sender import Sender

PROBE = "usbrh.bridge"
SEND_SECONDS = 15.0
ACCEPT_SECONDS = 75.0
"""A server may read its configuration only once a minute."""
STORE_SECONDS = 15.0
REACH_SECONDS = 10.0
"""For one node, from its name to an answer."""
PAUSE = 2.0
"""s between two tries."""


@dataclass(frozen=True)
class Finding:
    """One link of the chain."""

    text: str
    sign: Literal["ok", "note", "...", "FAIL"] = "ok"
    """``note``: not as it should be, and the value arrives all the same; ``...``: not known yet."""
    error: UsbrhError | None = None
    """Why it is broken, with FAIL."""

    @classmethod
    def broken(cls, text: str, error: UsbrhError) -> "Finding":
        return cls(text, "FAIL", error)

    def to_dict(self) -> dict[str, str | None]:
        """Its JSON object; ``status`` is "ok", "note", "waiting" or "fault"."""
        status = {"...": "waiting", "FAIL": "fault"}.get(self.sign, self.sign)
        return {"status": status, "message": self.text, "error": str(self.error) if self.error else None}


def somewhere(config: Config) -> list[Route]:
    """Where readings go.

    Raises:
        ConfigError: nowhere.
    """
    ways = routes(config)
    if not ways:
        raise ConfigError(
            "servers is empty, nothing is sent from here; ask the agent: zabbix_get -s 127.0.0.1 -k usbrh.bridge"
        )
    return ways


def round_trip(
    config: Config, api: Api | None, sensors: int, *, patience: float = ACCEPT_SECONDS, clock: Clock = SYSTEM_CLOCK
) -> Iterator[Finding]:
    """Send the number of ``sensors`` to each destination, and with an ``api`` read it back.

    ``patience``: s to wait for a server that does not take the value yet.

    Raises:
        ConfigError: there is nowhere to send to.
        ZabbixApiError, ZabbixUnreachable: the API fails.
    """
    ways = somewhere(config)
    tls_connect = effective(config.zabbix).tls_connect
    taken: list[tuple[Route, int]] = []
    for way in ways:
        moment = yield from _Trip(way, tls_connect, api, Deadline(patience, clock)).send(sensors)
        if moment is not None:
            taken.append((way, moment))
    if api and taken:
        yield from _read_back(api, taken, clock)


@dataclass(frozen=True)
class _Walk:
    """How far it goes to one node of a destination, without a value."""

    node: Address
    done: Sequence[str]
    """Steps of ``Sender.probe``."""
    problem: ZabbixUnreachable | None


class _Trip:
    """The way of one value to one destination."""

    def __init__(self, way: Route, tls_connect: str, api: Api | None, deadline: Deadline) -> None:
        """``deadline``: for a server that has yet to read its configuration."""
        self.way = way
        self.tls_connect = tls_connect
        self.api = api
        self.deadline = deadline
        self.clock = deadline.clock
        self._waited = False

    def send(self, sensors: int) -> Generator[Finding, None, int | None]:
        """The time of the value in ns since 1970, once it is taken; None if it is not."""
        if not (yield from self._reach()):
            return None
        way = self.way
        moment = self.clock.time_ns()
        value = Value.at(moment, way.host, PROBE, f'{{"v": 1, "version": "{__version__}", "sensors": {sensors}}}')
        while True:
            try:
                outcome = way.senders[0].send([value], Deadline(SEND_SECONDS, self.clock))
            except ZabbixUnreachable as error:
                yield Finding.broken(f"{way.destination}: sending", error)
                return None
            if outcome.accepted:
                yield Finding(f"{way.destination}: takes {PROBE} of host {way.host}")
                return moment
            reasons = self._reasons()
            if reasons.certain or self.deadline.passed:
                words = reasons.certain or "; or ".join(reasons.possible) or _unknown(self.api)
                yield Finding.broken(f"{way.destination}: {PROBE} of host {way.host}", ZabbixRejected(words))
                return None
            yield from self._wait(f"does not take {PROBE} of host {way.host} yet", reasons.possible)

    def _reach(self) -> Generator[Finding, None, bool]:
        """Whether a node answers. Standby nodes of a cluster do not even listen: one is enough."""
        sender = self.way.senders[0]
        while True:
            walks = [_walk(sender, node, self.clock) for node in sender.destination.nodes]
            if any(walk.problem is None for walk in walks):
                yield from (self._on_the_way(walk) for walk in walks)
                return True
            # A server hangs up on an identity that is not in its configuration, or not yet.
            unknown_key = self.tls_connect == "psk" and any(list(walk.done) == ["server"] for walk in walks)
            certain = self._reasons().certain if unknown_key else None
            if not unknown_key or certain or self.deadline.passed:
                yield from (_dead_end(walk, self.tls_connect, certain) for walk in walks)
                return False
            yield from self._wait("does not know the PSK yet", ())

    def _on_the_way(self, walk: _Walk) -> Finding:
        if walk.problem:
            return Finding(f"{walk.node}: {walk.problem}; another node of the cluster works", "note")
        encrypted = "" if self.tls_connect == "unencrypted" else f", encrypted ({self.tls_connect})"
        return Finding(f"{walk.node}: connected{encrypted}, Zabbix answers")

    def _reasons(self) -> Reasons:
        return why_rejected(self.api, self.way.host, PROBE, self.tls_connect) if self.api else Reasons()

    def _wait(self, words: str, possible: Sequence[str]) -> Iterator[Finding]:
        if not self._waited:
            self._waited = True
            hints = "".join(f"; {hint}" for hint in possible)
            yield Finding(
                f"{self.way.destination}: {words}{hints}; some servers read their configuration only once a minute: "
                f"trying for {self.deadline.seconds:.0f} s",
                "...",
            )
        self.clock.sleep(min(PAUSE, self.deadline.remaining()))


def _walk(sender: Sender, node: Address, clock: Clock) -> _Walk:
    done: list[str] = []
    try:
        done.extend(sender.probe(node, Deadline(REACH_SECONDS, clock)))  # what was done before a failure stays
    except ZabbixUnreachable as error:
        return _Walk(node, done, error)
    return _Walk(node, done, None)


def _dead_end(walk: _Walk, tls_connect: str, certain: str | None) -> Finding:
    node = walk.node
    if "server" not in walk.done:
        mend = f"a firewall, or another name or port? see: getent hosts {node.host}; nc -vz {node.host} {node.port}"
    elif "TLS" not in walk.done and tls_connect != "unencrypted":
        mend = certain or "compare tls_... in [zabbix] with the encryption of the host in Zabbix"
    else:
        mend = f"is {node} a Zabbix server or proxy?"
    return Finding.broken(f"{node}", ZabbixUnreachable(f"{walk.problem}; {mend}"))


def _unknown(api: Api | None) -> str:
    if api is None:
        return "rejected, and the server never says why; with --url and a login this command looks for the reason"
    return (
        "rejected, although the API shows nothing wrong: another server or proxy listens there, or it has not read its "
        "configuration yet; try again in a minute"
    )


def _read_back(api: Api, taken: Sequence[tuple[Route, int]], clock: Clock) -> Iterator[Finding]:
    """Which of the values are in the history; each has its own time."""
    host = taken[0][0].host
    hostid = find_host(api, host)
    if hostid is None:
        yield Finding.broken(
            "reading back", ZabbixApiError(f'this front end has no host "{host}": is it another Zabbix?')
        )
        return
    item = find_kept(api, hostid, f"{PROBE}.sensors", PROBE)
    if item is None:
        yield Finding.broken(
            "reading back",
            ZabbixApiError(f"the host keeps no history of {PROBE}; usbrh zabbix provision links the template"),
        )
        return
    key = item["key_"]
    deadline = Deadline(STORE_SECONDS, clock)
    left = list(taken)
    while True:
        found = stored(api, item, [moment for _, moment in left])
        for way, moment in left:
            if moment in found:
                took = (clock.time_ns() - moment) / NS
                yield Finding(f"{way.destination}: the value is in the history of {key} after {took:.1f} s")
        left = [each for each in left if each[1] not in found]
        if not left or deadline.passed:
            break
        clock.sleep(0.5)
    item = find_item(api, hostid, key) or item
    for way, _ in left:
        if len(left) < len(taken):
            yield Finding(
                f"{way.destination}: the value is not in this front end's Zabbix; if it belongs to another one, "
                "give --url of that",
                "note",
            )
        elif int(item["state"]):
            yield _not_stored(way, f"the item {key} is not supported: {item['error']}")
        else:
            yield _not_stored(
                way,
                f"no row in the history of {key}; the server may know an older host of this name "
                "(try again in a minute), or be another one than the front end's",
            )


def _not_stored(way: Route, words: str) -> Finding:
    return Finding.broken(f"{way.destination}: reading back", ZabbixRejected(f"taken, and not stored: {words}"))
