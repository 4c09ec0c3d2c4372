"""The USBRH2 behind the real cdc_acm, with the real udev: its name, its node, unplugging, two programs at once."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kernel.usbrh2 import LINK, Usbrh2, simulated
from tests.support.kernel.vm import Machine


@pytest.fixture(scope="module")
def plugged(vm: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Usbrh2]:
    with simulated(tmp_path_factory.mktemp("usbrh2")) as simulator:
        yield Usbrh2(vm, simulator)
        simulator.do("sim-1 unplug")
        vm.run(f"for _ in $(seq 300); do [ -e {LINK} ] || break; sleep 0.02; done; udevadm settle").check()


@pytest.fixture
def sensor(plugged: Usbrh2) -> Usbrh2:
    plugged.do("clear")
    return plugged


def test_udev_names_it_and_opens_it_to_the_group(sensor: Usbrh2) -> None:
    node = sensor.vm.run(f"readlink -f {LINK}").check().strip()
    assert node.startswith("/dev/ttyACM")
    assert sensor.vm.run(f"stat -c '%a %G' {node}").check().strip() == "660 usbrh"
    assert "ID_MM_DEVICE_IGNORE=1" in sensor.vm.run(f"udevadm info --query=property {node}").check()
    assert "cdc_acm" in sensor.vm.run(f"readlink /sys/class/tty/{Path(node).name}/device/driver").check()


def test_a_reading(sensor: Usbrh2) -> None:
    reading = sensor.read()
    assert (reading["temperature"], reading["humidity"], reading["status"]) == (23.77, 42.76, "0x8010")
    assert (reading["model"], reading["serial"], reading["sensor"]) == ("USBRH2", "E02A", "E02A")
    port = str(reading["port"])
    assert sensor.vm.run(f"cat /sys/bus/usb/devices/{port}/serial").check().strip() == "E02A"
    assert reading["simulated"] is False  # nothing in the guest could tell


def test_the_automatic_lines_of_another_program_end_when_it_closes_the_port(sensor: Usbrh2) -> None:
    sensor.vm.run(f"stty -F {LINK} raw -echo; (printf 'auto 1\\r'; sleep 2) >{LINK}", user="alice").check()
    assert sensor.do("status")["auto"] is None
    assert sensor.read()["temperature"] == 23.77


def test_two_at_once(sensor: Usbrh2) -> None:
    both = "usbrh read E02A --json >/tmp/one & usbrh read E02A --json; wait; cat /tmp/one"
    readings = [json.loads(line) for line in sensor.vm.run(both, user="alice").check().splitlines()]
    assert [reading["temperature"] for reading in readings] == [23.77, 23.77]


def test_without_permission_it_says_so(sensor: Usbrh2) -> None:
    found = sensor.vm.run("usbrh read E02A", user="mallory")
    assert (found.status, found.stdout) == (4, "")
    assert "mallory is not in the group usbrh; sudo usermod -aG usbrh mallory" in found.stderr


def test_unplugged_in_the_middle_of_a_line_and_plugged_in_again(sensor: Usbrh2) -> None:
    sensor.do("fault unplug_mid_line 1")
    started = time.monotonic()
    found = sensor.vm.run("usbrh read E02A", user="alice")
    assert found.stdout == ""
    assert found.status in (1, 3, 5), found.stderr  # which of them depends on what the kernel takes down first
    assert time.monotonic() - started < 30
    sensor.do("plug")
    sensor.attach()
    assert sensor.read()["temperature"] == 23.77


def test_the_doctor_finds_nothing_wrong_with_it(sensor: Usbrh2) -> None:
    found = sensor.vm.run("usbrh doctor --json", user="alice").stdout.splitlines()
    checks = {row["check"]: row["status"] for row in map(json.loads, found)}
    assert {checks[name] for name in ("sensor", "permission", "kernel driver", "reading")} == {"ok"}, found


def test_list_led_and_heater(sensor: Usbrh2) -> None:
    """The last one, since it leaves the chip warm."""
    rows = map(json.loads, sensor.vm.run("usbrh list --json", user="alice").check().splitlines())
    [row] = [row for row in rows if row["model"] == "USBRH2"]
    assert (row["serial"], row["firmware"], row["access"]) == ("E02A", "USBRH2 Ver 1.00", "ok")
    sensor.vm.run("usbrh led 1 blink E02A", user="alice").check()
    assert sensor.do("status")["leds"] == ["blink", "off"]
    sensor.vm.run("usbrh heater on E02A --seconds 1", user="alice").check()
    assert sensor.do("status")["heater"] is False
