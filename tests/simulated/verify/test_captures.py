"""Recorded devices, replayed through the real drivers. docs/contributing.md says how an owner adds one."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.replay import calls, records, replay
from usbrh.drivers.recording import Recorder
from usbrh.errors import SensorError
from usbrh.sensors import find
from usbrh.simulator import SimulatorBackend, VirtualClock, VirtualUsbRh, VirtualUsbrh2
from usbrh.verify.bench import Bench
from usbrh.verify.capture import Capture

CAPTURES = sorted(Path(__file__).parents[2].joinpath("captures").glob("*.jsonl"))
KEYS = {
    "header": {"usbrh_capture", "usbrh", "date", "model", "simulated", "kernel", "controller", "hubs", "source"},
    "call": {"t", "call", "while_on"},
    "returns": {"t", "returns"},
    "raises": {"t", "raises"},
    "transfer": {"t", "transfer", "setup", "endpoint", "length", "data", "text", "error", "end"},
    "begin": {"t", "begin"},
    "step": {"t", "step", "assumed", "seen", "verdict", "detail"},
    "colour": {"t", "led", "colour"},
    "sysfs": {"t", "sysfs"},
}
"""The keys of each kind of record, as docs/verify.md lists them."""


def test_there_are_captures() -> None:
    assert CAPTURES


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_recorded_device_gives_the_recorded_values(path: Path) -> None:
    recorded = list(calls(path))
    assert recorded
    for call in recorded:
        replay(call)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_a_capture_has_the_documented_records_and_nothing_else(path: Path) -> None:
    header, *rest = records(path)
    assert set(header) <= KEYS["header"]
    for record in rest:
        assert any(kind in record and set(record) <= keys for kind, keys in KEYS.items()), record


def published() -> list[str]:
    (path,) = [path for path in CAPTURES if path.stem.endswith("kimata")]
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"data": "04de1c01', '"data": "04de1c02'),  # one tick more in the report
        ('"temperature": 31.69', '"temperature": 31.7'),
        ('"humidity": 42.85', '"humidity": 42.12'),  # the linear value
        ('"reserved": "000241"', '"reserved": "000041"'),
        ('"end": 14.163', '"end": 13.961'),  # too soon for a measurement
    ],
)
def test_another_value_than_the_recorded_one_fails(tmp_path: Path, before: str, after: str) -> None:
    text = "\n".join(published())
    assert before in text
    changed = tmp_path / "changed.jsonl"
    changed.write_text(text.replace(before, after, 1))
    (call,) = calls(changed)
    with pytest.raises(AssertionError):
        replay(call)


def test_an_error_is_replayed_as_the_same_error(tmp_path: Path) -> None:
    for fault, kind in (("short", "bad_report"), ("no_answer", "timeout"), ("endpoint_halts", "transfer_failed")):
        clock = VirtualClock()
        path = tmp_path / f"{fault}.jsonl"
        with Capture(path) as capture:
            bus = SimulatorBackend([VirtualUsbRh(clock=clock)], clock)
            bus.recorder = Recorder(clock, capture.write)
            (sensor,) = find(backend=bus, clock=clock)
            bench = Bench.of(sensor.info, bus, clock, capture)
            bus.models["sim-1"].fault(fault)
            with pytest.raises(SensorError):
                bench.read()
        (call,) = calls(path)
        assert (call.raises, call.returns) == (kind, None)
        replay(call)


def test_the_serial_number_is_hidden(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    with Capture(path) as capture:
        capture.serial = "0241"
        capture.write({"t": 0.0241, "transfer": "read", "text": "no. 0241\r\n"})
        capture.write({"returns": {"firmware": "Ver 0241"}, "data": "000241"})
    first, second = path.read_text().splitlines()
    assert json.loads(first) == {"t": 0.0241, "transfer": "read", "text": "no. xxxx\r\n"}
    assert json.loads(second) == {"returns": {"firmware": "Ver xxxx"}, "data": "000241"}


def test_a_usbrh2_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "usbrh2.jsonl"
    with Capture(path) as capture:
        bus = SimulatorBackend([VirtualUsbrh2(serial="E02A")])
        bus.recorder = Recorder(VirtualClock(), capture.write)
        try:
            (sensor,) = find(backend=bus)
            bench = Bench.of(sensor.info, bus, VirtualClock(), capture)
            assert bench.firmware() == "USBRH2 Ver 1.00"
            temperature = bench.read().temperature
            with bench.sensor.heating():
                assert bench.read("heater").heater
        finally:
            bus.close()
    assert "E02A" not in path.read_text()
    firmware, reading, heated = calls(path)
    assert firmware.returns == {"firmware": "USBRH2 Ver 1.00"}
    assert reading.returns
    assert reading.returns["temperature"] == round(temperature or 0, 2)
    replay(firmware)
    replay(reading)
    assert heated.returns
    assert heated.returns["status"] == "0xa010"
    replay(heated)
    wrong = replace(reading, returns={**reading.returns, "temperature": 0.0})
    with pytest.raises(AssertionError):
        replay(wrong)


def test_records_are_ascii_and_one_per_line(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    with Capture(path) as capture:
        capture.write({"text": "°\n"})
    assert path.read_bytes() == json.dumps({"text": "°\n"}).encode() + b"\n"
