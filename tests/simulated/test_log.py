"""``usbrh log``: as a process, with virtual sensors."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from usbrh.cli.output import CSV_COLUMNS
from usbrh.logfile import LogFile
from usbrh.reading import Reading

DAY_NS = 86_400_000_000_000


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "usbrh", "log", "--interval", "1s", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "USBRH_SIMULATE": "2"},
    )


def wait_for_lines(file: Path, number: int) -> None:
    end = time.monotonic() + 20
    while not file.exists() or file.read_bytes().count(b"\n") < number:
        assert time.monotonic() < end, "no lines"
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_cleanly_when_it_is_told_to(tmp_path: Path, how: signal.Signals) -> None:
    file = tmp_path / "room.csv"
    with start("-o", str(file)) as process:
        wait_for_lines(file, 3)
        process.send_signal(how)
        _, words = process.communicate(timeout=10)
    assert (process.returncode, words) == (0, "")


def test_killed_and_started_again_it_goes_on_in_the_same_file(tmp_path: Path) -> None:
    file = tmp_path / "room.csv"
    for lines in (3, 5):
        with start("-o", str(file)) as process:
            wait_for_lines(file, lines)
            process.kill()
            process.communicate(timeout=10)
    with file.open(newline="") as opened:
        header, *rows = csv.reader(opened)
    assert header == list(CSV_COLUMNS)
    assert len(rows) >= 4
    assert {len(row) for row in rows} == {len(CSV_COLUMNS)}
    assert {row[1] for row in rows} == {"sim-1", "sim-2"}


def test_json_lines_of_one_sensor_on_stdout() -> None:
    with start("--json", "sim-2") as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    readings = [Reading.from_dict(line) for line in lines]
    assert {reading.sensor for reading in readings} == {"sim-2"}
    assert 0.9e9 < readings[1].time_ns - readings[0].time_ns < 2e9


def test_a_reader_that_goes_away_ends_it() -> None:
    with start() as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=10) == 1
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_no_such_sensor_and_no_such_folder() -> None:
    with start("cellar") as process:
        _, words = process.communicate(timeout=10)
    assert process.returncode == 3
    assert words == "usbrh: no sensor 'cellar'; there is: sim-1, sim-2\n"
    with start("-o", "/proc/no/room.csv") as process:
        _, words = process.communicate(timeout=10)
    assert process.returncode == 2
    assert words.startswith("usbrh: /proc/no")


def test_each_day_has_its_file_with_a_header(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "%Y/room-%Y-%m-%d.csv"), "header")
    noon = int(time.mktime((2026, 12, 31, 12, 0, 0, 0, 0, -1))) * 1_000_000_000
    log.append(["a"], noon)
    log.append(["b"], noon)
    log.append(["c"], noon + DAY_NS)
    assert (tmp_path / "2026/room-2026-12-31.csv").read_text() == "header\na\nb\n"
    assert (tmp_path / "2027/room-2027-01-01.csv").read_text() == "header\nc\n"


def test_a_broken_line_stays_alone(tmp_path: Path) -> None:
    file = tmp_path / "room.csv"
    file.write_text("header\n2026-11-22T08:0")
    LogFile(str(file), "header").append(["whole"], 0)
    assert file.read_text() == "header\n2026-11-22T08:0\nwhole\n"


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "room.csv"), "header")
    log.append(["a"], 0)
    (tmp_path / "room.csv").rename(tmp_path / "room.csv.1")
    log.append(["b"], 0)
    assert (tmp_path / "room.csv").read_text() == "header\nb\n"


def test_a_full_disk_is_an_error_that_names_the_file() -> None:
    with pytest.raises(OSError, match="No space left on device"):
        LogFile("/dev/full").append(["line"], 0)
