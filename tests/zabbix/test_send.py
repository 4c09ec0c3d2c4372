"""`usbrh send` and `run` as processes, from a virtual sensor into a real Zabbix, and back out of its history."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import wait_for
from tests.support.zabbix.command import usbrh
from tests.support.zabbix.provisioner import Provisioner
from tests.support.zabbix.server import TEXT, ZabbixServer
from usbrh.reading import parse_time


def test_value_clock_and_ns_are_in_the_history(server: ZabbixServer, tmp_path: Path) -> None:
    host = f"send-{time.time_ns()}"
    server.make_host(host, {"usbrh.get[sim-1]": TEXT, "usbrh.get[sim-2]": TEXT})
    server.sync()
    sent = usbrh(
        *("send", "--allow-simulated", "--json"),
        USBRH_SIMULATE="2",
        USBRH_JOURNAL_PATH=str(tmp_path / "journal.db"),
        USBRH_ZABBIX_SERVERS=server.trapper,
        USBRH_ZABBIX_HOST=host,
    )
    assert sent.returncode == 0, sent.stderr
    *readings, delivered = [json.loads(line) for line in sent.stdout.splitlines()]
    assert (delivered["delivered"], delivered["waiting"]) == (len(readings), 0)
    assert [reading["sensor"] for reading in readings] == ["sim-1", "sim-2"]
    for reading in readings:
        (stored,) = server.wait_history(host, f"usbrh.get[{reading['sensor']}]")
        assert stored.clock * 10**9 + stored.ns == parse_time(reading["time"])
        assert json.loads(stored.value) == reading


@pytest.mark.parametrize("server", ["6.0"], indirect=True)
def test_a_host_that_is_made_late_gets_everything(server: ZabbixServer, tmp_path: Path) -> None:
    host = f"late-{time.time_ns()}"
    environment = {
        "USBRH_SIMULATE": "1", "USBRH_JOURNAL_PATH": str(tmp_path / "journal.db"), "USBRH_BRIDGE_INTERVAL": "5s",
        "USBRH_ZABBIX_SERVERS": server.trapper, "USBRH_ZABBIX_HOST": host, "PATH": "/usr/bin",
    }  # fmt: skip

    def journal() -> list[dict[str, Any]]:
        return [json.loads(line) for line in usbrh("journal", "export", "--json", **environment).stdout.splitlines()]

    command = [sys.executable, "-m", "usbrh", "run", "--allow-simulated"]
    service = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(
            "a rejected reading",
            lambda: "rejected" in [each["state"] for reading in journal() for each in reading["destinations"]],
        )
        Provisioner(server, host)()
        server.wait_history(host, "usbrh.temperature[sim-1]", 3, 60)
    finally:
        service.terminate()
        _, errors = service.communicate(timeout=20)
    assert service.returncode == 0, errors
    readings = journal()
    stored = server.wait_history(host, "usbrh.temperature[sim-1]", len(readings))
    assert [value.clock * 10**9 + value.ns for value in stored] == [parse_time(each["time"]) for each in readings]
