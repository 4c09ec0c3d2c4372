"""A warning for names that are easy to confuse, where the configuration is checked and where readings are sent."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import start, usbrh

WORDS = 'the sensor names "room" (sim-1) and "Room" (sim-2) are easy to confuse: they differ only in letter case'


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, Any]:
    config = tmp_path / "usbrh.toml"
    config.write_text('[zabbix]\nservers = []\n[sensor.sim-1]\nname = "room"\n[sensor.sim-2]\nname = "Room"\n')
    journal = str(tmp_path / "journal.db")
    settings = {"USBRH_CONFIG": str(config), "USBRH_JOURNAL_PATH": journal}
    return {**settings, "USBRH_SIMULATE": "2", "USBRH_ALLOW_SIMULATED": "1"}


def test_doctor_warns(environment: dict[str, Any]) -> None:
    found = [json.loads(line) for line in usbrh("doctor", "--json", **environment).stdout.splitlines()]
    [warning] = [each for each in found if each["check"] == "configuration" and each["status"] == "warning"]
    fix = f"choose more different names in {environment['USBRH_CONFIG']}"
    assert (warning["message"], warning["fix"]) == (WORDS, fix)


def test_send_warns_once(environment: dict[str, Any]) -> None:
    done = usbrh("send", **environment)
    assert (done.returncode, done.stderr.count(f"usbrh: {WORDS}\n")) == (0, 1), done


def test_run_warns_once_at_its_start(environment: dict[str, Any]) -> None:
    with start(["run"], os.environ | environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"usbrh: {WORDS}\n"
        process.send_signal(signal.SIGTERM)
        assert WORDS not in process.stderr.read()


def test_other_commands_say_nothing(environment: dict[str, Any]) -> None:
    done = usbrh("read", "--all", **environment)
    assert (done.returncode, done.stderr) == (0, "")
