"""Why a server rejects a value: the server gives no reason, but the API shows its configuration."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from usbrh.config import ZabbixConfig
from usbrh.errors import ZabbixApiError, ZabbixRejected
from usbrh.zabbix.answers import Row
from usbrh.zabbix.api import Api
from usbrh.zabbix.history import find_item
from usbrh.zabbix.items import reading_key
from usbrh.zabbix.protocol import Value

ACTIVE, TRAPPER = 0, 2
TLS = MappingProxyType({"unencrypted": (1, "unencrypted"), "psk": (2, "with PSK"), "cert": (4, "with a certificate")})
"""By ``tls_connect``: the bit in a host's ``tls_accept``, and the text for a message."""
BY_PROXY, BY_GROUP = 1, 2


@dataclass(frozen=True)
class Reasons:
    """The reasons that the API shows; waiting helps only against the ``possible`` ones."""

    certain: ZabbixRejected | None = None
    possible: Sequence[ZabbixRejected] = ()


def why_rejected(api: Api, host: str, key: str, tls_connect: str) -> Reasons:
    """Why a value for ``key`` of ``host``, sent with the encryption ``tls_connect``, is rejected.

    Raises:
        ZabbixApiError, ZabbixUnreachable: the API reports an error, or does not answer.
    """
    own = ["proxy_hostid"] if api.version < (7, 0) else ["monitored_by", "proxyid", "proxy_groupid", "assigned_proxyid"]
    wanted = ["hostid", "name", "status", "tls_accept", "tls_issuer", "tls_subject", *own]
    hosts = api.call("host.get", filter={"host": [host]}, output=wanted)
    if not hosts:
        return Reasons(_no_host(api, host))
    found = hosts[0]
    item = find_item(api, found["hostid"], key)
    certain = next(_certain(found, item, host, key, tls_connect), None)
    if certain or item is None:
        return Reasons(certain and ZabbixRejected(certain[0], remedy=certain[1]))
    possible = _possible(api, found, item, host, tls_connect)
    return Reasons(None, [ZabbixRejected(message, remedy=remedy) for message, remedy in possible])


def certain_reasons(api: Api, settings: ZabbixConfig, sensors: Iterable[str]) -> dict[str, ZabbixRejected]:
    """By sensor: why its readings are rejected, for those for which the API shows it.

    ``settings`` are effective ones. Raises as ``why_rejected``.
    """
    host, tls_connect = settings.host or "", settings.tls_connect
    found = {sensor: why_rejected(api, host, reading_key(sensor), tls_connect).certain for sensor in sensors}
    return {sensor: reason for sensor, reason in found.items() if reason}


def servers_reason(api: Api, value: Value) -> str:
    """What the server itself reports about a rejected value, as the end of a sentence; empty if it can't be asked.

    Asked with ``history.push``, which Zabbix has since 7.0. Zabbix keeps the value if it accepts it on this route; it
    drops the same value, with the same time, if it gets it again.

    Raises:
        ZabbixUnreachable: the API does not answer.
    """
    if api.version < (7, 0):
        return ""
    content = {"host": value.host, "key": value.key, "value": value.value, "clock": value.clock, "ns": value.ns}
    try:
        (row,) = api.call("history.push", **content).rows("data")
    except (ZabbixApiError, ValueError):  # the user's role may not include this method
        return ""
    if "error" in row:
        return f" (the server reports: {str(row['error']).rstrip('.')})"
    return " (the server accepts the value from its front end, so the connection from here is the reason)"


def _no_host(api: Api, host: str) -> ZabbixRejected:
    similar = api.call("host.get", filter={"name": [host]}, output=["host"])
    if similar:
        message = f'"{host}" is a visible name, not a technical host name'
        return ZabbixRejected(message, remedy=f'use "{similar[0]["host"]}" as host')
    message = f'there is no host "{host}", or this user has no permission for it'
    return ZabbixRejected(message, remedy="usbrh zabbix provision creates it")


def _certain(found: Row, item: Row | None, host: str, key: str, tls_connect: str) -> Iterator[tuple[str, str]]:
    """Yield message and remedy of each reason."""
    if str(found["status"]) != "0":
        yield f'the host "{host}" is disabled', "enable it in the front end"
    if item is None:
        yield f'the host "{host}" has no item {key}', "usbrh zabbix provision links the template"
    elif item.integer("status") != ACTIVE:
        yield f"the item {key} is disabled", "enable it in the front end"
    elif item.integer("type") != TRAPPER:
        message = f"the item {key} is not of the type Zabbix trapper"
        yield message, "usbrh zabbix provision --method trapper --force"
    accepted = found.integer("tls_accept")
    if not accepted & TLS[tls_connect][0]:
        kinds = " or ".join(text for bit, text in TLS.values() if accepted & bit)
        message = f'the host "{host}" accepts only connections {kinds}, but tls_connect is "{tls_connect}"'
        yield message, 'set tls_connect in [zabbix], or "Connections from host" in the front end'


def _possible(api: Api, found: Row, item: Row, host: str, tls_connect: str) -> Iterator[tuple[str, str]]:
    if item.get("trapper_hosts"):
        message = f"the item {item['key_']} accepts values only from {item['trapper_hosts']}"
        yield message, 'add this computer\'s address to "Allowed hosts" of the item'
    if proxy := _proxy(api, found):
        message = f'the host "{host}" is monitored by {proxy}, which reads its configuration at longer intervals'
        yield message, "name the proxy in servers, and run there: zabbix_proxy -R config_cache_reload"
    if tls_connect == "psk":
        message = f'the host "{host}" may have another PSK identity than tls_psk_identity (the API does not show it)'
        yield message, "usbrh zabbix provision --force sets identity and key"
    for field in ("issuer", "subject") if tls_connect == "cert" else ():
        if found.get(f"tls_{field}"):
            message = f'the host "{host}" accepts only a certificate with the {field} "{found[f"tls_{field}"]}"'
            yield message, "compare it with the certificate in tls_cert_file"


def _proxy(api: Api, found: Row) -> str | None:
    """The proxy or proxy group that monitors the host; None if the server does."""
    if api.version < (7, 0):
        return _named(api, "proxy", found["proxy_hostid"])
    monitored_by = found.integer("monitored_by")
    if monitored_by == BY_PROXY:
        return _named(api, "proxy", found["proxyid"])
    if monitored_by != BY_GROUP:
        return None
    group, member = _named(api, "proxygroup", found["proxy_groupid"]), _named(api, "proxy", found["assigned_proxyid"])
    return f"{group}, currently by {member}" if member else group


def _named(api: Api, kind: Literal["proxy", "proxygroup"], number: Any) -> str | None:
    if str(number) == "0":
        return None
    kind_text, parameter = ("the proxy", "proxyids") if kind == "proxy" else ("the proxy group", "proxy_groupids")
    field = "host" if api.version < (7, 0) else "name"
    try:
        rows = api.call(f"{kind}.get", **{parameter: [number]}, output=[field])
    except ZabbixApiError:  # the user's role may not include this method
        rows = []
    return f'{kind_text} "{rows[0][field]}"' if rows else f"{kind_text} with id {number}"
