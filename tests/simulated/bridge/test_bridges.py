"""Many bridges; ``python -m benchmarks.fleet`` runs 1,000 of them with a real Zabbix."""

from contextlib import suppress
from pathlib import Path

import pytest

from benchmarks.bridges import SENSOR, Bridges
from tests.support.daemon import free_port, wait_for
from usbrh.clock import NS
from usbrh.errors import JournalError
from usbrh.zabbix.fake_server import FakeServer


def test_each_bridge_delivers_its_readings(tmp_path: Path) -> None:
    with FakeServer() as server:
        bridges = Bridges(tmp_path / "fleet", {f"host-{number}": server.address for number in range(3)}, 1)

        def arrived() -> set[tuple[str, int]]:
            key = f"usbrh.get[{SENSOR}]"
            return {(value.host, value.clock * NS + value.ns) for value in server.values if value.key == key}

        bridges.start()
        wait_for("a reading of each host", lambda: len({host for host, _ in arrived()}) == 3)
        bridges.stop()
        assert bridges.measured() == arrived()
        assert bridges.waiting() == 0


def test_what_waits_is_delivered_later(tmp_path: Path) -> None:
    port = free_port()
    bridges = Bridges(tmp_path / "fleet", {"host": f"127.0.0.1:{port}"}, 5)
    bridges.start()

    def waits() -> bool:
        with suppress(JournalError):  # the file is not complete yet
            return bridges.waiting() > 0
        return False

    wait_for("a reading waits", waits)
    bridges.stop()
    measured = bridges.measured()
    assert bridges.waiting() == len(measured) > 0  # two, if its first two moments are close
    with FakeServer(port) as server:
        bridges.flush()
        assert bridges.waiting() == 0
        values = [value for value in server.values if value.key == f"usbrh.get[{SENSOR}]"]
    assert len(values) == len(measured)
    assert {(value.host, value.clock * NS + value.ns) for value in values} == measured


def test_an_error_that_ends_a_bridge_is_raised(tmp_path: Path) -> None:
    bridges = Bridges(tmp_path / "fleet", {"host": "no address"}, 0.1)
    bridges.start()
    wait_for("the processes end", lambda: all(process.poll() is not None for process in bridges.processes))
    with pytest.raises(ChildProcessError):
        bridges.stop()
