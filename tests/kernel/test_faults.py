"""What usbrh makes of a failing sensor when a real kernel, usbfs and libusb are in between.

Three sensors fail in three ways at the same time, so that none may hold up another; more at once are too much for
the emulated processor, which then misses answers that came in time.
"""

import json
import time
from typing import Any

import pytest

from tests.support.kernel.guest import Plugged
from tests.support.kernel.vm import Machine

LASTING = {
    "request_stalls": "transfer_failed",
    "request_io_error": "transfer_failed",
    "request_hangs": "timeout",
    "no_answer": "timeout",
    "late always 10": "timeout",
    "endpoint_halts": "transfer_failed",
    "read_io_error": "transfer_failed",
    "short": "bad_report",
    "long": "bad_report",
    "empty": "bad_report",
    "garbage": "bad_report",
    "all_zero": "bad_report",
    "all_ff": "bad_report",
    "out_of_range": "bad_report",
    "duplicate": "ok",
    "unsolicited": "ok",
    "feature_stalls": "ok",
    "feature_hangs": "ok",
}
"""Each fault, and the state of a reading when it does not pass."""
GROUPS = [list(LASTING)[first : first + 3] for first in range(0, len(LASTING), 3)]


def read(vm: Machine, sensors: list[Plugged]) -> dict[str, dict[str, Any]]:
    """One reading of each sensor by its port."""
    ports = " ".join(sensor.port for sensor in sensors)
    lines = vm.run(f"usbrh read {ports} --json", user="alice", timeout=60).stdout.splitlines()
    return {reading["port"]: reading for reading in map(json.loads, lines)}


def give_ticks(sensors: list[Plugged], temperature: int) -> dict[str, dict[str, Any]]:
    """Let each sensor measure other values; return by port what its reading must be."""
    for number, sensor in enumerate(sensors):
        sensor.do(f"ticks {temperature + number} {1000 + number}")
    return {
        sensor.port: {"temperature": temperature + number, "humidity": 1000 + number, "reserved": "000241"}
        for number, sensor in enumerate(sensors)
    }


@pytest.mark.parametrize("faults", GROUPS, ids=", ".join)
def test_a_fault_is_recovered_from_or_named_and_leaves_nothing_behind(
    vm: Machine, three: list[Plugged], faults: list[str]
) -> None:
    ticks = give_ticks(three, 6000)
    for sensor, fault in zip(three, faults, strict=True):
        sensor.do(f"fault {fault.split()[0]} 1")
    readings = read(vm, three)
    for sensor, fault in zip(three, faults, strict=True):
        assert readings[sensor.port]["raw"] == ticks[sensor.port], (fault, readings[sensor.port])

    for sensor, fault in zip(three, faults, strict=True):
        sensor.do(f"fault {fault}")
    readings = read(vm, three)
    for sensor, fault in zip(three, faults, strict=True):
        reading, state = readings[sensor.port], LASTING[fault]
        assert reading["state"] == state, (fault, reading["error"])
        if state == "ok":
            assert reading["raw"] == ticks[sensor.port], fault
        else:
            assert reading["temperature"] is None, fault
            assert sensor.port in reading["error"], fault

    # What they measured meanwhile, and what comes late, is never taken for an answer to the next question.
    for sensor in three:
        sensor.do("clear")
    ticks = give_ticks(three, 7000)
    assert {port: reading["raw"] for port, reading in read(vm, three).items()} == ticks


@pytest.mark.parametrize("fault", ["unplug_while_measuring", "unplug_during_read"])
def test_unplugged_in_use_and_plugged_in_again(vm: Machine, sensor: Plugged, fault: str) -> None:
    before = sensor.node
    sensor.do(f"fault {fault} 1")
    begin = time.monotonic()
    gone = vm.run(f"usbrh read {sensor.port} --json", user="alice")
    assert gone.status == 3
    assert json.loads(gone.stdout)["state"] == "not_found"
    assert "unplugged" in gone.stderr or "not plugged in" in gone.stderr
    assert time.monotonic() - begin < 15
    sensor.do("plug")
    sensor.attach()
    assert sensor.node != before
    sensor.do("ticks 7169 1246")
    assert json.loads(vm.run(f"usbrh read {sensor.port} --json", user="alice").check())["temperature"] == 31.69


def test_a_long_running_program_finds_a_sensor_again(vm: Machine, sensor: Plugged) -> None:
    """Under another address: by its port."""
    log = "/home/alice/found-again.jsonl"
    logging = vm.start(f"exec usbrh log --interval 1s --json -o {log} {sensor.port}", user="alice", timeout=150)

    def written(runs: list[str]) -> None:
        # What the emulated processor takes for it differs by seconds, so that nothing is done by the clock.
        end = time.monotonic() + 40
        while (states := _states(vm, log)) != runs:
            assert time.monotonic() < end, states
            time.sleep(0.5)

    written(["ok"])
    sensor.unplug()
    written(["ok", "not_found"])
    sensor.do("plug")
    sensor.attach()
    written(["ok", "not_found", "ok"])
    vm.run("pkill -INT -x usbrh").check()
    logging().check()
    vm.run(f"rm {log}").check()


def _states(vm: Machine, log: str) -> list[str]:
    """The states of its readings, each once for as long as it lasted."""
    states = [json.loads(line)["state"] for line in vm.run(f"cat {log}").stdout.splitlines()]
    return [state for state, before in zip(states, [None, *states], strict=False) if state != before]
