"""The route to Zabbix."""

from pathlib import Path
from typing import Any

from usbrh.bridge.diagnosis import CHECKS
from usbrh.config import Config, ZabbixConfig
from usbrh.doctor import network
from usbrh.findings import Finding, Status
from usbrh.zabbix.fake_server import FakeServer


def ways(*servers: str, **settings: Any) -> dict[str, list[Finding]]:
    findings: dict[str, list[Finding]] = {}
    for found in network.servers(Config(zabbix=ZabbixConfig(servers=servers, host="pc", **settings))):
        findings.setdefault(found.check, []).append(found)
    return findings


def test_a_server_that_answers_gets_no_value() -> None:
    with FakeServer() as server:
        found = ways(server.address)
        assert server.values == []
        assert len(server.requests) == 1
    assert [each.status for check in CHECKS for each in found[check]] == [Status.OK] * 3


def test_a_name_that_does_not_exist_and_a_port_that_is_closed() -> None:
    with FakeServer() as server:
        closed = server.address
    for address in ("no-such-host.invalid", closed):
        found = ways(address)
        assert found["server"][0].status is Status.FAULT
        assert found["server"][0].exit_status == 6
        assert "getent hosts" in (found["server"][0].remedy or "")
        assert found["TLS"][0].status is found["round trip"][0].status is Status.NOT_CHECKED


def test_something_else_that_listens_there() -> None:
    with FakeServer(answers=[b"220 mail.example ESMTP\r\n"]) as server:
        found = ways(server.address)
    assert found["server"][0].status is Status.OK
    assert found["round trip"][0].status is Status.FAULT


def test_tls_with_a_server_that_speaks_none(tmp_path: Path) -> None:
    authority = Path(__file__).parent / "no-such-file"
    wrong = ways("127.0.0.1:1", tls_connect="cert", tls_ca_file=authority)
    assert wrong["TLS"][0].status is Status.FAULT  # the configuration of it
    assert wrong["TLS"][0].exit_status == 2


def test_one_node_of_a_cluster_that_is_down_is_a_warning() -> None:
    with FakeServer() as gone:
        down = gone.address
    with FakeServer() as server:
        found = ways(f"{down};{server.address}")
    assert [each.status for each in found["server"]] == [Status.WARNING, Status.OK]


def test_no_server_and_a_wrong_agent_configuration(tmp_path: Path) -> None:
    assert ways()["server"][0].status is Status.NOT_CHECKED
    assert ways(origin={"servers": "usbrh.toml, line 2"})["server"][0].status is Status.OK
    found = ways(agent_config=tmp_path / "none.conf")
    assert (found["server"][0].status, found["server"][0].exit_status) == (Status.FAULT, 2)
    for check in ("TLS", "round trip"):
        assert [(each.status, each.message) for each in found[check]] == [
            (Status.NOT_CHECKED, "the server is not known"),
        ]
