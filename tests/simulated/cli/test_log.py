"""``usbrh log``: as a process, with virtual sensors."""

import csv
import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import command
from tests.support.closed import as_root, nobody, reachable
from usbrh.cli.log import _to_file
from usbrh.config import Config
from usbrh.errors import ConfigError
from usbrh.output.log_file import LogFile
from usbrh.output.text import CSV_COLUMNS
from usbrh.poller import Poller
from usbrh.reading import Reading
from usbrh.simulator import SimulatorBackend, VirtualClock, VirtualUsbRh

DAY_NS = 86_400_000_000_000


def start(*arguments: str, **environ: str) -> subprocess.Popen[str]:
    return command.start(
        ["log", "--interval", "1s", *arguments],
        {**os.environ, "USBRH_SIMULATE": "2", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_lines(file: Path, number: int) -> None:
    end = time.monotonic() + 20
    while not file.exists() or file.read_bytes().count(b"\n") < number:
        assert time.monotonic() < end, "no lines"
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_cleanly_at_a_signal(tmp_path: Path, how: signal.Signals) -> None:
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


def test_csv_on_stdout_begins_with_the_header() -> None:
    with start("sim-2") as process:
        assert process.stdout is not None
        header, row = (process.stdout.readline().rstrip("\n").split(",") for _ in range(2))
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert header == list(CSV_COLUMNS)
    assert dict(zip(header, row, strict=True))["sensor"] == "sim-2"


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
    assert words == "usbrh: no sensor 'cellar'; choose one of: sim-1, sim-2\n"
    with start("-o", "/proc/no/room.csv") as process:
        _, words = process.communicate(timeout=10)
    assert process.returncode == 2
    assert words.startswith("usbrh: /proc/no")


def test_each_day_has_its_file_with_a_header(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "%Y/room-%Y-%m-%d.csv"), "header")
    noon = 1_798_718_400 * 1_000_000_000
    log.append(["a"], noon)
    log.append(["b"], noon)
    log.append(["c"], noon + DAY_NS)
    assert (tmp_path / "2026/room-2026-12-31.csv").read_text() == "header\na\nb\n"
    assert (tmp_path / "2027/room-2027-01-01.csv").read_text() == "header\nc\n"


@pytest.mark.parametrize("local", [False, True])
def test_the_name_of_the_file_is_in_the_zone_of_its_content(tmp_path: Path, *, local: bool) -> None:
    options = ["--local"] if local else []
    with start("-o", str(tmp_path / "%Y-%m-%dT%H%z.csv"), *options, TZ="Asia/Kathmandu") as process:
        while not list(tmp_path.iterdir()):
            time.sleep(0.05)
        (file, *_) = tmp_path.iterdir()
        wait_for_lines(file, 3)
        process.terminate()
        assert process.wait(timeout=10) == 0
    with file.open(newline="") as opened:
        moment = next(csv.DictReader(opened))["time"]
    assert file.name == f"{moment[:13]}{'+0545' if local else '+0000'}.csv"
    assert moment.endswith("+05:45" if local else "Z")


@pytest.mark.parametrize("pattern", ["rooms/a.csv", "rooms/%Y/a.csv", "rooms/%Y/x/a.csv"])
def test_a_folder_that_can_be_a_mistake_is_not_made(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(FileNotFoundError):
        LogFile(str(tmp_path / pattern), "header").append(["a"], 0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "rooms").mkdir()
    assert LogFile(str(tmp_path / pattern), "header").append(["a"], 0).read_text() == "header\na\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--csv", "--json"], "--json and --csv exclude each other; "),
        (["--json", "--local"], "--local and --json exclude each other: times in JSON are always in UTC; "),
        (["--json", "--time-format", "%H"], "--time-format and --json exclude each other"),
        (["--fahrenheit"], "--fahrenheit"),
    ],
)
def test_options_that_contradict_each_other(options: list[str], words: str) -> None:
    with start(*options) as process:
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert words in errors


def test_a_broken_line_stays_alone(tmp_path: Path) -> None:
    file = tmp_path / "room.csv"
    file.write_text("header\n2026-11-22T08:0")
    LogFile(str(file), "header").append(["whole"], 0)
    assert file.read_text() == "header\n2026-11-22T08:0\nwhole\n"


def test_a_file_that_was_moved_away_is_created_again(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "room.csv"), "header")
    log.append(["a"], 0)
    (tmp_path / "room.csv").rename(tmp_path / "room.csv.1")
    log.append(["b"], 0)
    assert (tmp_path / "room.csv").read_text() == "header\nb\n"


def test_a_quote_in_a_broken_line_is_closed(tmp_path: Path) -> None:
    file = tmp_path / "room.csv"
    for broken in ('1,"held by a, b', '1,"says ""a', '1,"says ""', '1,"says "', '1,"says ""a"""', "1,", '"'):
        file.write_text(f'a,b\n0,"a, b"\n{broken}')
        LogFile(str(file), "a,b").append(['2,"c, d"', "3,e"], 0)
        with file.open(newline="") as opened:
            rows = list(csv.reader(opened, strict=True))
        assert rows[:2] == [["a", "b"], ["0", "a, b"]]
        assert rows[3:] == [["2", "c, d"], ["3", "e"]], broken


def test_a_full_disk_is_an_error_that_names_the_file() -> None:
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        LogFile("/dev/full").append(["line"], 0)


@pytest.mark.parametrize("before", ["", "header\nwhole\n"])
def test_a_line_that_does_not_fit_is_removed(tmp_path: Path, before: str) -> None:
    file = tmp_path / "room.csv"
    file.write_text(before)
    log = LogFile(str(file), "header")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 9, limits[1]))  # as a disk with room for nine characters
    try:
        with pytest.raises(OSError, match=r"No space left on device: .*room\.csv"):
            log.append(["2026-11-22T08:00,23.77"], 0)
        assert file.read_text() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.append(["later"], 0)
    assert file.read_text() == f"{before or 'header' + chr(10)}later\n"


def test_a_line_that_does_not_fit_after_that_of_another_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the write and the look at the size, another writer found room."""
    file = tmp_path / "room.csv"
    file.write_text("header\n")
    write = os.write

    def two_write(descriptor: int, data: bytes) -> int:
        written = write(descriptor, data[:9])
        write(descriptor, b"\nother\n")
        return written

    monkeypatch.setattr(os, "write", two_write)
    with pytest.raises(OSError, match="No space left on device"):
        LogFile(str(file), "header").append(["2026-11-22T08:00,23.77"], 0)
    assert file.read_text() == "header\n2026-11-2\nother\n"


@pytest.mark.parametrize("content", ["-----BEGIN PRIVATE KEY-----\n", "time,temp\n", "header,more\na,b\n", "x", "\n"])
def test_a_file_of_another_program_stays_as_it_is(tmp_path: Path, content: str) -> None:
    file = tmp_path / "room.csv"
    file.write_text(content)
    for log, kind in ((LogFile(str(file), "header"), "the header of these readings"), (LogFile(str(file)), "JSON")):
        with pytest.raises(OSError, match=f"the file exists, and its first line is not .*{kind}: '{file}'"):
            log.append(["whole"], 0)
    assert file.read_text() == content


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_appends_only_to_a_log_of_its_own_kind(tmp_path: Path, options: list[str]) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    with start("-o", str(own), *options) as first, start("-o", str(other), *[] if options else ["--json"]) as second:
        for file, process in ((own, first), (other, second)):
            wait_for_lines(file, 2)
            process.terminate()
    before = other.read_text()
    with start("-o", str(other), *options) as process:
        _, words = process.communicate(timeout=10)
    assert process.returncode == 2
    kind = "a reading in JSON" if options else "the header of these readings"
    expected = f"can't be written: the file exists, and its first line is not {kind}; choose another file with -o"
    assert words == f"usbrh: {other}: {expected}\n"
    assert other.read_text() == before
    lines = own.read_text().count("\n")
    with start("-o", str(own), *options) as process:
        wait_for_lines(own, lines + 2)
        process.terminate()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("hea", "header\nwhole\n"),
        ("header", "header\nwhole\n"),
        ("header\r\na\r\n", "header\r\na\r\nwhole\n"),
        ("\ufeffheader\n", "\ufeffheader\nwhole\n"),
    ],
)
def test_a_header_that_was_cut_off_or_edited(tmp_path: Path, before: str, after: str) -> None:
    file = tmp_path / "room.csv"
    file.write_bytes(before.encode())
    LogFile(str(file), "header").append(["whole"], 0)
    assert file.read_bytes().decode() == after


@pytest.mark.parametrize("before", ['{"v": 1, "sensor": "a"}\n', '{"v": 1, "sen', '{"', ""])
def test_json_goes_on_after_a_line_that_was_cut_off(tmp_path: Path, before: str) -> None:
    file = tmp_path / "room.json"
    file.write_text(before)
    LogFile(str(file)).append(['{"v": 1, "sensor": "b"}'], 0)
    assert file.read_text().splitlines()[-1] == '{"v": 1, "sensor": "b"}'
    assert file.read_text().startswith(before)


@as_root
def test_root_follows_no_link_of_another_user(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with reachable() as folder:
        folder.chmod(0o777)
        with nobody():
            (folder / "room.csv").symlink_to(target)
        with pytest.raises(OSError, match="a symbolic link of another user"):
            LogFile(str(folder / "room.csv"), "header").append(["whole"], 0)
    assert not target.exists()


def test_a_pipe_gets_one_header(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = LogFile(str(fifo), "header")
    log.append(["a"], 0)
    log.append(["b"], 0)
    assert os.read(reader, 100) == b"header\na\nb\n"
    os.close(reader)


class Disk(VirtualClock):
    """A clock after whose rounds something happens to a file."""

    def __init__(self, *events: Callable[[], object]) -> None:
        super().__init__()
        self._events = list(events)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if seconds > 1:
            self._events.pop(0)()


def stop() -> None:
    raise KeyboardInterrupt


def test_rounds_that_can_not_be_written_are_counted_and_reported_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "room.csv"

    def fill() -> None:
        file.rename(tmp_path / "whole.csv")
        file.mkdir()

    def refill() -> None:
        file.unlink()
        file.mkdir()

    clock = Disk(fill, lambda: None, file.rmdir, lambda: None, refill, file.rmdir, stop)
    models = [VirtualUsbRh(number, clock=clock) for number in (1, 2)]
    with closing(SimulatorBackend(models, clock)) as bus:
        poller = Poller(Config(), clock, selectors=(), backend=bus)
        with pytest.raises(KeyboardInterrupt):
            _to_file(LogFile(str(file)), poller, 60, lambda reading: reading.to_json())
    problem = f"usbrh: {file}: can't be written: Is a directory; readings are lost until it can be written"
    again = "usbrh: the file can be written again; {} readings lost"
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", [problem, again.format(4), problem, again.format(2)])
    assert (tmp_path / "whole.csv").read_text().count("\n") == 2
    assert file.read_text().count("\n") == 2


def test_a_first_round_that_can_not_be_written_ends_it(tmp_path: Path) -> None:
    clock = VirtualClock()
    with closing(SimulatorBackend([VirtualUsbRh(clock=clock)], clock)) as bus:
        poller = Poller(Config(), clock, selectors=(), backend=bus)
        with pytest.raises(ConfigError, match="can't be written: Is a directory; choose another file with -o"):
            _to_file(LogFile(str(tmp_path)), poller, 60, lambda reading: reading.to_json())
