"""usbrh verify in front of a real kernel, usbfs and cdc_acm."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kernel.guest import Plugged
from tests.support.kernel.usbrh2 import LINK, Usbrh2, simulated
from tests.support.kernel.vm import Machine

SECONDS = 200
CONFIGURES = "0009", "010b"
"""bmRequestType and bRequest of SET_CONFIGURATION and SET_INTERFACE."""


def verified(vm: Machine, sensor: str) -> list[dict[str, object]]:
    """Verify a sensor; everything must be as assumed. Return the records in the file."""
    path = f"/tmp/{sensor}.jsonl"
    command = f"rm -f {path}; usbrh verify {sensor} --yes --json -o {path}"
    done = vm.run(command, user="alice", timeout=SECONDS)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result for result in results if result["verdict"] != "as assumed"] == [], done.stderr
    assert (done.status, done.stderr) == (0, "")
    records: list[dict[str, object]] = [json.loads(line) for line in vm.run(f"cat {path}").check().splitlines()]
    assert records[0]["simulated"] is False  # nothing in the guest could tell
    assert records[0]["controller"] == "vhci_hcd"
    assert not [record for record in records if str(record.get("setup", ""))[:4] in CONFIGURES]
    return records


def test_a_usb_rh(vm: Machine, new_sensor: Plugged) -> None:
    new_sensor.do("drift")
    records = verified(vm, new_sensor.port)
    assert new_sensor.do("status")["heater"] is False
    assert new_sensor.do("status")["leds"] == [False, False]
    assert {record.get("transfer") for record in records} >= {"control", "interrupt", "attach", "detach", "reset"}
    new_sensor.replug()  # for the other tests: cold


@pytest.fixture
def usbrh2(vm: Machine, tmp_path: Path) -> Iterator[Usbrh2]:
    with simulated(tmp_path) as simulator:
        yield Usbrh2(vm, simulator)
        simulator.do("sim-1 unplug")
        vm.run(f"for _ in $(seq 300); do [ -e {LINK} ] || break; sleep 0.02; done; udevadm settle").check()


def test_a_usbrh2(vm: Machine, usbrh2: Usbrh2) -> None:
    records = verified(vm, "E02A")
    assert usbrh2.do("status")["heater"] is False
    facts = [record["sysfs"] for record in records if "sysfs" in record]
    assert facts
    assert "E02A" not in json.dumps(records)
