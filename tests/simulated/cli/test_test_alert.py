"""``usbrh zabbix test-alert`` as a process: the test problem is cleared, whatever ends the command."""

import signal
from pathlib import Path

import pytest

from tests.support.daemon import wait_for
from tests.support.send import House
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.items import TEST


def sent(server: FakeServer) -> list[tuple[str, str]]:
    return [(value.key, value.value) for value in server.values]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_clears_the_problem(tmp_path: Path, number: int, status: int) -> None:
    with FakeServer() as server:
        house = House(tmp_path, server.address)
        process = house.start("zabbix", "test-alert", "--seconds", "60", "--json")
        try:
            wait_for("the test value", lambda: sent(server) == [(TEST, "1")], 20)
            process.send_signal(number)
            process.communicate(timeout=20)
        finally:
            process.kill()
        assert sent(server) == [(TEST, "1"), (TEST, "0")]
        assert process.returncode == status


def test_the_second_destination_is_tested_when_the_first_is_down(tmp_path: Path) -> None:
    with FakeServer() as closed:
        pass
    with FakeServer() as server:
        house = House(tmp_path, f"{closed.address},{server.address}")
        done = house.usbrh("zabbix", "test-alert", "--seconds", "1")
        assert done.returncode == 6
        assert sent(server) == [(TEST, "1"), (TEST, "0")]


def test_a_rejected_value_names_the_template(tmp_path: Path) -> None:
    with FakeServer(reject=lambda value: True) as server:
        done = House(tmp_path, server.address).usbrh("zabbix", "test-alert", "--seconds", "1")
        assert done.returncode == 7
        assert "fix: import the template of this version: usbrh zabbix provision --force" in done.stdout
