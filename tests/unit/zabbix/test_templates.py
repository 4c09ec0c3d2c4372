"""The template files, without a server."""

import re
from typing import Any

import pytest

from tests.support import templates
from tools import zabbix_templates
from tools.zabbix_items import BRIDGE
from tools.zabbix_japanese import TEXTS, japanese
from tools.zabbix_macros import MACROS
from tools.zabbix_translation import translated
from usbrh.config.value_types import Duration
from usbrh.zabbix.templates import LANGUAGES, Language, template_text
from usbrh.zabbix.wanted import LIMITS, SPANS

RELEASES = zabbix_templates.RELEASES
SETS = [(release, language) for release in RELEASES for language in LANGUAGES]
OWN = re.compile("[\u3041-\u9fff]")
"""Kana and kanji."""


def export(name: str, release: str, language: str = "en") -> dict[str, Any]:
    return templates.export(f"{release}/{name}{'' if language == 'en' else '.ja'}.yaml")


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
    assert on_disk == dict(zabbix_templates.files()), "run: python -m tools.zabbix_templates"


@pytest.mark.parametrize(("release", "language"), SETS)
def test_uuids_are_of_version_4_and_used_once(release: str, language: str) -> None:
    group = zabbix_templates.GROUP["uuid"]
    uuids = [uuid for form in zabbix_templates.FORMS for uuid in all_of(export(form.file, release, language), "uuid")]
    own = [uuid for uuid in uuids if uuid != group]
    assert all(re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", uuid) for uuid in uuids)
    assert len(own) == len(set(own))


@pytest.mark.parametrize("form", [form.file for form in zabbix_templates.FORMS])
def test_all_releases_and_languages_have_the_same_uuids(form: str) -> None:
    uuids = {tuple(sorted(all_of(export(form, *each), "uuid"))) for each in SETS}
    assert len(uuids) == 1


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("form", [form.file for form in zabbix_templates.FORMS])
def test_languages_differ_in_texts_only(form: str, release: str) -> None:
    """What Zabbix finds things by is the same, so an import changes the language and keeps everything else."""
    english, other = export(form, release), export(form, release, "ja")
    assert english != other
    for data in (english, other):  # 6.0 sorts widgets by name
        for page in data["templates"][0]["dashboards"][0]["pages"]:
            page["widgets"].sort(key=lambda widget: (widget.get("y", "0"), widget.get("x", "0")))
    without = [translated(data, lambda text: "") for data in (english, other)]
    assert without[0] == without[1]
    assert english["templates"][0]["template"] == other["templates"][0]["template"]


def japanese_texts() -> set[str]:
    seen: set[str] = set()

    def record(text: str) -> str:
        seen.add(text)
        return text

    for form in zabbix_templates.FORMS:
        for release in RELEASES:
            translated(export(form.file, release, "ja"), record)
    return seen


def test_every_text_is_translated() -> None:
    assert {text for text in japanese_texts() if not OWN.search(text)} == {"USB-RH", "usbrh"}


def test_every_translation_is_used() -> None:
    texts = "\n".join(japanese_texts())
    assert {own for own in TEXTS.values() if own not in texts} == set()


def test_a_text_without_translation() -> None:
    with pytest.raises(LookupError, match="'Pressure'"):
        japanese("Sensor {#SENSOR}: Pressure")


@pytest.mark.parametrize(("release", "language"), SETS)
def test_the_three_forms_name_everything_alike(release: str, language: str) -> None:
    """A host can change from one template to another and keep its history."""
    names = []
    for form in zabbix_templates.FORMS:
        data = export(form.file, release, language)
        (template,) = data["templates"]
        service = {item.key for item in BRIDGE if item.trapper_only}
        template["items"] = [item for item in template["items"] if item["key"] not in service]
        names.append(sorted(all_of(template["items"], "key")) + sorted(map(str, all_of(data, "name"))))
    own = {name for form in zabbix_templates.FORMS for name in (form.name, japanese(form.name))}
    own |= {"Excluded sensors", japanese("Excluded sensors")}  # an override of one template
    assert len({tuple(name for name in form if name not in own) for form in names}) == 1


@pytest.mark.parametrize("release", RELEASES)
def test_an_agent_has_no_items_for_what_only_the_service_knows(release: str) -> None:
    own = {f"usbrh.bridge.{name}" for name in ("uptime", "readings", "failures")}
    for form in zabbix_templates.FORMS:
        keys = set(all_of(export(form.file, release)["templates"][0]["items"], "key"))
        assert keys & own == (set() if form.polled else own)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("version", "folder"),
    [((6, 0), "6.0"), ((6, 4), "6.0"), ((7, 0), "7.0"), ((7, 2), "7.0"), ((7, 4), "7.4"), ((8, 0), "7.4")],
)
def test_each_version_of_zabbix_gets_its_set(version: tuple[int, int], folder: str, language: Language) -> None:
    suffix = "" if language == "en" else ".ja"
    text = (zabbix_templates.FOLDER / folder / f"usbrh_agent_active{suffix}.yaml").read_text(encoding="utf-8")
    assert template_text("agent-active", version, language) == text


def test_every_macro_is_there_and_used() -> None:
    lines = (zabbix_templates.FOLDER / "6.0" / "usbrh_agent.yaml").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("- macro:"))
    used = {f"{{$USBRH.{name}}}" for name in re.findall(r"\{\$USBRH\.([A-Z._]+)", text)}
    assert used == {macro.name for macro in MACROS}


def test_provisioning_knows_the_times_of_the_template() -> None:
    """Provisioning changes the times that are too short for a long interval."""
    own = {macro.name: macro.value for macro in MACROS if macro.name in SPANS}
    assert {name: Duration(1, 86400).from_toml(value) for name, value in own.items()} == {
        name: seconds for name, (seconds, _) in SPANS.items()
    }


def test_the_limits_of_a_server_room_are_the_defaults() -> None:
    own = {macro.name: macro.value for macro in MACROS if macro.name in LIMITS["server-room"]}
    assert own == LIMITS["server-room"]
    assert all(limits.keys() == own.keys() for limits in LIMITS.values())


def test_the_limits_are_those_of_the_document() -> None:
    for name in ("zabbix.md", "zabbix.ja.md"):
        text = (zabbix_templates.FOLDER.parent.parent / "docs" / name).read_text(encoding="utf-8")
        assert f"usbrh zabbix provision --limits {'|'.join(LIMITS)}`" in text
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
