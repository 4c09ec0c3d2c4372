"""One template in a scripted front end: what an import may create and change, and who may import it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.frontend import Answer, FrontEnd, Rejection
from usbrh.errors import ZabbixPermissionError
from usbrh.zabbix.api import Api
from usbrh.zabbix.templates import Template, difference_from

BOTH = {"createMissing": True, "updateExisting": True}
RULES = {
    **dict.fromkeys(
        ("templates", "items", "triggers", "graphs", "discoveryRules", "valueMaps", "templateDashboards"), BOTH
    ),
    "templateLinkage": {"createMissing": False},
}


def reject(params: dict[str, Any]) -> Any:
    raise Rejection("No permissions to referred object or it does not exist!")


@contextmanager
def template(version: str = "7.0.22", **answers: Answer) -> Iterator[tuple[Template, FrontEnd]]:
    found = {name.replace("_", "."): answer for name, answer in answers.items()}
    with FrontEnd(version, found) as front_end, Api(front_end.url, user="a", password="b") as api:
        yield Template(api, "trapper"), front_end


@pytest.mark.parametrize(
    ("version", "get", "rule"),
    [
        ("6.0.14", "hostgroup_get", "groups"),
        ("6.2.0", "templategroup_get", "template_groups"),
        ("7.0.22", "templategroup_get", "template_groups"),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_an_import_creates_and_updates_all_but_the_group(version: str, get: str, rule: str, exists: bool) -> None:
    """Only a Super admin may create a group, so an import does not ask for it where the group exists."""

    def group(params: dict[str, Any]) -> list[dict[str, str]]:
        assert params["filter"] == {"name": ["Templates/Server hardware"]}
        return [{"groupid": "3"}] if exists else []

    with template(version, **{get: group}, configuration_importcompare=lambda params: []) as (found, front_end):
        found.load("ja")
    (call,) = [call for call in front_end.calls if call.method == "configuration.import"]
    assert call.params["rules"] == RULES | {rule: {"createMissing": not exists, "updateExisting": False}}
    assert call.params["format"] == "yaml"
    assert "センサー" in call.params["source"]


@pytest.mark.parametrize(
    ("version", "get", "kind"),
    [("6.0.14", "hostgroup_get", "host"), ("7.0.22", "templategroup_get", "template")],
)
@pytest.mark.parametrize("readable", [True, False])
def test_without_a_permission_for_the_group_the_error_names_it(
    version: str, get: str, kind: str, readable: bool
) -> None:
    def group(params: dict[str, Any]) -> list[dict[str, str]]:
        return [{"groupid": "3"}] if readable and not params.get("editable") else []

    answers = {get: group, "configuration_import": reject, "configuration_importcompare": reject}
    with template(version, **answers) as (found, _):
        with pytest.raises(ZabbixPermissionError) as caught:
            found.load("en")
        assert f'no Read-write permission for the {kind} group "Templates/Server hardware"' in caught.value.message
        assert caught.value.remedy == "give it to the user's user group"
        with pytest.raises(ZabbixPermissionError) as caught:
            found.differences("en")
        assert ("no Read permission for the" in caught.value.message) != readable


def test_an_error_that_the_group_does_not_explain_stays() -> None:
    answers: dict[str, Answer] = {
        "templategroup_get": lambda params: [{"groupid": "3"}], "configuration_import": reject,
    }  # fmt: skip
    with (
        template("7.0.22", **answers) as (found, _),
        pytest.raises(ZabbixPermissionError, match="No permissions to referred"),
    ):
        found.load("en")


def test_a_renamed_template_is_found_by_its_uuid() -> None:
    def by_uuid(params: dict[str, Any]) -> list[dict[str, str]]:
        (uuid,) = params["filter"].get("uuid", [""])
        return [{"templateid": "11"}] if len(uuid) == 32 else []

    with template(template_get=by_uuid) as (found, _):
        assert found.id() == "11"
    with template() as (found, _):
        assert found.id() is None


@pytest.mark.parametrize(("count", "lines"), [("1", []), ("0", ['dashboard "USB-RH" is missing'])])
def test_a_dashboard_that_only_the_comparison_misses(count: str, lines: list[str]) -> None:
    """Zabbix 6.0 does not show the dashboards of some templates in its comparison."""
    added = {"dashboards": {"added": [{"after": {"name": "USB-RH"}}]}}
    answers: dict[str, Answer] = {
        "configuration_importcompare": lambda params: added,
        "template_get": lambda params: [{"templateid": "11"}],
        "templatedashboard_get": lambda params: count if params["templateids"] == ["11"] else "0",
    }
    with template("6.0.14", **answers) as (found, _):
        assert found.differences("en") == lines


def test_the_difference_of_a_file_from_the_template_of_this_version(tmp_path: Path) -> None:
    path = tmp_path / "usbrh.yaml"
    assert difference_from(path, "a\nb\n") == ""
    path.write_bytes(b"a\n\xfc\n")
    difference = difference_from(path, "a\nb\n")
    assert difference.startswith(f"--- {path} (now)\n+++ {path} (new)\n")
    assert "-\ufffd\n+b\n" in difference
    path.write_text("a\nb\n")
    assert difference_from(path, "a\nb\n") == ""
