"""The servers that the other tests rely on."""

import time

import pytest

from tests.support.daemon import listening
from tests.support.zabbix.server import FLOAT, ZabbixServer


def test_a_value_is_stored_with_its_own_time(server: ZabbixServer) -> None:
    host = f"fixture-{time.time_ns()}"
    server.make_host(host, {"temperature": FLOAT})
    server.sync()
    lines = server.scratch / "values"
    lines.write_text(f"{host} temperature 1700000000 123456789 21.5\n")
    sent = server.run("zabbix_sender", "-z", "127.0.0.1", "-p", str(server.port), "-T", "-N", "-i", str(lines))
    assert "processed: 1; failed: 0" in sent.stdout
    # older than what 7.0 keeps by default: taken, and thrown away
    late = time.time_ns() - 5_000_000_000
    lines.write_text(f"{host} temperature {late // 10**9} {late % 10**9} 22.25\n")
    server.run("zabbix_sender", "-z", "127.0.0.1", "-p", str(server.port), "-T", "-N", "-i", str(lines))
    last = server.wait_history(host, "temperature")[-1]
    assert (last.clock * 10**9 + last.ns, float(last.value)) == (late, 22.25)


def test_it_goes_away_and_comes_back(server: ZabbixServer) -> None:
    server.stop()
    assert not listening(server.port)
    server.start()
    assert listening(server.port)


@pytest.mark.parametrize("kind", ["zabbix_agentd", "zabbix_agent2"])
def test_an_agent_answers(server: ZabbixServer, kind: str) -> None:
    agent = server.agent("zabbix_agentd" if kind == "zabbix_agentd" else "zabbix_agent2")
    try:
        assert agent.get("agent.ping") == "1"
    finally:
        agent.close()
