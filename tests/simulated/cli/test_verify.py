"""usbrh verify and usbrh identify as processes."""

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import command
from tests.support.command import usbrh

HEATER_ON, HEATER_OFF = "0104" + "00" * 5, "01" + "00" * 6
DIFFERS = '[sensor.sim-1]\ndelay = 0.05\n[[sensor.sim-1.fault]]\nname = "feature_stalls"\n'
USBRH2 = '[sensor.sim-1]\nmodel = "USBRH2"\nserial = "E02A"\n'
WITHOUT_WAITING = """
import time
from usbrh.clock import SYSTEM_CLOCK
from usbrh.simulator import VirtualClock
from usbrh.verify import common

class Clock(VirtualClock):
    def sleep(self, seconds):
        if seconds == common._HEATING_PAUSE:
            time.sleep(REAL_SECONDS)
        super().sleep(seconds)

SYSTEM_CLOCK.__class__ = Clock
SYSTEM_CLOCK.__init__(time.time_ns())
"""
"""Makes all time virtual, except while a USB-RH is heated."""
WITHOUT_PAUSES = """
import time
from usbrh.clock import SystemClock
from usbrh.verify import common

skipped, sleep = 0.0, SystemClock.sleep

def skip(clock, seconds):
    global skipped
    if seconds in (common._PAUSE_SECONDS, common._HEATING_PAUSE):
        skipped += seconds
    else:
        sleep(clock, seconds)

SystemClock.sleep = skip
SystemClock.monotonic = lambda clock: time.monotonic() + skipped
"""
"""Skips the pauses between readings. A USBRH2 is behind a pseudo-terminal, which needs real time."""


def start(*words: str, before: str = "", **environment: str) -> "subprocess.Popen[str]":
    return command.start(
        words,
        os.environ | environment,
        before=before,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def records(path: Path) -> list[dict[str, Any]]:
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def heater_commands(path: Path) -> list[str]:
    """What was sent to the heater, in order."""
    return [record["data"] for record in records(path) if record.get("data") in (HEATER_ON, HEATER_OFF)]


def test_both_models_one_that_differs_and_a_signal_while_it_heats(tmp_path: Path) -> None:
    """All at once, because a USBRH2 takes a quarter of a minute."""
    (tmp_path / "usbrh2.toml").write_text(USBRH2)
    usbrh2 = {"USBRH_SIMULATE": str(tmp_path / "usbrh2.toml")}
    second = start("verify", "--json", "-o", str(tmp_path / "usbrh2.jsonl"), before=WITHOUT_PAUSES, **usbrh2)
    quick, heats = (WITHOUT_WAITING.replace("REAL_SECONDS", seconds) for seconds in ("0", "60"))
    (tmp_path / "differs.toml").write_text(DIFFERS)
    third = start("verify", "--yes", before=quick, USBRH_SIMULATE=str(tmp_path / "differs.toml"))
    first = start("verify", "--yes", "-o", str(tmp_path / "usb-rh.jsonl"), before=quick, USBRH_SIMULATE="1")
    ended = {
        number: start("verify", "--yes", "-o", str(tmp_path / f"{number}.jsonl"), before=heats, USBRH_SIMULATE="1")
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    for number, process in ended.items():
        until = time.monotonic() + 90
        while HEATER_ON not in heater_commands(tmp_path / f"{number}.jsonl"):
            assert time.monotonic() < until
            time.sleep(0.1)
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, "Traceback" in errors) == (128 + number, False)
        assert heater_commands(tmp_path / f"{number}.jsonl")[-1] == HEATER_OFF
    shown, errors = first.communicate(timeout=120)
    assert (first.returncode, "\x1b" in errors) == (0, False)
    assert "11 of 11 steps as assumed" in shown
    assert len(re.findall("^as assumed ", shown, re.MULTILINE)) == 11
    assert heater_commands(tmp_path / "usb-rh.jsonl")[-1] == HEATER_OFF
    shown, errors = second.communicate(timeout=120)
    assert (second.returncode, errors) == (0, "")
    results = [json.loads(line) for line in shown.splitlines()]
    assert [result["verdict"] for result in results] == ["as assumed"] * 8
    assert set(results[0]) == {"step", "assumed", "seen", "verdict", "detail"}
    written = (tmp_path / "usbrh2.jsonl").read_text()
    assert "E02A" not in written
    assert [record["text"] for record in records(tmp_path / "usbrh2.jsonl") if "heater o" in record.get("text", "")][
        -1
    ] == ("heater off\r")
    shown, _ = third.communicate(timeout=120)
    assert third.returncode == 1
    assert re.search(r"^differs +timing .*\n +differs: .*\n +assumed: ", shown, re.MULTILINE)


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text("older")
    done = usbrh("verify", "--yes", "-o", str(path), USBRH_SIMULATE="1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"usbrh: {path} exists; set another file with -o, or replace it with --force\n"
    assert path.read_text() == "older"


def test_a_sensor_that_can_not_be_used_ends_it(tmp_path: Path) -> None:
    script = tmp_path / "sensors.toml"
    script.write_text('[sensor.sim-1]\n[[sensor.sim-1.fault]]\nname = "access_denied"\n')
    done = usbrh("verify", "--yes", USBRH_SIMULATE=str(script))
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("usbrh: no permission for sim-1")
    assert usbrh("verify", USBRH_SIMULATE="2").returncode == 2
    assert usbrh("verify", "attic", USBRH_SIMULATE="1").returncode == 3


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def test_on_a_terminal_it_shows_its_progress_and_asks_before_it_replaces_a_file(
    tmp_path: Path, terminal: tuple[int, int]
) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text("older")
    person, program = terminal
    process = command.start(
        ["verify", "-o", str(path)],
        os.environ | {"USBRH_SIMULATE": "1", "TERM": "xterm"},
        before="import os; os.setsid()",
        stdin=program,
        stdout=program,
        stderr=program,
    )
    shown = until(person, f"{path} exists. Replace")
    os.write(person, b"y\n")
    shown += until(person, r"\[4/11\] timing: reading 2 of 20")
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert "as assumed" in shown
    assert records(path)[0]["model"] == "USB-RH"


def until(terminal: int, words: str) -> str:
    """Return what a terminal shows until ``words`` appear."""
    shown = ""
    end = time.monotonic() + 30
    while not re.search(words, shown):
        assert time.monotonic() < end, shown
        shown += os.read(terminal, 4096).decode()
    return shown


def test_identify_says_what_it_does_and_ends_with_ctrl_c() -> None:
    process = start("identify", USBRH_SIMULATE="1")
    assert process.stderr
    assert process.stderr.readline() == "LED 1 of sim-1 blinks for 10 s; Ctrl-C ends it.\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    process.communicate()


def test_identify_names_the_sensor_for_programs() -> None:
    process = start("identify", "--json", USBRH_SIMULATE="1")
    assert process.stdout
    found = json.loads(process.stdout.readline())
    sensor = {"sensor": "sim-1", "port": "sim-1", "model": "USB-RH", "serial": None}
    assert found == {**sensor, "led": 1, "seconds": 10.0, "simulated": True}
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    assert process.communicate()[0] == ""
