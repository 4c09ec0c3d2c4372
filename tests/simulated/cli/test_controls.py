"""usbrh led, identify, heater and release in this process, with a virtual sensor whose clock needs no real time."""

import json
from typing import Any

import pytest

from tests.support.bench import Bench
from usbrh import sensors
from usbrh.simulator import VirtualUsbRh, VirtualUsbrh2


def test_each_led_is_switched_alone(bench: Bench) -> None:
    assert bench.run("led", "2", "on").exit_code == 0
    assert bench.model.leds == (False, True)
    assert bench.run("led", "1", "on", "sim-1").exit_code == 0
    assert bench.run("led", "2", "off").output == ""
    assert bench.model.leds == (True, False)


def test_an_led_by_its_name_in_the_configuration(bench: Bench) -> None:
    bench.config.write_text("[sensor.sim-1]\nled = {green = 2, red = 1}\n")
    assert bench.run("led", "green", "on").exit_code == 0
    assert bench.model.leds == (False, True)
    assert bench.run("led", "1", "on").exit_code == 0
    assert bench.model.leds == (True, True), "the number counts also where names are set"


@pytest.mark.parametrize("name", ["3", "0", "green", ""])
def test_an_led_that_does_not_exist_is_wrong_usage(bench: Bench, name: str) -> None:
    done = bench.run("led", name, "on")
    assert done.exit_code == 2
    assert repr(name) in done.stderr
    assert "LED" in done.stderr
    assert bench.model.leds == (False, False)


def test_one_of_several_sensors_must_be_named(bench: Bench) -> None:
    second = VirtualUsbRh(2, clock=bench.clock)
    bench.plug_in(bench.model, second)
    for words in (["led", "1", "on"], ["heater", "on"], ["heater", "off"], ["heater", "test"], ["identify"]):
        done = bench.run(*words)
        assert (done.exit_code, "sim-1, sim-2" in done.stderr) == (2, True), words
    assert bench.run("led", "1", "on", "sim-2").exit_code == 0
    assert (bench.model.leds, second.leds) == ((False, False), (True, False))


def test_identify_blinks_and_names_the_sensor(bench: Bench) -> None:
    done = bench.run("identify")
    assert done.exit_code == 0
    assert bench.clock.monotonic() == pytest.approx(10, abs=1)
    assert bench.clock.lit == [(0.5, (True, False)), (0.5, (False, False))] * 10
    assert "sim-1 blinks for 10 s" in done.stderr


@pytest.mark.parametrize(("words", "seconds"), [([], 30), (["--seconds", "1"], 1), (["--seconds", "180"], 180)])
def test_the_heater_is_on_for_some_seconds_and_off_afterwards(bench: Bench, words: list[str], seconds: int) -> None:
    done = bench.run("heater", "on", *words)
    assert (done.exit_code, done.stdout) == (0, "")
    assert bench.clock.slept == [(seconds, True)]
    assert not bench.model.heater
    assert f"is on for {seconds} s" in done.stderr
    assert done.stderr.endswith("The heater is off.\n")


@pytest.mark.parametrize("seconds", ["0", "181"])
def test_the_heater_is_not_switched_for_too_long(bench: Bench, seconds: str) -> None:
    for command in ("on", "test"):
        assert bench.run("heater", command, "--seconds", seconds).exit_code == 2
    assert bench.clock.slept == []


def test_heater_off_switches_off(bench: Bench) -> None:
    (sensor,) = sensors.find(backend=bench.bus, clock=bench.clock)
    sensor.set_heater(True)
    sensor.set_heater(False)
    bench.model._heater.switch(True, 0)  # as a process left it that was killed
    assert bench.run("heater", "off").exit_code == 0
    assert not bench.model.heater


COLD, PASSES = (6500, 1500), (6800, 1250)
"""25 °C and 28 °C, with the same dew point within 2 °C."""


@pytest.mark.parametrize(
    ("after", "verdicts"),
    [
        (PASSES, "ok ok ok"),
        ((6550, 1450), "ok ok ok"),
        ((6549, 1450), "FAIL ok ok"),
        ((6700, 1500), "ok FAIL ok"),
        ((7100, 1490), "ok FAIL FAIL"),
        ((6800, 900), "ok ok FAIL"),
        ((6400, 1600), "FAIL FAIL ok"),
    ],
)
def test_the_test_of_the_heater(bench: Bench, after: tuple[int, int], verdicts: str) -> None:
    class NoHeater:
        """The scripted measurements have the warmth already."""

        on = False

        def switch(self, on: bool, at: float) -> None:
            self.on = on

        def warm(self, ticks: Any, at: float) -> Any:
            return ticks

    bench.model._heater = NoHeater()  # type: ignore[assignment]
    bench.ticks = [COLD, after]
    done = bench.run("heater", "test")
    assert bench.clock.slept == [(30, True)]
    assert not bench.model.heater
    *checks, summary = done.stdout.splitlines()
    assert [line.split()[0] for line in checks] == verdicts.split()
    assert [line.split()[1] for line in checks] == ["temperature", "humidity", "dew"]
    passed = "FAIL" not in verdicts
    assert done.exit_code == (0 if passed else 1)
    assert ("passed" in summary) == passed
    bench.model.measured = 0
    found = json.loads(bench.run("heater", "test", "--json", "--seconds", "2").stdout)
    assert found["passed"] == passed
    assert [found[when]["raw"]["temperature"] for when in ("before", "after")] == [COLD[0], after[0]]
    assert [found[when]["heater"] for when in ("before", "after")] == [False, True]
    assert bench.clock.slept[1:] == [(2, True)]


def test_the_heater_of_the_virtual_sensor_passes(bench: Bench) -> None:
    done = bench.run("heater", "test")
    assert done.exit_code == 0, done.output
    assert "Heating sim-1 for 30 s" in done.stderr


def test_release_gives_the_sensor_back(bench: Bench) -> None:
    assert bench.run("release").exit_code == 0


def test_release_of_a_usbrh2_is_an_error_or_nothing(bench: Bench) -> None:
    bench.bus.close()
    bench.plug_in(VirtualUsbrh2(serial="E02A"))
    assert bench.run("release").exit_code == 0
