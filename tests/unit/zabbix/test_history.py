"""Hosts, items and history through a scripted front end that has one host with two items."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.frontend import FrontEnd
from usbrh.clock import NS
from usbrh.zabbix.api import Api
from usbrh.zabbix.history import WINDOW, find_host, find_item, find_kept, stored

FIELDS = {
    "itemid": "5", "key_": "usbrh.bridge", "type": "2", "status": "0", "state": "0", "error": "", "value_type": "4",
    "history": "90d", "trapper_hosts": "",
}  # fmt: skip


class Zabbix:
    """A front end that answers exactly what is asked for."""

    def __init__(self, front_end: FrontEnd, api: Api) -> None:
        self.front_end = front_end
        self.api = api
        self.items = {key: FIELDS | {"key_": key, "history": kept} for key, kept in (("a", "0"), ("b", "90d"))}
        self.moments: list[int] = []
        """ns since 1970 of the values of item 5."""
        front_end.answers |= {"host.get": self._hosts, "item.get": self._items, "history.get": self._history}

    def _hosts(self, params: dict[str, Any]) -> list[dict[str, str]]:
        known = params["filter"] == {"host": ["pc"]}
        return [{key: {"hostid": "20"}[key] for key in params["output"]}] if known else []

    def _items(self, params: dict[str, Any]) -> list[dict[str, str]]:
        (key,) = params["filter"]["key_"]
        found = self.items.get(key) if params["hostids"] == "20" else None
        return [{name: found[name] for name in params["output"]}] if found else []

    def _history(self, params: dict[str, Any]) -> list[dict[str, str]]:
        assert params["time_till"] - params["time_from"] < WINDOW
        if (params["itemids"], params["history"]) != (["5"], 4):
            return []
        parts = [dict(zip(("clock", "ns"), map(str, divmod(each, NS)), strict=True)) for each in self.moments]
        wanted = [each for each in parts if params["time_from"] <= int(each["clock"]) <= params["time_till"]]
        return [{key: each[key] for key in params["output"]} for each in wanted]


@pytest.fixture
def zabbix() -> Iterator[Zabbix]:
    with FrontEnd() as front_end, Api(front_end.url, user="a", password="b") as api:
        yield Zabbix(front_end, api)


def test_a_host_is_found_by_its_technical_name(zabbix: Zabbix) -> None:
    assert find_host(zabbix.api, "pc") == "20"
    assert find_host(zabbix.api, "PC of Hanako") is None


def test_an_item_has_the_fields_that_usbrh_uses(zabbix: Zabbix) -> None:
    assert find_item(zabbix.api, "20", "b") == FIELDS | {"key_": "b"}
    assert find_item(zabbix.api, "20", "c") is None
    assert find_item(zabbix.api, "21", "b") is None


@pytest.mark.parametrize(
    ("kept", "keys", "expected"),
    [
        (("90d", "90d"), ("a", "b"), "a"),
        (("0", "90d"), ("a", "b"), "b"),
        (("0s", "90d"), ("a", "b"), "b"),
        (("0", "0s"), ("a", "b"), None),
        (("0", "1h"), ("c", "b"), "b"),
        (("0", "1h"), ("c",), None),
    ],
)
def test_the_first_item_that_keeps_a_history(
    zabbix: Zabbix, kept: tuple[str, str], keys: tuple[str, ...], expected: str | None
) -> None:
    for key, history in zip(("a", "b"), kept, strict=True):
        zabbix.items[key]["history"] = history
    found = find_kept(zabbix.api, "20", *keys)
    assert (found and found["key_"]) == expected


def test_the_moments_that_are_stored(zabbix: Zabbix) -> None:
    item = find_item(zabbix.api, "20", "b")
    assert item
    start = 1_790_000_000 * NS
    zabbix.moments = [
        start,
        start + 5,
        start + 1,
        start + (WINDOW - 1) * NS,
        start + WINDOW * NS,
        start + 9 * WINDOW * NS,
    ]
    missing = [start + 2, start + 3 * WINDOW * NS]
    asked = [*zabbix.moments[1:], *missing]
    before = len(zabbix.front_end.calls)
    assert stored(zabbix.api, item, asked) == set(zabbix.moments[1:])
    # One call per window with moments, and none for the rest of the time.
    assert len(zabbix.front_end.calls) - before == 4
    assert stored(zabbix.api, item, []) == set()
