"""Readings as text, CSV and in formats of the user."""

import io
import json
import sys
import time
from dataclasses import replace

import pytest

from usbrh.errors import SensorTimeout
from usbrh.output import text as output
from usbrh.output.quantities import quantities
from usbrh.output.times import TimeStyle
from usbrh.reading import QUANTITIES, Reading, SensorInfo, Ticks, format_time, parse_time

TIME = 1_795_334_400_123_456_789
READING = Reading(
    sensor="living-room",
    port="1-1.4",
    model="USB-RH",
    time_ns=TIME,
    temperature=31.69,
    humidity=42.8461,
    dew_point=17.5176,
    absolute_humidity=14.2023,
    raw=Ticks(7169, 1246, bytes.fromhex("000241")),
    conversion="sht1x-v3@5V",
    vapour_deficit=18.9444,
    vapour_pressure_deficit=2.66512,
    discomfort_index=79.2844,
)
FAILED = Reading.failed(SensorInfo("1-1.4", "USB-RH", "living-room"), TIME, SensorTimeout("did not answer"))


def test_json_is_the_contract() -> None:
    assert json.loads(READING.to_json()) == {
        "v": 1,
        "sensor": "living-room",
        "port": "1-1.4",
        "model": "USB-RH",
        "serial": None,
        "time": "2026-11-22T08:00:00.123456789Z",
        "temperature": 31.69,
        "humidity": 42.85,
        "dew_point": 17.52,
        "absolute_humidity": 14.2,
        "frost_point": None,
        "vapour_deficit": 18.94,
        "vapour_pressure_deficit": 2.67,
        "discomfort_index": 79.28,
        "raw": {"temperature": 7169, "humidity": 1246, "reserved": "000241"},
        "conversion": "sht1x-v3@5V",
        "calibration": None,
        "heater": False,
        "status": None,
        "repeated": False,
        "simulated": False,
        "state": "ok",
        "error": None,
        "remedy": None,
    }


@pytest.mark.parametrize(
    ("encoding", "line"),
    [("utf-8", '{"sensor": "居間"}'), ("UTF8", '{"sensor": "居間"}'), ("ascii", r'{"sensor": "\u5c45\u9593"}')],
)
def test_json_is_in_utf_8_where_stdout_is(monkeypatch: pytest.MonkeyPatch, encoding: str, line: str) -> None:
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert output.json_line({"sensor": "居間"}) == line


def test_json_is_one_line_and_comes_back() -> None:
    assert "\n" not in READING.to_json()
    back = Reading.from_dict(json.loads(READING.to_json()))
    rounded = {key: round(getattr(READING, key), 2) for key in QUANTITIES if key != "frost_point"}
    assert back == replace(READING, **rounded)
    assert Reading.from_dict(json.loads(FAILED.to_json())) == FAILED


def test_a_failed_reading_has_no_number() -> None:
    data = FAILED.to_dict()
    assert data["error"] == "did not answer"
    assert data["state"] == "timeout"
    values = (*QUANTITIES, "raw", "conversion")
    assert [data[key] for key in values] == [None] * len(values)


def test_the_problem_of_a_reading_is_its_error_with_the_remedy() -> None:
    error = SensorTimeout("did not answer", remedy="plug it in again")
    failed = Reading.failed(SensorInfo("1-1.4", "USB-RH", "living-room"), TIME, error)
    assert (READING.problem, FAILED.problem, failed.problem) == (
        *(None, "did not answer"),
        "did not answer; plug it in again",
    )


def test_never_minus_zero() -> None:
    assert str(replace(READING, temperature=-0.001).to_dict()["temperature"]) == "0.0"


@pytest.mark.parametrize("time_ns", [0, 1, 999_999_999, 1_000_000_000, TIME, 2**62])
def test_time_keeps_its_nanoseconds(time_ns: int) -> None:
    assert parse_time(format_time(time_ns)) == time_ns


def test_text() -> None:
    usual = quantities()
    assert output.text(READING, usual) == "living-room: 31.69 °C   42.85 %RH   dew point 17.52 °C   14.20 g/m³"
    assert output.text(replace(READING, dew_point=None), usual) == "living-room: 31.69 °C   42.85 %RH   14.20 g/m³"
    assert output.text(replace(READING, heater=True, simulated=True), usual).endswith("(heater on, simulated)")
    chosen = quantities(("vapour_deficit", "vapour_pressure_deficit", "discomfort_index", "frost_point"))
    assert output.text(READING, chosen) == (
        "living-room: vapour deficit 18.94 g/m³   VPD 2.67 kPa   discomfort index 79.28"
    )


def test_csv() -> None:
    assert len(output.CSV_COLUMNS) == len(output.csv_reading(READING).split(","))
    assert output.csv_reading(replace(READING, sensor='a "b", c')).split(",", 1)[1].startswith('"a ""b"", c",1-1.4')
    assert output.csv_reading(FAILED).endswith(",,,,,,,,false,false,timeout,did not answer")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{temperature:.2f} {humidity:.2f}", "31.69 42.85"),
        (r"{temperature:.1f}\n{humidity:.1f}\n\n{sensor}", "31.7\n42.9\n\nliving-room"),
        (r"{temperature}\t{humidity}\n", "31.69\t42.85\n"),
        ("N:{temperature}:{humidity}", "N:31.69:42.85"),
        ("{unix} {raw_temperature:04x} {raw_reserved}", "1795334400 1c01 000241"),
        ("{temperature_f} {dew_point_f:.1f} {{}}", "89.04 63.5 {}"),
    ],
)
def test_format(template: str, expected: str) -> None:
    assert output.formatted(template, READING) == expected


@pytest.mark.parametrize(
    "template", ["{humidity:.2f}", "{humidity}", "{humidity!s}", "{humidity!r}", "{raw_humidity:d}"]
)
def test_what_is_not_there_is_unknown(template: str) -> None:
    assert output.formatted(f"N:{template}", FAILED) == "N:U"
    assert output.formatted(template, FAILED, unknown="NaN") == "NaN"
    assert output.formatted(template, FAILED, unknown="") == ""
    assert output.formatted(template, READING, unknown="NaN") != "NaN"


def test_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert output.formatted("{local}", READING) == "2026-11-22T17:00:00.123456789+09:00"
        assert output.formatted("{local!s}", READING) == "2026-11-22T17:00:00.123456789+09:00"
        assert output.formatted("{local:%Y-%m-%d %H:%M}", READING) == "2026-11-22 17:00"
        assert output.formatted("{time}", READING) == "2026-11-22T08:00:00.123456789Z"
        style = TimeStyle(local=True, form="%d.%m.%Y %H:%M %z")
        assert output.formatted("{time}", READING, times=style) == "22.11.2026 17:00 +0900"
        assert output.csv_reading(READING, style).startswith("22.11.2026 17:00 +0900,living-room,")
        assert TimeStyle(form="%H:%M").text(TIME) == "08:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(("second", "offset"), [(1_792_886_400, "+02:00"), (1_792_890_000, "+01:00")])
def test_local_time_is_unambiguous_in_the_repeated_hour(
    monkeypatch: pytest.MonkeyPatch, second: int, offset: str
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert TimeStyle(local=True).text(second * 10**9) == f"2026-10-25T02:00:00.000000000{offset}"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "template", ["{temp}", "{0}", "{}", "{sensor.__class__}", "{sensor[0]}", "{temperature:x}", "{"]
)
def test_a_format_reaches_nothing_else(template: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        output.formatted(template, READING)


def test_text_in_fahrenheit() -> None:
    assert output.text(READING, quantities(fahrenheit=True)) == (
        "living-room: 89.04 °F   42.85 %RH   dew point 63.53 °F   14.20 g/m³"
    )
