"""The template files, without a server."""

import re
from typing import Any

import pytest
import yaml

from tools import zabbix_templates
from tools.zabbix_items import BRIDGE
from tools.zabbix_macros import MACROS
from usbrh.config.value_types import Duration
from usbrh.zabbix.provisioning import LIMITS, SPANS

FILES = dict(zabbix_templates.files())
RELEASES = ("6.0", "7.0")


def export(name: str, release: str) -> dict[str, Any]:
    text = FILES[zabbix_templates.FOLDER / release / f"{name}.yaml"]
    return dict(yaml.safe_load(text)["zabbix_export"])


def all_of(data: Any, key: str) -> list[Any]:
    """Return every value of ``key`` at any depth."""
    if isinstance(data, dict):
        own = [data[key]] if key in data else []
        return own + [found for value in data.values() for found in all_of(value, key)]
    return [found for value in data for found in all_of(value, key)] if isinstance(data, list) else []


def test_the_files_are_not_stale() -> None:
    on_disk = {
        path: path.read_text(encoding="utf-8") for path in zabbix_templates.FOLDER.rglob("*.*") if path.is_file()
    }
    assert on_disk == FILES, "run: python -m tools.zabbix_templates"


@pytest.mark.parametrize("release", RELEASES)
def test_uuids_are_of_version_4_and_used_once(release: str) -> None:
    group = zabbix_templates.GROUP["uuid"]
    uuids = [uuid for form in zabbix_templates.FORMS for uuid in all_of(export(form.file, release), "uuid")]
    own = [uuid for uuid in uuids if uuid != group]
    assert all(re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", uuid) for uuid in uuids)
    assert len(own) == len(set(own))


def test_both_releases_have_the_same_uuids() -> None:
    for form in zabbix_templates.FORMS:
        old, new = (sorted(all_of(export(form.file, release), "uuid")) for release in RELEASES)
        assert old == new


@pytest.mark.parametrize("release", RELEASES)
def test_the_three_forms_name_everything_alike(release: str) -> None:
    """A host can change from one template to another and keep its history."""
    names = []
    for form in zabbix_templates.FORMS:
        data = export(form.file, release)
        (template,) = data["templates"]
        service = {item.key for item in BRIDGE if item.trapper_only}
        template["items"] = [item for item in template["items"] if item["key"] not in service]
        names.append(sorted(all_of(template["items"], "key")) + sorted(map(str, all_of(data, "name"))))
    own = {form.name for form in zabbix_templates.FORMS} | {"Excluded sensors"}  # an override of one template
    assert len({tuple(name for name in form if name not in own) for form in names}) == 1


@pytest.mark.parametrize("release", RELEASES)
def test_an_agent_has_no_items_for_what_only_the_service_knows(release: str) -> None:
    own = {f"usbrh.bridge.{name}" for name in ("uptime", "readings", "failures")}
    for form in zabbix_templates.FORMS:
        keys = set(all_of(export(form.file, release)["templates"][0]["items"], "key"))
        assert keys & own == (set() if form.polled else own)


def test_every_macro_is_there_and_used() -> None:
    text = "".join(line for line in FILES[zabbix_templates.FOLDER / "6.0" / "usbrh_agent.yaml"].splitlines(True)
                   if not line.lstrip().startswith("- macro:"))  # fmt: skip
    used = {f"{{$USBRH.{name}}}" for name in re.findall(r"\{\$USBRH\.([A-Z._]+)", text)}
    assert used == {name for name, _, _ in MACROS}


def test_provisioning_knows_the_times_of_the_template() -> None:
    """Provisioning changes the times that are too short for a long interval."""
    own = {name: value for name, value, _ in MACROS if name in SPANS}
    assert {name: Duration(1, 86400).from_toml(value) for name, value in own.items()} == {
        name: seconds for name, (seconds, _) in SPANS.items()
    }


def test_the_limits_of_a_server_room_are_the_defaults() -> None:
    own = {name: value for name, value, _ in MACROS if name in LIMITS["server-room"]}
    assert own == LIMITS["server-room"]
    assert all(limits.keys() == own.keys() for limits in LIMITS.values())


def test_the_limits_are_those_of_the_document() -> None:
    for name in ("zabbix.md", "zabbix.ja.md"):
        text = (zabbix_templates.FOLDER.parent.parent / "docs" / name).read_text(encoding="utf-8")
        for macro in LIMITS["server-room"]:
            row = " | ".join(limits[macro] for limits in LIMITS.values())
            assert f"| `{macro}` | {row} |" in text


def test_warnings_depend_on_the_critical() -> None:
    triggers = export("usbrh_trapper", "7.0")["templates"][0]["discovery_rules"][0]["item_prototypes"]
    found = [trigger for item in triggers for trigger in item.get("trigger_prototypes", ())]
    warnings = [trigger for trigger in found if re.search(": (Temperature|Humidity) (high|low)$", trigger["name"])]
    assert len(warnings) == 4
    for trigger in warnings:
        assert trigger["dependencies"][0]["name"] == re.sub("(high|low)$", r"critically \1", trigger["name"])
        assert "recovery_expression" in trigger
