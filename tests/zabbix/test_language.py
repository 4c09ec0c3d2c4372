"""A template changes its language in a running Zabbix, and everything but the texts stays: both releases, both ways."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.daemon import wait_for
from tests.support.zabbix.command import usbrh
from tests.support.zabbix.provisioner import Provisioner, remove_template
from tests.support.zabbix.server import CHECKOUT, Value, ZabbixServer
from usbrh.psychrometry import derived

TRAPPER, ACTIVE = "USB-RH by Zabbix trapper", "USB-RH by Zabbix agent active"
TEMPERATURE = "usbrh.temperature[rack]"
JAPANESE = re.compile("[\u3041-\u9fff]")


@pytest.fixture
def provision(server: ZabbixServer) -> Iterator[Provisioner]:
    """For one host. The templates are in English before and after the test, as others expect them."""
    provision = Provisioner(server, f"language-{time.time_ns()}")
    provision("--language", "en", "--force")
    try:
        yield provision
    finally:
        for host in server.api.host.get(filter={"host": [provision.host]}, output=["hostid"]):
            server.api.host.delete(host["hostid"])
        remove_template(server, ACTIVE)
        server.import_template("trapper")


def discover(server: ZabbixServer, host: str, temperature: str) -> None:
    """Send the sensors of the host, and wait until its items are called so."""
    sensor = {"{#SENSOR}": "rack", "{#PORT}": "1-1", "{#MODEL}": "USB-RH"}

    def has_name() -> bool:
        server.send(host, "usbrh.discovery", json.dumps([sensor]))
        items = server.api.item.get(host=host, search={"key_": "[rack]"}, output=["name"])
        triggers = server.api.trigger.get(host=host, filter={"flags": 4}, output=["description"])
        names = [each["name"] for each in items] + [each["description"] for each in triggers]
        ours = bool(JAPANESE.search(temperature))
        return temperature in names and all(bool(JAPANESE.search(name)) == ours for name in names) and len(names) > 25

    wait_for(f"discovery with the name {temperature}", has_name, 90, 1)


def entities(server: ZabbixServer, host: str) -> dict[str, dict[str, Any]]:
    """Return all that Zabbix has for the host, by its id: what must stay, and the name, which may change."""
    items = server.api.item.get(host=host, output=["key_", "name", "value_type"])
    triggers = server.api.trigger.get(
        host=host, output=["description", "expression", "recovery_expression", "priority", "status"],
        selectDependencies=["triggerid"], selectTags="extend",
    )  # fmt: skip
    graphs = server.api.graph.get(filter={"host": host}, output=["name"], selectGraphItems=["itemid", "color"])
    prototypes = server.api.itemprototype.get(hostids=hostid(server, host), output=["key_", "name"])
    return {
        **{f"item {each.pop('itemid')}": each for each in items},
        **{f"trigger {each.pop('triggerid')}": each | {"name": each.pop("description")} for each in triggers},
        **{f"graph {each.pop('graphid')}": each for each in graphs},
        **{f"prototype {each.pop('itemid')}": each for each in prototypes},
    }


def hostid(server: ZabbixServer, host: str) -> str:
    return str(server.api.host.get(filter={"host": [host]}, output=["hostid"])[0]["hostid"])


def names(of: dict[str, dict[str, Any]]) -> list[str]:
    return [each["name"] for each in of.values()]


def without_names(of: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: {name: value for name, value in each.items() if name != "name"} for key, each in of.items()}


def send_reading(server: ZabbixServer, host: str, celsius: float) -> list[Value]:
    reading = {"temperature": celsius, "humidity": 45.0, **derived(celsius, 45.0), "heater": False, "status": None}
    before = len(server.history(host, TEMPERATURE))
    server.send(host, "usbrh.get[rack]", json.dumps({**reading, "state": "ok", "error": None}))
    return server.wait_history(host, TEMPERATURE, before + 1)


def problems(server: ZabbixServer, host: str) -> list[dict[str, str]]:
    """Return the problems with a high severity: only the test problem has one here."""
    return [
        dict(each) for each in server.api.problem.get(hostids=hostid(server, host), severities=[4], output=["name"])
    ]


def problem_names(server: ZabbixServer, host: str) -> list[str]:
    return [each["name"] for each in problems(server, host)]


def raise_and_clear(server: ZabbixServer, host: str, name: str) -> None:
    """The trigger works, and its event has a name in the language of the template."""
    server.send(host, "usbrh.test", "1")
    wait_for(name, lambda: name in problem_names(server, host), 60, 0.3)
    server.send(host, "usbrh.test", "0")
    wait_for(f"the end of {name}", lambda: name not in problem_names(server, host), 60, 0.3)


def test_a_host_changes_its_language_and_keeps_its_history(provision: Provisioner) -> None:
    server, host = provision.server, provision.host
    folder = CHECKOUT / "zabbix" / "templates" / server.release.name
    server.sync()
    discover(server, host, "Sensor rack: Temperature")
    server.sync()
    send_reading(server, host, 21.5)
    history = send_reading(server, host, 22.0)
    english = entities(server, host)
    assert {key.split()[0] for key in english} == {"item", "trigger", "graph", "prototype"}
    assert len([each for each in english.values() if each.get("dependencies")]) == 6
    raise_and_clear(server, host, "USB-RH: Test alert (somebody tests the alerts with usbrh zabbix test-alert)")

    server.send(host, "usbrh.test", "1")
    wait_for("the problem", lambda: problems(server, host), 60, 0.3)
    open_problem = problems(server, host)

    lines = provision("--language", "ja")
    assert lines[0] == f'+ import template "{TRAPPER}" in Japanese instead of English'
    assert all(line.startswith("= ") for line in lines[1:]), lines
    assert server.compare_file(folder / "usbrh_trapper.ja.yaml") == []
    # Without the option the language stays; that is no difference.
    assert all(line.startswith("= ") for line in provision()), provision()
    discover(server, host, "センサー rack: 温度")
    japanese = entities(server, host)
    assert without_names(japanese) == without_names(english)
    assert [name for name in names(japanese) if not JAPANESE.search(name)] == []
    assert server.history(host, TEMPERATURE) == history
    server.sync()
    assert problems(server, host) == open_problem
    server.send(host, "usbrh.test", "0")
    wait_for("the end of the problem", lambda: not problems(server, host), 60, 0.3)
    longer = send_reading(server, host, 22.5)
    assert longer[:-1] == history
    raise_and_clear(server, host, "USB-RH: 障害通知のテスト（usbrh zabbix test-alert によるテスト中）")

    assert provision("--language", "en")[0] == f'+ import template "{TRAPPER}" in English instead of Japanese'
    assert server.compare_file(folder / "usbrh_trapper.yaml") == []
    discover(server, host, "Sensor rack: Temperature")
    assert entities(server, host) == english
    assert server.history(host, TEMPERATURE) == longer


def test_the_commands_find_things_in_a_japanese_template(provision: Provisioner) -> None:
    """They find them by keys, and no command needs the language."""
    server = provision.server
    provision("--language", "ja")
    server.sync()
    route = {"USBRH_ZABBIX_SERVERS": server.trapper, "USBRH_ZABBIX_HOST": provision.host, "USBRH_SIMULATE": "1"}
    done = usbrh("zabbix", "check", "--allow-simulated", **provision.login, **route)
    assert done.returncode == 0, done
    done = usbrh("zabbix", "test-alert", "--seconds", "1", **provision.login, **route)
    assert "visible after" in done.stdout, done
    done = usbrh("zabbix", "provision", "--autoregistration", "--dry-run", **provision.login)
    assert f'= template "{TRAPPER}" is up to date' in done.stdout.splitlines(), done
    done = usbrh("zabbix", "provision", "--autoregistration", "--dry-run", "--language", "en", **provision.login)
    assert f'+ import template "{TRAPPER}" in English instead of Japanese' in done.stdout.splitlines(), done


def test_what_was_changed_by_hand_in_a_japanese_template(provision: Provisioner) -> None:
    """It is reported as in an English one, and a change of the language would overwrite it."""
    api = provision.server.api
    provision("--language", "ja")
    template = api.template.get(filter={"host": [TRAPPER]}, output=["templateid"])[0]["templateid"]
    item = api.item.get(templateids=template, filter={"key_": "usbrh.bridge.sensors"})[0]["itemid"]
    api.item.update(itemid=item, history="14d")
    now = f'! template "{TRAPPER}" differs from this version of usbrh: item "センサー数": history is 14d, not 90d'
    if provision.server.release.name == "6.0":
        now = now.replace("not 90d", "not the default")
    assert [line for line in provision() if line[0] != "="] == [
        f'{now}; kept (with --force: import template "{TRAPPER}" again)'
    ]
    line = provision("--language", "en")[0]
    assert line == f'{now}; kept (with --force: import template "{TRAPPER}" again in English)'
    assert provision("--language", "en", "--force")[0].startswith(f'+ import template "{TRAPPER}" again in English')
    assert all(line.startswith("= ") for line in provision())


def test_another_method_takes_over_in_the_same_language(provision: Provisioner) -> None:
    """In another language, the triggers of the old template would stay beside the new ones."""
    server, host = provision.server, provision.host
    remove_template(server, ACTIVE)
    provision("--language", "ja")
    before = server.api.trigger.get(host=host, output=["description"])
    login = provision.login | {"LC_ALL": "C"}
    done = usbrh("zabbix", "provision", "--host", host, "--method", "agent-active", "--language", "en", **login)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f'the linked template "{TRAPPER}" is in Japanese, and the new one in English' in done.stderr
    assert "usbrh zabbix provision --method trapper --language en" in done.stderr
    lines = provision("--method", "agent-active", "--force")
    assert lines[0] == f'+ import template "{ACTIVE}" in Japanese'
    after = server.api.trigger.get(host=host, output=["description"])
    assert sorted(map(str, after)) == sorted(map(str, before))
