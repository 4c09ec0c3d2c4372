"""The steps to an autoregistration action, with a scripted front end. tests/zabbix uses real ones."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.frontend import FrontEnd, Rejection
from usbrh.steps import Status
from usbrh.zabbix.api import Api
from usbrh.zabbix.autoregistration import plan
from usbrh.zabbix.wanted import Wanted

KEY = "00112233445566778899aabbccddeeff"
NAME = "Autoregistration of cellar"
TITLE = f'autoregistration action "{NAME}"'
OPERATIONS = [
    {"operationtype": 2},
    {"operationtype": 4, "opgroup": [{"groupid": "5"}]},
    {"operationtype": 6, "optemplate": [{"templateid": "11"}]},
]
CONTENT = {
    "filter": {"evaltype": 0, "conditions": [{"conditiontype": 24, "operator": 2, "value": "cellar"}]},
    "operations": OPERATIONS,
    "status": 0,
}
EXISTING: dict[str, Any] = {
    "actionid": "7",
    "status": "0",
    "filter": {"evaltype": "0", "conditions": [{"conditiontype": "24", "operator": "2", "value": "cellar"}]},
    "operations": [
        {"operationid": "1", "operationtype": "2"},
        {"operationid": "2", "operationtype": "4", "opgroup": [{"operationid": "2", "groupid": "5"}]},
        {"operationid": "3", "operationtype": "6", "optemplate": [{"operationid": "3", "templateid": "11"}]},
    ],
}
"""The action, as Zabbix returns it: numbers are strings."""
ANOTHER_GROUP = {"operationid": "2", "operationtype": "4", "opgroup": [{"operationid": "2", "groupid": "6"}]}
CHANGED: dict[str, dict[str, Any]] = {
    "disabled": {"status": "1"},
    "other metadata": {"filter": {"conditions": [{"conditiontype": "24", "operator": "2", "value": "attic"}]}},
    "a condition of another kind": {"filter": {"conditions": [{"conditiontype": "22", "value": "cellar"}]}},
    "no conditions": {"filter": {"conditions": []}},
    "an unusable filter": {"filter": []},
    **{f"no operation {number}": {"operations": EXISTING["operations"][:number]} for number in (0, 1, 2)},
    "no host": {"operations": EXISTING["operations"][1:]},
    "another group": {"operations": [EXISTING["operations"][0], ANOTHER_GROUP, EXISTING["operations"][2]]},
}


class Zabbix:
    """A front end with the template and the group, and perhaps with the action."""

    def __init__(self, front_end: FrontEnd, api: Api) -> None:
        self.action: dict[str, Any] | None = None
        self.tls_accept = 1
        self._front_end = front_end
        self._api = api
        front_end.answers |= {
            "template.get": lambda params: [{"templateid": "11"}],
            "hostgroup.get": lambda params: [{"groupid": "5"}] if params["filter"]["name"] == ["Rooms"] else [],
            "action.get": self._actions,
            "autoregistration.get": lambda params: {key: str(self.tls_accept) for key in params["output"]},
            "autoregistration.update": lambda params: True,
            "configuration.importcompare": lambda params: [],
        }

    def _actions(self, params: dict[str, Any]) -> list[Any]:
        """The action with the fields that are asked for."""
        if not self.action or params["filter"] != {"name": [NAME]}:
            return []
        found = {key: self.action[key] for key in params["output"]}
        if not {*params["selectFilter"]} <= {"evaltype", "formula", "eval_formula", "conditions"}:
            raise Rejection('Invalid parameter "/selectFilter"')
        if "conditions" in params["selectFilter"]:
            found["filter"] = self.action["filter"]
        if params["selectOperations"] == "extend":
            found["operations"] = self.action["operations"]
        return [found]

    def plan(self, *, force: bool = False, **more: Any) -> list[tuple[str, Status]]:
        wanted = Wanted("", "Rooms", "trapper", metadata="cellar", **more)
        return [(step.text, step.status) for step in plan(self._api, wanted, force=force)]

    def carry_out(self, *, force: bool = False, **more: Any) -> list[tuple[str, Any]]:
        """The calls of all steps that change something."""
        steps = plan(self._api, Wanted("", "Rooms", "trapper", metadata="cellar", **more), force=force)
        before = len(self._front_end.calls)
        for step in steps:
            if step.do:
                step.do()
        return [(call.method, call.params) for call in self._front_end.calls[before:] if ".get" not in call.method]


@pytest.fixture
def zabbix() -> Iterator[Zabbix]:
    with FrontEnd() as front_end, Api(front_end.url, user="a", password="b") as api:
        yield Zabbix(front_end, api)


def test_a_new_action(zabbix: Zabbix) -> None:
    text = f'create {TITLE}: template "USB-RH by Zabbix trapper", host group "Rooms"'
    assert zabbix.plan() == [
        ('template "USB-RH by Zabbix trapper" is up to date', Status.OK),
        ('host group "Rooms" exists', Status.OK),
        (text, Status.PLANNED),
    ]
    assert zabbix.carry_out() == [("action.create", {"name": NAME, "eventsource": 2, **CONTENT})]


def test_an_action_that_does_more_is_kept(zabbix: Zabbix) -> None:
    zabbix.action = EXISTING
    assert (f"{TITLE} exists", Status.OK) in zabbix.plan()
    mail = {"operationid": "9", "operationtype": "0", "opmessage": {"subject": "new"}}
    condition = {"conditiontype": "22", "operator": "2", "value": "pi"}
    zabbix.action = EXISTING | {
        "filter": {"conditions": [condition, *EXISTING["filter"]["conditions"]]},
        "operations": [mail, *EXISTING["operations"]],
    }
    assert (f"{TITLE} exists", Status.OK) in zabbix.plan(force=True)
    assert zabbix.carry_out(force=True) == []


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_an_action_that_was_changed_by_hand_is_kept_or_overwritten(zabbix: Zabbix, change: dict[str, Any]) -> None:
    zabbix.action = EXISTING | change
    differs = f"{TITLE} is disabled or differs"
    kept = f"{differs}; kept (with --force: set its condition and operations)"
    assert (kept, Status.KEPT) in zabbix.plan()
    assert zabbix.carry_out() == []
    assert (f"set its condition and operations ({differs})", Status.PLANNED) in zabbix.plan(force=True)
    assert zabbix.carry_out(force=True) == [("action.update", {"actionid": "7", **CONTENT})]


@pytest.mark.parametrize(
    ("accepts", "text", "after"),
    [
        (1, "accept announcements with PSK besides no encryption", 3),
        (2, None, 2),
        (3, None, 3),
    ],
)
def test_the_key_of_announcements(zabbix: Zabbix, accepts: int, text: str | None, after: int) -> None:
    zabbix.action, zabbix.tls_accept = EXISTING, accepts
    wanted: dict[str, Any] = {"psk_identity": "us", "psk": KEY}
    update = ("autoregistration.update", {"tls_accept": after, "tls_psk_identity": "us", "tls_psk": KEY})
    if text:
        assert zabbix.plan(**wanted)[-1] == (text, Status.PLANNED)
        assert zabbix.carry_out(**wanted) == [update]
    else:
        accepted = "announcements with PSK are accepted (Zabbix does not show the key; --force sets it again)"
        assert zabbix.plan(**wanted)[-1] == (accepted, Status.OK)
        assert zabbix.carry_out(**wanted) == []
        assert zabbix.plan(force=True, **wanted)[-1] == ("set the PSK of announcements again", Status.PLANNED)
    assert zabbix.carry_out(force=True, **wanted) == [update]


def test_without_a_key_announcements_stay_as_they_are(zabbix: Zabbix) -> None:
    zabbix.action = EXISTING
    assert zabbix.plan(force=True)[-1] == (f"{TITLE} exists", Status.OK)
