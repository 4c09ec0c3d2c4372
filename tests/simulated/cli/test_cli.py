"""The command line's contract, with virtual sensors: output, exit statuses, one line for each error."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import usbrh as package
from tests.support.bench import Bench
from tests.support.command import USBRH, start, usbrh
from usbrh.drivers.usbrh1 import ANSWER_WINDOW

CAPTURED = {"temperature": 7169, "humidity": 1246, "reserved": "000241"}


def test_help_and_version_never_touch_usb(tmp_path: Path) -> None:
    # A module that can't be imported stands in for every part of pyusb.
    (tmp_path / "usb.py").write_text("raise ImportError('pyusb was imported')\n")
    for words in (["--help"], ["--version"], ["-h"]):
        done = usbrh(*words, PYTHONPATH=str(tmp_path), USBRH_SIMULATE="1")
        assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: usbrh")
    assert usbrh("--version").stdout == f"usbrh {package.__version__}\n"
    assert usbrh("list", PYTHONPATH=str(tmp_path), USBRH_SIMULATE="1").returncode == 1


def test_the_captured_exchange() -> None:
    done = usbrh("read", "--json", USBRH_SIMULATE="1")
    assert (done.returncode, done.stderr) == (0, "")
    reading = json.loads(done.stdout)
    assert reading["raw"] == CAPTURED
    assert (reading["temperature"], reading["humidity"]) == (31.69, 42.85)
    assert (reading["dew_point"], reading["absolute_humidity"]) == (17.52, 14.2)
    assert reading["simulated"] is True
    assert reading["error"] is None
    assert (reading["port"], reading["sensor"], reading["model"]) == ("sim-1", "sim-1", "USB-RH")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", reading["time"])


def test_list() -> None:
    done = usbrh("list", "--json", USBRH_SIMULATE="3")
    assert done.returncode == 0
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["port"], row["model"], row["access"]) for row in rows] == [
        (f"sim-{number}", "USB-RH", "ok") for number in (1, 2, 3)
    ]
    assert all(re.fullmatch(r"\d\d/\d\d/\d\d", row["firmware"]) for row in rows)
    text = usbrh("list", USBRH_SIMULATE="3")
    assert text.returncode == 0
    assert len(text.stdout.splitlines()) == 4


def test_list_says_why_a_sensor_can_not_be_used(tmp_path: Path) -> None:
    script = tmp_path / "sensors.toml"
    script.write_text('[sensor.sim-1]\n[[sensor.sim-1.fault]]\nname = "access_denied"\n')
    done = usbrh("list", USBRH_SIMULATE=str(script))
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].split()[-1] == "denied"
    row = json.loads(usbrh("list", "--json", USBRH_SIMULATE=str(script)).stdout)
    assert row["error"].startswith("no permission for sim-1 (")
    assert row["remedy"].startswith("sudo usbrh setup")
    assert (
        done.stderr
        == f"usbrh: {row['error']}; {row['remedy']}\n" + "These sensors are virtual (USBRH_SIMULATE is set).\n"
    )


def test_several_are_read_at_once_as_json_lines() -> None:
    started = time.monotonic()
    done = usbrh("read", "--all", "--json", USBRH_SIMULATE="16")
    assert time.monotonic() - started < 0.302 * 16
    assert [json.loads(line)["sensor"] for line in done.stdout.splitlines()] == [f"sim-{n}" for n in range(1, 17)]


@pytest.mark.parametrize("selector", ["sim-2", "2"])
def test_one_of_several(selector: str) -> None:
    done = usbrh("read", selector, "--format", "{sensor}", USBRH_SIMULATE="3")
    assert (done.returncode, done.stdout) == (0, "sim-2\n")


def test_names_from_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "usbrh.toml"
    config.write_text('[sensor."sim-2"]\nname = "living-room"\ntemperature_offset = -1.5\ncoefficients = "v4"\n')
    for words in (["--config", str(config), "read", "living-room"], ["read", "living-room", "--config", str(config)]):
        done = usbrh(*words, "--json", USBRH_SIMULATE="2")
        assert done.returncode == 0
        reading = json.loads(done.stdout)
        assert (reading["sensor"], reading["port"], reading["conversion"]) == ("living-room", "sim-2", "sht1x-v4@5V")
        assert reading["temperature"] == round(reading["raw"]["temperature"] / 100 - 40.1 - 1.5, 2)


def test_a_number_is_a_place_in_the_list_for_people_alone() -> None:
    """Zabbix's item is of one sensor, and never of another because one was unplugged."""
    assert json.loads(usbrh("read", "2", "--json", USBRH_SIMULATE="3").stdout)["sensor"] == "sim-2"
    for name in ("2", "all"):
        reading = json.loads(usbrh("agent", "get", "--", name, USBRH_SIMULATE="3").stdout)
        assert (reading["state"], reading["temperature"]) == ("not_found", None)


def test_times_of_people() -> None:
    environ = {"USBRH_SIMULATE": "1", "TZ": "Asia/Tokyo"}
    text = usbrh("read", "--local", "--time-format", "%H:%M %z", timeout=30, **environ).stdout
    assert re.fullmatch(r"\d\d:\d\d \+0900  sim-1: 31\.69 °C .*\n", text)
    rows = list(csv.DictReader(usbrh("read", "--csv", "--local", timeout=30, **environ).stdout.splitlines()))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+09:00", rows[0]["time"])
    both = usbrh("read", "--format", "{local:%H} {time}", "--time-format", "%H", timeout=30, **environ).stdout.split()
    assert (int(both[0]) - int(both[1])) % 24 == 9


def test_fahrenheit_by_configuration_is_for_people_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.ticks = [(7169, 1246)]
    monkeypatch.setenv("USBRH_OUTPUT_UNITS", "fahrenheit")
    assert "89.04 °F" in bench.run("read").stdout
    assert "31.69 °C" in bench.run("read", "--celsius").stdout
    assert json.loads(bench.run("read", "--json").stdout)["temperature"] == 31.69
    assert bench.run("read", "--format", "{temperature} {temperature_f}").stdout == "31.69 89.04\n"


def test_csv_has_a_header() -> None:
    done = usbrh("read", "--csv", USBRH_SIMULATE="2")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["sensor"] for row in rows] == ["sim-1", "sim-2"]
    assert rows[0]["temperature"] == "31.69"


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["read", "attic"], 3, "no sensor 'attic'"),
        (["red"], 2, 'there is no command "red"; did you mean read?'),
        (["read", "--jsn"], 2, 'there is no option "--jsn"; did you mean --json?'),
        (
            ["read", "--format", "{temp}"],
            2,
            "there is no value 'temp'; the values are v, sensor, port, ",
        ),
        (["read", "--json", "--format", "{time}"], 2, "exclude each other"),
        (["read", "--json", "--csv"], 2, "--json and --csv exclude each other"),
        (
            ["read", "--csv", "--fahrenheit"],
            2,
            "--fahrenheit and --csv exclude each other: its temperatures are always",
        ),
        (["read", "--json", "--fahrenheit"], 2, "--fahrenheit and --json exclude each other"),
        (["read", "--format", "{time}", "--fahrenheit"], 2, "exclude each other: use {temperature_f}"),
        (["read", "--unknown", "NaN"], 2, "--unknown needs --format"),
        (["read", "--json", "--local"], 2, "--local and --json exclude each other: times in JSON are always in UTC"),
        (["read", "--json", "--time-format", "%H"], 2, "--time-format and --json exclude each other"),
        (["read", "--format", "{frost_point:d}"], 2, "for object of type 'float'"),
        (["read", "--config", "/nonexistent/usbrh.toml"], 2, "/nonexistent/usbrh.toml"),
        (["watch", "--interval", "²"], 2, "must be a time"),
        (["led", "3", "on", "sim-1"], 2, "neither 1, 2 nor a name"),
        (["led", "1", "on"], 2, "several sensors"),
        (["led", "1", "blink", "sim-1"], 2, "can't blink"),
        (["heater", "on", "sim-1", "--seconds", "181"], 2, "181"),
        (["led", "1"], 2, "the argument STATE is missing: off, on, blink"),
        (["read", "--format", "{serial:d}"], 2, "for object of type 'str'"),
        (["read", "--format", "{temperature:99999999999}"], 2, "{temperature:99999999999}"),
    ],
)
def test_bad_input_is_one_line(words: list[str], status: int, says: str) -> None:
    done = usbrh(*words, USBRH_SIMULATE="2")
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_sensor_is_3() -> None:
    assert usbrh("read", USBRH_SIMULATE="0").returncode == 3


def test_a_failing_sensor_does_not_hide_the_others(tmp_path: Path) -> None:
    script = tmp_path / "sensors.toml"
    script.write_text('[sensor.sim-1]\nfault = [{ name = "all_ff" }]\n[sensor.sim-2]\n')
    done = usbrh("read", "--json", USBRH_SIMULATE=str(script))
    broken, whole = (json.loads(line) for line in done.stdout.splitlines())
    assert done.returncode == 1
    assert broken["state"] == "bad_report"
    assert broken["error"]
    assert broken["temperature"] is None
    assert whole["temperature"] is not None
    assert done.stderr == f"usbrh: {broken['error']}; {broken['remedy']}\n"


def test_values_of_a_failing_sensor_are_unknown(bench: Bench) -> None:
    bench.model.fault("all_ff")
    assert bench.run("read", "--format", "t {temperature!s}", "--unknown", "NaN").stdout == "t NaN\n"
    assert bench.run("read", "--format", "N:{temperature}:{humidity}").stdout == "N:U:U\n"


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_heater_command_ends_at_once(end: signal.Signals) -> None:
    words = ["heater", "on", "sim-1", "--seconds", "60"]
    process = start(words, os.environ | {"USBRH_SIMULATE": "1"}, stderr=subprocess.PIPE)
    with process:
        assert process.stderr
        assert "is on for 60 s" in process.stderr.readline()
        process.send_signal(end)
        assert process.wait(3) == 128 + end


def test_a_reader_that_stops_gets_no_traceback() -> None:
    done = subprocess.run(
        f"{USBRH} read --json | true",
        shell=True,
        env=os.environ | {"USBRH_SIMULATE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


@pytest.mark.parametrize("seconds", [0.1, 0.2, 0.9])
def test_a_demo_that_is_interrupted_ends_with_what_it_has(seconds: float) -> None:
    process = start(["demo"], os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout
        assert "is plugged in" in process.stdout.readline()
        time.sleep(seconds)  # the first reading takes 0.3 s
        process.send_signal(signal.SIGINT)
        shown, words = process.communicate(timeout=10)
    assert words == ""
    match = re.search(r"^The server received (\d+) readings? of (\d+) measured\.", shown, re.MULTILINE)
    assert match or "sim-1: " not in shown, shown
    assert process.returncode == (1 if match and match[1] != match[2] else 0)


@pytest.mark.parametrize("encoding", ["euc_jp", "shift_jis"])
def test_an_encoding_without_some_sign_shows_the_rest(encoding: str) -> None:
    done = subprocess.run(
        [USBRH, "read"],
        env=os.environ | {"USBRH_SIMULATE": "1", "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert re.fullmatch(
        r"sim-1: 31\.69 .C   42\.85 %RH .* 14\.20 g/m\?   \(simulated\)\n", done.stdout.decode(encoding)
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_lead_nowhere(closed: str) -> None:
    command = ["sh", "-c", f"exec {USBRH} read {closed}"]
    environment = os.environ | {"USBRH_SIMULATE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_file_becomes_a_stream_that_was_closed(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from usbrh.cli import _prepare_streams\n"
        "_prepare_streams()\n"
        "streams = [os.readlink(f'/proc/self/fd/{s.fileno()}') for s in (sys.stdin, sys.stdout, sys.stderr)]\n"
        "with open(sys.argv[1], 'w') as file: print(file.fileno() > 2, *streams, file=file)\n"
    )
    script = f'exec {sys.executable} -c "$1" "$2" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", script, "sh", program, str(tmp_path / "file")], check=True)
    assert (tmp_path / "file").read_text() == "True /dev/null /dev/null /dev/null\n"


def test_debug_shows_more_and_changes_no_exit_status() -> None:
    done = usbrh("read", "cellar", "--debug", USBRH_SIMULATE="1")
    assert (done.returncode, done.stdout) == (3, "")
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1] == "usbrh: no sensor 'cellar'; choose one of: sim-1"
    done = usbrh("read", "--debug", USBRH_SIMULATE="1")
    answered = re.search(r"sim-1: answered 04de1c01000241 after (\d\.\d{3}) s\n", done.stderr)
    assert answered
    assert 0.3 <= float(answered[1]) < ANSWER_WINDOW


@pytest.mark.parametrize(
    "words",
    [
        ["agent", "get"],
        ["agent", "get", "sim-1", "sim-2"],
        ["agent", "discovery", "sim-1"],
        ["agent", "get", "--no-such-option", "sim-1"],
        ["--config", "/etc", "agent", "get", "sim-1"],
    ],
)
def test_an_agent_has_one_line_of_json_whatever_it_asks(words: list[str]) -> None:
    done = usbrh(*words, USBRH_SIMULATE="2")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert answer["state"] == "config"
    assert re.fullmatch(r"[^A-Z].+", answer["error"]), answer
    assert answer["remedy"] == "see: usbrh agent --help" or answer["error"].startswith("/etc")


def test_what_an_agent_gets_of_all_sensors() -> None:
    found = json.loads(usbrh("agent", "discovery", USBRH_SIMULATE="2").stdout)
    assert found == [
        {"{#SENSOR}": f"sim-{number}", "{#PORT}": f"sim-{number}", "{#MODEL}": "USB-RH"} for number in (1, 2)
    ]
    assert json.loads(usbrh("agent", "bridge", USBRH_SIMULATE="2").stdout)["sensors"] == 2


def test_a_wrong_switch_in_the_environment_stops_only_whom_it_is_about() -> None:
    wrong = {"USBRH_SIMULATE": "1", "USBRH_ALLOW_SIMULATED": "maybe"}
    assert usbrh("read", timeout=30, **wrong).returncode == 0
    assert json.loads(usbrh("agent", "get", "sim-1", timeout=30, **wrong).stdout)["state"] == "ok"
    done = usbrh("send", USBRH_ZABBIX_SERVERS="127.0.0.1:9", timeout=30, **wrong)
    assert (done.returncode, done.stderr) == (2, 'usbrh: USBRH_ALLOW_SIMULATED must be true or false, not "maybe"\n')


def test_json_is_ascii_where_the_locale_is_not_utf8(tmp_path: Path) -> None:
    config = tmp_path / "usbrh.toml"
    config.write_text('[sensor.sim-1]\nname = "居間"\n', encoding="utf-8")
    for words in (["read", "--json"], ["list", "--json"]):
        done = usbrh("--config", str(config), *words, USBRH_SIMULATE="1", PYTHONIOENCODING="euc_jp")
        assert done.stdout.isascii()
        assert "居間" in json.loads(done.stdout).values()


def test_a_full_disk_behind_stdout_is_said() -> None:
    with Path("/dev/full").open("w") as full:
        process = start(["read"], os.environ | {"USBRH_SIMULATE": "1"}, stdout=full, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors == "usbrh: can't write to standard output: no space left on device; free disk space, see: df -h\n"
