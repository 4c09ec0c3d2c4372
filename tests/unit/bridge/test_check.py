"""The round trip, with the fake server as trapper and a scripted front end; tests/zabbix has real ones."""

import json
import socket
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tests.support.certificates import Authority, server_context
from tests.support.command import usbrh
from tests.support.frontend import FrontEnd
from tests.support.network import closed_port
from tests.support.psk import IDENTITY, needs_psk, psk_server, write_psk
from usbrh.bridge import check as checking
from usbrh.bridge.check import round_trip
from usbrh.config import Config, ZabbixConfig
from usbrh.findings import Finding, Status
from usbrh.simulator.clock import VirtualClock
from usbrh.zabbix.api import Api
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.rejection import why_rejected

HOST: dict[str, Any] = {
    "hostid": "1", "name": "pc", "status": "0", "tls_accept": "1", "tls_issuer": "", "tls_subject": "",
    "monitored_by": "0", "proxyid": "0", "proxy_groupid": "0", "assigned_proxyid": "0", "proxy_hostid": "0",
}  # fmt: skip
ITEM: dict[str, Any] = {
    "itemid": "5", "key_": "usbrh.bridge.sensors", "type": "2", "status": "0", "state": "0", "error": "",
    "value_type": "3", "history": "90d", "trapper_hosts": "",
}  # fmt: skip

USUAL = {name: getattr(checking, name) for name in ("PAUSE", "STORE_SECONDS")}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "PAUSE", 0.1)
    monkeypatch.setattr(checking, "STORE_SECONDS", 0.5)


def config(*servers: str, **more: Any) -> Config:
    return Config(
        zabbix=ZabbixConfig(servers=servers, host="pc", origin=MappingProxyType({"servers": "a test"}), **more)
    )


def asked_for(params: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that a call asks for."""
    return {name: fields[name] for name in params.get("output", ())}


def zabbix(version: str = "7.0.22", *, stores: Iterable[FakeServer] = (), item: Any = None, **host: Any) -> FrontEnd:
    """The front end of a Zabbix that stores what these trappers take."""

    def history(params: dict[str, Any]) -> list[dict[str, str]]:
        rows = [{"clock": str(value.clock), "ns": str(value.ns)} for each in stores for value in each.values]
        return [row for row in rows if params["time_from"] <= int(row["clock"]) <= params["time_till"]]

    return FrontEnd(
        version,
        {
            "host.get": lambda params: [asked_for(params, HOST | host)],
            "item.get": lambda params: [asked_for(params, ITEM | (item or {}))],
            "history.get": history,
            "proxy.get": lambda params: [{params["output"][0]: "cellar"}],
            "proxygroup.get": lambda params: [{"name": "two"}],
        },
    )


def walk(config: Config, front_end: FrontEnd | None = None, patience: float = 0.5) -> list[Finding]:
    if front_end is None:
        return list(round_trip(config, None, 1, patience=patience))
    with front_end, Api(front_end.url, token="secret") as api:
        return list(round_trip(config, api, 1, patience=patience))


REACHED = ["server: ok", "TLS: ok", "round trip: ok"]
"""The findings of a node that answers."""


def results(findings: list[Finding]) -> list[str]:
    return [f"{finding.check}: {finding.status.value}" for finding in findings]


def test_a_standby_node_does_not_listen() -> None:
    with FakeServer() as active:
        standby = closed_port()
        findings = walk(config(f"{standby};{active.address}"))
    assert results(findings) == [
        "server: warning", "TLS: not checked", "round trip: not checked", *REACHED, "value: ok",
    ]  # fmt: skip
    assert findings[0].message.startswith(f"{standby}: no connection: connection refused")
    assert [finding.message for finding in findings[3:6]] == [
        f"{active.address}: connected",
        f'{active.address}: not used (tls_connect = "unencrypted")',
        f"{active.address}: Zabbix answers",
    ]
    assert findings[0].message.endswith("(another node of the cluster works)")
    assert str(findings[0].remedy).startswith("no action is needed for a standby node; otherwise check its name, port")


def test_no_node_listens() -> None:
    findings = walk(config(f"{closed_port()};{closed_port()}"))
    assert results(findings) == ["server: fault", "TLS: not checked", "round trip: not checked"] * 2
    assert [finding.exit_status for finding in findings] == [6, 0, 0] * 2
    assert "getent hosts 127.0.0.1; nc -vz 127.0.0.1 " in str(findings[0].remedy)


@pytest.mark.parametrize("name", ["zabbix..example", f"{'a' * 64}.example"])
def test_a_name_that_can_be_none(name: str) -> None:
    finding, *_ = walk(config(name))
    assert f"no address found for {name}: " in finding.message


def test_from_another_address_than_this_computers() -> None:
    with FakeServer() as server:
        finding, *_ = walk(config(server.address, source_ip="192.0.2.7"))
    assert "can't send from source_ip 192.0.2.7" in finding.message
    assert server.values == []


def test_two_zabbixes_and_the_front_end_of_one() -> None:
    with FakeServer() as a, FakeServer() as b:
        findings = walk(config(a.address, b.address), zabbix(stores=[a]))
    assert results(findings) == [*[*REACHED, "value: ok"] * 2, "history: ok", "history: warning"]
    assert findings[-2].message.startswith(f"{a.address}: the value is in the history of usbrh.bridge.sensors after ")
    assert findings[-1].message == f"{b.address}: the value is not in this front end's Zabbix"
    assert "give --url" in str(findings[-1].remedy)


def test_two_destinations_of_another_zabbix() -> None:
    with FakeServer() as a, FakeServer() as b:
        findings = walk(config(a.address, b.address), zabbix(item={"state": "1", "error": "no number"}))
    assert results(findings) == [*[*REACHED, "value: ok"] * 2, "history: fault", "history: fault"]
    for finding in findings[-2:]:
        assert finding.exit_status == 7
        assert "accepted but not stored: the item usbrh.bridge.sensors is not supported: no number" in finding.message


def test_one_destination_rejects_and_the_other_is_read_back() -> None:
    with FakeServer(reject=lambda value: True) as a, FakeServer() as b:
        findings = walk(config(a.address, b.address), zabbix(stores=[b]))
    assert results(findings) == [
        *REACHED, "value: waiting", "value: fault", *REACHED, "value: ok", "history: ok",
    ]  # fmt: skip
    assert "although the API shows nothing wrong" in findings[4].message


@pytest.mark.parametrize(
    ("how", "accept", "words"),
    [
        ("unencrypted", 2, 'accepts only connections with PSK, but tls_connect is "unencrypted"'),
        ("unencrypted", 6, "accepts only connections with PSK or with a certificate"),
        ("psk", 1, 'accepts only connections unencrypted, but tls_connect is "psk"; set tls_connect'),
        ("cert", 3, "accepts only connections unencrypted or with PSK"),
        ("unencrypted", 1, None),
        ("psk", 2, None),
        ("psk", 7, None),
        ("cert", 4, None),
    ],
)
def test_encryption_that_does_not_fit_is_certain(how: str, accept: int, words: str | None) -> None:
    with zabbix(tls_accept=str(accept)) as front_end, Api(front_end.url, token="secret") as api:
        certain = why_rejected(api, "pc", "usbrh.bridge", how).certain
    assert certain is None if words is None else words in str(certain)


@pytest.mark.parametrize(
    ("how", "host", "item", "words"),
    [
        ("unencrypted", {}, {}, None),
        ("unencrypted", {}, {"trapper_hosts": "192.0.2.7"}, "accepts values only from 192.0.2.7"),
        ("psk", {"tls_accept": "2"}, {}, "may have another PSK identity than tls_psk_identity"),
        ("cert", {"tls_accept": "4"}, {}, None),
        ("cert", {"tls_accept": "4", "tls_subject": "CN=pc"}, {}, 'only a certificate with the subject "CN=pc"'),
        ("cert", {"tls_accept": "4", "tls_issuer": "CN=CA"}, {}, 'only a certificate with the issuer "CN=CA"'),
    ],
)
def test_what_may_be_so(how: str, host: Any, item: Any, words: str | None) -> None:
    with zabbix(item=item, **host) as front_end, Api(front_end.url, token="secret") as api:
        reasons = why_rejected(api, "pc", "usbrh.bridge", how)
    assert reasons.certain is None
    assert len(reasons.possible) == (words is not None)
    assert all(str(words) in each.message and each.remedy for each in reasons.possible)


@pytest.mark.parametrize(
    ("version", "host", "words"),
    [
        ("6.0.14", {"proxy_hostid": "77"}, 'is monitored by the proxy "cellar", which reads its configuration'),
        ("7.0.22", {"monitored_by": "1", "proxyid": "77"}, 'is monitored by the proxy "cellar", '),
        ("7.0.22", {"monitored_by": "2", "proxy_groupid": "3"}, 'is monitored by the proxy group "two", '),
        (
            "7.0.22",
            {"monitored_by": "2", "proxy_groupid": "3", "assigned_proxyid": "77"},
            'is monitored by the proxy group "two", currently by the proxy "cellar", ',
        ),
    ],
)
def test_a_proxy_is_named(version: str, host: Any, words: str) -> None:
    with zabbix(version, **host) as front_end, Api(front_end.url, token="secret") as api:
        reasons = why_rejected(api, "pc", "usbrh.bridge", "unencrypted")
    assert reasons.certain is None
    (possible,) = reasons.possible
    assert words in possible.message
    assert "name the proxy in servers" in str(possible.remedy)


def test_a_proxy_that_has_yet_to_read_its_configuration() -> None:
    """The proxy is named at once, and the check continues."""
    start = time.monotonic()
    with FakeServer(reject=lambda value: time.monotonic() < start + 1) as proxy:
        findings = walk(config(proxy.address), zabbix("6.0.14", stores=[proxy], proxy_hostid="77"), patience=10)
    assert results(findings) == [*REACHED, "value: waiting", "value: ok", "history: ok"]
    assert 'monitored by the proxy "cellar"' in findings[3].message


def test_the_reason_that_may_be_so_is_the_one_at_the_end() -> None:
    with FakeServer(reject=lambda value: True) as server:
        findings = walk(config(server.address), zabbix(item={"trapper_hosts": "192.0.2.7"}))
    assert results(findings) == [*REACHED, "value: waiting", "value: fault"]
    assert "accepts values only from 192.0.2.7" in findings[4].message
    assert "Allowed hosts" in str(findings[4].remedy)


class TestPsk:
    """A server that has yet to learn the key hangs up in the handshake."""

    @pytest.fixture
    def psk(self, tmp_path: Path) -> dict[str, Any]:
        return {"tls_connect": "psk", "tls_psk_identity": IDENTITY, "tls_psk_file": write_psk(tmp_path / "psk")}

    @needs_psk
    def test_it_learns_it(self, psk: dict[str, Any]) -> None:
        start = time.monotonic()
        known, unknown = psk_server(), psk_server(identity="another")

        class Server(FakeServer):
            def _talk(self, connection: socket.socket) -> None:
                self._tls = known if time.monotonic() > start + 1 else unknown
                super()._talk(connection)

        with Server() as server:
            findings = walk(config(server.address, **psk), zabbix(stores=[server], tls_accept="2"), patience=10)
        assert results(findings) == ["TLS: waiting", *REACHED, "value: ok", "history: ok"]
        assert "does not know the PSK yet" in findings[0].message
        assert "encrypted (psk)" in findings[2].message

    @needs_psk
    def test_it_never_learns_it(self, psk: dict[str, Any]) -> None:
        with FakeServer(tls=psk_server(identity="another")) as server:
            findings = walk(config(server.address, **psk), zabbix(tls_accept="2"))
        assert results(findings) == ["TLS: waiting", "server: ok", "TLS: fault", "round trip: not checked"]
        assert findings[2].exit_status == 6
        assert "TLS handshake" in findings[2].message

    @needs_psk
    def test_there_is_none_for_the_host(self, psk: dict[str, Any]) -> None:
        with FakeServer(tls=psk_server(identity="another")) as server:
            findings = walk(config(server.address, **psk), zabbix(tls_accept="1"), patience=60)
        assert results(findings) == ["server: ok", "TLS: fault", "round trip: not checked"]
        assert 'accepts only connections unencrypted, but tls_connect is "psk"' in findings[1].message
        assert findings[1].exit_status == 6

    def test_a_certificate_is_not_waited_for(self, tmp_path: Path) -> None:
        authority, stranger = Authority(tmp_path / "ca"), Authority(tmp_path / "stranger")
        issued = authority.issue("client", "/CN=usbrh")
        own = replace(
            config("127.0.0.1").zabbix, tls_connect="cert", tls_ca_file=stranger.ca,
            tls_cert_file=issued.certificate, tls_key_file=issued.key,
        )  # fmt: skip
        context = server_context(authority, authority.issue("server", "/CN=server"))
        with FakeServer(tls=context) as server:
            findings = walk(Config(zabbix=replace(own, servers=(server.address,))), patience=60)
        assert results(findings) == ["server: ok", "TLS: fault", "round trip: not checked"]
        assert "the server's certificate was rejected" in findings[1].message


def test_findings_for_programs() -> None:
    unknown: dict[str, Any] = {"host.get": lambda params: []}
    with FakeServer(reject=lambda value: True) as server, FrontEnd(answers=unknown) as front_end:
        done = usbrh(
            "zabbix", "check", "--json", USBRH_SIMULATE="1", USBRH_ALLOW_SIMULATED="1", USBRH_ZABBIX_HOST="pc",
            USBRH_ZABBIX_SERVERS=server.address, USBRH_ZABBIX_URL=front_end.url, USBRH_ZABBIX_TOKEN="secret",
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (7, "")
    *nodes, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["check"], each["status"], each["fix"]) for each in nodes] == [
        ("server", "ok", None), ("TLS", "ok", None), ("round trip", "ok", None),
    ]  # fmt: skip
    reason = 'there is no host "pc", or this user has no permission for it'
    assert last == {
        "check": "value",
        "status": "fault",
        "message": f"{server.address}: usbrh.bridge of host pc: {reason}",
        "fix": "usbrh zabbix provision creates it",
    }


def test_findings_in_text_are_those_of_the_doctor() -> None:
    server = closed_port()
    simulated: dict[str, Any] = {"USBRH_SIMULATE": "1", "USBRH_ALLOW_SIMULATED": "1", "USBRH_ZABBIX_SERVERS": server}
    done = usbrh("zabbix", "check", **simulated)
    assert done.returncode == 6
    *findings, empty, summary = done.stdout.splitlines()
    assert findings[0] == f"fault        server         {server}: no connection: connection refused"
    assert findings[1].startswith(f"{'':28}fix: ")
    assert (empty, summary) == ("", "1 fault, no warnings")
    assert "\n".join(findings) in usbrh("doctor", **simulated).stdout


def test_sensors_that_cannot_be_counted_are_not_none(tmp_path: Path) -> None:
    """0 sensors would be an alarm in Zabbix."""
    with FakeServer() as server:
        done = usbrh(
            "zabbix", "check", USBRH_SIMULATE=str(tmp_path / "none.toml"), USBRH_ZABBIX_SERVERS=server.address,
            USBRH_ALLOW_SIMULATED="1", USBRH_ZABBIX_HOST="pc",
        )  # fmt: skip
    assert (done.returncode, done.stdout, server.values) == (2, "", []), done
    assert "none.toml" in done.stderr


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual pauses, for a clock that needs no real time."""
    for name, seconds in USUAL.items():
        monkeypatch.setattr(checking, name, seconds)


@pytest.mark.usefixtures("usual")
def test_the_finding_names_the_seconds_until_the_value_is_stored() -> None:
    clock = VirtualClock()
    with FakeServer() as server:
        front_end = zabbix(stores=[server])
        history = front_end.answers["history.get"]
        front_end.answers["history.get"] = lambda params: history(params) if clock.monotonic() >= 1.5 else []
        with front_end, Api(front_end.url, token="secret") as api:
            *_, found = round_trip(config(server.address), api, 1, clock=clock)
    assert found.status is Status.OK
    assert found.message.endswith("is in the history of usbrh.bridge.sensors after 1.5 s")


@pytest.mark.usefixtures("usual")
def test_a_value_that_is_never_stored_is_waited_for_15_s() -> None:
    clock = VirtualClock()
    with FakeServer() as server, zabbix() as front_end, Api(front_end.url, token="secret") as api:
        *_, found = round_trip(config(server.address), api, 1, clock=clock)
    assert (found.check, found.status, found.exit_status) == ("history", Status.FAULT, 7)
    assert clock.monotonic() == pytest.approx(15, abs=0.5)


@pytest.mark.usefixtures("usual")
def test_a_host_that_is_not_known_yet_is_tried_again_until_it_is() -> None:
    clock = VirtualClock()
    with FakeServer(reject=lambda value: clock.monotonic() < 10) as server:
        findings = list(round_trip(config(server.address), None, 1, patience=75, clock=clock))
    assert (findings[-1].check, findings[-1].status) == ("value", Status.OK)
    assert 10 <= clock.monotonic() < 12
    clock = VirtualClock()
    with FakeServer(reject=lambda value: True) as server:
        findings = list(round_trip(config(server.address), None, 1, clock=clock))
    assert (findings[-1].status, findings[-1].exit_status) == (Status.FAULT, 7)
    assert clock.monotonic() == 75
