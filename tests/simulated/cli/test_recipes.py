"""The recipes of the README for other programs."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.command import USBRH
from tests.support.documents import TOP, commands

RECIPES = [command.text for command in commands(TOP / "README.md")]


def recipe(word: str) -> str:
    (found,) = [text for text in RECIPES if word in text]
    return found


@pytest.mark.parametrize("broken", [False, True])
def test_the_textfile_of_node_exporter(tmp_path: Path, *, broken: bool) -> None:
    """Each line is a sample, the lines of a metric are together, and a missing value spoils nothing."""
    script = tmp_path / "sensors.toml"
    fault = '[[sensor.sim-2.fault]]\nname = "access_denied"\n' if broken else ""
    script.write_text(f"[sensor.sim-1]\n[sensor.sim-2]\n{fault}")
    text = recipe("node-exporter").replace("/var/lib/prometheus/node-exporter", str(tmp_path))
    environ = {**os.environ, "USBRH_SIMULATE": str(script), "PATH": f"{USBRH.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", text], env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert bool(done.stderr) == broken
    lines = (tmp_path / "usbrh.prom").read_text().splitlines()
    samples = [re.fullmatch(r'(usbrh_\w+)\{sensor="(sim-\d)"\} (NaN|-?\d+(\.\d+)?)', line) for line in lines]
    assert [match and match.groups()[:2] for match in samples] == [
        (metric, sensor)
        for metric in ("usbrh_humidity_percent", "usbrh_temperature_celsius")
        for sensor in ("sim-1", "sim-2")
    ]
    assert [match and match[3] == "NaN" for match in samples] == [False, broken] * 2


def test_one_message_per_reading(tmp_path: Path) -> None:
    stand_in = tmp_path / "mosquitto_pub"
    stand_in.write_text('#!/bin/sh\nread line\nprintf "%s\\n" "$* $line" >"$OUT"\n')
    stand_in.chmod(0o755)
    environ = {**os.environ, "USBRH_SIMULATE": "1", "PATH": f"{tmp_path}:{USBRH.parent}:{os.environ['PATH']}"}
    environ["OUT"] = str(tmp_path / "out")
    text = recipe("mosquitto_pub").replace("usbrh log", "usbrh log --interval 1s")
    subprocess.run(["sh", "-c", text], env=environ, check=False, timeout=60)
    end = time.monotonic() + 10
    while not (tmp_path / "out").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    options, message = (tmp_path / "out").read_text().split(" {", 1)
    assert options == "-l -t usbrh"
    assert json.loads("{" + message)["sensor"] == "sim-1"
