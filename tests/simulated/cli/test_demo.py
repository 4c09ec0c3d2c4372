"""``usbrh demo``, in this process and faster than people want to see it."""

import json
import os
import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from usbrh.cli import cli, demo
from usbrh.cli.context import Context
from usbrh.reading import Reading
from usbrh.zabbix.fake_server import FakeServer

LINE = re.compile(
    r"^ +(\d+)/10  sim-1: (\d\d\.\d\d) °C   (\d\d\.\d\d) %RH .*\(simulated\)  ->  delivered$", re.MULTILINE
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_INTERVAL", 0.01)
    monkeypatch.setenv("USBRH_SIMULATE", "0")  # restored afterwards


def test_ten_readings_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    start = time.time()
    done = CliRunner().invoke(cli, ["demo"], obj=Context())
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("A virtual USB-RH is plugged in; a fake Zabbix server listens.\n\n")
    lines = LINE.findall(done.stdout)
    assert [number for number, _, _ in lines] == [str(number) for number in range(1, 11)]
    for what, column, unit in (("temperature", 1, "°C"), ("humidity", 2, "%RH")):
        values = [line[column] for line in lines]
        (found,) = re.findall(rf"^  {what:<12} ([▁-█]+)  (\S+) to (\S+) {unit}$", done.stdout, re.MULTILINE)
        assert (len(found[0]), *found[1:]) == (10, min(values), max(values))
    assert "The server received 10 readings of 10 measured. The last one:\n" in done.stdout
    ((clock, value),) = re.findall(
        r"^  host demo, item usbrh\.get\[sim-1\], clock (\d+), ns \d+\n  (\{.*\})$", done.stdout, re.MULTILINE
    )
    assert start - 1 <= int(clock) <= time.time()
    assert json.loads(value)["temperature"] == float(lines[-1][1])
    assert "sudo usbrh setup" in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert os.environ["USBRH_SIMULATE"] == "1"


def test_a_curve_shows_the_newest_readings(capsys: pytest.CaptureFixture[str]) -> None:
    readings = [Reading("sim-1", "sim-1", "USB-RH", number, 20.0 + number / 10, 50.0) for number in range(100)]
    with FakeServer() as server, pytest.raises(SystemExit):
        demo._summarize(readings, server)
    (curve,) = re.findall(r"^  temperature  ([▁-█]+)  24\.00 to 29\.90 °C$", capsys.readouterr().out, re.MULTILINE)
    assert len(curve) == 60


def test_readings_that_do_not_arrive_are_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer() as server, pytest.raises(SystemExit) as ended:
        demo._summarize([Reading("sim-1", "sim-1", "USB-RH", 0, 20.0, 50.0)], server)
    assert ended.value.code == 1
    assert "\nThe server received 0 readings of 1 measured.\n" in capsys.readouterr().out


def test_a_curve_is_scaled_to_its_values() -> None:
    assert demo.sparkline([20.0, 20.0]) == "▁▁"
    assert demo.sparkline([20.0, 21.0, 20.5, 27.0]) == "▁▂▁█"
