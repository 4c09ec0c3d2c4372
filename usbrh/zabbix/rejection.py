"""Why a server may not take a value: it never says so, but the API shows what it should know."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from usbrh.errors import ZabbixApiError
from usbrh.zabbix.api import Api
from usbrh.zabbix.history import find_item

ACTIVE, TRAPPER = 0, 2
TLS = MappingProxyType({"unencrypted": (1, "unencrypted"), "psk": (2, "with PSK"), "cert": (4, "with a certificate")})
"""``tls_connect``: its bit in a host's ``tls_accept``, and words."""
BY_PROXY, BY_GROUP = 1, 2


@dataclass(frozen=True)
class Reasons:
    """What the API knows, a server learns within a minute, and a proxy of 6.0 within an hour."""

    certain: str | None = None
    """Waiting would not mend it."""
    possible: Sequence[str] = ()
    """It may be so, or the server has yet to read its configuration."""


def why_rejected(api: Api, host: str, key: str, tls_connect: str) -> Reasons:
    """Why a value for ``key`` of ``host`` that comes by ``tls_connect`` is not taken.

    Raises:
        ZabbixApiError, ZabbixUnreachable: the API says no, or nothing.
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
        return Reasons(certain)
    return Reasons(None, list(_possible(api, found, item, host, tls_connect)))


def _no_host(api: Api, host: str) -> str:
    similar = api.call("host.get", filter={"name": [host]}, output=["host"])
    if similar:
        return f'"{host}" is a visible name; the technical name, which counts, is "{similar[0]["host"]}"'
    return f'there is no host "{host}", or this user may not see it; usbrh zabbix provision makes it'


def _certain(
    found: dict[str, Any], item: dict[str, Any] | None, host: str, key: str, tls_connect: str
) -> Iterator[str]:
    if str(found["status"]) != "0":
        yield f'the host "{host}" is disabled; enable it in the front end'
    if item is None:
        yield f'the host "{host}" has no item {key}; usbrh zabbix provision links the template'
    elif int(item["status"]) != ACTIVE:
        yield f"the item {key} is disabled; enable it in the front end"
    elif int(item["type"]) != TRAPPER:
        yield f"the item {key} is not of the type Zabbix trapper; usbrh zabbix provision --method trapper --force"
    accepted = int(found["tls_accept"])
    if not accepted & TLS[tls_connect][0]:
        kinds = " or ".join(words for bit, words in TLS.values() if accepted & bit)
        yield (
            f'the host "{host}" takes connections {kinds} only, and tls_connect is "{tls_connect}"; '
            'set tls_connect in [zabbix], or "Connections from host" in the front end'
        )


def _possible(api: Api, found: dict[str, Any], item: dict[str, Any], host: str, tls_connect: str) -> Iterator[str]:
    if item.get("trapper_hosts"):
        yield f"the item {item['key_']} takes values from {item['trapper_hosts']} only (allowed hosts)"
    proxy = _proxy(api, found)
    if proxy:
        yield (
            f'the host "{host}" is monitored by {proxy}: servers has to name it, and it reads its configuration at '
            "times of its own, in Zabbix 6.0 once an hour; there: zabbix_proxy -R config_cache_reload"
        )
    if tls_connect == "psk":
        yield f'the host "{host}" may have another PSK identity than tls_psk_identity, which the API does not show'
    for field in ("issuer", "subject") if tls_connect == "cert" else ():
        if found.get(f"tls_{field}"):
            yield f'the host "{host}" takes a certificate with the {field} "{found[f"tls_{field}"]}" only'


def _proxy(api: Api, found: dict[str, Any]) -> str | None:
    """What stands between the host and the server."""
    if api.version < (7, 0):
        return _named(api, "proxy", found["proxy_hostid"])
    monitored_by = int(found["monitored_by"])
    if monitored_by == BY_PROXY:
        return _named(api, "proxy", found["proxyid"])
    if monitored_by != BY_GROUP:
        return None
    group, member = _named(api, "proxygroup", found["proxy_groupid"]), _named(api, "proxy", found["assigned_proxyid"])
    return f"{group}, at present by {member}" if member else group


def _named(api: Api, kind: Literal["proxy", "proxygroup"], number: Any) -> str | None:
    if str(number) == "0":
        return None
    words, parameter = ("the proxy", "proxyids") if kind == "proxy" else ("the proxy group", "proxy_groupids")
    field = "host" if api.version < (7, 0) else "name"
    try:
        rows = api.call(f"{kind}.get", **{parameter: [number]}, output=[field])
    except ZabbixApiError:  # a role may be kept from asking
        rows = []
    return f'{words} "{rows[0][field]}"' if rows else f"{words} of id {number}"
