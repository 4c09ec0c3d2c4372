"""What docs/background.md says of our own behaviour when a sensor fails is what happens."""

import re
from pathlib import Path

import pytest

from usbrh import sensors as discovery
from usbrh.errors import SensorError
from usbrh.simulator.backend import SimulatorBackend
from usbrh.simulator.clock import VirtualClock
from usbrh.simulator.usbrh1 import VirtualUsbRh

DOCUMENTS = [Path(__file__).parents[2] / "docs" / name for name in ("background.md", "background.ja.md")]
FAULTS = ("no_answer", "request_stalls", "short", "all_ff", "unplug_while_measuring")
"""In the order of the table's columns."""


def fail(fault: str) -> SensorError:
    """The error of a reading from a sensor that always fails in this way."""
    clock = VirtualClock()
    model = VirtualUsbRh(clock=clock)
    sensor = discovery.find(backend=SimulatorBackend([model], clock), clock=clock)[0]
    model.fault(fault)
    with pytest.raises(SensorError) as raised:
        sensor.read(timeout=5.0)
    assert clock.monotonic() <= 5.5
    return raised.value


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_exit_statuses_of_a_failing_sensor(document: Path) -> None:
    row = re.search(r"^\| \*\*usbrh read\*\* (.*)\|$", document.read_text(encoding="utf-8"), re.MULTILINE)
    assert row is not None
    documented = [int(number) for number in re.findall(r"\d+", row[1])]
    assert documented == [fail(fault).exit_status for fault in FAULTS]
