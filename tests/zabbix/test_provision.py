"""`usbrh zabbix provision` and `template` as processes, on real servers."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support.zabbix.command import usbrh
from tests.support.zabbix.provisioner import Provisioner
from tests.support.zabbix.server import CHECKOUT, USER, ZabbixServer

TRAPPER, AGENT = "USB-RH by Zabbix trapper", "USB-RH by Zabbix agent"


@pytest.fixture
def provision(server: ZabbixServer) -> Provisioner:
    return Provisioner(server, f"provisioned-{time.time_ns()}")


def test_from_nothing_and_again(provision: Provisioner) -> None:
    group = f"Rooms {time.time_ns()}"
    planned = provision("--group", group, "--dry-run")
    assert [line for line in planned if line.startswith("+ create")] == [
        f'+ create host group "{group}"',
        f'+ create host "{provision.host}" with template "{TRAPPER}"',
    ]
    assert not provision.get()
    objects = [json.loads(line) for line in provision("--group", group, "--dry-run", "--json")]
    signs = {"planned": "+", "ok": "="}
    assert [f"{signs[each['status']]} {each['step']}" for each in objects] == planned
    assert provision("--group", group) == planned
    host = provision.get()
    assert [template["host"] for template in host["parentTemplates"]] == [TRAPPER]
    again = provision("--group", group)
    assert all(line.startswith("= ") for line in again), again
    assert provision.get() == host


@pytest.fixture
def provision_70(zabbix_70: ZabbixServer) -> Provisioner:
    """Where the releases do not differ, one is enough."""
    return Provisioner(zabbix_70, f"provisioned-{time.time_ns()}")


def test_what_was_changed_by_hand_is_kept(provision: Provisioner) -> None:
    provision()
    api = provision.server.api
    template = api.template.get(filter={"host": [TRAPPER]}, output=["templateid"], selectMacros="extend")[0]
    macro = next(each for each in template["macros"] if each["macro"] == "{$USBRH.TEMP.MAX.CRIT}")
    item = api.item.get(templateids=template["templateid"], filter={"key_": "usbrh.bridge.sensors"})[0]
    api.usermacro.update(hostmacroid=macro["hostmacroid"], value="40")
    api.item.update(itemid=item["itemid"], history="14d")
    api.host.update(hostid=provision.get()["hostid"], name="Mine")

    lines = provision()
    kept = [line for line in lines if line.startswith("! ")]
    assert len(kept) == 1, lines
    assert "{$USBRH.TEMP.MAX.CRIT} is 40, not 32" in kept[0]
    assert 'item "Number of sensors": history is 14d' in kept[0]
    assert "--force" in kept[0]
    assert api.usermacro.get(hostmacroids=macro["hostmacroid"])[0]["value"] == "40"

    assert any(line.startswith("+ import template") for line in provision("--force"))
    assert all(line.startswith("= ") for line in provision())
    assert api.item.get(itemids=item["itemid"])[0]["history"] != "14d"
    assert provision.get()["name"] == "Mine"


def test_the_limits_of_a_profile(provision: Provisioner) -> None:
    """They are set on the host; other limits on the host stay without --force."""
    assert "limits are those of rodents" in provision("--limits", "rodents")[1]
    found = {each["macro"]: each["value"] for each in provision.get()["macros"]}
    assert (found["{$USBRH.TEMP.MIN.CRIT}"], found["{$USBRH.TEMP.MAX.WARN}"], len(found)) == ("16", "26", 8)
    assert "limits are those of rodents" in provision()[1]
    lines = provision("--limits", "people")
    assert "! {$USBRH.TEMP.MAX.WARN} is 26; kept (with --force: set {$USBRH.TEMP.MAX.WARN}=28)" in lines
    assert "limits are those of rodents" in lines[1]
    assert "limits are those of people" in provision("--limits", "people", "--force")[1]


def test_an_agent_host_and_its_interface(provision_70: Provisioner) -> None:
    done = usbrh("zabbix", "provision", "--host", provision_70.host, "--method", "agent", **provision_70.login)
    assert done.returncode == 2
    assert "--interface ADDRESS[:PORT]" in done.stderr
    provision_70("--method", "agent", "--interface", "pi.example:10060", USBRH_BRIDGE_INTERVAL="5m")
    host = provision_70.get()
    where = [(each["dns"], each["port"], each["useip"]) for each in host["interfaces"]]
    assert where == [("pi.example", "10060", "0")]
    assert {each["macro"]: each["value"] for each in host["macros"]} == {
        "{$USBRH.INTERVAL}": "5m", "{$USBRH.NODATA}": "20m", "{$USBRH.BRIDGE.NODATA}": "15m",
        "{$USBRH.WINDOW}": "15m", "{$USBRH.RISE.WINDOW}": "30m",
    }  # fmt: skip
    there = ("--method", "agent", "--interface", "127.0.0.1")
    lines = provision_70(*there, USBRH_BRIDGE_INTERVAL="5m")
    assert "! agent interface is pi.example:10060; kept (with --force: set agent interface 127.0.0.1:10050)" in lines
    provision_70(*there, "--force", USBRH_BRIDGE_INTERVAL="5m")
    assert [(each["ip"], each["port"]) for each in provision_70.get()["interfaces"]] == [("127.0.0.1", "10050")]
    # Back to a minute: the agent has to be asked more often again; what a longer time is set to may be on purpose.
    assert [line for line in provision_70(*there) if line[0] != "="] == [
        "! {$USBRH.INTERVAL} is 5m; kept (with --force: set {$USBRH.INTERVAL}=1m)"
    ]


def test_changing_over_to_an_agent_that_is_asked(provision: Provisioner) -> None:
    """The host has no interface yet, and items that are polled need one."""
    provision()
    lines = provision("--method", "agent", "--interface", "127.0.0.1:10060", "--force")
    assert [line[0] for line in lines if "interface" in line or "instead" in line] == ["+", "+"]
    host = provision.get()
    assert [each["host"] for each in host["parentTemplates"]] == [AGENT]
    assert [each["port"] for each in host["interfaces"]] == ["10060"]


def test_a_template_with_another_name_is_still_that_template(provision_70: Provisioner) -> None:
    provision_70("--method", "agent-active")
    api, name = provision_70.server.api, f"{AGENT} active"
    template = api.template.get(filter={"host": [name]}, output=["templateid"])[0]["templateid"]
    api.template.update(templateid=template, host="Ours", name="Ours")
    try:
        lines = provision_70("--method", "agent-active")
        assert not [line for line in lines if line.startswith("+ ")], lines
        assert any(line.startswith("! ") and "name is Ours" in line for line in lines), lines
    finally:
        api.template.update(templateid=template, host=name, name=name)


def test_an_admin_needs_no_right_to_make_groups_for_a_host_that_is_there(provision_70: Provisioner) -> None:
    api = provision_70.server.api
    provision_70("--group", f"Theirs {provision_70.host}")
    groups = api.hostgroup.get(filter={"name": [f"Theirs {provision_70.host}"]}, output=["groupid"])
    templates = api.templategroup.get(filter={"name": ["Templates/Server hardware"]}, output=["groupid"])
    role = api.role.get(filter={"type": 2, "name": "Admin role"}, output=["roleid"])[0]["roleid"]
    name, word = f"admin{time.time_ns()}", "Str0ng-and-long"
    users = api.usergroup.create(name=name, hostgroup_rights=[{"id": groups[0]["groupid"], "permission": 3}],
                                 templategroup_rights=[{"id": templates[0]["groupid"], "permission": 3}])  # fmt: skip
    api.user.create(username=name, passwd=word, roleid=role, usrgrps=[{"usrgrpid": users["usrgrpids"][0]}])
    lines = provision_70("--user", name, "--group", "Nowhere", USBRH_ZABBIX_PASSWORD=word)
    assert all(line.startswith("= ") for line in lines), lines


def test_changing_over_keeps_the_history(provision: Provisioner) -> None:
    server = provision.server
    provision()
    server.sync()
    key = "usbrh.bridge.sensors"
    server.send(provision.host, "usbrh.bridge", '{"sensors": 3}')
    before = server.wait_history(provision.host, key)
    item = server.item(provision.host, key)["itemid"]
    assert any(line.startswith(f'! template "{TRAPPER}" is linked') for line in provision("--method", "agent-active"))
    provision("--method", "agent-active", "--force")
    assert [each["host"] for each in provision.get()["parentTemplates"]] == [f"{AGENT} active"]
    assert server.item(provision.host, key)["itemid"] == item
    assert server.item(provision.host, "usbrh.bridge")["type"] == "7"
    assert server.history(provision.host, key) == before


KEY = "8c6d1f2ab7e04935" * 4


@pytest.fixture
def psk(provision_70: Provisioner, tmp_path: Path) -> dict[str, str]:
    """The configuration of a usbrh that has this key."""
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    return {"USBRH_ZABBIX_TLS_CONNECT": "psk", "USBRH_ZABBIX_TLS_PSK_IDENTITY": f"id {provision_70.host}",
            "USBRH_ZABBIX_TLS_PSK_FILE": str(key)}  # fmt: skip


def test_psk(provision_70: Provisioner, psk: dict[str, str]) -> None:
    lines = provision_70(**psk)
    assert lines[-1].endswith(", PSK")
    assert KEY not in "".join(lines)
    assert provision_70.get(output=["tls_accept"])["tls_accept"] == "2"
    assert "= PSK is set (Zabbix does not show the key; --force sets it again)" in provision_70(**psk)


def test_psk_beside_what_an_agent_already_has(provision_70: Provisioner, psk: dict[str, str]) -> None:
    """Its passive and active checks go on as they did."""

    def encryption() -> tuple[str, str]:
        host = provision_70.get(output=["tls_accept", "tls_connect"])
        return host["tls_accept"], host["tls_connect"]

    provision_70()
    assert "+ accept PSK besides no encryption" in provision_70(**psk)
    assert encryption() == ("3", "1")
    provision_70.server.api.host.update(hostid=provision_70.get()["hostid"], tls_connect=2)
    provision_70("--force", **psk)
    assert encryption() == ("3", "2")
    asked = ("--method", "agent", "--interface", "127.0.0.1")
    provision_70.server.api.host.update(hostid=provision_70.get()["hostid"], tls_connect=1, tls_accept=1)
    provision_70(*asked, "--force")
    kept = [line for line in provision_70(*asked, **psk) if line.startswith("! ")]
    assert kept == ["! the host has an encryption; kept (with --force: accept PSK besides no encryption, and poll the "
                    "agent with PSK instead of no encryption)"]  # fmt: skip
    provision_70(*asked, "--force", **psk)
    assert encryption() == ("3", "2")


def test_by_token_from_a_file(provision: Provisioner, tmp_path: Path) -> None:
    api = provision.server.api
    token = api.token.create(name=provision.host)["tokenids"][0]
    secret = tmp_path / "token"
    secret.write_text(api.token.generate(token)[0]["token"] + "\n")
    secret.chmod(0o600)
    done = usbrh("zabbix", "provision", "--url", provision.server.url, "--token-file", str(secret),
                 "--host", provision.host, "--dry-run")  # fmt: skip
    assert done.returncode == 0, done.stderr
    secret.write_text("0" * 64)
    done = usbrh("zabbix", "provision", "--url", provision.server.url, "--token-file", str(secret))
    assert (done.returncode, done.stdout) == (1, "")
    assert "the token is invalid" in done.stderr


def test_a_user_without_permission(provision_70: Provisioner) -> None:
    api = provision_70.server.api
    name, word = f"guest{time.time_ns()}", "Str0ng-and-long"
    group = api.usergroup.create(name=name)["usrgrpids"][0]
    role = api.role.get(filter={"type": 1}, output=["roleid"])[0]["roleid"]
    api.user.create(username=name, passwd=word, roleid=role, usrgrps=[{"usrgrpid": group}])
    done = usbrh("zabbix", "provision", "--url", provision_70.server.url, "--user", name, USBRH_ZABBIX_PASSWORD=word)
    assert done.returncode == 1
    assert 'the user has no Read-write permission for the template group "Templates/Server hardware"' in done.stderr
    assert done.stderr.count("\n") == 1


def test_wrong_password_and_debug_tells_no_secret(zabbix_70: ZabbixServer) -> None:
    done = usbrh("zabbix", "provision", "--debug", "--url", zabbix_70.url, "--user", USER,
                 USBRH_ZABBIX_PASSWORD="wrong-and-secret")  # fmt: skip
    assert done.returncode == 1
    assert "wrong user or password" in done.stderr
    assert "wrong-and-secret" not in done.stderr


class Pretender(BaseHTTPRequestHandler):
    """A web server that is no Zabbix, or an old one: the path says what."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.startswith("/missing"):
            self.send_error(404)
            return
        body = b'{"jsonrpc":"2.0","result":"5.0.17","id":0}' if self.path.startswith("/old") else b"<h1>Hello</h1>"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def pretender() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Pretender)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/missing", 6, "no Zabbix front end at {url}: HTTP 404; give the address of the login page"),
        ("/page", 6, "no Zabbix front end at {url}: the answer is not from the Zabbix API"),
        ("/old", 1, "Zabbix 5.0.17 at {url} is too old: usbrh needs 6.0 or newer"),
    ],
)
def test_not_a_zabbix(pretender: str, path: str, status: int, words: str) -> None:
    done = usbrh("zabbix", "provision", "--url", pretender + path, "--user", "a", USBRH_ZABBIX_PASSWORD="b")
    assert done.returncode == status
    assert words.format(url=pretender + path) in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("http://127.0.0.1:9/", 6, "can't be reached: Connection refused"),
        ("zabbix.example", 2, "is not the address of a Zabbix front end"),
        ("http://no-such-host.invalid/zabbix", 6, "can't be reached"),
    ],
)
def test_nobody_there(url: str, status: int, words: str) -> None:
    done = usbrh("zabbix", "provision", "--url", url, "--user", "a", USBRH_ZABBIX_PASSWORD="b")
    assert done.returncode == status
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_template_files_are_written(tmp_path: Path, language: str) -> None:
    assert usbrh("zabbix", "template", str(tmp_path), "--language", language).returncode == 0
    folder = CHECKOUT / "zabbix" / "templates"
    ours = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.yaml")
            if path.name.endswith(".ja.yaml") == (language == "ja")}  # fmt: skip
    assert len(ours) == 9
    assert {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*.yaml")} == ours
