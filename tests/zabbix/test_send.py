"""`usbrh send` as a process, from a virtual sensor into a real Zabbix, and back out of its history."""

import json
import time
from pathlib import Path

from tests.zabbix.server import TEXT, ZabbixServer
from tests.zabbix.test_provision import usbrh
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
    readings = [json.loads(line) for line in sent.stdout.splitlines()]
    assert [reading["sensor"] for reading in readings] == ["sim-1", "sim-2"]
    for reading in readings:
        (stored,) = server.wait_history(host, f"usbrh.get[{reading['sensor']}]")
        assert stored.clock * 10**9 + stored.ns == parse_time(reading["time"])
        assert json.loads(stored.value) == reading
