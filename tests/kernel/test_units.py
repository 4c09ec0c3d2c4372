"""systemd/: what systemd says of the units, and the service and the timer really running."""

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.kernel.guest import DATA, Plugged
from tests.support.kernel.usbrh2 import Usbrh2, simulated
from tests.support.kernel.vm import Machine
from usbrh.zabbix.fake_server import FakeServer

UNITS = ["usbrh.service", "usbrh-send.service", "usbrh-send.timer"]
MOST_EXPOSURE = 1.5

CONFIG = """
[zabbix]
servers = ["10.0.2.2:{port}"]
host = "guest"
[bridge]
interval = "5s"
[sensor."{sensor}"]
name = "{name}"
"""


@pytest.fixture(scope="module")
def units(vm: Machine) -> Iterator[None]:
    """As a package would install them."""
    paths = " ".join(f"{DATA}/systemd/{unit}" for unit in UNITS)
    vm.run(f"cp {paths} /etc/systemd/system; systemctl daemon-reload").check()
    vm.run(f"systemd-tmpfiles --create {DATA}/systemd/tmpfiles.d/usbrh.conf").check()
    yield
    vm.run("rm /etc/usbrh/usbrh.toml").check()


@pytest.fixture
def zabbix() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


def configure(vm: Machine, zabbix: FakeServer, sensor: str, name: str) -> None:
    text = CONFIG.format(port=zabbix.port, sensor=sensor, name=name)
    vm.put("/etc/usbrh/usbrh.toml", text, mode="640", owner="root:usbrh")


def wait_for(what: Callable[[], bool], seconds: float, vm: Machine, unit: str) -> None:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            pytest.fail(vm.run(f"systemctl status --no-pager {unit}; journalctl -u {unit} --no-pager").stdout)
        time.sleep(0.2)


def ask(vm: Machine, key: str, user: str) -> str:
    """The answer of the agent file's shell command. It fails where it would start usbrh."""
    text = vm.run(f"cat {DATA}/zabbix/zabbix_agentd.d/usbrh.conf").check()
    command = text.partition("UserParameter=usbrh.get[*],")[2].partition("\n")[0]
    return vm.run(command.replace("$1", key).replace("exec usbrh", "false"), user=user).stdout


def show(vm: Machine, unit: str, name: str) -> str:
    return vm.run(f"systemctl show -P {name} {unit}").check().strip()


def test_account_and_directories(vm: Machine, units: None) -> None:
    assert vm.run("getent passwd usbrh").check().rstrip().endswith(":/var/lib/usbrh:/usr/sbin/nologin")
    assert vm.run("id -nG usbrh").check().strip() == "usbrh"
    assert vm.run("stat -c '%U:%G %a' /etc/usbrh").check().strip() == "root:root 755"
    assert vm.run("stat -c '%U:%G %a' /var/lib/usbrh").check().strip() == "usbrh:usbrh 750"


def test_systemd_has_nothing_to_say_against_them(vm: Machine, units: None) -> None:
    reported = vm.run(f"cd /etc/systemd/system && systemd-analyze verify --man=no {' '.join(UNITS)}", timeout=60)
    assert (reported.status, reported.stdout, reported.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS[:2])
def test_exposure(vm: Machine, units: None, unit: str) -> None:
    reported = vm.run(
        f"systemd-analyze security --no-pager --offline=true /etc/systemd/system/{unit}", timeout=60
    ).stdout
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", reported)
    assert found, reported
    assert float(found[1]) <= MOST_EXPOSURE, reported


def test_both_services_are_held_as_tight(vm: Machine, units: None) -> None:
    texts = [vm.run(f"cat {DATA}/systemd/{unit}").check() for unit in UNITS[:2]]
    tight = [text[text.index("\n# Sandbox:") :].partition("\n[")[0].strip() for text in texts]
    assert tight[0] == tight[1]


def test_the_service(vm: Machine, units: None, sensor: Plugged, zabbix: FakeServer) -> None:
    unit, key = "usbrh.service", "usbrh.get[kitchen]"
    configure(vm, zabbix, sensor.port, "kitchen")
    vm.run(f"systemctl start {unit}", timeout=60).check()  # Type=notify: it has reported that it is ready
    try:
        wait_for(lambda: sum(value.key == key for value in zabbix.values) >= 2, 40, vm, unit)
        pid = show(vm, unit, "MainPID")
        assert vm.run(f"ps -o user=,group= {pid}").check().split() == ["usbrh", "usbrh"]
        status = vm.run(f"cat /proc/{pid}/status").check()
        for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
            assert line in status
        # Alice is in the group, as the agent's user is after usbrh setup.
        answer = json.loads(ask(vm, "kitchen", "alice"))
        assert (answer["sensor"], answer["state"], answer["age"] < 15) == ("kitchen", "ok", True)
        assert ask(vm, "kitchen", "nobody") == ""
        assert vm.run("stat -c '%U:%G %a' /run/usbrh/readings").check().strip() == "usbrh:usbrh 750"
        # SIGHUP reads the configuration again, in the same process.
        configure(vm, zabbix, sensor.port, "cellar")
        vm.run(f"systemctl reload {unit}").check()
        wait_for(lambda: any(value.key == "usbrh.get[cellar]" for value in zabbix.values), 40, vm, unit)
        assert show(vm, unit, "MainPID") == pid
        assert show(vm, unit, "NRestarts") == "0"
        assert show(vm, unit, "StatusText")
    finally:
        vm.run(f"systemctl stop {unit}", timeout=60).check()
    assert (show(vm, unit, "Result"), show(vm, unit, "ExecMainStatus")) == ("success", "0")
    assert ask(vm, "cellar", "alice") == "", "systemd has removed the readings"
    times = [(value.clock, value.ns) for value in zabbix.values if value.key in (key, "usbrh.get[cellar]")]
    assert times == sorted(set(times))


def test_a_clock_that_is_not_set(vm: Machine, units: None, sensor: Plugged, zabbix: FakeServer) -> None:
    """As on a Raspberry Pi without a battery; the sandbox hides from the service what only the machine knows."""
    unit, key = "usbrh.service", "usbrh.get[kitchen]"
    configure(vm, zabbix, sensor.port, "kitchen")
    before = float(vm.run("date +%s; date -s @100000 >&2").check())
    start = time.monotonic()
    try:
        vm.run(f"systemctl start {unit}", timeout=60).check()
        wait_for(lambda: any(value.key == "usbrh.bridge" for value in zabbix.values), 40, vm, unit)
        state = next(value for value in zabbix.values if value.key == "usbrh.bridge")
        assert state.clock == 0, "the server uses its own time"
        assert json.loads(state.value)["error"].startswith("the system clock is not set")
        assert not any(value.key == key for value in zabbix.values)
        status = "usbrh journal status --json"
        wait_for(lambda: json.loads(vm.run(status).check())["unconfirmed"] > 0, 40, vm, unit)
        vm.run(f"date -s @{before + time.monotonic() - start:.3f}").check()
        wait_for(lambda: sum(value.key == key for value in zabbix.values) >= 3, 40, vm, unit)
    finally:
        vm.run(f"date -s @{before + time.monotonic() - start:.3f}; systemctl stop {unit}", timeout=60).check()
    clocks = [value.clock for value in zabbix.values if value.key == key]
    assert clocks == sorted(clocks)
    assert before - 1 <= clocks[0]
    assert clocks[-1] <= before + time.monotonic() - start + 1
    log = vm.run(f"journalctl -u {unit} --no-pager").check()
    assert "the system clock was set from 1970-01-02" in log
    assert "corrected the time of" in log


def test_a_service_that_hangs_is_started_again(vm: Machine, units: None, sensor: Plugged, zabbix: FakeServer) -> None:
    """By systemd's watchdog, in a tenth of the unit's time; the journal is where it was."""
    unit = "usbrh.service"
    configure(vm, zabbix, sensor.port, "kitchen")
    vm.put(f"/run/systemd/system/{unit}.d/quick.conf", "[Service]\nWatchdogSec=9s\nRestartSec=1s\n")
    vm.run(f"systemctl daemon-reload; systemctl start {unit}", timeout=60).check()
    try:
        wait_for(lambda: bool(zabbix.values), 40, vm, unit)
        vm.run(f"kill -STOP {show(vm, unit, 'MainPID')}").check()
        wait_for(lambda: show(vm, unit, "NRestarts") == "1", 60, vm, unit)
        before = len(zabbix.values)
        wait_for(lambda: len(zabbix.values) > before, 40, vm, unit)
    finally:
        vm.run(f"systemctl stop {unit}; rm -r /run/systemd/system/{unit}.d; systemctl daemon-reload", timeout=60)
    assert "watchdog" in vm.run(f"journalctl -u {unit} --no-pager").check()


def test_a_usbrh2_that_is_the_first_of_its_kind(vm: Machine, units: None, zabbix: FakeServer, tmp_path: Path) -> None:
    """Its driver is loaded when the service starts, so that the unit's DeviceAllow knows it."""
    unit = "usbrh.service"
    vm.run("! modprobe -r cdc_acm || ! grep ttyACM /proc/devices").check()
    configure(vm, zabbix, "E02A", "roof")
    vm.run(f"systemctl start {unit}", timeout=60).check()
    try:
        with simulated(tmp_path) as simulator:
            Usbrh2(vm, simulator)
            wait_for(lambda: any('"temperature":23.77,' in value.value for value in zabbix.values), 40, vm, unit)
            simulator.do("sim-1 unplug")
    finally:
        vm.run(f"systemctl stop {unit}", timeout=60).check()


def test_the_timer_makes_up_for_what_it_missed(vm: Machine, units: None, sensor: Plugged, zabbix: FakeServer) -> None:
    configure(vm, zabbix, sensor.port, "attic")
    stamp = "/var/lib/systemd/timers/stamp-usbrh-send.timer"
    vm.run(f"mkdir -p $(dirname {stamp}); touch -d yesterday {stamp}; systemctl start usbrh-send.timer").check()
    try:
        wait_for(lambda: any(value.key == "usbrh.get[attic]" for value in zabbix.values), 50, vm, "usbrh-send.service")
        wait_for(lambda: show(vm, "usbrh-send.service", "ActiveState") == "inactive", 20, vm, "usbrh-send.service")
        assert show(vm, "usbrh-send.service", "Result") == "success"
        assert json.loads(ask(vm, "attic", "alice"))["age"] < 30
    finally:
        vm.run("systemctl stop usbrh-send.timer").check()
