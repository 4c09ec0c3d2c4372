"""The virtual sensor as a real kernel sees it, and usbrh and others in front of it."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kernel.guest import Plugged, Simulator
from tests.support.kernel.vm import Machine


def reading(vm: Machine, port: str, user: str = "alice") -> dict[str, object]:
    """One reading by `usbrh read --json`."""
    found: dict[str, object] = json.loads(vm.run(f"usbrh read {port} --json", user=user).check())
    return found


def test_lsusb_shows_the_descriptors(vm: Machine, sensor: Plugged) -> None:
    text = re.sub(r" +", " ", vm.run("lsusb -v -d 1774:1001").check())
    for line in (
        "ID 1774:1001 Strawberry Linux Co.,Ltd. USBRH",
        "iSerial 0",
        "bInterfaceClass 3 Human Interface Device",
        "wDescriptorLength 29",
        "bEndpointAddress 0x81 EP 1 IN",
        "Transfer Type Interrupt",
        "wMaxPacketSize 0x0008 1x 8 bytes",
    ):
        assert line in text
    assert "low-speed" in vm.run("dmesg | grep 'new .* USB device' | tail -1").check()


def test_the_report_descriptor_is_one_the_kernel_takes(vm: Machine, new_sensor: Plugged) -> None:
    here = f"/sys/bus/usb/devices/{new_sensor.port}:1.0"
    assert vm.run(f"readlink {here}/driver").check().strip().endswith("/usbhid")
    assert vm.run(f"readlink {here}/0003:1774:1001.*/driver").check().strip().endswith("/hid-generic")
    # Three reports of 7 bytes: the feature report, behind its number 0, is the firmware's date.
    script = f"import fcntl; print(fcntl.ioctl(open('{new_sensor.hidraw}', 'r+b'), 0xC0084807, bytes(8)).hex())"
    assert vm.run("python3 -", stdin=script, user="alice").check().startswith("00060109")


def test_the_hid_driver_is_detached_by_the_first_reading_and_given_back_by_release(
    vm: Machine, new_sensor: Plugged
) -> None:
    assert new_sensor.hidraw
    reading(vm, new_sensor.port)
    assert not new_sensor.hidraw
    before = vm.run("cat /sys/kernel/uevent_seqnum").check()
    reading(vm, new_sensor.port)
    assert vm.run("cat /sys/kernel/uevent_seqnum").check() == before
    vm.run(f"usbrh release {new_sensor.port}", user="alice").check()
    vm.run("udevadm settle").check()
    assert new_sensor.hidraw


@pytest.mark.parametrize(("temperature", "humidity"), [(7169, 1246), (6500, 1500), (3840, 3200)])
def test_two_independent_programs_read_the_same(
    vm: Machine, new_sensor: Plugged, temperature: int, humidity: int
) -> None:
    new_sensor.do(f"ticks {temperature} {humidity}")
    by_hidraw = vm.run(f"hidraw_reader {new_sensor.hidraw}", user="alice").check().strip()
    bus, address = new_sensor.node.split("/")[-2:]
    by_libusb = vm.run(f"libusb_reader {bus} {address}", user="alice").check().strip()
    assert by_hidraw == by_libusb == f"{humidity:04x}{temperature:04x}000241"
    ours = reading(vm, new_sensor.port)
    assert ours["raw"] == {"temperature": temperature, "humidity": humidity, "reserved": "000241"}
    assert ours["simulated"] is False  # nothing in the guest could tell


def test_list(vm: Machine, sensor: Plugged) -> None:
    lines = vm.run("usbrh list --json", user="alice").check().splitlines()
    [found] = [row for row in map(json.loads, lines) if row["port"] == sensor.port]
    expected = {"port": sensor.port, "model": "USB-RH", "firmware": "06/01/09", "access": "ok", "error": None}
    assert expected.items() <= found.items()


def test_read_as_text_and_csv(vm: Machine, sensor: Plugged) -> None:
    sensor.do("ticks 7169 1246")
    assert "31.69 °C" in vm.run(f"usbrh read {sensor.port}", user="alice").check()
    assert "31.69" in vm.run(f"usbrh read --csv {sensor.port}", user="alice").check().splitlines()[1]


def test_leds(vm: Machine, sensor: Plugged) -> None:
    for command in ("1 on", "2 on", "1 off"):
        vm.run(f"usbrh led {command} {sensor.port}", user="alice").check()
    assert sensor.do("status")["leds"] == [False, True]
    vm.run(f"usbrh led 2 off {sensor.port}", user="alice").check()
    assert sensor.do("status")["leds"] == [False, False]


@pytest.fixture
def warmed(sensor: Plugged) -> Iterator[Plugged]:
    """For tests that heat it; a cold one is plugged in afterwards."""
    yield sensor
    sensor.replug()


def wait_for_the_heater(sensor: Plugged) -> None:
    """Python starts slowly in the guest."""
    end = time.monotonic() + 20
    while not sensor.do("status")["heater"]:
        assert time.monotonic() < end, "the heater was not switched on"
        time.sleep(0.1)


def test_the_heater_is_on_as_long_as_the_command_and_marks_readings(vm: Machine, warmed: Plugged) -> None:
    heating = vm.start(f"usbrh heater on --seconds 12 {warmed.port}", user="alice")
    wait_for_the_heater(warmed)
    assert reading(vm, warmed.port)["heater"] is True
    heating().check()
    assert not warmed.do("status")["heater"]


def test_a_heater_left_on_by_a_killed_process_is_switched_off_by_the_next(vm: Machine, warmed: Plugged) -> None:
    heating = vm.start(f"usbrh heater on --seconds 60 {warmed.port}", user="alice")
    wait_for_the_heater(warmed)
    vm.run("pkill -KILL -f '[h]eater on'").check()
    assert heating().status != 0
    assert warmed.do("status")["heater"]
    assert reading(vm, warmed.port)["heater"] is False
    assert not warmed.do("status")["heater"]


def configure(vm: Machine, sensor: Plugged) -> None:
    """Do as a program that sends SET_CONFIGURATION at its start."""
    bus, address = map(int, sensor.node.split("/")[-2:])
    program = f"""
import usb.core
device = usb.core.find(bus={bus}, address={address})
if device.is_kernel_driver_active(0):
    device.detach_kernel_driver(0)
device.set_configuration()"""
    vm.run("python3 -", stdin=program, user="alice").check()


def test_nothing_that_confuses_firmware_is_on_the_wire(vm: Machine, three: list[Plugged]) -> None:
    """SET_CONFIGURATION, SET_INTERFACE, and CLEAR_FEATURE without a stall; what the kernel sends in a reset is none."""
    sensor = three[0]

    def wire(sensor: Plugged = sensor) -> list[int]:
        counts = sensor.do("status")["wire"]
        return [counts.get(name, 0) for name in ("set_configuration", "set_interface", "clear_halt")]

    def call(command: str) -> None:
        vm.run(f"usbrh {command}", user="alice", timeout=90)

    before = [wire(each) for each in three]
    call("list")
    call("doctor")
    for command in ("led 1 on", "led 1 off", "heater test --seconds 1", "read", "release"):
        call(f"{command} {sensor.port}")
    call(f"log --interval 1s {sensor.port} | head -n 3")
    # Each fault at one of the sensors; where it does not pass, a reading takes as long as it may.
    for faults in (
        ("no_answer", "read_io_error", "request_io_error"),
        ("request_stalls", "short", "late"),
        ("feature_stalls",),
    ):
        failing = three[: len(faults)]
        for times in ("1", "always"):
            for each, fault in zip(failing, faults, strict=True):
                each.do(f"fault {fault} {times}")
            call(f"read {' '.join(each.port for each in failing)}")
            for each in failing:
                each.do("clear")
    for each in three:
        assert each.do("status")["wire"]["reset"] > 1
    assert [wire(each) for each in three] == before
    sensor.do("fault endpoint_halts 1")
    assert reading(vm, sensor.port)["state"] == "ok"
    assert wire() == [*before[0][:2], before[0][2] + 1]
    configure(vm, sensor)
    assert wire()[0] == before[0][0] + 1, "the watch sees it"


def test_firmware_that_fails_after_set_configuration_works_again(vm: Machine, tmp_path: Path) -> None:
    """What owners of such programs saw: no report until a USB reset."""
    script = tmp_path / "sensors.toml"
    script.write_text('[sensor.sim-1]\nticks = [[7169, 1246]]\nunknown = {loses = "all"}\n')
    with Simulator(str(script)) as simulator:
        confused = Plugged(vm, simulator, 1)
        configure(vm, confused)
        resets = confused.do("status")["wire"]["reset"]
        assert reading(vm, confused.port)["temperature"] == 31.69
        assert confused.do("status")["wire"]["reset"] > resets
        assert reading(vm, confused.port)["temperature"] == 31.69
        confused.unplug()


def test_log(vm: Machine, sensor: Plugged) -> None:
    # It ends when nobody reads its output any more.
    logged = vm.run(f"usbrh log --interval 1s --json {sensor.port} | head -n 2", user="alice").check().splitlines()
    assert [json.loads(line)["state"] for line in logged] == ["ok", "ok"]
