"""`usbrh doctor` in front of the real kernel and udev: what can be wrong, fixed by the command that it shows."""

import json
from collections.abc import Iterator

import pytest

from tests.support.kernel.guest import DATA, Plugged
from tests.support.kernel.vm import Machine

RULE = "/etc/udev/rules.d/70-usbrh.rules"


@pytest.fixture
def sudo(vm: Machine) -> Iterator[None]:
    """The guest has none; what follows it is run as root."""
    vm.put("/usr/local/bin/sudo", '#!/bin/sh\nexec "$@"\n', mode="755")
    yield
    vm.run("rm /usr/local/bin/sudo").check()


class Doctor:
    """One run, and what it says of one sensor."""

    def __init__(self, vm: Machine, sensor: Plugged, user: str = "alice", options: str = "") -> None:
        done = vm.run(f"usbrh doctor --json {options}", user=user, timeout=90)
        self.exit_status = done.status
        self.all = [json.loads(line) for line in done.stdout.splitlines()]
        assert self.all, done
        self.found = {each["check"]: each for each in self.all if each["message"].startswith(f"{sensor.port}")}

    def __getitem__(self, check: str) -> tuple[str, str, str]:
        """Status, message and fix."""
        found = self.found[check]
        return found["status"], found["message"], found["fix"] or ""


def may_use(vm: Machine, sensor: Plugged, user: str = "alice") -> bool:
    return vm.run(f"udevadm settle; test -r {sensor.node} -a -w {sensor.node}", user=user).status == 0


def test_nothing_is_wrong_with_a_new_sensor(vm: Machine, new_sensor: Plugged) -> None:
    port, node = new_sensor.port, new_sensor.node
    doctor = Doctor(vm, new_sensor)
    assert doctor.exit_status == 0, doctor.all
    assert [(each["check"], each["status"]) for each in doctor.all[:2]] == [("libusb", "ok"), ("USB bus", "ok")]
    assert {each["status"] for each in doctor.all if each["check"] == "sensor"} == {"ok"}
    assert doctor["permission"] == ("ok", f"{port}: {node} (0660 root:usbrh), by {RULE}", "")
    assert doctor["in use"][:2] == ("ok", f"{port}: by no program that this user can see (sudo usbrh doctor sees all)")
    assert doctor["kernel driver"][:2] == ("ok", f"{port}: usbhid, which the first reading detaches")
    assert doctor["reading"][0] == "ok"


@pytest.mark.usefixtures("sudo")
def test_a_node_that_the_rule_was_not_applied_to(vm: Machine, sensor: Plugged) -> None:
    vm.run(f"chown root:root {sensor.node} && chmod 600 {sensor.node}").check()
    assert not may_use(vm, sensor)
    doctor = Doctor(vm, sensor)
    status, message, fix = doctor["permission"]
    assert (doctor.exit_status, status) == (4, "fault")
    assert message == f"{sensor.port}: no permission for {sensor.node} (0600 root:root): {RULE} was not applied to it"
    assert doctor["reading"][0] == "not checked"
    vm.run(fix).check()
    assert may_use(vm, sensor)


@pytest.mark.usefixtures("sudo")
def test_no_rule(vm: Machine, sensor: Plugged) -> None:
    # As udev leaves it then; the age shows what setup made.
    without = f"touch /run/before; rm {RULE} && chown root:root {sensor.node} && chmod 664 {sensor.node}"
    vm.run(without).check()
    try:
        doctor = Doctor(vm, sensor)
        status, message, fix = doctor["permission"]
        assert (doctor.exit_status, status) == (4, "fault")
        what = f"{sensor.port}: no permission for {sensor.node} (0664 root:root)"
        assert message == f"{what}: no udev rule gives it to the group usbrh"
        assert fix == "sudo usbrh setup"
        vm.run(fix, timeout=90).check()
        assert may_use(vm, sensor)
    finally:
        vm.run("find /etc -name '*usbrh*' -type f -newer /run/before -delete").check()
        trigger = "udevadm control --reload && udevadm trigger --subsystem-match=usb --attr-match=idVendor=1774"
        vm.run(f"cp {DATA}/udev/70-usbrh.rules {RULE} && {trigger} && udevadm settle").check()


@pytest.mark.usefixtures("sudo")
def test_a_user_who_is_not_in_the_group(vm: Machine, sensor: Plugged) -> None:
    doctor = Doctor(vm, sensor, user="mallory")
    status, message, fix = doctor["permission"]
    assert (doctor.exit_status, status) == (4, "fault")
    what = f"{sensor.node} (0660 root:usbrh)"
    assert message == f"{sensor.port}: no permission for {what}: mallory is not in the group usbrh"
    command, _, then = fix.partition(", ")
    assert then == "then log in again, or for now: sg usbrh -c 'usbrh read'"
    try:
        vm.run(command).check()
        assert may_use(vm, sensor, "mallory")
        # A session that began before: it lacks the group, but sg gives it.
        assert vm.run(f"sg usbrh -c 'usbrh read {sensor.port}'", user="mallory").status == 0
    finally:
        vm.run("gpasswd --delete mallory usbrh").check()


def test_another_program_has_it(vm: Machine, new_sensor: Plugged) -> None:
    vm.run(f"rm -f /tmp/held; hidraw_reader {new_sensor.hidraw} 60 >/tmp/held 2>&1 &", user="alice").check()
    vm.run("until [ -s /tmp/held ]; do sleep 0.05; done").check()
    holder = vm.run("pgrep -x hidraw_reader").check().strip()
    doctor = Doctor(vm, new_sensor)
    status, message, fix = doctor["in use"]
    assert (doctor.exit_status, status) == (5, "warning")
    assert message == f"{new_sensor.port}: hidraw_reader (PID {holder}) has it open"
    assert doctor["permission"][0] == "ok"
    assert doctor["reading"][0] == "fault"
    assert f"in use by hidraw_reader (PID {holder})" in doctor["reading"][1]
    vm.run(fix.partition(": ")[2], user="alice").check()
    vm.run("while pgrep -x hidraw_reader; do sleep 0.05; done").check()


def test_unplugged(vm: Machine, sensor: Plugged) -> None:
    vm.put("/run/cellar.toml", f'[sensor."{sensor.port}"]\nname = "cellar"\n')
    sensor.unplug()
    others = vm.run("grep -lx 1774 /sys/bus/usb/devices/*/idVendor").stdout
    doctor = Doctor(vm, sensor, options="--config /run/cellar.toml")
    assert doctor.exit_status == (0 if others else 3)
    assert not doctor.found
    assert f"cellar ({sensor.port}) is not plugged in" in [each["message"] for each in doctor.all]
    if not others:
        assert {each["status"] for each in doctor.all if each["check"] in ("permission", "reading")} == {"not checked"}
