"""Summaries as tables and as CSV."""

import csv
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from tests.support.zones import BERLIN, zone
from usbrh.clock import NS
from usbrh.output.history import CSV_COLUMNS, csv_summary, tables
from usbrh.periods import UNITS, Unit, periods
from usbrh.reading import SUMMARISED
from usbrh.summary import Spread, Summary


def summaries(since: str, until: str, unit: Unit) -> list[Summary]:
    """One per period, with the widest values that a sensor can have."""
    start, end = (int(datetime.fromisoformat(text).timestamp()) * NS for text in (since, until))
    return [
        Summary(
            "living-room",
            period,
            999_999,
            0,
            0,
            False,
            {name: Spread(-40.0, period.start_ns, 100.0, 123.8, period.end_ns - NS) for name in SUMMARISED},
        )
        for period in periods(start, end, unit)
    ]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("fahrenheit", [False, True])
def test_it_fits_80_columns(unit: Unit, fahrenheit: bool) -> None:
    with zone(BERLIN):
        lines = list(tables(summaries("2026-10-24", "2026-11-01", unit), fahrenheit=fahrenheit))
    assert len(lines) > 3
    assert max(map(len, lines)) <= 80


def test_the_table_of_days() -> None:
    with zone(BERLIN):
        days = summaries("2026-10-24", "2026-10-26", "day")
        lines = list(tables([days[0], replace(days[1], failed=2, heated=1, simulated=True)]))
    assert lines[:4] == [
        "living-room   (simulated)",
        "temperature, °C  readings     min                mean     max",
        "2026-10-24         999999  -40.00  00:00       100.00  123.80  23:59",
        "2026-10-25         999999  -40.00  00:00+0200  100.00  123.80  23:59+0100",
    ]
    assert lines[4].startswith("humidity, %RH    readings     min")
    assert lines[7].startswith("dew point, °C    readings     min")
    assert lines[-1] == "not included: 2 failed, 1 with the heater on"


def test_each_sensor_has_its_own_table() -> None:
    with zone(BERLIN):
        (day,) = summaries("2026-11-01", "2026-11-02", "day")
        lines = list(tables([day, replace(day, sensor="attic", spreads=dict.fromkeys(SUMMARISED), readings=0)]))
    assert [lines[0], lines[8]] == ["attic", "living-room"]
    assert lines[2] == "2026-11-01              0    -       -    -"
    assert lines[7] == ""


def test_fahrenheit_is_for_temperatures() -> None:
    with zone(BERLIN):
        lines = list(tables(summaries("2026-11-01", "2026-11-02", "day"), fahrenheit=True))
    assert [line.split(",")[1].split()[0] for line in lines[1::2]] == ["°F", "%RH", "°F"]
    assert [line.split()[2] for line in lines[2::2]] == ["-40.00", "-40.00", "-40.00"]
    assert [line.split()[5] for line in lines[2::2]] == ["254.84", "123.80", "254.84"]


def test_csv() -> None:
    with zone(BERLIN):
        (day,) = summaries("2026-11-01", "2026-11-02", "day")
    line: Callable[[Summary], dict[str, str]] = lambda each: next(  # noqa: E731
        csv.DictReader([",".join(CSV_COLUMNS), csv_summary(each)])
    )
    row = line(day)
    assert row["start"] == row["humidity_min_time"] == "2026-10-31T23:00:00.000000000Z"
    assert (row["dew_point_min"], row["dew_point_mean"], row["dew_point_max"]) == ("-40.0", "100.0", "123.8")
    assert (row["period"], row["readings"], row["simulated"]) == ("2026-11-01", "999999", "false")
    without = line(replace(day, spreads={**day.spreads, "dew_point": None}))
    assert (without["dew_point_mean"], without["dew_point_min_time"], without["humidity_max"]) == ("", "", "123.8")
