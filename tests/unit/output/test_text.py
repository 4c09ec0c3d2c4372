"""Readings as text, CSV and in formats of the user."""

import json
from dataclasses import replace

import pytest

from usbrh.errors import SensorTimeout
from usbrh.output import text as output
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


def test_never_minus_zero() -> None:
    assert str(replace(READING, temperature=-0.001).to_dict()["temperature"]) == "0.0"


@pytest.mark.parametrize("time_ns", [0, 1, 999_999_999, 1_000_000_000, TIME, 2**62])
def test_time_keeps_its_nanoseconds(time_ns: int) -> None:
    assert parse_time(format_time(time_ns)) == time_ns


def test_text() -> None:
    assert output.text(READING) == "living-room: 31.69 °C   42.85 %RH   dew point 17.52 °C   14.20 g/m³"
    assert output.text(replace(READING, dew_point=None)) == "living-room: 31.69 °C   42.85 %RH   14.20 g/m³"
    assert output.text(replace(READING, heater=True, simulated=True)).endswith("(heater on, simulated)")


def test_csv() -> None:
    assert len(output.CSV_COLUMNS) == len(output.csv_reading(READING).split(","))
    assert output.csv_reading(replace(READING, sensor='a "b", c')).split(",", 1)[1].startswith('"a ""b"", c",1-1.4')
    assert output.csv_reading(FAILED).endswith(",,,,,,,,false,false,timeout,did not answer")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{temperature:.2f} {humidity:.2f}", "31.69 42.85"),
        (r"{temperature:.1f}\n{humidity:.1f}\n\n{sensor}", "31.7\n42.9\n\nliving-room"),
        ("N:{temperature}:{humidity}", "N:31.69:42.85"),
        ("{unix} {raw_temperature:04x} {raw_reserved}", "1795334400 1c01 000241"),
        ("{temperature_f} {dew_point_f:.1f} {{}}", "89.04 63.5 {}"),
    ],
)
def test_format(template: str, expected: str) -> None:
    assert output.formatted(template, READING) == expected


def test_what_is_not_there_is_unknown() -> None:
    assert output.formatted("N:{temperature:.2f}:{raw_humidity:d}", FAILED) == "N:U:U"


@pytest.mark.parametrize(
    "template", ["{temp}", "{0}", "{}", "{sensor.__class__}", "{sensor[0]}", "{temperature:x}", "{"]
)
def test_a_format_reaches_nothing_else(template: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        output.formatted(template, READING)


def test_text_in_fahrenheit() -> None:
    assert output.text(READING, in_fahrenheit=True) == (
        "living-room: 89.04 °F   42.85 %RH   dew point 63.53 °F   14.20 g/m³"
    )
