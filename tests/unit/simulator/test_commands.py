"""The command lines of `usbrh simulate`."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usbrh.simulator.clock import VirtualClock
from usbrh.simulator.commands import HELP, execute
from usbrh.simulator.faults import FAULTS
from usbrh.simulator.room import room
from usbrh.simulator.usbrh1 import OUTPUT_REPORT, SET_REPORT, VirtualUsbRh
from usbrh.simulator.usbrh2 import VirtualUsbrh2


@pytest.fixture
def models() -> dict[str, VirtualUsbRh]:
    clock = VirtualClock()
    return {f"sim-{number}": VirtualUsbRh(number, clock=clock) for number in (1, 2)}


def measure(model: VirtualUsbRh) -> tuple[int, int]:
    model.control(SET_REPORT, OUTPUT_REPORT, 0, bytes(7))
    model.clock.sleep(model.measuring)
    report = model.interrupt_in()
    assert report is not None
    return int.from_bytes(report[2:4], "big"), int.from_bytes(report[:2], "big")


def test_ticks_begin_with_the_next_measurement(models: dict[str, VirtualUsbRh]) -> None:
    measure(models["sim-1"])
    assert execute("sim-1 ticks 6500 1500 0x0f00 3200", models)["ok"]
    assert [measure(models["sim-1"]) for _ in range(3)] == [(6500, 1500), (3840, 3200), (6500, 1500)]
    assert measure(models["sim-2"]) == room(2)(0)
    assert execute("sim-1 drift", models)["ok"]
    assert measure(models["sim-1"]) == room(1)(4)


def test_a_usbrh2() -> None:
    clock = VirtualClock()
    models = {"sim-1": VirtualUsbrh2(1, clock=clock)}
    assert execute("sim-1 values 23.77 42.76", models)["serial"] == "E001"
    assert models["sim-1"].source(0) == models["sim-1"].source(1) == (23.77, 42.76)
    assert execute("sim-1 drift", models)["ok"]
    assert models["sim-1"].source(0) != (23.77, 42.76)
    assert execute("sim-1 fault half_line 2", models)["faults"] == {"half_line": 2}
    for line in ("ticks 1 2", "values", "values 1", "values 20 101", "values a b", "fault short"):
        answer = execute(f"sim-1 {line}", models)
        assert not answer["ok"]
        assert answer["error"]


def test_one_sensor_and_all(models: dict[str, VirtualUsbRh]) -> None:
    assert execute("sim-2 fault late 2 0.5", models)["faults"] == {"late": 2}
    assert execute("sim-1 fault short always", models)["faults"] == {"short": None}
    answer = execute("all clear", models)
    assert [sensor["faults"] for sensor in answer["sensors"]] == [{}, {}]
    assert execute("sim-1 unplug 2", models)["plugged"] is False
    models["sim-1"].clock.sleep(2)
    assert execute("sim-1 status", models)["plug_ins"] == 2


def test_help_and_faults_say_everything(models: dict[str, VirtualUsbRh]) -> None:
    assert execute("help", models) == {"ok": True, "help": HELP.splitlines()}
    assert list(execute("faults", models)["faults"]) == list(FAULTS)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("dance", "'dance' is not a command"),
        ("sim-1", "'sim-1' is not a command"),
        ("sim-1 dance", "'dance' is not a command"),
        ("sim-9 plug", "there is no sensor 'sim-9'; there are: sim-1, sim-2"),
        ("sim-1 ticks", "give pairs of temperature and humidity"),
        ("sim-1 ticks 1", "give pairs of temperature and humidity"),
        ("sim-1 ticks 1 65536", "16 bits"),
        ("sim-1 ticks 1 x", "'x' is not a number"),
        ("sim-1 delay", "delay: too many or too few words"),
        ("sim-1 delay nan", "'nan' is not a number of seconds"),
        ("sim-1 delay -1", "'-1' is not a number of seconds"),
        ("sim-1 delay 1 2", "delay: too many or too few words"),
        ("sim-1 fault toothache", "there is no fault 'toothache'"),
        ("sim-1 fault short 0", "1 time or more"),
        ("sim-1 fault short soon", "'soon' is not a whole number"),
        ("sim-1 plug in", "plug: too many or too few words"),
    ],
)
def test_lines_that_are_wrong(models: dict[str, VirtualUsbRh], line: str, says: str) -> None:
    answer = execute(line, models)
    assert answer["ok"] is False
    assert re.search(re.escape(says), answer["error"])


@given(st.text())
def test_any_line_has_one_line_of_json_for_an_answer(line: str) -> None:
    answer = json.dumps(execute(line, {"sim-1": VirtualUsbRh(clock=VirtualClock())}))
    assert "\n" not in answer
    assert json.loads(answer)["ok"] in (True, False)
