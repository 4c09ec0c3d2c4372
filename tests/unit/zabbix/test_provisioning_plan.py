"""The steps of provisioning and the calls that they make, with a scripted front end. tests/zabbix uses real ones."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.frontend import FrontEnd
from usbrh.config.addresses import Address
from usbrh.errors import ConfigError, ZabbixApiError
from usbrh.steps import Status
from usbrh.zabbix.api import Api
from usbrh.zabbix.provisioning import MAX_DIFFERENCES, plan
from usbrh.zabbix.templates import METHODS, TEMPLATES, Method
from usbrh.zabbix.wanted import LIMITS, Wanted

KEY = "00112233445566778899aabbccddeeff"
AGENT = {"interfaceid": "31", "type": "1", "main": "1", "useip": "1", "ip": "192.0.2.7", "dns": "", "port": "10050"}
NEW_AGENT = {"type": 1, "main": 1, "useip": 1, "ip": "192.0.2.7", "dns": "", "port": "10050"}
SELECTED = {"selectParentTemplates": "parentTemplates", "selectInterfaces": "interfaces", "selectMacros": "macros"}


class Zabbix:
    """A front end with one host at most, and a session."""

    def __init__(self) -> None:
        self.host: dict[str, Any] | None = None
        self.templates = {name: str(11 + number) for number, name in enumerate(TEMPLATES.values())}
        """The id of each template that is imported."""
        self.group: str | None = "Rooms"
        self.differences: Any = []
        self.front_end = FrontEnd(
            answers={
                "template.get": self._template,
                "hostgroup.get": self._group,
                "host.get": self._host,
                "configuration.importcompare": lambda params: self.differences,
            }
        )
        self.front_end.__enter__()
        self.api = Api(self.front_end.url, user="a", password="b")

    def _template(self, params: dict[str, Any]) -> list[dict[str, str]]:
        found = [self.templates[name] for name in params["filter"].get("host", ()) if name in self.templates]
        return [{"templateid": number} for number in found]

    def _group(self, params: dict[str, Any]) -> list[dict[str, str]]:
        return [{"groupid": "5"}] if params["filter"]["name"] == [self.group] else []

    def _host(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        """The host with the fields that are asked for, as Zabbix returns them."""
        if not self.host or params["filter"] != {"host": ["pc"]}:
            return []
        found = {key: self.host[key] for key in params["output"]}
        for select, key in SELECTED.items():
            if select in params:
                found[key] = [{name: each[name] for name in params[select] if name in each} for each in self.host[key]]
        return [found]

    def has_host(self, method: Method = "trapper", **fields: Any) -> None:
        """Have a host with the template for this method."""
        self.host = {
            "hostid": "20",
            "status": "0",
            "tls_accept": "1",
            "tls_connect": "1",
            "parentTemplates": [{"templateid": self.templates[TEMPLATES[method]], "host": TEMPLATES[method]}],
            "interfaces": [],
            "macros": [],
        } | fields

    def plan(self, method: Method = "trapper", *, force: bool = False, **fields: Any) -> list[tuple[str, Status]]:
        steps = plan(self.api, Wanted("pc", "Rooms", method, **fields), force=force)
        return [(step.text, step.status) for step in steps]

    def carry_out(self, method: Method = "trapper", *, force: bool = False, **fields: Any) -> list[tuple[str, Any]]:
        """The calls of all steps that change something."""
        steps = plan(self.api, Wanted("pc", "Rooms", method, **fields), force=force)
        before = len(self.front_end.calls)
        for step in steps:
            if step.do:
                step.do()
        return [(call.method, call.params) for call in self.front_end.calls[before:] if ".get" not in call.method]


@pytest.fixture
def zabbix() -> Iterator[Zabbix]:
    zabbix = Zabbix()
    try:
        yield zabbix
    finally:
        zabbix.api.close()
        zabbix.front_end.__exit__()


def macro(name: str, value: str | None, number: int = 40) -> dict[str, str]:
    """A macro of a host. Zabbix does not show the value of a secret one."""
    return {"hostmacroid": str(number), "macro": name} | ({} if value is None else {"value": value})


def macros(limits: dict[str, str]) -> list[dict[str, str]]:
    return [macro(name, value, 40 + number) for number, (name, value) in enumerate(limits.items())]


def test_an_empty_zabbix_gets_everything(zabbix: Zabbix) -> None:
    zabbix.templates, zabbix.group = {}, None
    assert zabbix.plan() == [
        ('import template "USB-RH by Zabbix trapper"', Status.PLANNED),
        ("limits are the template's (default: server-room; --limits sets others)", Status.OK),
        ('create host group "Rooms"', Status.PLANNED),
        ('create host "pc" with template "USB-RH by Zabbix trapper"', Status.PLANNED),
    ]

    def imported(params: dict[str, Any]) -> bool:
        zabbix.templates = {TEMPLATES["trapper"]: "11"}
        return True

    def created(params: dict[str, Any]) -> dict[str, Any]:
        zabbix.group = params["name"]
        return {"groupids": ["5"]}

    zabbix.front_end.answers |= {"configuration.import": imported, "hostgroup.create": created}
    calls = zabbix.carry_out()
    assert [name for name, _ in calls] == [
        "configuration.import",
        "configuration.importcompare",
        "hostgroup.create",
        "host.create",
    ]
    assert calls[2][1] == {"name": "Rooms"}
    assert calls[3][1] == {
        "host": "pc",
        "groups": [{"groupid": "5"}],
        "templates": [{"templateid": "11"}],
        "interfaces": [],
        "macros": [],
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_second_run_changes_nothing(zabbix: Zabbix, method: Method) -> None:
    zabbix.has_host(method, interfaces=[AGENT])
    steps = zabbix.plan(method, interface=Address("192.0.2.7", 10050))
    assert {status for _, status in steps} == {Status.OK}
    texts = [text for text, _ in steps]
    assert texts[0] == f'template "{TEMPLATES[method]}" is up to date'
    assert texts[2] == 'host "pc" exists'
    assert texts[-1] == f'template "{TEMPLATES[method]}" is linked'
    assert ("agent interface 192.0.2.7:10050 exists" in texts) == (method == "agent")


def test_a_host_that_is_switched_off_stays_so_and_is_reported(zabbix: Zabbix) -> None:
    zabbix.has_host(status="1")
    assert ('host "pc" exists, and is disabled', Status.KEPT) in zabbix.plan()


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("192.0.2.7", {"useip": 1, "ip": "192.0.2.7", "dns": "", "port": "10050"}),
        ("[2001:db8::7]:10060", {"useip": 1, "ip": "2001:db8::7", "dns": "", "port": "10060"}),
        ("pc.example", {"useip": 0, "ip": "", "dns": "pc.example", "port": "10050"}),
    ],
)
def test_a_new_host_with_a_polled_agent(zabbix: Zabbix, address: str, where: dict[str, Any]) -> None:
    wanted: dict[str, Any] = {
        "interface": Address.parse(address, 10050),
        "psk_identity": "us",
        "psk": KEY,
        "interval": 200.0,
    }
    (create,) = zabbix.carry_out("agent", **wanted)
    assert create[0] == "host.create"
    assert create[1]["interfaces"] == [{"type": 1, "main": 1, **where}]
    assert {name: create[1][name] for name in create[1] if name.startswith("tls")} == {
        "tls_accept": 2, "tls_connect": 2, "tls_psk_identity": "us", "tls_psk": KEY,
    }  # fmt: skip
    assert {each["macro"]: each["value"] for each in create[1]["macros"]} == {
        "{$USBRH.INTERVAL}": "200s",
        "{$USBRH.BRIDGE.NODATA}": "10m",
        "{$USBRH.RISE.WINDOW}": "20m",
        "{$USBRH.NODATA}": "800s",
        "{$USBRH.WINDOW}": "10m",
    }
    text = zabbix.plan("agent", **wanted)[-1][0]
    assert f"agent at {wanted['interface']}" in text
    assert "PSK" in text
    assert KEY not in text
    assert "{$USBRH.NODATA}=800s" in text


def test_a_new_host_without_an_address_of_its_agent_is_an_error(zabbix: Zabbix) -> None:
    with pytest.raises(ConfigError, match="has no agent interface") as caught:
        zabbix.plan("agent")
    assert "--interface" in str(caught.value.remedy)
    assert zabbix.carry_out("agent-active")[0][1]["interfaces"] == []


@pytest.mark.parametrize(
    ("interval", "set_to"),
    [
        (60.0, {}),
        (100.0, {}),  # each default is a limit that this interval just reaches
        (101.0, {"{$USBRH.BRIDGE.NODATA}": "303s", "{$USBRH.WINDOW}": "303s"}),
        (
            601.0,
            {
                "{$USBRH.BRIDGE.NODATA}": "1803s",
                "{$USBRH.RISE.WINDOW}": "3606s",
                "{$USBRH.NODATA}": "2404s",
                "{$USBRH.STUCK.WINDOW}": "21636s",
                "{$USBRH.WINDOW}": "1803s",
            },
        ),
    ],
)
def test_the_times_of_the_triggers_fit_the_interval(zabbix: Zabbix, interval: float, set_to: dict[str, str]) -> None:
    (create,) = zabbix.carry_out(interval=interval)
    assert {each["macro"]: each["value"] for each in create[1]["macros"]} == set_to


@pytest.mark.parametrize(
    ("method", "interval", "existing", "expected"),
    [
        ("trapper", 30.0, "1m", None),
        ("agent-active", 60.0, None, None),
        ("agent-active", 30.0, None, ("usermacro.create", {"hostid": "20", "value": "30s"})),
        ("agent-active", 60.0, "30s", None),
        ("agent-active", 60.0, "1m", None),
    ],
)
def test_the_interval_of_an_agent(
    zabbix: Zabbix, method: Method, interval: float, existing: str | None, expected: Any
) -> None:
    name = "{$USBRH.INTERVAL}"
    zabbix.has_host(method, macros=[macro(name, existing)] if existing else [])
    calls = zabbix.carry_out(method, interval=interval)
    assert calls == ([(expected[0], expected[1] | {"macro": name})] if expected else [])
    if method != "trapper" and existing:
        changed = existing != "1m"
        status = Status.KEPT if changed else Status.OK
        assert next(step for step in zabbix.plan(method, interval=interval) if name in step[0])[1] == status
        calls = zabbix.carry_out(method, interval=interval, force=True)
        assert calls == ([("usermacro.update", {"hostmacroid": "40", "value": "1m"})] if changed else [])


@pytest.mark.parametrize(
    ("value", "status"),
    [("10m", Status.OK), ("600s", Status.OK), ("1h", Status.OK), ("9m", Status.KEPT), ("soon", Status.KEPT)],
)
def test_a_longer_time_on_the_host_is_right_and_a_shorter_one_is_reported(
    zabbix: Zabbix, value: str, status: Status
) -> None:
    name = "{$USBRH.BRIDGE.NODATA}"
    zabbix.has_host(macros=[macro(name, value)])
    ((text, found),) = [step for step in zabbix.plan(interval=200.0) if step[0].startswith(name)]
    assert found == status
    assert value in text


def test_a_secret_macro_counts_as_changed_by_hand(zabbix: Zabbix) -> None:
    zabbix.has_host(macros=[macro("{$USBRH.BRIDGE.NODATA}", None)])
    assert ("{$USBRH.BRIDGE.NODATA} is ; kept (with --force: set {$USBRH.BRIDGE.NODATA}=10m)", Status.KEPT) in (
        zabbix.plan(interval=200.0)
    )


@pytest.mark.parametrize("profile", LIMITS)
def test_a_new_host_gets_the_limits_of_a_profile(zabbix: Zabbix, profile: str) -> None:
    (create,) = zabbix.carry_out(limits=profile)
    assert {each["macro"]: each["value"] for each in create[1]["macros"]} == LIMITS[profile]
    assert (f"limits are those of {profile}", Status.OK) in zabbix.plan(limits=profile)


def test_whose_limits_a_host_has(zabbix: Zabbix) -> None:
    def line(**wanted: Any) -> str:
        return zabbix.plan(**wanted)[1][0]

    zabbix.has_host(macros=[macro("{$OTHER}", "1")])
    assert line() == "limits are the template's (default: server-room; --limits sets others)"
    assert line(limits="people") == "limits are those of people"
    zabbix.has_host(macros=[*macros(LIMITS["rodents"]), macro("{$OTHER}", "1")])
    assert line() == "limits are those of rodents"
    by_hand = "limits are set by hand on the host"
    assert line(limits="people") == "limits are those of rodents", "those of the host are kept"
    assert line(limits="people", force=True) == "limits are those of people"
    zabbix.has_host(macros=macros(LIMITS["rodents"] | {"{$USBRH.HUM.MAX.WARN}": "71"}))
    assert line() == by_hand
    assert line(limits="rodents") == by_hand


def test_limits_on_a_host_are_set_kept_or_overwritten(zabbix: Zabbix) -> None:
    zabbix.has_host(macros=[macro("{$USBRH.TEMP.MAX.CRIT}", "40"), macro("{$USBRH.HUM.MIN.CRIT}", "20", 41)])
    steps = dict(zabbix.plan(limits="people"))
    assert steps["{$USBRH.TEMP.MAX.CRIT} is 40; kept (with --force: set {$USBRH.TEMP.MAX.CRIT}=32)"] == Status.KEPT
    assert steps["{$USBRH.HUM.MIN.CRIT}=20 is set"] == Status.OK
    assert steps["set {$USBRH.TEMP.MAX.WARN}=28"] == Status.PLANNED
    created = [call for call in zabbix.carry_out(limits="people") if call[0] == "usermacro.create"]
    assert len(created) == 6
    forced = zabbix.carry_out(limits="people", force=True)
    assert ("usermacro.update", {"hostmacroid": "40", "value": "32"}) in forced
    assert len(forced) == 7


def test_a_template_that_was_changed_is_kept_or_imported_again(zabbix: Zabbix) -> None:
    changes = [{"before": {"name": f"T{n}"}, "after": {"name": f"T{n}", "delay": "1h"}} for n in range(MAX_DIFFERENCES)]
    zabbix.differences = {"items": {"updated": changes}}
    ((text, status), *_) = zabbix.plan()
    assert status == Status.KEPT
    assert text.count("; item") == MAX_DIFFERENCES - 1
    assert "more" not in text
    zabbix.differences["items"]["updated"].append({"before": {"name": "L"}, "after": {"name": "L", "delay": "1h"}})
    ((text, _), *_) = zabbix.plan()
    assert "; and 1 more" in text
    ((text, status), *_) = zabbix.plan(force=True)
    assert status == Status.PLANNED
    assert text.startswith('import template "USB-RH by Zabbix trapper" again (')
    assert [name for name, _ in zabbix.carry_out(force=True)][:1] == ["configuration.import"]


def test_a_template_that_zabbix_imports_in_part_is_an_error(zabbix: Zabbix) -> None:
    zabbix.templates = {}
    zabbix.differences = {"triggers": {"added": [{"after": {"name": "No data"}}]}}
    with pytest.raises(ZabbixApiError, match="No data"):
        zabbix.carry_out()


def test_the_template_of_another_method_is_replaced_by_force_and_other_templates_stay(zabbix: Zabbix) -> None:
    linux = {"templateid": "99", "host": "Linux by Zabbix agent"}
    zabbix.has_host(parentTemplates=[linux])
    assert ('link template "USB-RH by Zabbix trapper"', Status.PLANNED) in zabbix.plan()
    both = [{"templateid": "99"}, {"templateid": "11"}]
    assert zabbix.carry_out() == [("host.update", {"hostid": "20", "templates": both})]
    zabbix.has_host(parentTemplates=[{"templateid": "12", "host": TEMPLATES["agent"]}, linux])
    (step,) = [step for step in zabbix.plan() if "is linked" in step[0]]
    assert step[1] == Status.KEPT
    assert TEMPLATES["agent"] in step[0]
    assert zabbix.carry_out() == []
    assert zabbix.carry_out(force=True) == [("host.update", {"hostid": "20", "templates": both})]


def test_method_and_language_do_not_change_at_once(zabbix: Zabbix) -> None:
    """The triggers of both languages would stay on the host."""
    changed = {"items": {"updated": [{"before": {"name": "T"}, "after": {"name": "U"}}]}}
    zabbix.front_end.answers["configuration.importcompare"] = lambda params: (
        [] if "センサー" in params["source"] else changed
    )
    del zabbix.templates[TEMPLATES["agent-active"]]
    zabbix.has_host("trapper")
    assert zabbix.plan("agent-active")[0][0] == f'import template "{TEMPLATES["agent-active"]}" in Japanese'
    with pytest.raises(ConfigError) as caught:
        zabbix.plan("agent-active", language="en")
    linked = f'the linked template "{TEMPLATES["trapper"]}" is in Japanese, and the new one in English'
    assert caught.value.message == linked
    assert caught.value.remedy == "run first: usbrh zabbix provision --method trapper --language en"
    assert zabbix.plan("trapper", language="en")[0][0].endswith(" in English instead of Japanese")


NOT_THE_AGENT = [AGENT | {"type": "2"}, AGENT | {"main": "0"}]


@pytest.mark.parametrize("interfaces", [[], NOT_THE_AGENT])
def test_an_old_host_gets_an_interface_first(zabbix: Zabbix, interfaces: list[Any]) -> None:
    zabbix.has_host("trapper", interfaces=interfaces)
    calls = zabbix.carry_out("agent", interface=Address("192.0.2.7", 10050), force=True)
    assert [name for name, _ in calls] == ["hostinterface.create", "host.update"]
    assert calls[0][1] == {"hostid": "20", **NEW_AGENT}
    with pytest.raises(ConfigError, match="has no agent interface"):
        zabbix.plan("agent")


@pytest.mark.parametrize(
    ("old", "shown"),
    [
        ({"port": "10060"}, "192.0.2.7:10060"),
        ({"ip": "192.0.2.8"}, "192.0.2.8:10050"),
        ({"useip": "0", "dns": "pc.example"}, "pc.example:10050"),
    ],
)
def test_another_interface_is_kept_or_changed_by_force(zabbix: Zabbix, old: dict[str, str], shown: str) -> None:
    zabbix.has_host("agent", interfaces=[*NOT_THE_AGENT, AGENT | old])
    wanted: dict[str, Any] = {"interface": Address("192.0.2.7", 10050)}
    text = f"agent interface is {shown}; kept (with --force: set agent interface 192.0.2.7:10050)"
    assert (text, Status.KEPT) in zabbix.plan("agent", **wanted)
    update = ("hostinterface.update", {"interfaceid": "31", **NEW_AGENT})
    assert zabbix.carry_out("agent", force=True, **wanted) == [update]
    assert ("agent interface exists", Status.OK) in zabbix.plan("agent")


UPDATE = {"hostid": "20", "tls_psk_identity": "us", "tls_psk": KEY}
KEPT = "the host has an encryption; kept (with --force: {})"


@pytest.mark.parametrize(
    ("before", "text", "kept", "after"),
    [
        (("trapper", 1, 1), "accept PSK besides no encryption", False, {"tls_accept": 3}),
        (("trapper", 4, 1), "accept PSK besides certificates", True, {"tls_accept": 6}),
        (("trapper", 5, 4), "accept PSK besides no encryption, certificates", True, {"tls_accept": 7}),
        (("trapper", 1, 2), "accept PSK besides no encryption", True, {"tls_accept": 3}),
        (("trapper", 2, 1), None, False, {"tls_accept": 2}),
        (("agent", 2, 2), None, False, {"tls_accept": 2, "tls_connect": 2}),
        (("agent", 2, 1), "set PSK, and poll the agent with PSK instead of no encryption", True,
         {"tls_accept": 2, "tls_connect": 2}),
        (("agent", 1, 1), "accept PSK besides no encryption, and poll the agent with PSK instead of no encryption",
         True, {"tls_accept": 3, "tls_connect": 2}),
        (("agent", 1, 2), "accept PSK besides no encryption", True, {"tls_accept": 3, "tls_connect": 2}),
    ],
)  # fmt: skip
def test_the_encryption_of_an_old_host(
    zabbix: Zabbix, before: tuple[Method, int, int], text: str | None, kept: bool, after: dict[str, int]
) -> None:
    method, accept, connect = before
    zabbix.has_host(method, tls_accept=str(accept), tls_connect=str(connect), interfaces=[AGENT])
    wanted: dict[str, Any] = {"psk_identity": "us", "psk": KEY}
    step = zabbix.plan(method, **wanted)[-1]
    if text is None:
        assert step == ("PSK is set (Zabbix does not show the key; --force sets it again)", Status.OK)
    else:
        assert step == ((KEPT.format(text), Status.KEPT) if kept else (text, Status.PLANNED))
    update = [("host.update", UPDATE | after)]
    assert zabbix.carry_out(method, **wanted) == ([] if kept or text is None else update)
    assert zabbix.carry_out(method, force=True, **wanted) == update


def test_without_a_key_the_encryption_of_the_host_stays(zabbix: Zabbix) -> None:
    zabbix.has_host(tls_accept="2", tls_connect="2")
    assert zabbix.plan()[-1][0].endswith("is linked")
    assert zabbix.carry_out(force=True) == []
    zabbix.host = None
    (create,) = zabbix.carry_out()
    assert not [name for name in create[1] if name.startswith("tls")]


def test_a_key_is_not_in_the_representation() -> None:
    assert KEY not in repr(Wanted("pc", "Rooms", "agent", psk_identity="us", psk=KEY))
