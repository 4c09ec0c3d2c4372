"""`usbrh zabbix check` against real servers, with the chain whole and broken at each link."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from types import MappingProxyType
from typing import Any

import pytest

from tests.support.daemon import free_port, wait_for
from tests.support.psk import needs_psk
from tests.support.zabbix.command import STORED_SOON, usbrh
from tests.support.zabbix.provisioner import Provisioner
from tests.support.zabbix.server import FLOAT, PASSWORD, TEXT, TRAPPER, UNSIGNED, USER, ZabbixServer
from usbrh.bridge.check import round_trip
from usbrh.config import Config, ZabbixConfig
from usbrh.findings import Finding, Status
from usbrh.journal.store import Journal
from usbrh.reading import Reading
from usbrh.zabbix.api import Api

MISSING = "No permissions to referred object or it does not exist"


class Checker:
    """The command for one host, with one server's address and login."""

    def __init__(self, server: ZabbixServer, folder: Path) -> None:
        self.server = server
        self.host = f"check-{time.time_ns()}"
        self.journal = folder / "journal.db"
        self.environment = {
            "USBRH_ZABBIX_URL": server.url, "USBRH_ZABBIX_USER": USER, "USBRH_ZABBIX_PASSWORD": PASSWORD,
            "USBRH_ZABBIX_SERVERS": server.trapper, "USBRH_ZABBIX_HOST": self.host,
            "USBRH_JOURNAL_PATH": str(self.journal), "USBRH_SIMULATE": "1", "USBRH_ALLOW_SIMULATED": "1",
        }  # fmt: skip

    def __call__(self, *arguments: str, before: str = "", **environment: str) -> "CompletedProcess[str]":
        return usbrh("zabbix", "check", *arguments, before=before, **self.environment | environment)

    def make(self, **more: Any) -> str:
        """The host with the one item that is needed, without a template."""
        host = self.server.make_host(self.host, {"usbrh.bridge": TEXT}, **more)
        self.server.sync()
        return host

    def findings(self, patience: float = 20.0, **settings: Any) -> Iterator[Finding]:
        """The same in this process, where a test can go between two findings."""
        given = {
            "servers": (self.server.trapper,),
            "host": self.host,
            "origin": MappingProxyType({"servers": "a test"}),
        }
        with Api(self.server.url, user=USER, password=PASSWORD) as api:
            yield from round_trip(Config(zabbix=ZabbixConfig(**given | settings)), api, 1, patience=patience)

    def says(self, words: str, status: int, *, before: str = "", **environment: str) -> None:
        done = self(before=before, **environment)
        assert words in done.stdout, done
        assert done.returncode == status, done


@pytest.fixture
def check(server: ZabbixServer, tmp_path: Path) -> Checker:
    return Checker(server, tmp_path)


@pytest.fixture
def check_70(zabbix_70: ZabbixServer, tmp_path: Path) -> Checker:
    """Where what is tested is our own finding, one release is enough."""
    return Checker(zabbix_70, tmp_path)


def test_whole(check: Checker) -> None:
    Provisioner(check.server, check.host)()
    check.server.sync()
    done = check()
    assert done.returncode == 0, done
    assert "the value is in the history of usbrh.bridge.sensors" in done.stdout
    assert check.server.history(check.host, "usbrh.bridge.sensors")[-1].value == "1"


def test_no_such_name(check_70: Checker) -> None:
    check_70.says("no address found for no-such-host.invalid: ", 6, USBRH_ZABBIX_SERVERS="no-such-host.invalid")


def test_nobody_listens(check_70: Checker) -> None:
    port = free_port()
    check_70.says("no connection: connection refused", 6, USBRH_ZABBIX_SERVERS=f"127.0.0.1:{port}")


def test_not_the_trapper_port(check_70: Checker) -> None:
    """The front end's port: something answers, and it is no Zabbix server."""
    address = check_70.server.url.removeprefix("http://")
    done = check_70(USBRH_ZABBIX_SERVERS=address)
    assert (done.returncode, "fault        round trip" in done.stdout) == (6, True), done


def test_unknown_host(check_70: Checker) -> None:
    check_70.says(f'there is no host "{check_70.host}"', 7)


def test_visible_name_instead_of_the_technical_one(check_70: Checker) -> None:
    check_70.make(name=f"Visible {check_70.host}")
    check_70.says(
        f"is a visible name, not a technical host name (the server reports: {MISSING})\n{'':28}fix: use "
        f'"{check_70.host}" as host',
        7,
        USBRH_ZABBIX_HOST=f"Visible {check_70.host}",
    )


def test_disabled_host(check_70: Checker) -> None:
    check_70.make(status=1)
    check_70.says("is disabled (the server reports: Host is not monitored)", 7)


def test_no_such_item(check_70: Checker) -> None:
    check_70.server.make_host(check_70.host, {"something": FLOAT})
    check_70.server.sync()
    check_70.says(f"has no item usbrh.bridge (the server reports: {MISSING})\n", 7)
    check_70.says("fix: usbrh zabbix provision links the template\n", 7)


def test_another_type_of_item(check_70: Checker) -> None:
    host = check_70.server.make_host(check_70.host)
    check_70.server.api.item.create(hostid=host, name="x", key_="usbrh.bridge", type=7, value_type=TEXT, delay="1m")
    check_70.server.sync()
    check_70.says("the item usbrh.bridge is not of the type Zabbix trapper", 7)


def test_allowed_hosts(check_70: Checker) -> None:
    host = check_70.server.make_host(check_70.host)
    check_70.server.api.item.create(hostid=host, name="x", key_="usbrh.bridge", type=TRAPPER, value_type=TEXT,
                                    trapper_hosts="192.0.2.7")  # fmt: skip
    check_70.server.sync()
    *_, waiting, last = check_70.findings(patience=3)
    assert (waiting.status, last.status) == (Status.WAITING, Status.FAULT)
    assert "accepts values only from 192.0.2.7" in waiting.message
    assert "accepts values only from 192.0.2.7" in last.message
    assert "Allowed hosts" in str(last.remedy)


def test_encryption_wanted(check_70: Checker) -> None:
    check_70.make(tls_accept=2, tls_psk_identity=check_70.host, tls_psk="8c6d1f2ab7e04935" * 4)
    check_70.says('accepts only connections with PSK, but tls_connect is "unencrypted"', 7)
    check_70.says("the server accepts the value from its front end", 7)


def test_the_journal_status_names_the_reason(check_70: Checker, tmp_path: Path) -> None:
    """With a token in the configuration; without it the reason is marked as probable."""
    host = check_70.server.make_host(check_70.host)
    check_70.server.api.item.create(
        hostid=host, name="x", key_="usbrh.get[sim-1]", type=TRAPPER, value_type=TEXT, status=1
    )
    check_70.server.sync()
    environment = {name: check_70.environment[name] for name in check_70.environment if "USER" not in name}
    del environment["USBRH_ZABBIX_PASSWORD"]
    assert usbrh("send", **environment).returncode == 7
    line = usbrh("journal", "status", **environment).stdout.splitlines()[-1]
    assert line.startswith("  sim-1: 1 rejected: probably "), line

    token = tmp_path / "token"
    token.touch(mode=0o600)
    admin = check_70.server.api.user.get(filter={"username": USER}, output=["userid"])[0]["userid"]
    number = check_70.server.api.token.create(name=check_70.host, userid=admin)["tokenids"][0]
    token.write_text(check_70.server.api.token.generate(number)[0]["token"])
    environment["USBRH_ZABBIX_TOKEN_FILE"] = str(token)
    line = usbrh("journal", "status", **environment).stdout.splitlines()[-1]
    assert line == "  sim-1: 1 rejected: the item usbrh.get[sim-1] is disabled; enable it in the front end"
    found = json.loads(usbrh("journal", "status", "--json", **environment).stdout)
    assert found["destinations"][0]["rejections"][0]["certain"] is True
    # The token serves the other commands too.
    assert "fault        value" in usbrh("zabbix", "check", **environment).stdout

    token.write_text("0" * 64)
    done = usbrh("journal", "status", **environment)
    assert done.returncode == 0
    assert "the reasons below are only probable: " in done.stderr


@needs_psk
def test_a_key_that_the_server_has_yet_to_learn(check: Checker, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("8c6d1f2ab7e04935" * 4)
    key.chmod(0o600)
    host = check.make(tls_accept=2, tls_psk_identity=f"old {check.host}", tls_psk=key.read_text())
    findings = check.findings(tls_connect="psk", tls_psk_identity=check.host, tls_psk_file=key)
    waiting = next(findings)
    assert (waiting.status, "does not know the PSK yet" in waiting.message) == (Status.WAITING, True), waiting
    check.server.api.host.update(hostid=host, tls_psk_identity=check.host, tls_psk=key.read_text())
    assert [(finding.check, finding.status) for finding in findings] == [
        (check, Status.OK) for check in ("server", "TLS", "round trip", "value", "history")
    ]


@needs_psk
def test_a_key_for_a_host_that_takes_none(check_70: Checker, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("8c6d1f2ab7e04935" * 4)
    key.chmod(0o600)
    check_70.make()
    _, finding, _ = check_70.findings(tls_connect="psk", tls_psk_identity=check_70.host, tls_psk_file=key)
    assert (finding.check, finding.status) == ("TLS", Status.FAULT)
    assert 'accepts only connections unencrypted, but tls_connect is "psk"' in finding.message


def test_a_host_of_a_proxy(check: Checker) -> None:
    api, name = check.server.api, f"proxy-{check.host}"
    if check.server.release.name == "6.0":
        proxy = api.proxy.create(host=name, status=5)["proxyids"][0]
        check.make(proxy_hostid=proxy)
    else:
        proxy = api.proxy.create(name=name, operating_mode=0)["proxyids"][0]
        check.make(monitored_by=1, proxyid=proxy)
    *_, waiting, last = check.findings(patience=3)
    assert (waiting.status, last.status) == (Status.WAITING, Status.FAULT)
    assert f'is monitored by the proxy "{name}"' in last.message
    assert "name the proxy in servers" in str(last.remedy)


def test_a_standby_node(check_70: Checker) -> None:
    """It does not listen."""
    check_70.make()
    done = check_70(USBRH_ZABBIX_SERVERS=f"127.0.0.1:{free_port()};{check_70.server.trapper}")
    assert done.returncode == 0, done
    assert "connection refused (another node of the cluster works)" in done.stdout


def test_no_session_stays_open(check: Checker) -> None:
    def sessions() -> str:
        query = ["-At", "-c", "SELECT count(*) FROM sessions WHERE status = 0", "zabbix"]
        done = check.server.run("psql", "-h", str(check.server.database.sockets), "-U", "postgres", *query)
        assert done.returncode == 0, done
        return done.stdout

    check.make()
    before = sessions()
    assert check().returncode == 0
    assert sessions() == before


def test_a_value_type_that_does_not_fit(check: Checker) -> None:
    check.server.make_host(check.host, {"usbrh.bridge": UNSIGNED})
    check.server.sync()
    check.says("accepted but not stored: the item usbrh.bridge is not supported", 7, before=STORED_SOON)


def test_a_server_that_has_yet_to_read_its_configuration(check: Checker) -> None:
    check.server.make_host(check.host, {"usbrh.bridge": TEXT})
    done = check()
    assert done.returncode == 0, done


def test_without_the_api(check_70: Checker) -> None:
    check_70.make()
    done = check_70(USBRH_ZABBIX_URL="")
    assert (done.returncode, done.stdout.count("ok  ")) == (0, 4), done
    assert "was not read back" in done.stderr


def test_holes_in_the_history_are_found_and_filled(check: Checker) -> None:
    """A host deleted and made again: the server says "processed" for the old item, and keeps nothing."""
    server = check.server
    items = {"usbrh.get[attic]": TEXT, "usbrh.get[cellar]": TEXT}
    server.make_host(check.host, items)
    server.sync()
    readings = [
        Reading(sensor, "1-1", "USB-RH", time.time_ns() - (90 - n) * 60 * 10**9 + n, 20.0 + n / 10, 50.0, 9.3, 8.6)
        for n in range(60)
        for sensor in ("attic", "cellar")
    ]
    with Journal(check.journal) as journal:
        journal.sync_destinations([server.trapper])
        journal.add(readings[:80])
        assert usbrh("journal", "flush", **check.environment).returncode == 0
        server.wait_history(check.host, "usbrh.get[cellar]", 40)
        old = server.api.host.get(filter={"host": [check.host]}, output=["hostid"])[0]["hostid"]
        server.api.host.delete(old)
        server.make_host(check.host, items)
        journal.add(readings[80:])
        # The server takes these for the old item, rejects them, or takes them for the new one: it depends on the moment
        # at which it reads its configuration. The first 80 have gone with the old item in any case.
        assert usbrh("journal", "flush", **check.environment).returncode in (0, 7)
        server.sync()
        assert usbrh("journal", "flush", **check.environment).returncode == 0
        done = check("--since", "2h")
    assert done.returncode == 0, done
    assert "attic: " in done.stdout
    assert "missing in usbrh.get[attic]: " in done.stdout
    assert "all of them are in Zabbix now" in done.stdout
    for sensor in ("attic", "cellar"):
        stored = server.history(check.host, f"usbrh.get[{sensor}]")
        assert [value.clock * 10**9 + value.ns for value in stored] == [
            reading.time_ns for reading in readings if reading.sensor == sensor
        ]
        assert [json.loads(value.value)["sensor"] for value in stored] == [sensor] * 60
    again = check("--since", "2h")
    assert again.stdout.splitlines() == [
        f"{sensor}: nothing is missing in usbrh.get[{sensor}]: 60 readings" for sensor in ("attic", "cellar")
    ]
    wait_for("nothing waits", lambda: not Journal(check.journal).waiting(server.trapper, 1), 5)
