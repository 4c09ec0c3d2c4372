"""Hosts, items and history of a Zabbix, through its API."""

from collections.abc import Collection

from usbrh.clock import NS
from usbrh.errors import ZabbixApiError
from usbrh.zabbix.answers import Row
from usbrh.zabbix.api import Api

WINDOW = 6 * 3600  # s of history per call of the API


def find_host(api: Api, host: str) -> str | None:
    """Return the id of the host with this technical name; None if it does not exist or this user may not see it."""
    found = api.call("host.get", filter={"host": [host]}, output=["hostid"])
    return str(found[0]["hostid"]) if found else None


def no_host(host: str) -> ZabbixApiError:
    """Return the error for a host that ``find_host`` does not find."""
    remedy = "give --url of the Zabbix that servers names, and a user with Read permission for the host's group"
    return ZabbixApiError(f'there is no host "{host}", or this user has no permission for it', remedy=remedy)


def find_item(api: Api, hostid: str, key: str) -> Row | None:
    """Return the item with the fields that usbrh uses, or None. The API writes numbers as strings."""
    wanted = ["itemid", "key_", "type", "status", "state", "error", "value_type", "history", "trapper_hosts"]
    found = api.call("item.get", hostids=hostid, filter={"key_": [key]}, output=wanted)
    return found[0] if found else None


def find_kept(api: Api, hostid: str, *keys: str) -> Row | None:
    """Return the first of these items that keeps a history, or None."""
    for key in keys:
        item = find_item(api, hostid, key)
        if item and item["history"] not in {"0", "0s"}:
            return item
    return None


def stored(api: Api, item: Row, moments: Collection[int]) -> set[int]:
    """Return the ``moments``, in nanoseconds since 1970, for which the item has a value."""
    found: set[int] = set()
    left = sorted(moments)
    while left:
        since = left[0] // NS
        until = max(moment for moment in left if moment // NS < since + WINDOW) // NS
        rows = api.call(
            "history.get",
            itemids=[item["itemid"]],
            history=item.integer("value_type"),
            output=["clock", "ns"],
            time_from=since,
            time_till=until,
        )
        found |= {row.integer("clock") * NS + row.integer("ns") for row in rows}
        left = [moment for moment in left if moment // NS > until]
    return found & set(moments)
