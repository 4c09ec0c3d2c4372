"""``usbrh calibrate``, and calibration in the JSON: as processes, with virtual sensors."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.support.bench import Bench
from tests.support.command import usbrh
from usbrh.config import SensorConfig
from usbrh.reading import Calibration, Reading
from usbrh.sensors import Sensor

PLAIN = Calibration()


def test_a_reading_shows_its_calibration_or_none(tmp_path: Path) -> None:
    config = tmp_path / "usbrh.toml"
    config.write_text('[sensor."sim-2"]\ntemperature_offset = -1.5\nhumidity_scale = 1.01\n')
    result = usbrh("read", "--json", "--config", str(config), USBRH_SIMULATE="2")
    plain, calibrated = (json.loads(line) for line in result.stdout.splitlines())
    assert plain["calibration"] is None
    assert calibrated["calibration"] == {
        "temperature_offset": -1.5,
        "temperature_scale": 1.0,
        "humidity_offset": 0.0,
        "humidity_scale": 1.01,
    }
    assert Reading.from_dict(calibrated).calibration == Calibration(temperature_offset=-1.5, humidity_scale=1.01)
    assert Reading.from_dict(plain).calibration is None


def test_a_reading_that_an_earlier_version_wrote_has_none() -> None:
    old = Reading("a", "1-1", "USB-RH", 0, 20.0, 50.0, 9.0, 8.0).to_dict()
    del old["calibration"]
    assert Reading.from_dict(old).calibration is None


def test_every_setting_of_calibration_is_shown() -> None:
    settings = SensorConfig(temperature_offset=1.0, temperature_scale=1.1, humidity_offset=2.0, humidity_scale=1.2)
    sensor = Sensor(None, None, settings, None)  # type: ignore[arg-type]
    assert sensor.calibration == Calibration(1.0, 1.1, 2.0, 1.2)


def test_the_printed_lines_make_the_next_reading_right(tmp_path: Path) -> None:
    config = tmp_path / "usbrh.toml"
    arguments = ("--temperature", "30.5", "--humidity", "44", "--readings", "1", "--config", str(config))
    config.write_text('[sensor."sim-1"]\nname = "cellar"\ntemperature_scale = 1.02\ntemperature_offset = 0.3\n')
    first = usbrh("calibrate", "cellar", *arguments, USBRH_SIMULATE="1")
    assert first.returncode == 0
    table = tomllib.loads(first.stdout)["sensor"]["sim-1"]
    assert table.keys() == {"temperature_offset", "humidity_offset"}
    assert "(replaces temperature_offset = 0.3" in first.stderr
    lines = "".join(f"{key} = {value}\n" for key, value in table.items())
    config.write_text(f'[sensor."sim-1"]\nname = "cellar"\ntemperature_scale = 1.02\n{lines}')
    reading = json.loads(usbrh("read", "--json", "--config", str(config), USBRH_SIMULATE="1").stdout)
    # Two readings of a virtual room are less than that apart.
    assert reading["temperature"] == pytest.approx(30.5, abs=0.2)
    assert reading["humidity"] == pytest.approx(44, abs=0.6)


@pytest.mark.parametrize(("quantity", "usual", "unusual"), [("temperature", 30, 29), ("humidity", 50, 60)])
def test_an_unusual_offset_is_a_warning(bench: Bench, quantity: str, usual: int, unusual: int) -> None:
    """The virtual sensor reads 31.7 °C and 42.9 %RH."""
    bench.ticks = [(7169, 1246)]
    for reference, expected in ((usual, False), (unusual, True)):
        done = bench.run("calibrate", f"--{quantity}", str(reference), "--readings", "1")
        assert (done.exit_code, "is unusual; check the reference" in done.stderr) == (0, expected), done
        assert f"{quantity}_offset = " in done.stdout


def test_the_mean_of_several_readings_counts(bench: Bench) -> None:
    bench.ticks = [(6500, 1500), (6522, 1500)]
    result = bench.run("calibrate", "--temperature", "30", "--readings", "2")
    taken = [float(value) for value in re.findall(r"^\d/2: ([\d.]+) °C", result.stderr, re.MULTILINE)]
    assert taken[1] - taken[0] == pytest.approx(0.22)
    [offset] = tomllib.loads(result.stdout)["sensor"]["sim-1"].values()
    assert offset == pytest.approx(30 - sum(taken) / 2, abs=0.011)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "give --temperature, --humidity or both"),
        (("--temperature", "20"), 2, "there are several sensors, name one: sim-1, sim-2"),
        (("attic", "--temperature", "20"), 3, "no sensor 'attic'"),
        (("sim-1", "--temperature", "100", "--readings", "1"), 2, "temperature_offset must be -50 to 50, not 68"),
        (("sim-1", "--humidity", "101"), 2, "101.0 is not in the range"),
    ],
)
def test_what_is_no_calibration(arguments: tuple[str, ...], status: int, words: str) -> None:
    result = usbrh("calibrate", *arguments, USBRH_SIMULATE="2")
    assert result.returncode == status
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("humidity", "offset", "words"),
    [
        (7.9, -10.0, "reads 0 %RH, the end of its range; remove humidity_offset = -10.0 from the"),
        (0.0, 0.0, "reads 0 %RH, the end of its range; use a wetter reference"),
        (95.0, 10.0, "reads 100 %RH, the end of its range; let it dry"),
    ],
)
def test_a_reading_at_the_end_of_its_range_is_no_calibration(
    tmp_path: Path, humidity: float, offset: float, words: str
) -> None:
    script, config = tmp_path / "sensors.toml", tmp_path / "usbrh.toml"
    script.write_text(f'[sensor.sim-1]\nmodel = "USBRH2"\nserial = "E02A"\nvalues = [[20.0, {humidity}]]\n')
    config.write_text(f'[sensor."E02A"]\nhumidity_offset = {offset}\n')
    arguments = ("--humidity", "11.3", "--readings", "1", "--config", str(config))
    result = usbrh("calibrate", *arguments, USBRH_SIMULATE=str(script))
    assert (result.returncode, result.stdout) == (1, "")
    assert words in result.stderr.splitlines()[-1]


def test_readings_are_5_s_apart_from_the_first_one_on(bench: Bench) -> None:
    """Quicker ones would be of the warmth of the sensor."""
    bench.clock.sleep(1.7)  # not a multiple of the interval
    bench.clock.slept.clear()
    assert bench.run("calibrate", "--temperature", "25", "--readings", "3").exit_code == 0
    assert [round(seconds, 1) for seconds, _ in bench.clock.slept] == [4.7, 4.7], "and 0.3 s for each measurement"
    assert bench.model.measured == 3


@pytest.mark.parametrize(
    ("quantity", "ticks", "expected"),
    [
        ("temperature", [(6500, 1500), (6529, 1500)], False),  # 0.01 °C per tick
        ("temperature", [(6500, 1500), (6535, 1500)], True),
        ("humidity", [(6500, 1500), (6500, 1544)], False),  # 1.4 %RH
        ("humidity", [(6500, 1500), (6500, 1554)], True),  # 1.7 %RH
    ],
)
def test_values_that_still_change_are_a_warning(
    bench: Bench, quantity: str, ticks: list[tuple[int, int]], expected: bool
) -> None:
    bench.ticks = ticks
    done = bench.run("calibrate", f"--{quantity}", "50", "--readings", "2")
    assert (f"usbrh: the {quantity} still changes; wait until it is steady" in done.stderr) == expected, done.stderr


@pytest.mark.parametrize(("offset", "ticks", "expected"), [(20, 3000, 100.0), (-20, 600, 0.0)])
def test_a_calibrated_humidity_ends_at_0_and_100(bench: Bench, offset: int, ticks: int, expected: float) -> None:
    bench.config.write_text(f"[sensor.sim-1]\nhumidity_offset = {offset}\n")
    bench.ticks = [(6500, ticks)]
    assert json.loads(bench.run("read", "--json").stdout)["humidity"] == expected
