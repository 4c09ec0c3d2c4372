"""A machine that boots with a wrong hardware clock, as a Raspberry Pi without a battery does."""

import json
import time
from pathlib import Path

from tests.support.daemon import wait_for
from tests.support.kernel import guest, image
from tests.support.kernel.vm import Machine
from usbrh.zabbix.fake_server import FakeServer

CONFIG = """
[zabbix]
servers = ["10.0.2.2:{port}"]
host = "guest"
[bridge]
interval = "5s"
"""
VIRTUAL = "[Service]\nEnvironment=USBRH_SIMULATE=1 USBRH_ALLOW_SIMULATED=1\n"


def clocks(server: FakeServer) -> list[int]:
    """Return the clock of each reading that the server has accepted."""
    return [value.clock for value in server.values if value.key == "usbrh.get[sim-1]"]


def test_a_boot_in_1971(built: Path, tmp_path: Path) -> None:
    disk = image.copy(built, tmp_path)
    with FakeServer() as server:
        with Machine(disk) as machine:
            guest.install(machine, tmp_path, built)
            machine.run(f"cp {guest.DATA}/systemd/usbrh.service /etc/systemd/system").check()
            machine.run(f"systemd-tmpfiles --create {guest.DATA}/systemd/tmpfiles.d/usbrh.conf").check()
            machine.put("/etc/systemd/system/usbrh.service.d/virtual.conf", VIRTUAL)
            machine.put("/etc/usbrh/usbrh.toml", CONFIG.format(port=server.port), mode="640", owner="root:usbrh")
            machine.run("systemctl daemon-reload; systemctl enable --now usbrh", timeout=60).check()
            wait_for("a reading", lambda: clocks(server), 60)
            machine.run("systemctl stop usbrh; sync", timeout=60).check()
        before = len(server.values)
        readings = len(clocks(server))
        [kernel] = (built / "boot").glob("vmlinuz-*")
        [initrd] = (built / "boot").glob("initrd.img-*")
        start = time.time()
        with Machine(disk, kernel=kernel, initrd=initrd, rtc="1971-01-01T00:00:00") as machine:
            machine.run("systemctl is-system-running --wait", timeout=180)
            wait_for("the state", lambda: any(v.key == "usbrh.bridge" for v in server.values[before:]), 120)
            (state, *_) = [v for v in server.values[before:] if v.key == "usbrh.bridge"]
            assert json.loads(state.value)["error"].startswith("the system clock is not set")
            assert json.loads(state.value)["clock_synchronised"] is not True
            assert len(clocks(server)) == readings
            doctor = json.loads(machine.run('usbrh doctor --json | grep \'"check": "clock"\'', timeout=60).check())
            assert doctor["status"] == "fault"
            machine.run(f"date -s @{time.time():.3f}").check()
            wait_for("corrected readings", lambda: len(clocks(server)) >= readings + 3, 60)
            machine.run("systemctl stop usbrh", timeout=60).check()
            log = machine.run("journalctl -u usbrh --no-pager").check()
    found = clocks(server)[readings:]
    assert found == sorted(found)
    assert start - 5 <= found[0]
    assert found[-1] <= time.time() + 5
    assert "corrected the time of" in log
