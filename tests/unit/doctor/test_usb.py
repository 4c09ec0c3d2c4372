"""The sensor, its device node, and libusb."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from tests.support.closed import closed, nobody, reachable
from usbrh import doctor, sensors
from usbrh.config import Config
from usbrh.doctor import usb
from usbrh.drivers import usbrh2
from usbrh.findings import Finding, Status, fault
from usbrh.reading import Reading
from usbrh.setup.machine import Machine
from usbrh.simulator import SimulatorBackend, VirtualClock, VirtualUsbRh
from usbrh.system.access import rules

PORT = "1-1.4"
NODE = Path("/dev/bus/usb/001/007")


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
    remedy = "unplug it and plug it in again"
    assert usb.permission(machine, PORT) == fault("permission", f"{PORT}: the sensor has no device node", remedy, 3)
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
    heated = Reading("living room", "1-1", "USB-RH", 0, 20.0, 50.0, heater=True)
    assert usb.reading_of(heated).remedy == "usbrh heater off 'living room'"


def test_a_free_sensor(machine: Machine) -> None:
    unseen = " that this user can see (sudo usbrh doctor sees all)"
    assert usb.in_use(machine, PORT).message == f"1-1.4: by no program{unseen if os.geteuid() else ''}"
    with nobody():
        assert usb.in_use(machine, PORT).message.endswith(unseen if os.geteuid() else "by no program")


def test_a_real_sensor_has_all_checks_and_without_permission_is_not_read(machine: Machine) -> None:
    clock = VirtualClock()
    bus = SimulatorBackend([VirtualUsbRh(clock=clock)], clock)
    (sensor,) = sensors.find(backend=bus, clock=clock)
    sensor.info = sensor.info._replace(port=PORT, simulated=False)
    try:
        found = list(usb.examine([sensor], machine))
        assert [(each.check, each.status) for each in found] == [
            (check, Status.OK) for check in ("permission", "in use", "kernel driver", "reading")
        ]
        assert [each.message.partition(":")[0] for each in found] == [PORT, PORT, PORT, "sim-1"]
        machine.path(NODE).unlink()
        *_, last = usb.examine([sensor], machine)
        assert (last.status, last.message) == (Status.NOT_CHECKED, f"{PORT}: no permission")
    finally:
        bus.close()


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


def test_no_libusb_is_a_fault_or_a_warning_if_there_is_a_usbrh2(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USBRH_SIMULATE", raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda _: None)
    monkeypatch.setattr("usbrh.drivers.bus.LIBRARY", "/nonexistent")
    monkeypatch.setattr("usb.backend.libusb1.get_backend", lambda **_: None)
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
    monkeypatch.setattr("usbrh.drivers.bus._find_library", lambda name: "libusb-1.0.so.0")
    monkeypatch.setattr("usb.backend.libusb1.get_backend", lambda **_: SimulatorBackend([]))
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
