"""What a front end must not answer is an error with a name."""

import gc
import json
import re
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.support.command import usbrh
from tests.support.frontend import FrontEnd
from usbrh.errors import ZabbixApiError, ZabbixUnreachable
from usbrh.zabbix.answers import Row
from usbrh.zabbix.api import Api
from usbrh.zabbix.history import stored
from usbrh.zabbix.provisioning import plan
from usbrh.zabbix.rejection import why_rejected
from usbrh.zabbix.templates import Template
from usbrh.zabbix.wanted import Wanted

UNUSABLE: dict[str, list[Any]] = {
    "host.get": [None, True, 5, "text", {}, {"hostid": "1"}, [None], ["1"], [[]], [{"host": {}}], [{"host": [["x"]]}]],
    "host.create": [None, True, [], {}, {"hostids": []}, {"hostids": "1"}, {"hostids": [None]}, "1"],
    "host.update": [None, False, {"hostids": None}],
    "hostgroup.create": [None, {}],
    "configuration.import": [None, False, 1, "true", {}],
    "autoregistration.get": [None, True, [], "text"],
    "history.push": [None, True, [{}], "text"],
    "configuration.importcompare": [None, True, "text", [1]],
}


@pytest.mark.parametrize(
    ("method", "result"), [(method, result) for method, results in UNUSABLE.items() for result in results]
)
def test_a_result_of_the_wrong_type(method: str, result: Any) -> None:
    with (
        FrontEnd(answers={method: lambda params: "0" if "countOutput" in params else result}) as front_end,
        Api(front_end.url, token="secret") as api,
        pytest.raises(ZabbixApiError, match=f"as an answer to {re.escape(method)}(, not .+)?; ") as caught,
    ):
        api.call(method, output=["host"])
    assert caught.value.remedy


@pytest.mark.parametrize("result", [None, True, {}, "five", "-1", 1.5])
def test_a_number_of_objects_that_is_none(result: Any) -> None:
    with FrontEnd(answers={"host.get": lambda params: result}) as front_end, pytest.raises(ZabbixApiError) as caught:
        Api(front_end.url, token="secret")
    assert "an answer to host.get, not " in caught.value.message


@pytest.mark.parametrize(
    "version", [None, True, 7, 7.0, [], {}, "", "seven", "7", f"{'7' * 5000}.0", f"7.{'0' * 5000}", f"5.0.{'1' * 5000}"]
)
def test_a_version_that_is_none(version: Any) -> None:
    with (
        FrontEnd(answers={"apiinfo.version": lambda params: version}) as front_end,
        pytest.raises(ZabbixApiError) as caught,
    ):
        Api(front_end.url, token="secret")
    assert len(str(caught.value)) < 600


def test_the_fields_of_an_object() -> None:
    row = Row({"rows": [{"a": "1"}, {"a": "-2"}], "none": [], "text": "abc", "one": {"a": "1"}, "odd": [{}, 5]})
    assert [each.integer("a") for each in row.rows("rows")] == [1, -2]
    assert row.rows("none") == []
    for key in ("text", "one", "odd"):
        with pytest.raises(ZabbixApiError, match=f"^the front end sent {key} that is not a list of objects; "):
            row.rows(key)
    with pytest.raises(ZabbixApiError, match=r"^the front end sent an object without b; "):
        row.rows("rows")[0].integer("b")
    with pytest.raises(ZabbixApiError, match=r"^the front end sent text that is not a number; "):
        row.integer("text")


def raw(body: str) -> Any:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(body.encode())

    return answer


@pytest.mark.parametrize(
    "body",
    [
        '{"jsonrpc": "2.0", "id": 0, "result": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"jsonrpc": "2.0", "id": 0, "error": ' + '{"data": ' * 900 + "1" + "}" * 900 + "}",
        '{"jsonrpc": "2.0", "id": 0, "result": ' + "7" * 5000 + "}",
        '{"jsonrpc": "2.0", "id": 0}',
        "[]",
        "5",
        "null",
        '"text"',
        "\ufeff{}",
        '{"error": null}',
        '{"error": 5}',
        '{"error": "text"}',
        '{"error": []}',
        '{"error": {}}',
        '{"error": {"code": 1, "message": null, "data": null}}',
        '{"error": {"code": 1, "message": {"a": []}, "data": ["b"]}}',
    ],
    ids=lambda body: body[:60],
)
def test_an_answer_that_is_no_response(body: str) -> None:
    with FrontEnd(other=raw(body)) as front_end, pytest.raises(ZabbixApiError):
        Api(front_end.url, token="secret")


@pytest.mark.parametrize("body", ["", "<html>", "{", "nul"])
def test_an_answer_that_is_no_json(body: str) -> None:
    with FrontEnd(other=raw(body)) as front_end, pytest.raises(ZabbixUnreachable, match="not from the Zabbix API"):
        Api(front_end.url, token="secret")


@pytest.fixture
def no_finalizers() -> Iterator[None]:
    """Keep objects of other tests from being finalized at the limit of the recursion, where that fails."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_finalizers")
def test_a_result_that_python_can_parse_and_not_walk_through() -> None:
    nested: Any = "x"
    # Up to Python 3.11 a comprehension is one more frame per level, and the parser counts its own levels as well.
    for _ in range(700 if sys.version_info < (3, 12) else 990):
        nested = [nested]
    with (
        FrontEnd(answers={"host.create": lambda params: {"hostids": nested}}) as front_end,
        Api(front_end.url, token="secret") as api,
        pytest.raises(ZabbixApiError, match="nested too deeply"),
    ):
        api.call("host.create", host="pc")


ROWS: dict[str, Any] = {
    "no id": [{}],
    "no macros": [{"hostid": "1", "status": "0", "parentTemplates": [], "interfaces": []}],
    "null macros": [{"hostid": "1", "status": "0", "parentTemplates": [], "interfaces": [], "macros": None}],
    "no templates": [{"hostid": "1", "status": "0", "parentTemplates": {"1": 5}, "interfaces": [], "macros": []}],
    "a template without a name": [{"hostid": "1", "status": "0", "parentTemplates": [{}], "macros": []}],
    "odd encryption": [
        {"hostid": "1", "status": "0", "tls_accept": "x", "tls_connect": "1", "parentTemplates": [], "macros": []}
    ],
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_a_host_with_unusable_fields(rows: Any) -> None:
    wanted = Wanted("pc", "Rooms", "trapper", psk_identity="pc", psk="ab" * 16)
    answers = {"host.get": lambda params: rows}
    with (
        FrontEnd(answers=answers) as front_end,
        Api(front_end.url, token="secret") as api,
        pytest.raises(ZabbixApiError),
    ):
        plan(api, wanted)


@pytest.mark.parametrize(
    ("host", "item"),
    [
        ({}, {}),
        ({"hostid": "1"}, {}),
        ({"hostid": "1", "status": "0"}, {"status": None}),
        ({"hostid": "1", "status": "0"}, {"status": "0", "type": "trapper"}),
        ({"hostid": "1", "status": "0"}, {"status": "0", "type": "2"}),
        ({"hostid": "1", "status": "0", "tls_accept": "2"}, {"status": "0", "type": "2"}),
        ({"hostid": "1", "status": "0", "tls_accept": "2", "monitored_by": "1"}, {"status": "0", "type": "2"}),
    ],
)
def test_a_rejection_with_unusable_fields(host: dict[str, str], item: dict[str, str]) -> None:
    answers = {"host.get": lambda params: [host], "item.get": lambda params: [item]}
    with (
        FrontEnd(answers=answers) as front_end,
        Api(front_end.url, token="secret") as api,
        pytest.raises(ZabbixApiError),
    ):
        why_rejected(api, "pc", "usbrh.bridge", "psk")


@pytest.mark.parametrize("row", [{}, {"clock": "1"}, {"clock": "x", "ns": "0"}, {"clock": "9" * 4000, "ns": "0"}])
def test_a_history_with_unusable_rows(row: dict[str, str]) -> None:
    answers = {
        "history.get": lambda params: [row],
        "item.get": lambda params: [{"itemid": "1", "value_type": "4", "history": "90d"}],
    }
    with FrontEnd(answers=answers) as front_end, Api(front_end.url, token="secret") as api:
        item = api.call("item.get")[0]
        with pytest.raises(ZabbixApiError):
            stored(api, item, [1])


@pytest.mark.parametrize(
    "answer", [{"items": {"added": [5]}}, {"items": {"updated": 5}}, {"items": {"updated": [{"before": []}]}}]
)
def test_a_comparison_that_is_none(answer: Any) -> None:
    with (
        FrontEnd(answers={"configuration.importcompare": lambda params: answer}) as front_end,
        Api(front_end.url, token="secret") as api,
        pytest.raises(ZabbixApiError, match="a comparison of templates"),
    ):
        Template(api, "trapper").differences("en")


@pytest.mark.parametrize("method", ["configuration.import", "hostgroup.create", "host.create"])
def test_provision_reports_nothing_as_created_without_an_id(method: str) -> None:
    known = {"template.get": lambda params: [{"templateid": "1"}]} if method != "configuration.import" else {}
    group = {"hostgroup.get": lambda params: [{"groupid": "1"}]} if method == "host.create" else {}
    answers = {"configuration.importcompare": lambda params: [], **known, **group, method: lambda params: None}
    with FrontEnd(answers=answers) as front_end:
        done = usbrh(
            "zabbix", "provision", "--host", "pc", "--json", USBRH_ZABBIX_URL=front_end.url, USBRH_ZABBIX_TOKEN="secret"
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"the front end sent null as an answer to {method}, not " in done.stderr
    assert not [line for line in done.stdout.splitlines() if json.loads(line)["status"] == "done"]
