"""``usbrh history``: as a process."""

import csv
import json
import time
from pathlib import Path

import pytest

from tests.support.command import usbrh
from tests.support.zones import BERLIN
from usbrh.clock import NS
from usbrh.journal.store import Journal
from usbrh.output.history import CSV_COLUMNS
from usbrh.reading import Reading, parse_time

HOUR = 3600 * NS
CHANGE = parse_time("2026-10-25T01:00:00Z")
"""The end of summer time in Europe."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with readings of two sensors, every 30 minutes from one day before the end of summer time."""
    path = tmp_path / "journal.db"
    with Journal(path, keep=1e11) as journal:
        readings = []
        for number in range(-48, 48):
            time_ns = CHANGE + number * HOUR // 2
            readings += [
                Reading("living-room", "1-1.4", "USB-RH", time_ns, 20 + number / 10, 40 - number / 10, 8.0, 9.0),
                Reading("attic", "1-1.3", "USBRH2", time_ns, -1.0, 50.0, None, 9.0, serial="E02A"),
            ]
        journal.add(readings)
    return path


def history(path: Path, *words: str) -> list[str]:
    done = usbrh("history", *words, USBRH_JOURNAL_PATH=str(path), TZ=BERLIN)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_table_of_one_sensor(path: Path) -> None:
    lines = history(path, "living-room", "--since", "2026-10-24", "--until", "2026-10-26")
    assert lines == [
        "living-room",
        "temperature, °C  readings    min               mean    max",
        "2026-10-24             42  15.20  03:00       17.25  19.30  23:30",
        "2026-10-25             50  19.40  00:00+0200  21.85  24.30  23:30+0100",
        "humidity, %RH    readings    min               mean    max",
        "2026-10-24             42  40.70  23:30       42.75  44.80  03:00",
        "2026-10-25             50  35.70  23:30+0100  38.15  40.60  00:00+0200",
        "dew point, °C    readings    min               mean    max",
        "2026-10-24             42   8.00  03:00        8.00   8.00  03:00",
        "2026-10-25             50   8.00  00:00+0200   8.00   8.00  00:00+0200",
    ]


def test_the_repeated_hour_is_two_periods(path: Path) -> None:
    words = ("--since", "2026-10-25T02:00", "--until", "2026-10-25T03:00", "--by", "hour", "--json", "1-1.4")
    found = [json.loads(line) for line in history(path, *words)]
    assert [(each["period"], each["readings"], each["start"]) for each in found] == [
        ("2026-10-25 02:00 +0200", 2, "2026-10-25T00:00:00.000000000Z"),
        ("2026-10-25 02:00 +0100", 2, "2026-10-25T01:00:00.000000000Z"),
    ]
    assert found[1]["temperature"] == {
        "min": 20.0,
        "min_time": "2026-10-25T01:00:00.000000000Z",
        "mean": 20.05,
        "max": 20.1,
        "max_time": "2026-10-25T01:30:00.000000000Z",
    }


def test_json_of_all_sensors_by_week(path: Path) -> None:
    found = [json.loads(line) for line in history(path, "--since", "2026-10-24", "--by", "week", "--json")]
    assert [(each["sensor"], each["period"], each["readings"]) for each in found] == [
        ("attic", "2026-10-19", 92),
        ("living-room", "2026-10-19", 92),
        ("attic", "2026-10-26", 4),
        ("living-room", "2026-10-26", 4),
    ]
    assert found[0]["dew_point"] is None
    assert found[0]["temperature"]["mean"] == -1.0
    assert list(found[0]) == [
        *("sensor", "period", "start", "end", "readings", "failed", "heated"),
        *("temperature", "humidity", "dew_point", "simulated"),
    ]


def test_csv(path: Path) -> None:
    rows = list(csv.DictReader(history(path, "all", "--csv", "--since", "2026-10-25", "--until", "2026-10-26")))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert [(each["sensor"], each["readings"], each["dew_point_min"]) for each in rows] == [
        ("attic", "50", ""),
        ("living-room", "50", "8.0"),
    ]


def test_since_is_a_time_before_now(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        ages = (0, 2 * 86400, 30 * 86400)
        journal.add([Reading("attic", "1-1", "USB-RH", time.time_ns() - age * NS, 20.0, 50.0, 9.0) for age in ages])
    assert [len(history(path, "--json", *words)) for words in ((), ("--since", "40d"), ("--since", "1h"))] == [2, 3, 1]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("cellar",), 3, "the journal has no readings of 'cellar'; choose one of: attic, living-room"),
        (("9",), 3, "the journal has no readings of '9'; choose one of: attic, living-room"),
        (
            ("--since", "2030-01-01", "--until", "2031-01-01"),
            1,
            "choose another time with --since and --until: the newest reading is of 2026-10-26",
        ),
        (("--since", "2026-10-25", "--until", "2026-10-25"), 2, "--until must be after --since"),
        (("--json", "--csv"), 2, "--json and --csv exclude each other"),
        (("--csv", "--fahrenheit"), 2, "usbrh: --fahrenheit is for text"),
        (("--json", "--celsius"), 2, "usbrh: --celsius is for text"),
        (("--since", "soon"), 2, '"soon" is no time'),
        (("--since", "9999-12-31T23:59"), 2, '"9999-12-31T23:59" is too far in the future'),
    ],
)
def test_what_can_not_be_shown(path: Path, words: tuple[str, ...], status: int, message: str) -> None:
    done = usbrh("history", *words, USBRH_JOURNAL_PATH=str(path), USBRH_SIMULATE="2")
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_journal(tmp_path: Path) -> None:
    done = usbrh("history", USBRH_JOURNAL_PATH=str(tmp_path / "journal.db"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no journal at" in done.stderr


def test_a_shell_offers_the_sensors_of_the_journal(path: Path) -> None:
    def offered(word: str, journal: Path) -> list[str]:
        line = f"usbrh history {word}"
        done = usbrh(USBRH_JOURNAL_PATH=str(journal), _USBRH_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD="2")
        return [line.partition(",")[2] for line in done.stdout.split()]

    assert offered("", path) == ["attic", "living-room"]
    assert offered("li", path) == ["living-room"]
    assert offered("li", path.with_name("none.db")) == []
