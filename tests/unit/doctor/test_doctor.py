"""``usbrh doctor``: each thing that can be wrong on a machine, made wrong."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.support.clocks import WoundClock
from tests.support.closed import NOBODY, closed, nobody, reachable
from usbrh import doctor
from usbrh.bridge.diagnosis import CHECKS
from usbrh.clock import NS
from usbrh.config import Config, JournalConfig, SensorConfig, ZabbixConfig
from usbrh.doctor import agent, network, service, usb
from usbrh.drivers import usbrh2
from usbrh.errors import ConfigError
from usbrh.findings import Finding, Status
from usbrh.journal.store import Journal
from usbrh.reading import Reading
from usbrh.setup.machine import Machine
from usbrh.simulator import SimulatorBackend
from usbrh.system.access import rules
from usbrh.walltime import BUILT_NS
from usbrh.zabbix.fake_server import FakeServer

PORT = "1-1.4"


NODE = Path("/dev/bus/usb/001/007")


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with a sensor at 1-1.4 whose node belongs to the group usbrh, which is ours."""
    with reachable() as root:
        device = root / "sys/bus/usb/devices" / PORT
        device.mkdir(parents=True)
        (device / "busnum").write_text("1\n")
        (device / "devnum").write_text("7\n")
        node = root / "dev/bus/usb/001/007"
        node.parent.mkdir(parents=True)
        node.touch()
        node.chmod(0o660)
        for folder in ("etc/udev/rules.d", "run/systemd/system", "proc"):
            (root / folder).mkdir(parents=True)
        (root / "etc/udev/rules.d/70-usbrh.rules").write_text('ATTR{idVendor}=="1774", ATTR{idProduct}=="1001"\n')
        other = f"taro:x:{NOBODY}:{NOBODY}::/:/bin/sh\n" if os.geteuid() == 0 else ""
        (root / "etc/passwd").write_text(f"me:x:{os.getuid()}:{os.getgid()}::/:/bin/sh\n{other}")
        (root / "etc/group").write_text(f"usbrh:x:{os.getgid()}:\n")
        yield Machine(root)


def asked_by_a_user(machine: Machine) -> tuple[Finding, str]:
    """What a user finds who is neither root nor in the group of the node, and the name of this user."""
    node = machine.path(NODE)
    node.chmod(node.stat().st_mode & 0o077)  # not even for its owner, who runs the tests if that is not root
    with nobody():
        return usb.permission(machine, PORT), machine.user_name(os.geteuid())


def other_group(machine: Machine) -> None:
    machine.path("/etc/group").write_text(f"root:x:{os.getgid()}:\nusbrh:x:54321:\n")


def test_a_node_that_the_rule_opened_is_fine(machine: Machine) -> None:
    found = usb.permission(machine, PORT)
    assert (found.status, found.remedy) == (Status.OK, None)
    assert found.message == "1-1.4: /dev/bus/usb/001/007 (0660 me:usbrh), by /etc/udev/rules.d/70-usbrh.rules"


def test_no_permission_and_no_rule(machine: Machine) -> None:
    other_group(machine)
    machine.path("/etc/udev/rules.d/70-usbrh.rules").unlink()
    found, _ = asked_by_a_user(machine)
    assert (found.status, found.remedy, found.exit_status) == (Status.FAULT, "sudo usbrh setup", 4)
    assert found.message == f"1-1.4: no permission for {NODE} (0060 me:root): no udev rule gives it to the group usbrh"


def test_no_permission_though_there_is_a_rule(machine: Machine) -> None:
    other_group(machine)
    found, _ = asked_by_a_user(machine)
    assert found.status is Status.FAULT
    assert found.message.endswith("(0060 me:root): /etc/udev/rules.d/70-usbrh.rules was not applied to it")
    assert found.remedy is not None
    assert "udevadm trigger" in found.remedy


def test_no_permission_because_of_a_rule_of_somebody_else(machine: Machine) -> None:
    other_group(machine)
    ours = machine.path("/etc/udev/rules.d/70-usbrh.rules")
    ours.rename(ours.with_name("60-other.rules"))
    found, _ = asked_by_a_user(machine)
    assert (found.status, found.remedy) == (Status.FAULT, "sudo usbrh setup")
    assert found.message.endswith(": /etc/udev/rules.d/60-other.rules does not give it to the group usbrh")


@pytest.mark.parametrize("mark", ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"])
def test_no_permission_in_a_container(machine: Machine, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.path(mark).touch()
    node = machine.path(NODE)
    node.chmod(0o664)
    os.chown(node, -1, os.getgid())
    found, _ = asked_by_a_user(machine)
    gid = os.getgid()
    if gid == 0:
        assert found.message.endswith(": the host gives it to root only")
        assert found.remedy == "on the host: sudo usbrh setup"
        os.chown(node, -1, 61002)
        found, _ = asked_by_a_user(machine)
        gid = 61002
    assert found.message.endswith(f": the user in the container is not in the group {gid} of the host")
    assert found.remedy == f"start it with that group, for example: docker run --group-add={gid}"
    node.chmod(0o666)
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # as the kernel answers without --device
    found = usb.permission(machine, PORT)
    assert found.message.endswith(": the container has no access to this device")
    assert found.remedy == "start it with the device, for example: docker run --device=/dev/bus/usb/001/007"


def test_no_permission_that_the_mode_does_not_explain(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **__: False)  # as the kernel answers under DeviceAllow=
    found = usb.permission(machine, PORT)
    assert "DeviceAllow= of a systemd unit, AppArmor or SELinux" in found.message
    assert found.remedy == "see: sudo journalctl -k | grep -i denied"


def test_a_rule_of_somebody_else_that_does_not_give_it_to_the_group(machine: Machine) -> None:
    other_group(machine)
    ours = machine.path("/etc/udev/rules.d/70-usbrh.rules")
    ours.rename(ours.with_name("60-other.rules"))
    found = usb.permission(machine, PORT)
    assert (found.status, found.remedy) == (Status.WARNING, "sudo usbrh setup")
    assert found.message.endswith(", despite /etc/udev/rules.d/60-other.rules")


def test_no_permission_for_who_is_not_in_the_group(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    found, user = asked_by_a_user(machine)
    remedy = f"sudo usermod -aG usbrh {user}, then log in again, or for now: sg usbrh -c 'usbrh read'"
    assert (found.status, found.remedy) == (Status.FAULT, remedy)
    assert found.message.endswith(f": {user} is not in the group usbrh")
    machine.path("/etc/group").write_text(f"usbrh:x:{os.getgid()}:{user}\n")
    monkeypatch.setattr(os, "getgroups", list)
    found, user = asked_by_a_user(machine)
    assert (found.status, found.remedy) == (Status.FAULT, "log in again, or for now: sg usbrh -c 'usbrh read'")
    assert found.message.endswith(f": {user} was added to the group usbrh after logging in")


def test_permission_that_only_this_user_has(machine: Machine) -> None:
    other_group(machine)
    found = usb.permission(machine, PORT)
    assert found.status is Status.WARNING
    assert "the group usbrh may not" in found.message


def test_a_usbrh2_is_a_serial_port(machine: Machine) -> None:
    device = machine.path(f"/sys/bus/usb/devices/{PORT}:1.0")
    (device / "tty/ttyACM0").mkdir(parents=True)
    (device / "driver").symlink_to("../../../../bus/usb/drivers/cdc_acm")
    node = machine.path("/dev/ttyACM0")
    node.touch()
    node.chmod(0o660)
    found = usb.permission(machine, PORT)
    assert (found.status, found.message) == (Status.OK, "1-1.4: /dev/ttyACM0 (0660 me:usbrh)")
    machine.path("/etc/udev/rules.d/70-usbrh.rules").write_text('ENV{ID_SERIAL}=="Strawberry_Linux_USBRH2_*"\n')
    assert usb.permission(machine, PORT).message.endswith("by /etc/udev/rules.d/70-usbrh.rules")
    other_group(machine)
    remedy = usb.permission(machine, PORT).remedy
    assert remedy is not None
    assert "ID_MODEL=USBRH2" in remedy
    assert usb.kernel_driver(machine, PORT).status is Status.OK
    assert "cdc_acm" in usb.kernel_driver(machine, PORT).message


def test_a_sensor_that_went_away_meanwhile(machine: Machine) -> None:
    machine.path("/dev/bus/usb/001/007").unlink()
    assert usb.permission(machine, PORT).exit_status == 3
    machine.path(f"/sys/bus/usb/devices/{PORT}/devnum").unlink()
    assert usb.permission(machine, PORT).exit_status == 3


def test_rules_that_only_mention_it_do_not_count_and_ours_comes_first(machine: Machine) -> None:
    folder = machine.path("/usr/lib/udev/rules.d")
    folder.mkdir(parents=True)
    (folder / "60-other.rules").write_text('ATTRS{idVendor}=="1774", ATTRS{idProduct}=="1001", MODE="0666"\n')
    (folder / "61-comment.rules").write_text('# ATTRS{idVendor}=="1774", ATTRS{idProduct}=="1001"\n')
    (folder / "70-usbrh.rules").write_text('ATTR{idVendor}=="1774", ATTR{idProduct}=="1001"\n')  # hidden by /etc
    assert rules(machine, NODE) == ["/etc/udev/rules.d/70-usbrh.rules", "/usr/lib/udev/rules.d/60-other.rules"]


def test_a_rule_that_only_root_may_read() -> None:
    with reachable() as folder:
        there = folder / "etc/udev/rules.d"
        there.mkdir(parents=True)
        (there / "60-other.rules").write_text('ATTR{idVendor}=="1774", ATTR{idProduct}=="1001"\n')
        (there / "70-usbrh.rules").write_text('ATTR{idVendor}=="1774", ATTR{idProduct}=="1001"\n')
        (there / "80-folder.rules").mkdir()
        with closed(there / "60-other.rules"):
            assert rules(Machine(folder), NODE) == ["/etc/udev/rules.d/70-usbrh.rules"]


@contextmanager
def holding(machine: Machine, *command: str, program: Path | None = None) -> Iterator[int]:
    """The PID of a Python with these arguments that has the node open, by what is written to ``program`` if given."""
    node = str(machine.path("/dev/bus/usb/001/007"))
    text = f"f = open({node!r}, 'rb'); print('open', flush=True); input()"
    if program:
        program.parent.mkdir(exist_ok=True)
        (program.parent / "__init__.py").touch()
        program.write_text(text)
    words = [sys.executable, *command, *([] if program else ["-c", text])]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=machine.root) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process.pid
        process.kill()


@pytest.mark.parametrize("command", [[], ["-m", "usbrh_other"], ["other.py", "/opt/usbrh/bin/usbrh"]])
def test_another_program_that_holds_the_sensor_is_named(machine: Machine, command: list[str]) -> None:
    program = machine.path({"-m": "usbrh_other.py"}.get(command[0], command[0])) if command else None
    with holding(machine, *command, program=program) as pid:
        found = usb.in_use(machine, PORT)
    assert found.status is Status.WARNING
    assert f"(PID {pid}) has it open" in found.message
    assert found.remedy == f"if it blocks usbrh: kill {pid}"


@pytest.mark.parametrize(
    ("command", "program"),
    [
        (["-m", "usbrh"], "usbrh/__main__.py"),
        (["-B", "-m", "usbrh", "run"], "usbrh/__main__.py"),
        (["bin/usbrh", "run"], "bin/usbrh"),
        (["-I", "bin/usbrh"], "bin/usbrh"),
    ],
)
def test_one_of_ours_is_known_also_by_what_its_python_runs(machine: Machine, command: list[str], program: str) -> None:
    with holding(machine, *command, program=machine.path(program)) as pid:
        found = usb.in_use(machine, PORT)
    assert (found.status, found.message) == (Status.OK, f"1-1.4: by usbrh (PID {pid}), which shares it")


def test_a_sensor_whose_name_has_a_blank(machine: Machine) -> None:
    heated = replace(reading(0), sensor="living room", heater=True)
    assert usb.reading_of(heated).remedy == "usbrh heater off 'living room'"


def test_a_free_sensor(machine: Machine) -> None:
    assert usb.in_use(machine, PORT).message.startswith("1-1.4: by no program")


@pytest.mark.parametrize(
    ("driver", "status"), [("usbhid", Status.OK), ("usbfs", Status.OK), ("usbrh", Status.WARNING), (None, Status.OK)]
)
def test_kernel_driver(machine: Machine, driver: str | None, status: Status) -> None:
    if driver:
        interface = machine.path(f"/sys/bus/usb/devices/{PORT}:1.0")
        interface.mkdir()
        (interface / "driver").symlink_to(f"../../../../bus/usb/drivers/{driver}")
    found = usb.kernel_driver(machine, PORT)
    assert found.status is status
    assert found.remedy == ("if the sensor can't be read: sudo modprobe -r usbrh" if driver == "usbrh" else None)


# ---------------------------------------------------------------- libusb


def test_no_libusb_is_a_fault_or_a_warning_if_there_is_a_usbrh2(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USBRH_SIMULATE", raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    monkeypatch.setattr("usb.backend.libusb1.get_backend", lambda: None)
    monkeypatch.setattr("usbrh.drivers.bus.serial_ports", list)
    first, second = islice(doctor.examine(Config(), machine), 2)
    assert (first.check, first.status, first.remedy) == ("libusb", Status.FAULT, "sudo apt install libusb-1.0-0")
    assert (second.check, second.status) == ("USB bus", Status.NOT_CHECKED)
    port = (usbrh2.PORT_NAME.format("E02A"), "1-1.4", Path("/dev/ttyACM7"))
    monkeypatch.setattr("usbrh.drivers.bus.serial_ports", lambda: [port])
    first, second, third = islice(doctor.examine(Config(), machine), 3)
    assert (first.check, first.status) == ("libusb", Status.WARNING)
    assert first.remedy == "for a USB-RH: sudo apt install libusb-1.0-0"
    assert (second.status, third.check, third.status) == (Status.NOT_CHECKED, "sensor", Status.OK)


def test_no_usb_bus_is_a_fault_only_without_a_sensor(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("USBRH_SIMULATE", raising=False)
    monkeypatch.setattr("usbrh.drivers.bus.NODES", tmp_path / "none")
    monkeypatch.setattr("usb.backend.libusb1.get_backend", lambda: SimulatorBackend([]))
    monkeypatch.setattr("usbrh.drivers.bus.serial_ports", list)
    first, second = islice(doctor.examine(Config(), machine), 2)
    assert (first.check, first.status, second.check, second.status) == ("libusb", Status.OK, "USB bus", Status.FAULT)
    assert second.message.startswith("no sensor: this machine has no USB bus")
    assert second.remedy is not None
    port = (usbrh2.PORT_NAME.format("E02A"), "1-1.4", Path("/dev/ttyACM7"))
    monkeypatch.setattr("usbrh.drivers.bus.serial_ports", lambda: [port])
    first, second, third = islice(doctor.examine(Config(), machine), 3)
    assert (first.status, second.status, third.status) == (Status.OK, Status.OK, Status.OK)
    assert third.check == "sensor"


# ---------------------------------------------------------------- configuration


def test_a_wrong_configuration_is_a_fault_and_the_rest_is_still_looked_at(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    error = ConfigError(
        '/etc/usbrh/usbrh.toml, line 3: there is no key "hots" in [zabbix]', remedy="did you mean host?"
    )
    findings = list(doctor.examine(error, machine))
    [found] = [each for each in findings if each.check == "configuration"]
    assert (found.status, found.exit_status, found.remedy) == (Status.FAULT, 2, "did you mean host?")
    assert [each.status for each in findings if each.check == "reading"] == [Status.OK]


def test_a_configuration_that_anybody_may_change(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    file.touch()
    config = Config(path=file)
    file.chmod(0o666)
    [found] = service.configuration(config, config)
    assert (found.status, found.remedy) == (Status.WARNING, f"sudo chmod o-w {file}")
    file.chmod(0o640)
    [found] = service.configuration(config, config)
    assert found.status is Status.OK


# ---------------------------------------------------------------- units


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of PATH, for programs of the system that answer as they would elsewhere."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


def program(folder: Path, name: str, prints: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\ncat <<'END'\n{prints}\nEND\n")
    file.chmod(0o755)


def show(service_state: str, timer_state: str, enabled: str = "enabled", load: str = "loaded") -> str:
    """What systemctl show prints, with the empty lines between units."""
    states = {"usbrh.service": service_state, "usbrh-send.service": "inactive", "usbrh-send.timer": timer_state}
    return "\n\n".join(
        f"Result={'exit-code' if state == 'failed' else 'success'}\nId={unit}\nLoadState={load}\nActiveState={state}\n"
        f"UnitFileState={enabled}"
        for unit, state in states.items()
    )


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (show("active", "inactive"), (Status.OK, "usbrh.service runs", None)),
        (show("inactive", "active"), (Status.OK, "usbrh-send.timer runs", None)),
        (show("active", "inactive", "disabled"), (Status.WARNING, "not after the next boot", "enable usbrh.service")),
        (show("active", "active"), (Status.WARNING, "sent twice", "disable --now usbrh-send.timer")),
        (
            show("failed", "inactive"),
            (Status.FAULT, "usbrh.service failed (exit-code)", "journalctl -u usbrh.service"),
        ),
        (show("inactive", "inactive"), (Status.WARNING, "nothing is sent", "enable --now usbrh.service")),
        (show("inactive", "inactive", "", "not-found"), (Status.WARNING, "no units", "sudo usbrh setup")),
    ],
)
def test_units(machine: Machine, programs: Path, shown: str, expected: tuple[Status, str, str | None]) -> None:
    status, says, remedy = expected
    program(programs, "systemctl", shown)
    [found] = service.units(machine)
    assert found.status is status
    assert says in found.message
    assert (remedy in (found.remedy or "")) if remedy else found.remedy is None


def restarted(active: str, sub: str, times: int) -> str:
    """What systemctl show prints of a service that systemd has started again."""
    shown = show(active, "inactive")
    return shown.replace("Id=usbrh.service\n", f"Id=usbrh.service\nSubState={sub}\nNRestarts={times}\n")


@pytest.mark.parametrize(("sub", "times"), [("auto-restart", 0), ("auto-restart-queued", 0), ("start", 7)])
def test_a_service_that_ends_again_and_again(machine: Machine, programs: Path, sub: str, times: int) -> None:
    program(programs, "systemctl", restarted("activating", sub, times))
    [found] = service.units(machine)
    assert (found.status, found.remedy) == (Status.FAULT, "see why: sudo journalctl -u usbrh.service -n 20")
    assert found.message == f"usbrh.service keeps failing (restarts: {times})"


def test_a_service_that_starts_for_the_first_time(machine: Machine, programs: Path) -> None:
    program(programs, "systemctl", restarted("activating", "start", 0))
    [found] = service.units(machine)
    assert found.status is Status.OK


def test_a_service_that_runs_after_it_had_failed(machine: Machine, programs: Path) -> None:
    program(programs, "systemctl", restarted("active", "running", 2))
    first, second = service.units(machine)
    assert (first.status, second.status) == (Status.WARNING, Status.OK)
    assert first.message == "usbrh.service runs, but failed before (restarts: 2)"
    assert "sudo systemctl reset-failed usbrh.service" in (first.remedy or "")


def test_a_service_that_had_failed_and_was_stopped_since(machine: Machine, programs: Path) -> None:
    program(programs, "systemctl", restarted("inactive", "dead", 2))
    [found] = service.units(machine)
    assert "neither service nor timer runs" in found.message


def test_units_without_systemd(machine: Machine) -> None:
    machine.path("/run/systemd/system").rmdir()
    [found] = service.units(machine)
    assert found.status is Status.NOT_CHECKED
    crontab = machine.path("/etc/cron.d/usbrh")
    crontab.parent.mkdir()
    crontab.touch()
    [found] = service.units(machine)
    assert (found.status, found.message) == (Status.OK, "cron reads and sends (/etc/cron.d/usbrh)")


OPENRC = {
    "etc/init.d/usbrh": "",
    "etc/runlevels/default/usbrh": None,
    "run/openrc/started/usbrh": None,
    "run/openrc/options/usbrh/child_pid": "4711\n",
    "run/openrc/options/usbrh/start_count": "0\n",
    "proc/4711/comm": "usbrh\n",
}
"""A service that runs and is enabled. None stands for a symbolic link."""


RESPAWNED = {"run/openrc/options/usbrh/start_count": "3"}


def booted_by_openrc(machine: Machine, files: dict[str, str | None]) -> Machine:
    machine.path("/run/systemd/system").rmdir()
    for name, text in {"run/openrc/softlevel": "default", **files}.items():
        path = machine.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to("/etc/init.d/usbrh") if text is None else path.write_text(text)
    return machine


@pytest.mark.parametrize(
    ("changes", "absent", "expected"),
    [
        ({}, "", (Status.OK, "usbrh runs", None)),
        (
            {},
            "etc/runlevels/default/usbrh",
            (Status.WARNING, "usbrh runs, but not after the next boot", "sudo rc-update add usbrh default"),
        ),
        (
            {},
            "etc/init.d/usbrh",
            (Status.WARNING, "no service is installed: nothing is sent automatically", "sudo usbrh setup"),
        ),
        (
            {},
            "run/openrc/started/usbrh",
            (
                Status.WARNING,
                "the service does not run: nothing is sent",
                "sudo rc-service usbrh start && sudo rc-update add usbrh default",
            ),
        ),
        (
            RESPAWNED,
            "",
            (
                Status.WARNING,
                "usbrh runs, but failed before (restarts: 3)",
                "see why: sudo tail -n 20 /var/log/usbrh.log; to reset the count: sudo rc-service usbrh restart",
            ),
        ),
        (
            RESPAWNED,
            "proc/4711/comm",
            (
                Status.FAULT,
                "usbrh has failed, and restarts soon (restarts: 3)",
                "see why: sudo tail -n 20 /var/log/usbrh.log",
            ),
        ),
    ],
)
def test_the_openrc_service(
    machine: Machine, changes: dict[str, str | None], absent: str, expected: tuple[Status, str, str | None]
) -> None:
    files = {name: text for name, text in {**OPENRC, **changes}.items() if name != absent}
    [found] = service.units(booted_by_openrc(machine, files))
    assert (found.status, found.message, found.remedy) == expected


def test_the_openrc_service_seen_by_a_user(machine: Machine) -> None:
    """Only root may read what supervise-daemon notes."""
    files = {name: text for name, text in OPENRC.items() if not name.startswith("run/openrc/options")}
    [found] = service.units(booted_by_openrc(machine, files))
    assert (found.status, found.message) == (Status.OK, "usbrh runs")


# ---------------------------------------------------------------- agent


@pytest.fixture
def agent_machine(machine: Machine, programs: Path) -> Machine:
    """With an agent whose file, group and answer are right."""
    folder = machine.path("/etc/zabbix/zabbix_agentd.d")
    folder.mkdir(parents=True)
    (folder / "usbrh.conf").write_text("UserParameter=usbrh.discovery,usbrh agent discovery\n")
    machine.path("/etc/zabbix/zabbix_agentd.conf").write_text("Include=/etc/zabbix/zabbix_agentd.d/*.conf\n")
    machine.path("/etc/passwd").write_text(f"root:x:{os.getuid()}:0::/:\nzabbix:x:102:105::/:/bin/false\n")
    machine.path("/etc/group").write_text("root:x:0:\nusbrh:x:54321:zabbix\n")
    program(programs, "zabbix_agentd", 'usbrh.sensors                               [t|[{"{#SENSOR}":"sim-1"}]]')
    return machine


def process(machine: Machine, groups: str) -> None:
    folder = machine.path("/proc/4242")
    folder.mkdir(parents=True)
    (folder / "comm").write_text("zabbix_agentd\n")
    (folder / "status").write_text(f"Uid:\t102\t102\t102\t102\nGid:\t105\t105\t105\t105\nGroups:\t{groups} \n")


def test_an_agent_that_answers(agent_machine: Machine) -> None:
    process(agent_machine, "105 54321")
    [found] = agent.agents(agent_machine)
    assert found.status is Status.OK


def test_no_agent(machine: Machine) -> None:
    [found] = agent.agents(machine)
    assert found.status is Status.NOT_CHECKED


def test_an_agent_without_the_file(agent_machine: Machine) -> None:
    agent_machine.path("/etc/zabbix/zabbix_agentd.d/usbrh.conf").unlink()
    [found] = agent.agents(agent_machine)
    assert found.status is Status.NOT_CHECKED  # nobody asked for readings through the agent
    assert "has no file for usbrh (to read the sensors through it: sudo usbrh setup)" in found.message


def test_an_agent_that_is_not_in_the_group(agent_machine: Machine) -> None:
    agent_machine.path("/etc/group").write_text("root:x:0:\nusbrh:x:54321:\n")
    [found] = agent.agents(agent_machine)
    assert (found.status, found.exit_status) == (Status.FAULT, 4)
    assert found.remedy == "sudo usermod -aG usbrh zabbix && sudo systemctl restart zabbix-agent"


@pytest.mark.parametrize("user", ["zabbix", "somebody"])
def test_an_agent_on_a_machine_without_the_group(agent_machine: Machine, user: str) -> None:
    agent_machine.path("/etc/passwd").write_text(f"root:x:0:0::/:\n{user}:x:102:105::/:/bin/false\n")
    agent_machine.path("/etc/group").write_text("root:x:0:\n")
    [found] = agent.agents(agent_machine)
    assert (found.status, found.exit_status) == (Status.FAULT, 4)
    assert found.remedy == "sudo usbrh setup && sudo systemctl restart zabbix-agent"


def test_an_agent_that_was_not_restarted_since_it_is_in_the_group(agent_machine: Machine) -> None:
    process(agent_machine, "105")
    [found] = agent.agents(agent_machine)
    assert (found.status, found.remedy) == (Status.FAULT, "sudo systemctl restart zabbix-agent")


@pytest.mark.parametrize(
    "answer",
    [
        "usbrh.sensors     [m|ZBX_NOTSUPPORTED] [Unsupported item key.]",
        "usbrh.sensors     [t|sh: 1: usbrh: not found]",
        "",
    ],
)
def test_an_agent_whose_answer_is_none(agent_machine: Machine, programs: Path, answer: str) -> None:
    program(programs, "zabbix_agentd", answer)
    [found] = agent.agents(agent_machine)
    assert found.status is Status.FAULT


@pytest.mark.parametrize("place", ["/etc/zabbix", "/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d"])
def test_an_agent_that_is_closed_to_who_asks(place: str) -> None:
    with reachable() as folder:
        machine = Machine(folder)
        machine.path("/etc/zabbix/zabbix_agentd.d").mkdir(parents=True)
        machine.path("/etc/zabbix/zabbix_agentd.conf").write_text("Include=/etc/zabbix/zabbix_agentd.d/*.conf\n")
        with closed(machine.path(place)):
            [found] = agent.agents(machine)
        assert found.status is Status.NOT_CHECKED
        assert found.message.startswith(f"this user can't read {machine.path(place)}")
        assert found.message.endswith("; sudo usbrh doctor can")


# ---------------------------------------------------------------- the command


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "usbrh", "doctor", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def test_json_is_an_object_a_line() -> None:
    result = run("--json", USBRH_SIMULATE="2")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["check"] for line in lines][:4] == ["libusb", "USB bus", "sensor", "sensor"]
    assert {line["status"] for line in lines} <= {status.value for status in Status}
    assert all(line.keys() == {"check", "status", "message", "fix"} for line in lines)
    assert all(line["fix"] for line in lines if line["status"] in ("warning", "fault"))
    assert result.stderr == ""


def test_no_sensor_is_exit_status_3_and_what_hangs_on_it_is_not_checked() -> None:
    result = run(USBRH_SIMULATE="0")
    assert result.returncode == 3
    assert "fault        sensor         no sensor is on the bus" in result.stdout
    assert "not checked  reading        no sensor" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_wrong_configuration_is_exit_status_2(tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    file.write_text("[zabbix]\nhots = 1\n")
    result = run("--config", str(file), USBRH_SIMULATE="1")
    assert result.returncode == 2
    assert f"{file}, line 2" in result.stdout
    assert JournalConfig().path.name not in result.stderr


def test_a_semicolon_in_a_message_does_not_start_its_remedy(tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    file.write_text('[zabbix]\nhost = "a;b"\n')
    lines = run("--json", "--config", str(file), USBRH_SIMULATE="1").stdout.splitlines()
    [found] = [each for each in map(json.loads, lines) if each["check"] == "configuration"]
    assert found["message"].startswith(f"{file}, line 2: ")
    assert '"a;b"' in found["message"]
    assert found["fix"]
    assert 'b"' not in found["fix"]
    text = run("--config", str(file), USBRH_SIMULATE="1").stdout.splitlines()
    line = text.index(f"fault        configuration  {found['message']}")
    assert text[line + 1] == f"{'':28}fix: {found['fix']}"


# ---------------------------------------------------------------- what is configured and not there


def test_a_sensor_that_is_named_and_not_plugged_in(tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    file.touch(0o600)
    config = Config(path=file, sensor={"1-2": SensorConfig(name="attic"), "1-1": SensorConfig()})
    _, found = service.configuration(config, config, {"1-1"})
    assert (found.status, found.message) == (Status.WARNING, "attic (1-2) is not plugged in")


# ---------------------------------------------------------------- journal


def with_journal(tmp_path: Path) -> Config:
    return Config(journal=JournalConfig(path=tmp_path / "journal.db"))


def reading(seconds_ago: float) -> Reading:
    return Reading("cellar", "1-1", "USB-RH", time.time_ns() - int(seconds_ago * 1e9), 20.0, 50.0, 9.0, 8.0)


def test_no_journal_yet_and_none_is_made(tmp_path: Path) -> None:
    config = with_journal(tmp_path)
    [found] = service.journal(config)
    assert found.status is Status.OK
    assert not config.journal.path.exists()


def test_a_journal_in_which_readings_wait_or_were_rejected(tmp_path: Path) -> None:
    config = with_journal(tmp_path)
    with Journal(config.journal.path) as journal:
        journal.sync_destinations(["zabbix.example:10051"])
        [fresh] = journal.add([reading(5)])
    assert [found.status for found in service.journal(config)] == [Status.OK]
    with Journal(config.journal.path) as journal:
        journal.acknowledge("zabbix.example:10051", [fresh])
        [late] = journal.add([reading(3600)])
    assert [found.remedy for found in service.journal(config)] == [None, "usbrh journal flush"]
    with Journal(config.journal.path) as journal:
        journal.acknowledge("zabbix.example:10051", [], {late: "there is no such host"})
    found = list(service.journal(config))[1]
    assert (found.status, found.remedy) == (Status.WARNING, "see: usbrh journal status")
    assert "there is no such host" in found.message


def test_a_journal_that_is_closed_to_who_asks() -> None:
    with reachable() as folder:
        config = with_journal(folder / "state")
        config.journal.path.parent.mkdir()
        with closed(config.journal.path.parent):
            [found] = service.journal(config)
    assert found.status is Status.NOT_CHECKED


def test_a_journal_that_is_none(tmp_path: Path) -> None:
    config = with_journal(tmp_path)
    config.journal.path.mkdir()
    [found] = service.journal(config)
    assert found.status is Status.FAULT


# ---------------------------------------------------------------- the way to Zabbix


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


@pytest.mark.parametrize(
    ("synchronised", "status", "words", "remedy"),
    [
        (True, Status.OK, "synchronised", None),
        (False, Status.WARNING, "not synchronised, so readings may have a wrong time", "sudo timedatectl set-ntp true"),
        (None, Status.NOT_CHECKED, "does not report", None),
    ],
)
def test_whether_the_clock_is_synchronised(
    tmp_path: Path, synchronised: bool | None, status: Status, words: str, remedy: str | None
) -> None:
    settings = Config(journal=JournalConfig(path=tmp_path / "journal.db"))
    clock = WoundClock(BUILT_NS + NS, synchronised=synchronised)
    (found,) = service.system_clock(settings, clock)
    assert (found.check, found.status, found.remedy) == ("clock", status, remedy)
    assert words in found.message


def test_a_clock_that_is_not_set(tmp_path: Path) -> None:
    settings = Config(journal=JournalConfig(path=tmp_path / "journal.db"))
    (found,) = service.system_clock(settings, WoundClock(0))
    assert (found.status, found.exit_status) == (Status.FAULT, 1)
    assert "the system clock is not set" in found.message
    assert "timedatectl" in str(found.remedy)


def test_a_clock_that_the_journal_proves_wrong(tmp_path: Path) -> None:
    clock = WoundClock(BUILT_NS + 86400 * NS)
    path = tmp_path / "journal.db"
    with Journal(path, clock=clock) as journal:
        journal.add([Reading("x", "1-1", "USB-RH", clock.time_ns(), 20.0, 50.0, boot_ns=clock.boot_ns())])
        clock.restart(BUILT_NS + NS)
        journal.add([])
    (found,) = service.system_clock(Config(journal=JournalConfig(path=path)), clock)
    assert (found.status, "is behind an earlier reading (" in found.message) == (Status.FAULT, True)
    assert "usbrh journal trust-clock" in str(found.remedy)
