"""Is the way to Zabbix whole? One value is sent to each destination, and read back through the API."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass

from usbrh import __version__
from usbrh.bridge import Route, routes
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.config import Config
from usbrh.errors import ConfigError, UsbrhError, ZabbixApiError, ZabbixRefused, ZabbixUnreachable
from usbrh.zabbix.address import Address
from usbrh.zabbix.api import Api
from usbrh.zabbix.history import NS, find_item, stored
from usbrh.zabbix.protocol import Value

PROBE = "usbrh.bridge"
SEND_SECONDS = 15.0
ACCEPT_SECONDS = 75.0
"""A server may read its configuration only once a minute."""
STORE_SECONDS = 15.0
CONNECT_SECONDS = 5.0
ACTIVE, TRAPPER = 0, 2


@dataclass(frozen=True)
class Finding:
    """One link of the chain."""

    text: str
    error: UsbrhError | None = None
    """Why it is broken."""
    waiting: bool = False
    """Not known yet."""


def round_trip(
    config: Config, api: Api | None, sensors: int, *, patience: float = ACCEPT_SECONDS, clock: Clock = SYSTEM_CLOCK
) -> Iterator[Finding]:
    """Send the number of ``sensors`` to each destination, and with an ``api`` read it back.

    ``patience``: s to wait for a server that does not take the value yet.

    Raises:
        ConfigError: there is nowhere to send to.
        ZabbixApiError, ZabbixUnreachable: the API fails.
    """
    for route in somewhere(config):
        yield from _to(route, api, sensors, patience, clock)


def somewhere(config: Config) -> list[Route]:
    """Where readings go.

    Raises:
        ConfigError: nowhere.
    """
    ways = routes(config)
    if not ways:
        raise ConfigError("servers is empty, nothing is sent from here; ask the agent: zabbix_get -k usbrh.bridge")
    return ways


def _to(route: Route, api: Api | None, sensors: int, patience: float, clock: Clock) -> Iterator[Finding]:
    reachable = False
    for node in route.senders[0].destination.nodes:
        finding = _connects(node)
        reachable = reachable or finding.error is None
        yield finding
    if not reachable:
        return
    moment = clock.time_ns()
    value = Value.at(moment, route.host, PROBE, f'{{"v": 1, "version": "{__version__}", "sensors": {sensors}}}')
    deadline = Deadline(patience, clock)
    waited = False
    while True:
        try:
            outcome = route.senders[0].send([value], Deadline(SEND_SECONDS, clock))
        except ZabbixUnreachable as error:
            yield Finding(f"{route.destination}: sending", error)
            return
        if outcome.accepted:
            break
        reason = _why_refused(api, route.host, PROBE) if api else None
        if reason or deadline.passed:
            yield Finding(f"{route.destination}: {PROBE} of host {route.host}", ZabbixRefused(reason or _unknown(api)))
            return
        if not waited:
            waited = True
            yield Finding(
                f"{route.destination}: does not take {PROBE} of host {route.host} yet; some servers read their "
                f"configuration only once a minute: trying for {patience:.0f} s",
                waiting=True,
            )
        clock.sleep(min(2.0, deadline.remaining()))
    yield Finding(f"{route.destination}: takes {PROBE} of host {route.host}")
    if api:
        yield _read_back(api, route, moment, clock)


def _unknown(api: Api | None) -> str:
    if api is None:
        return "refused, and the server never says why; with --url and a login this command looks for the reason"
    return (
        "refused, although the API shows nothing wrong: another server or proxy listens there, or it has not read its "
        "configuration yet; try again in a minute"
    )


def _connects(node: Address) -> Finding:
    """Name and port, apart from TLS and protocol."""
    try:
        found = socket.getaddrinfo(node.host, node.port, type=socket.SOCK_STREAM)
    except OSError as error:
        words = f"the name {node.host} is not known: {error.strerror}; see: getent hosts {node.host}"
        return Finding(f"{node}: name", ZabbixUnreachable(words))
    problem = ""
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.settimeout(CONNECT_SECONDS)
                probe.connect(address)
            return Finding(f"{node}: connects")
        except TimeoutError:
            problem = f"{node} does not answer; a firewall, or the wrong address?"
        except OSError as error:
            problem = f"{node}: {(error.strerror or str(error)).lower()}; does a Zabbix server or proxy listen there?"
    return Finding(f"{node}: port", ZabbixUnreachable(problem))


def _why_refused(api: Api, host: str, key: str) -> str | None:
    """What the API shows to be wrong; None if nothing, and then it may be a matter of time."""
    proxy_field = "proxy_hostid" if api.version < (7, 0) else "proxyid"
    hosts = api.call(
        "host.get", filter={"host": [host]}, output=["hostid", "name", "status", "tls_accept", proxy_field]
    )
    if not hosts:
        similar = api.call("host.get", filter={"name": [host]}, output=["host"])
        if similar:
            return f'"{host}" is a visible name; the technical name, which counts, is "{similar[0]["host"]}"'
        return f'there is no host "{host}", or this user may not see it; usbrh zabbix provision makes it'
    found = hosts[0]
    if str(found["status"]) != "0":
        return f'the host "{host}" is disabled; enable it in the front end'
    item = find_item(api, found["hostid"], key)
    if item is None:
        return f'the host "{host}" has no item {key}; usbrh zabbix provision links the template'
    if int(item["status"]) != ACTIVE:
        return f"the item {key} is disabled; enable it in the front end"
    if int(item["type"]) != TRAPPER:
        return f"the item {key} is not of the type Zabbix trapper; usbrh zabbix provision --method trapper --force"
    if item.get("trapper_hosts"):
        return f"the item {key} takes values from {item['trapper_hosts']} only (allowed hosts)"
    if str(found.get(proxy_field, "0")) != "0":
        return f'the host "{host}" is monitored by a proxy; name that proxy in servers'
    if not int(found["tls_accept"]) & 1:
        return f'the host "{host}" takes encrypted connections only, or another kind; set tls_connect in [zabbix]'
    return None


def _read_back(api: Api, route: Route, moment: int, clock: Clock) -> Finding:
    hosts = api.call("host.get", filter={"host": [route.host]}, output=["hostid"])
    if not hosts:
        return Finding(
            "reading back", ZabbixApiError(f'this front end has no host "{route.host}": is it another Zabbix?')
        )
    item = find_item(api, hosts[0]["hostid"], f"{PROBE}.sensors") or find_item(api, hosts[0]["hostid"], PROBE)
    if item is None or item["history"] in {"0", "0s"}:
        return Finding(
            "reading back",
            ZabbixApiError(f"the host keeps no history of {PROBE}; usbrh zabbix provision links the template"),
        )
    deadline = Deadline(STORE_SECONDS, clock)
    while not deadline.passed:
        if moment in stored(api, item, [moment]):
            took = (clock.time_ns() - moment) / NS
            return Finding(f"{route.destination}: the value is in the history of {item['key_']} after {took:.1f} s")
        clock.sleep(0.5)
        item = find_item(api, hosts[0]["hostid"], item["key_"]) or item
        if int(item["state"]):
            break
    words = "taken, and not stored: "
    if int(item["state"]):
        words += f"the item {item['key_']} is not supported: {item['error']}"
    else:
        words += (
            f"no row in the history of {item['key_']}; the server may know an older host of this name "
            "(try again in a minute), or be another one than the front end's"
        )
    return Finding("reading back", ZabbixRefused(words))
