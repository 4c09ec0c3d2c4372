"""The driver of the USBRH2 in front of each device that the evidence allows, after programs that were killed."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from itertools import combinations, product
from typing import Any, get_args

import pytest

from tests.support.pairs import pairwise
from tests.support.usbrh2 import Bench, stranger
from usbrh.errors import SensorError
from usbrh.reading import Reading
from usbrh.simulator.unknowns import Usbrh2Unknowns

CHOICES: dict[str, Any] = {
    **{field.name: get_args(field.type) or (False, True) for field in fields(Usbrh2Unknowns)},
    "typed": (b"", b"getrh\rgetrh\r", b"getrh\rserial\rgetrh\rstatus\r", b"auto 1\r", b"get"),
}
"""The unknowns, and what a killed program has typed."""
STATUS_IS_KNOWN = ("0x8010", "8010", "STATUS=0x8010")
COMBINATIONS = pairwise(CHOICES)


def outcome(combination: dict[str, Any]) -> tuple[list[Reading], str, bool]:
    """Two readings, the version, and whether LED 1 is on."""
    unknowns = {name: value for name, value in combination.items() if name != "typed"}
    bench = Bench(unknowns=Usbrh2Unknowns(**unknowns))
    try:
        bench.model.fault("late", 1, 0.3)
        stranger(bench.node, combination["typed"], 0.05).close()
        readings = [bench.read(), bench.read()]
        version = bench.sensor.firmware()
        bench.sensor.set_led(1, True)
        return readings, version, bench.model.leds[0] == "on"
    finally:
        bench.backend.close()


@pytest.fixture(scope="module")
def outcomes() -> Iterator[list[tuple[dict[str, Any], Any]]]:
    """All at the same time, since each takes its own."""
    possible = [each for each in COMBINATIONS if each["serial"] or each["status"] in STATUS_IS_KNOWN]
    with ThreadPoolExecutor(max_workers=24) as pool:
        yield list(zip(possible, pool.map(outcome, possible), strict=True))


def test_each_device_is_read_and_only_an_unknown_status_is_lost(outcomes: list[tuple[dict[str, Any], Any]]) -> None:
    for combination, (readings, version, led) in outcomes:
        status = "0x8010" if combination["status"] in STATUS_IS_KNOWN else None
        assert [reading.status for reading in readings] == [status, status], combination
        assert (version, led) == ("USBRH2 Ver 1.00", True), combination


def test_a_heater_that_we_have_on_marks_readings_without_a_status() -> None:
    bench = Bench(unknowns=Usbrh2Unknowns(status="32784"))
    try:
        for on in (True, False):
            bench.sensor.set_heater(on)
            assert (bench.model.heater, bench.sensor.read().heater) == (on, on)
        stranger(bench.node, b"heater on\r").close()
        before = bench.model.heater
        bench.sensor.read()
        assert (before, bench.model.heater) == (True, False), "a killed program had left it on"
    finally:
        bench.backend.close()


def test_a_late_answer_to_another_command_is_not_the_version() -> None:
    bench = Bench(unknowns=Usbrh2Unknowns(status="32784", switched="OK"))
    try:
        bench.model.fault("hang", seconds=0.05)
        assert bench.sensor.firmware() == "USBRH2 Ver 1.00"
    finally:
        bench.backend.close()


def test_without_status_and_serial_number_it_is_an_error_by_the_deadline() -> None:
    bench = Bench(unknowns=Usbrh2Unknowns(status="", serial=""))
    try:
        started = time.monotonic()
        with pytest.raises(SensorError, match=r"E02A did not answer within 1\.0 s"):
            bench.sensor.read(1.2)
        assert time.monotonic() - started < 2
    finally:
        bench.backend.close()


def test_the_combinations_have_every_pair() -> None:
    for (one, values), (other, others) in combinations(CHOICES.items(), 2):
        found = {(each[one], each[other]) for each in COMBINATIONS}
        assert found == set(product(values, others))
    assert len(COMBINATIONS) < 60
