"""Many processes, many readings, processes that are killed, and programs that know nothing of usbrh."""

import json
import re

import pytest

from tests.support.kernel.guest import Plugged
from tests.support.kernel.vm import Machine

READINGS = 1000
"""In one process; they take about three minutes in the emulated machine."""

MANY = """
import sys
from usbrh import find
from usbrh.sensors import measure_all, select
sensors, wrong = select(find(), sys.argv[2:]), 0
for _ in range(int(sys.argv[1])):
    for reading in measure_all(sensors):
        wrong += reading.error is not None
        print(reading.error or "", end="", file=sys.stderr)
print(len(sensors), wrong)
"""

KILLED = """
import os, signal, sys, threading, time
from usbrh import find
[sensor] = [sensor for sensor in find() if sensor.info.port == sys.argv[1]]
threading.Thread(target=sensor.read, daemon=True).start()
time.sleep(float(sys.argv[2]))
os.kill(os.getpid(), signal.SIGKILL)
"""


OF_THE_EMULATION = re.compile(
    r"vhci_hcd: (unlink->seqnum|urb->status)"  # vhci_hcd says this of each transfer that is taken back
    # The kernel complains of a host with too much to do: the emulated processor was stopped for a moment.
    r"|hrtimer: interrupt took|perf: interrupt took|clocksource: |sched: (RT|DL) |rcu: |workqueue: .* hogged CPU"
)


def kernel_log(vm: Machine) -> list[str]:
    """The kernel's log without messages that come from the emulation."""
    return [line for line in vm.run("dmesg").check().splitlines() if not OF_THE_EMULATION.search(line)]


def test_eight_readers_at_once(vm: Machine, sensor: Plugged) -> None:
    sensor.do("ticks 7169 1246")
    waiting = [vm.start(f"usbrh read {sensor.port} --json", user="alice", timeout=60) for _ in range(8)]
    results = [waiter() for waiter in waiting]
    right = 0
    for result in results:
        reading = json.loads(result.stdout)
        if reading["state"] == "ok":
            assert reading["temperature"] == 31.69
            right += 1
        else:
            assert (result.status, reading["state"]) == (5, "busy"), result
            assert "in use by" in reading["error"]
    assert right >= 6, results


def test_readings_in_a_row_leave_no_trace_in_the_kernel(vm: Machine, three: list[Plugged]) -> None:
    """Three sensors at the same time: more, and the emulated processor is too slow to see each answer in its time."""
    ports = " ".join(sensor.port for sensor in three)
    vm.run(f"usbrh read {ports}", user="alice").check()  # which takes them from the HID driver, once
    vm.run("udevadm settle").check()
    log, events = kernel_log(vm), vm.run("cat /sys/kernel/uevent_seqnum").check()
    vm.put("/tmp/many.py", MANY)
    rounds = -(-READINGS // 3)
    done = vm.run(f"python3 /tmp/many.py {rounds} {ports}", user="alice", timeout=60 + rounds * 3)
    assert done.check() == "3 0\n", done
    assert vm.run("cat /sys/kernel/uevent_seqnum").check() == events
    assert [line for line in kernel_log(vm) if line not in log] == []


@pytest.mark.parametrize("moment", [0.02, 0.1, 0.2, 0.35])
def test_killed_while_measuring(vm: Machine, sensor: Plugged, moment: float) -> None:
    """The answer that nobody fetched is not the next one's, and nothing is left locked."""
    vm.put("/tmp/killed.py", KILLED)
    sensor.do("ticks 6000 1000")
    assert vm.run(f"python3 /tmp/killed.py {sensor.port} {moment}", user="alice").status == 137
    sensor.do("ticks 7169 1246")
    assert json.loads(vm.run(f"usbrh read {sensor.port} --json", user="alice").check())["temperature"] == 31.69


@pytest.mark.parametrize("program", ["hidraw_reader", "libusb_reader"])
def test_a_foreign_program_holds_the_sensor(vm: Machine, new_sensor: Plugged, program: str) -> None:
    bus, address = new_sensor.node.split("/")[-2:]
    target = new_sensor.hidraw if program == "hidraw_reader" else f"{bus} {address}"
    new_sensor.do("ticks 7169 1246")
    vm.run(f"rm -f /tmp/held; {program} {target} 60 >/tmp/held 2>&1 &", user="alice").check()
    vm.run("until [ -s /tmp/held ]; do sleep 0.05; done").check()
    rejected = vm.run(f"usbrh read {new_sensor.port} --json", user="alice")
    assert rejected.status == 5, rejected
    assert json.loads(rejected.stdout)["state"] == "busy"
    assert f"in use by {program} (PID " in rejected.stderr
    # The program that had it is not disturbed, and the next reading is ours.
    assert vm.run("cat /tmp/held").check() == "04de1c01000241\n"
    vm.run(f"pkill -x {program}").check()
    assert json.loads(vm.run(f"usbrh read {new_sensor.port} --json", user="alice").check())["temperature"] == 31.69


def test_a_foreign_program_that_is_done_soon_is_waited_for(vm: Machine, new_sensor: Plugged) -> None:
    holding = vm.start(f"hidraw_reader {new_sensor.hidraw} 3", user="alice")
    reading = json.loads(vm.run(f"usbrh read {new_sensor.port} --json", user="alice").check())
    assert reading["state"] == "ok"
    assert holding().status == 0
