"""``usbrh status``: as a process."""

import json
from pathlib import Path
from typing import Any

from tests.support.command import usbrh
from usbrh.zabbix.fake_server import FakeServer


def test_before_during_and_after_an_outage(tmp_path: Path) -> None:
    settings: Any = {
        "USBRH_JOURNAL_PATH": str(tmp_path / "journal.db"),
        "USBRH_SIMULATE": "2",
        "USBRH_ALLOW_SIMULATED": "1",
        "USBRH_ZABBIX_HOST": "pc",
    }
    none = usbrh("status", **settings)
    assert none.returncode == 1
    assert none.stderr == ""
    assert "fix: usbrh run or usbrh send creates it" in none.stdout
    with FakeServer() as server:
        assert usbrh("send", USBRH_ZABBIX_SERVERS=server.address, **settings).returncode == 0
        found = usbrh("status", **settings)
        assert (found.returncode, found.stderr) == (0, "")
        lines = found.stdout.splitlines()
        assert (lines[-6], *lines[-2:], lines.count("")) == ("", "", "all is well", 2), lines
        checks = [line[:10].rstrip() for line in lines[:-6]]  # a machine with systemd has a line for each unit
        assert (set(checks) <= {"units", "last round"}, checks[-1:]) == (True, ["last round"]), lines
        assert max(map(len, lines)) <= 85
        assert [line for line in lines if line.startswith("sim-1: 31.69 °C") and line.endswith(" s ago")]
        assert [line for line in lines if line.startswith(f"{server.address}: 0 waiting, 0 rejected, 2 delivered")]
        server.reject = lambda value: True
        assert usbrh("send", USBRH_ZABBIX_SERVERS=server.address, **settings).returncode == 7
    found = usbrh("status", "--json", **settings)
    assert found.returncode == 7
    data = json.loads(found.stdout)
    assert (data["ok"], data["destinations"][0]["rejected"]) == (False, 2)
    assert [each["fix"] for each in data["findings"] if each["status"] == "warning"] == ["see: usbrh journal status"]


def test_a_wrong_configuration(tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    file.write_text("[bridge]\ninterval = 1\n")
    found = usbrh("status", "--config", str(file))
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(f"usbrh: {file}, line 2: interval must be")
