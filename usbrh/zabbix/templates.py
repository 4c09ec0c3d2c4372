"""The template files, and one of them in a Zabbix: whether it is there, how it differs, its import."""

import re
from collections.abc import Iterator
from typing import Any, Literal

from usbrh.errors import ZabbixApiError
from usbrh.resources import resource
from usbrh.zabbix.api import Api

Method = Literal["trapper", "agent", "agent-active"]
METHODS: tuple[Method, ...] = ("trapper", "agent", "agent-active")
TEMPLATES: dict[Method, str] = {method: f"USB-RH by Zabbix {method.replace('-', ' ')}" for method in METHODS}
RELEASES = ((7, 0), (6, 0))
"""Of the template files, newest first: a newer Zabbix takes an older file."""
GROUP = "Templates/Applications"
"""The template group of the files; it comes with every Zabbix."""


def template_text(method: Method, version: tuple[int, int]) -> str:
    """The template file for that version of Zabbix."""
    release = next(each for each in RELEASES if each <= version)
    name = f"zabbix/templates/{release[0]}.{release[1]}/usbrh_{method.replace('-', '_')}.yaml"
    return resource(name).read_text(encoding="utf-8")


class Template:
    """The template for one way of values, in the Zabbix behind an API."""

    def __init__(self, api: Api, method: Method) -> None:
        self.name = TEMPLATES[method]
        self._api = api
        self._source = template_text(method, api.version)

    def id(self) -> str | None:
        """Its id in Zabbix, by its name, or by its uuid: somebody may have given it another name."""
        uuid = re.search(r"^  templates:\n +- uuid: (\w+)$", self._source, re.MULTILINE)
        for same in ({"host": [self.name]}, {"uuid": [uuid[1] if uuid else ""]}):
            found = self._api.call("template.get", filter=same, output=["templateid"])
            if found:
                return str(found[0]["templateid"])
        return None

    def load(self) -> None:
        """Import it.

        Raises:
            ZabbixApiError: Zabbix rejects it, or did not take it whole.
        """
        self._api.call("configuration.import", format="yaml", source=self._source, rules=self._rules())
        # 7.0 says nothing when it leaves a trigger out.
        lacking = [line for line in self.differences() if line.endswith("is missing")]
        if lacking:
            raise ZabbixApiError(f'the template "{self.name}" was not taken whole: {"; ".join(lacking)}')

    def differences(self) -> list[str]:
        """What an import would change, by Zabbix's own comparison, a line each."""
        answer = self._api.call("configuration.importcompare", format="yaml", source=self._source, rules=self._rules())
        return list(_changes(answer)) if answer else []

    def _rules(self) -> dict[str, Any]:
        kinds = ["templates", "items", "triggers", "graphs", "discoveryRules", "valueMaps", "templateDashboards"]
        groups, get = ("groups", "hostgroup") if self._api.version < (6, 2) else ("template_groups", "templategroup")
        there = bool(self._api.call(f"{get}.get", filter={"name": [GROUP]}, output=["groupid"]))
        return {
            **{kind: {"createMissing": True, "updateExisting": True} for kind in kinds},
            # Only a Super admin may ask for groups at all. 6.0 stumbles over what is not said.
            groups: {"createMissing": not there, "updateExisting": False},
            "templateLinkage": {"createMissing": False},
        }


def _changes(answer: dict[str, Any]) -> Iterator[str]:
    """Zabbix's nested comparison, a line a change: first what is in the file, then what is in the Zabbix."""
    for kind, sorts in answer.items():
        for sort, entities in sorts.items() if isinstance(sorts, dict) else ():
            for entity in entities:
                before, after = entity.get("before", {}), entity.get("after", {})
                named = after or before
                name = f'{kind.rstrip("s").replace("_", " ")} "{named.get("name") or named.get("macro") or ""}"'
                if sort == "added":
                    yield f"{name} is missing"
                    continue
                inner = {key: value for key, value in entity.items() if key not in {"before", "after"}}
                yield from (f"{name}: {line}" for line in _fields(before, after))
                yield from _changes(inner)


def _fields(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for key in sorted({*before, *after} - {"uuid"}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        if key == "macros":
            yield from _macro_changes(old or [], new or [])
        elif isinstance(old or new, str):
            yield f"{key} is {old or 'the default'}, not {new or 'the default'}"
        else:
            yield f"{key} is different"


def _macro_changes(before: list[dict[str, str]], after: list[dict[str, str]]) -> Iterator[str]:
    old = {row["macro"]: row.get("value", "") for row in before}
    for row in after:
        name, value = row["macro"], row.get("value", "")
        if name not in old:
            yield f"macro {name} is missing"
        elif old[name] != value:
            yield f"{name} is {old[name]}, not {value}"
    yield from (f"macro {name} is not of usbrh" for name in old if name not in {row["macro"] for row in after})
