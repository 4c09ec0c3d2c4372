"""Is the way to Zabbix whole? One value is sent, and read back through the API; and the journal against the history."""

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from usbrh import __version__
from usbrh.bridge import Route, flush, routes
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.config import Config
from usbrh.errors import ConfigError, UsbrhError, ZabbixApiError, ZabbixRefused, ZabbixUnreachable
from usbrh.journal import Journal, State
from usbrh.zabbix.address import Address
from usbrh.zabbix.api import Api
from usbrh.zabbix.protocol import Value

NS = 1_000_000_000
PROBE = "usbrh.bridge"
SEND_SECONDS = 15.0
ACCEPT_SECONDS = 75.0
"""A server may read its configuration only once a minute."""
STORE_SECONDS = 15.0
CONNECT_SECONDS = 5.0
WINDOW = 6 * 3600
"""s of history in one question to the API."""
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
    for route in _somewhere(config):
        yield from _to(route, api, sensors, patience, clock)


def _somewhere(config: Config) -> list[Route]:
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
    item = _item(api, found["hostid"], key)
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


def _item(api: Api, hostid: str, key: str) -> dict[str, Any] | None:
    wanted = ["itemid", "key_", "type", "status", "state", "error", "value_type", "history", "trapper_hosts"]
    found = api.call("item.get", hostids=hostid, filter={"key_": [key]}, output=wanted)
    return dict(found[0]) if found else None


def _read_back(api: Api, route: Route, moment: int, clock: Clock) -> Finding:
    hosts = api.call("host.get", filter={"host": [route.host]}, output=["hostid"])
    if not hosts:
        return Finding(
            "reading back", ZabbixApiError(f'this front end has no host "{route.host}": is it another Zabbix?')
        )
    item = _item(api, hosts[0]["hostid"], f"{PROBE}.sensors") or _item(api, hosts[0]["hostid"], PROBE)
    if item is None or item["history"] in {"0", "0s"}:
        return Finding(
            "reading back",
            ZabbixApiError(f"the host keeps no history of {PROBE}; usbrh zabbix provision links the template"),
        )
    deadline = Deadline(STORE_SECONDS, clock)
    while not deadline.passed:
        if moment in _stored(api, item, moment // NS, moment // NS):
            took = (clock.time_ns() - moment) / NS
            return Finding(f"{route.destination}: the value is in the history of {item['key_']} after {took:.1f} s")
        clock.sleep(0.5)
        item = _item(api, hosts[0]["hostid"], item["key_"]) or item
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


def _stored(api: Api, item: dict[str, Any], since: int, until: int) -> set[int]:
    """When there are values, in ns since 1970."""
    rows = api.call(
        "history.get",
        itemids=[item["itemid"]],
        history=int(item["value_type"]),
        output=["clock", "ns"],
        time_from=since,
        time_till=until,
    )
    return {int(row["clock"]) * NS + int(row["ns"]) for row in rows}


# -- the journal against the history -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Missing:
    """Readings of one sensor that were delivered and are not in Zabbix's history."""

    sensor: str
    item: str
    """The item whose history was looked at."""
    compared: int
    ids: Sequence[int]
    first_ns: int = 0
    last_ns: int = 0


def compare(config: Config, api: Api, journal: Journal, since_ns: int) -> Iterator[Missing]:
    """For each sensor, what the journal counts as delivered since then and Zabbix does not have.

    Raises:
        ConfigError: there is nowhere to send to.
        ZabbixApiError: the host is not there, or keeps no history of a sensor.
    """
    host = _somewhere(config)[0].host
    found = api.call("host.get", filter={"host": [host]}, output=["hostid"])
    if not found:
        raise ZabbixApiError(f'there is no host "{host}", or this user may not see it; usbrh zabbix provision makes it')
    delivered: dict[str, dict[int, int]] = {}
    for entry, fates in journal.export():
        if entry.time_ns >= since_ns and any(fate.state is State.DELIVERED for fate in fates.values()):
            delivered.setdefault(entry.sensor, {})[entry.time_ns] = entry.id
    for sensor, times in sorted(delivered.items()):
        item = _kept_item(api, found[0]["hostid"], sensor)
        if item is None:
            raise ZabbixApiError(
                f'the host "{host}" keeps no history of sensor {sensor}: neither usbrh.get[{sensor}] nor '
                f"usbrh.state[{sensor}]; usbrh zabbix provision links the template"
            )
        stored: set[int] = set()
        first, last = min(times), max(times)
        for start in range(first // NS, last // NS + 1, WINDOW):
            stored |= _stored(api, item, start, min(start + WINDOW - 1, last // NS))
        lacking = sorted(set(times) - stored)
        span = (lacking[0], lacking[-1]) if lacking else (0, 0)
        yield Missing(sensor, item["key_"], len(times), [times[each] for each in lacking], *span)


def _kept_item(api: Api, hostid: str, sensor: str) -> dict[str, Any] | None:
    """An item that has a row for each reading: the JSON itself if it is kept, else the template's state."""
    for key in (f"usbrh.get[{sensor}]", f"usbrh.state[{sensor}]"):
        item = _item(api, hostid, key)
        if item and item["history"] not in {"0", "0s"}:
            return item
    return None


def heal(
    config: Config, journal: Journal, missing: Sequence[Missing], *, allow_simulated: bool, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Send again what is missing, to every destination: one that has it keeps one row of it.

    Raises:
        ZabbixError, ConfigError, JournalError: it could not be done.
    """
    ids = [number for each in missing for number in each.ids]
    for route in routes(config):
        journal.send_again(route.destination, ids)
    results = flush(config, journal, allow_simulated=allow_simulated, clock=clock)
    for destination, result in results.items():
        if result.error:
            raise result.error
        if result.refused:
            raise ZabbixRefused(f"{destination} refused {result.refused} of them; see: usbrh journal status")
