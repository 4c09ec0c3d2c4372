"""What a Zabbix has of a host, through its API: its items, and at which moments there is a value."""

from collections.abc import Collection
from typing import Any

from usbrh.clock import NS
from usbrh.zabbix.api import Api

WINDOW = 6 * 3600
"""s of history in one question to the API."""


def find_host(api: Api, host: str) -> str | None:
    """The id of the host of that technical name; None if it is not there, or this user may not see it."""
    found = api.call("host.get", filter={"host": [host]}, output=["hostid"])
    return str(found[0]["hostid"]) if found else None


def find_item(api: Api, hostid: str, key: str) -> dict[str, Any] | None:
    """The item with what is asked of it here, as the API gives it: numbers are strings."""
    wanted = ["itemid", "key_", "type", "status", "state", "error", "value_type", "history", "trapper_hosts"]
    found = api.call("item.get", hostids=hostid, filter={"key_": [key]}, output=wanted)
    return dict(found[0]) if found else None


def find_kept(api: Api, hostid: str, *keys: str) -> dict[str, Any] | None:
    """The first of these items that keeps its history."""
    for key in keys:
        item = find_item(api, hostid, key)
        if item and item["history"] not in {"0", "0s"}:
            return item
    return None


def stored(api: Api, item: dict[str, Any], moments: Collection[int]) -> set[int]:
    """Those of ``moments``, in ns since 1970, of which the item has a value."""
    found: set[int] = set()
    left = sorted(moments)
    while left:
        since = left[0] // NS
        until = max(moment for moment in left if moment // NS < since + WINDOW) // NS
        rows = api.call(
            "history.get",
            itemids=[item["itemid"]],
            history=int(item["value_type"]),
            output=["clock", "ns"],
            time_from=since,
            time_till=until,
        )
        found |= {int(row["clock"]) * NS + int(row["ns"]) for row in rows}
        left = [moment for moment in left if moment // NS > until]
    return found & set(moments)
