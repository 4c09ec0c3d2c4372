"""Summaries of the readings in the journal: compared with what Python computes from each reading."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.journal import flip, reading, readings
from usbrh.clock import NS
from usbrh.errors import JournalError, TransferFailed
from usbrh.journal.reader import JournalReader
from usbrh.journal.store import Journal
from usbrh.periods import UNITS, Period, Unit, periods
from usbrh.reading import SUMMARISED, Reading, SensorInfo
from usbrh.summary import Spread, Summary

DAY = 86400 * NS
START = 20_000 * DAY
SENSORS = ("attic", "living-room")


def measured(time_ns: int, sensor: str = "attic", temperature: float = 20.0, **values: float | bool | None) -> Reading:
    data: dict[str, float | bool | None] = {"humidity": 50.0, "dew_point": 9.0, **values}
    return Reading(sensor, "1-1", "USB-RH", time_ns, temperature, **data)  # type: ignore[arg-type]


def expected(stored: Sequence[Reading], sensor: str, period: Period) -> Summary | None:
    """What the summary must be, computed from the readings as the journal stores them."""
    inside = [each for each in stored if each.sensor == sensor and period.start_ns <= each.time_ns < period.end_ns]
    good = [each for each in inside if not each.error and not each.heater]
    spreads: dict[str, Spread | None] = {}
    for name in SUMMARISED:
        values = [(getattr(each, name), each.time_ns) for each in good if getattr(each, name) is not None]
        low = min(values, default=(0, 0))
        high = max(values, key=lambda each: (each[0], -each[1]), default=(0, 0))
        mean: Any = pytest.approx(sum(value for value, _ in values) / max(1, len(values)))
        spreads[name] = Spread(low[0], low[1], mean, high[0], high[1]) if values else None
    counts = len(good), sum(bool(each.error) for each in inside), sum(each.heater for each in inside)
    return Summary(sensor, period, *counts, any(each.simulated for each in inside), spreads) if inside else None


def summaries(path: Path, *, unit: Unit = "day", sensors: Sequence[str] = SENSORS) -> list[Summary]:
    return list(JournalReader(path).summaries(START, START + 20 * DAY, unit, sensors))


@pytest.mark.parametrize("unit", UNITS)
def test_as_computed_from_each_reading(tmp_path: Path, unit: Unit) -> None:
    chance = random.Random(1)
    everything = []
    for number in range(600):
        time_ns = START + number * 1234 * NS + chance.randrange(NS)
        sensor = chance.choice(SENSORS)
        if chance.random() < 0.1:
            everything.append(Reading.failed(SensorInfo("1-1", "USB-RH", sensor), time_ns, TransferFailed("stalled")))
            continue
        everything.append(
            measured(
                time_ns,
                sensor,
                chance.uniform(-40, 40),
                humidity=chance.uniform(0, 100),
                dew_point=None if chance.random() < 0.1 else chance.uniform(-60, 40),
                heater=chance.random() < 0.1,
                simulated=chance.random() < 0.1,
            )
        )
    with Journal(tmp_path / "journal.db", keep=1e11) as journal:
        journal.add(everything)
    stored = [Reading.from_dict(each.to_dict()) for each in everything]
    wanted = [
        summary
        for period in periods(START, START + 20 * DAY, unit)
        for sensor in SENSORS
        if (summary := expected(stored, sensor, period))
    ]
    assert summaries(tmp_path / "journal.db", unit=unit) == wanted
    assert summaries(tmp_path / "journal.db", unit=unit, sensors=["attic"]) == [
        each for each in wanted if each.sensor == "attic"
    ]


def test_of_equal_extremes_the_first_counts(tmp_path: Path) -> None:
    temperatures = (5.0, -3.5, 7.25, -3.5, 7.25, 0.0)
    with Journal(tmp_path / "journal.db", keep=1e11) as journal:
        journal.add([measured(START + n, temperature=value) for n, value in enumerate(temperatures)])
    (summary,) = summaries(tmp_path / "journal.db")
    assert summary.spreads["temperature"] == Spread(-3.5, START + 1, sum(temperatures) / 6, 7.25, START + 2)


def test_a_period_without_values(tmp_path: Path) -> None:
    failed = Reading.failed(SensorInfo("1-1", "USB-RH", "attic"), START, TransferFailed("stalled"))
    with Journal(tmp_path / "journal.db", keep=1e11) as journal:
        journal.add([failed, measured(START + DAY, heater=True)])
    one, other = summaries(tmp_path / "journal.db")
    assert (one.readings, one.failed, one.heated) == (0, 1, 0)
    assert (other.readings, other.failed, other.heated) == (0, 0, 1)
    assert [(each.sensor, each.period) for each in (one, other)] == [
        ("attic", period) for period in periods(START, START + 2 * DAY, "day")
    ]
    assert one.to_dict()["temperature"] is None
    assert other.spreads == dict.fromkeys(SUMMARISED)


def test_no_journal_and_an_empty_one(tmp_path: Path) -> None:
    assert summaries(tmp_path / "journal.db") == []
    with Journal(tmp_path / "journal.db", keep=1e11) as journal:
        journal.add([])
    assert summaries(tmp_path / "journal.db") == []


def test_a_flipped_bit_is_an_error_and_not_a_wrong_value(tmp_path: Path) -> None:
    """An entry of the index: the time, then the sensor, then the values in hundredths."""
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.add(readings(5))
    content, first = path.read_bytes(), reading(3)
    entry = b"living-room" + (2003).to_bytes(2, "big")
    assert content.count(entry) == 1
    place = content.index(entry) - 8
    assert content[place : place + 8] == first.time_ns.to_bytes(8, "big")
    reader = JournalReader(path)
    # The lower half of the time, which stays in the period; then temperature, humidity and the parity of both.
    values = [*range(place + 4, place + 8), *range(place + 19, place + 19 + 6)]
    wanted = list(reader.summaries(reading(1).time_ns, reading(6).time_ns, "day", ["living-room"]))
    assert [summary.readings for summary in wanted] == [5]
    for bit in (byte * 8 + n for byte in values for n in range(8)):
        path.write_bytes(content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :])
        with pytest.raises(JournalError) as caught:
            list(reader.summaries(reading(1).time_ns, reading(6).time_ns, "day", ["living-room"]))
        assert caught.value.remedy == "repair it: usbrh journal flush", bit


def test_a_damaged_reading_with_an_extreme_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.add(readings(5))
    flip(path, 1)  # newer versions of SQLite find the JSON malformed before we check it
    with pytest.raises(JournalError, match=r"checksum of reading 1 is wrong|malformed JSON") as caught:
        list(JournalReader(path).summaries(reading(1).time_ns, reading(6).time_ns, "day", ["living-room"]))
    assert caught.value.remedy == "repair it: usbrh journal flush"


def test_years_without_readings_cost_no_queries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(tmp_path / "journal.db", keep=1e11) as journal:
        journal.add([measured(1), measured(START)])
    reader = JournalReader(tmp_path / "journal.db")
    queries = 0
    run = reader._run

    def counted(query: Any) -> Any:
        nonlocal queries
        queries += 1
        return run(query)

    monkeypatch.setattr(reader, "_run", counted)
    assert len(list(reader.summaries(0, 2 * START, "day", ["attic"]))) == 2
    assert queries == 5
