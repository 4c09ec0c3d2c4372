"""``usbrh plot``: the content of the picture, read from its SVG, and the messages without readings."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.closed import as_root, nobody, reachable
from tests.support.command import run as command
from usbrh.journal.store import Journal
from usbrh.output import curves, picture
from usbrh.output.curves import History, line
from usbrh.output.quantities import quantities
from usbrh.reading import QUANTITIES, Reading

START = 1_800_000_000
HOUR = 3600
DAY = 24 * HOUR
SHOWN = ("temperature", "dew_point", "humidity")
QUICK = ("--show", "temperature")
"""Options for a picture that takes half of the time."""


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


def reading(sensor: str, second: float, temperature: float = 21.0, **changes: object) -> Reading:
    return Reading(sensor, sensor, "USB-RH", int(second * 1e9), temperature, 45.0, 9.0, 8.6, **changes)  # type: ignore[arg-type]


def history(readings: Iterable[Reading], keys: Sequence[str] = SHOWN, *, fahrenheit: bool = False) -> History:
    found = History(quantities(keys, fahrenheit=fahrenheit))
    for each in readings:
        values = [getattr(each, key) for key in keys]
        flags = {"failed": each.error is not None, "heater": each.heater, "simulated": each.simulated}
        found.add(each.sensor, each.time_ns, values, **flags)
    return found


def draw(drawn: History, end: float, file: Path) -> str | None:
    import matplotlib as mpl  # here, so that the import costs no other test's process half a second

    return picture.draw(mpl, drawn, end, file)


def empty_axes() -> Any:
    from matplotlib.figure import Figure

    return Figure().subplots()


def svg(tmp_path: Path, readings: Iterable[Reading], *, hours: float = 24, fahrenheit: bool = False) -> str:
    file = tmp_path / "room.svg"
    draw(history(readings, fahrenheit=fahrenheit), START + hours * HOUR, file)
    return file.read_text(encoding="utf-8")


@as_root
def test_root_follows_no_link_of_another_user(tmp_path: Path) -> None:
    with reachable() as folder:
        folder.chmod(0o777)
        with nobody():
            (folder / "room.svg").symlink_to(tmp_path / "target")
        with pytest.raises(OSError, match="a symbolic link of another user"):
            svg(folder, [reading("a", START + HOUR)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "begin"), [("PNG", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_the_suffix_decides(tmp_path: Path, suffix: str, begin: bytes) -> None:
    file = tmp_path / f"room.{suffix}"
    draw(history([reading("a", START + HOUR)]), START + 24 * HOUR, file)
    assert file.read_bytes().startswith(begin)


def solid(text: str, colour: str) -> list[str]:
    """Return the solid lines of this colour: temperature and humidity."""
    paths = re.findall(r'<path d="([^"]*)" clip-path=[^>]* style="([^"]*)"', text)
    return [path for path, style in paths if f"stroke: {colour}" in style and "dasharray" not in style and "M" in path]


def strokes(path: str) -> int:
    return len(re.findall(r"\bM ", path))


def test_each_sensor_has_its_colour_and_its_name(tmp_path: Path) -> None:
    text = svg(tmp_path, (reading(name, START + i * 600) for i in range(144) for name in ("cellar", "attic")))
    for name in ("cellar", "attic", "dew point", "°C", "humidity (%RH)"):
        assert f">{name}</text>" in text
    first, second = (solid(text, colour) for colour in picture._COLOURS[:2])
    assert [strokes(path) for path in first + second] == [1, 1, 1, 1]


def test_gaps_are_gaps(tmp_path: Path) -> None:
    """An hour without readings and an hour of failed readings are gaps."""
    missing = [i for i in range(144) if not 48 <= i < 54]
    failing = {i for i in range(144) if 90 <= i < 96}
    readings = [
        Reading("a", "a", "USB-RH", (START + i * 600) * 10**9, state="busy", error="held")
        if i in failing
        else reading("a", START + i * 600)
        for i in missing
    ]
    assert [strokes(path) for path in solid(svg(tmp_path, readings), picture._COLOURS[0])] == [3, 3]


def test_one_late_reading_is_no_gap(tmp_path: Path) -> None:
    readings = [reading("a", START + i * 600 + (590 if i == 50 else 0)) for i in range(100)]
    assert [strokes(path) for path in solid(svg(tmp_path, readings), picture._COLOURS[0])] == [1, 1]


def test_readings_with_the_heater_on_are_not_of_the_room(tmp_path: Path) -> None:
    readings = [reading("a", START + i * 600, heater=40 <= i < 50) for i in range(100)]
    assert [strokes(path) for path in solid(svg(tmp_path, readings), picture._COLOURS[0])] == [2, 2]


def test_many_readings_become_means_with_their_range_and_keep_their_gaps(tmp_path: Path) -> None:
    readings = [reading("a", START + i * 10, 20.0 + i % 2) for i in range(8640) if not 3000 <= i < 3600]
    points = line(history(readings).curves["a"], 0, (START, START + 24 * HOUR))
    assert len(points.seconds) <= curves._MAX_POINTS
    assert np.nanmedian(points.means) == pytest.approx(20.5, abs=0.1)
    assert (np.nanmin(points.low), np.nanmax(points.high)) == (20.0, 21.0)
    text = svg(tmp_path, readings)
    assert [strokes(path) for path in solid(text, picture._COLOURS[0])][:1] == [2]
    assert "fill-opacity: 0.22" in text


def test_a_lonely_reading_is_a_dot(tmp_path: Path) -> None:
    """A dot for each quantity; the dew point's is hollow."""
    for readings in ([reading("a", START + HOUR)], [reading("a", START + hours * HOUR) for hours in (1, 2, 3, 9)]):
        text = svg(tmp_path, readings)
        dots = re.findall(
            rf'<use xlink:href="[^"]*" x="[^"]*" y="[^"]*" style="([^"]*)stroke: {picture._COLOURS[0]}', text
        )
        assert dots == [f"fill: {picture._COLOURS[0]}; ", "fill: #ffffff; ", f"fill: {picture._COLOURS[0]}; "]


@pytest.mark.parametrize(
    ("hours", "alone"),
    [((1, 8, 9, 10), (0,)), ((1, 2, 3, 9), (3,)), ((1, 2, 9, 16, 17, 18, 19), (2,)), ((1, 2, 3, 4), ()), ((1,), (0,))],
)
def test_a_reading_between_gaps_is_shown_alone(hours: tuple[int, ...], alone: tuple[int, ...]) -> None:
    points = line(history([reading("a", START + hour * HOUR) for hour in hours]).curves["a"], 0, (START, START + DAY))
    shown = points.seconds[points.isolated]
    assert list(shown) == [START + hours[number] * HOUR for number in alone]


@pytest.mark.parametrize(("seconds", "count"), [(10, 4000), (HOUR, 24 * 100)])
def test_the_points_of_a_long_curve_are_where_its_readings_were(seconds: int, count: int) -> None:
    moments = START + np.arange(count) * seconds
    ramp = [reading("a", float(moment), 20 + (moment - START) / DAY) for moment in moments]
    points = line(history(ramp).curves["a"], 0, (START, float(moments[-1])))
    assert len(points.seconds) < count
    shift = (points.means - 20) * DAY - (points.seconds - START)
    assert abs(shift).max() <= seconds, "s; half of the time between two points would be 20 s, or half a day"
    assert points.low[0] == 20
    assert points.high[-1] == pytest.approx(20 + (moments[-1] - START) / DAY)
    assert (points.low < points.means).all()
    assert (points.means < points.high).all()


def test_up_to_a_thousand_readings_are_drawn_as_they_are() -> None:
    readings = [reading("a", START + i * 60, 20 + i) for i in range(curves._MAX_POINTS)]
    points = line(history(readings).curves["a"], 0, (START, START + DAY))
    assert list(points.means) == list(points.low) == list(points.high) == [20 + i for i in range(1000)]


def test_beyond_60_days_a_point_is_a_day() -> None:
    curve = history(reading("a", START + i * 6 * HOUR) for i in range(240)).curves["a"]
    points = [len(line(curve, 0, (START, START + seconds)).seconds) for seconds in (60 * DAY, 60 * DAY + 1)]
    assert points == [240, 60]


def test_a_gap_is_longer_than_two_and_a_half_intervals() -> None:
    def breaks(late: float) -> int:
        moments = [START + i * 60 + (late if i >= 50 else 0) for i in range(100)]
        points = line(history([reading("a", moment) for moment in moments]).curves["a"], 0, (START, START + DAY))
        return int(np.isnan(points.means).sum())

    assert [breaks(late) for late in (0, 90, 91, 600)] == [0, 0, 1, 1]


def test_a_curve_counts_its_readings_by_kind() -> None:
    failed = Reading("a", "a", "USB-RH", START * 10**9, state="busy", error="in use")
    readings = [reading("a", START), reading("a", START + 1, heater=True), failed, reading("a", START + 3)]
    curve = history(readings).curves["a"]
    assert (curve.readings, curve.failed, curve.heated) == (2, 1, 1)
    found = history([reading("a", START + 5), reading("b", START + 1), reading("b", START + 9)])
    assert (found.first, found.last, found.simulated) == (START + 1, START + 9, False)
    assert history([reading("a", START), reading("b", START, simulated=True), reading("c", START)]).simulated


def test_a_year_is_drawn_by_day_without_part_days() -> None:
    """The temperature swings by 10 °C in a day; the means do not, at the ends neither."""
    swing = [reading("a", START + i * HOUR, 20.0 + 5.0 * np.sin(2 * np.pi * i / 24)) for i in range(24 * 365)]
    points = line(history(swing).curves["a"], 0, (START, START + 365 * DAY - HOUR))
    assert 360 < len(points.seconds) <= 365
    assert points.means == pytest.approx(20.0, abs=0.3)
    assert points.low == pytest.approx(15.0, abs=0.01)
    assert points.high == pytest.approx(25.0, abs=0.01)


def test_the_time_axis_begins_with_the_first_reading_and_the_title_names_it(
    tmp_path: Path, zone: pytest.MonkeyPatch
) -> None:
    zone.setenv("TZ", "Europe/Berlin")
    time.tzset()
    text = svg(tmp_path, [reading("cellar", START + 20 * HOUR + i * 60) for i in range(200)])
    assert ">cellar: 2027-01-16 05:00 to 09:00 CET</text>" in text
    times = re.findall(r">(\d\d:\d\d)</text>", text)
    assert times[0] == "05:00"
    assert times[-1] == "09:00"


def chart(readings: Iterable[Reading], hours: float = 24) -> Any:
    """The axes of the temperature, drawn as draw does."""
    axes = empty_axes()
    picture._chart(axes, history(readings), "°C", [0], (START, START + hours * HOUR))
    return axes


def test_noise_does_not_fill_the_chart() -> None:
    low, high = chart(reading("a", START + i * 60, 21 + i % 2 / 10) for i in range(100)).get_ylim()
    assert (low, high) == (pytest.approx(20.55), pytest.approx(21.55)), "1 °C around the values"
    low, high = chart(reading("a", START + i * 60, 21 + i % 2 * 4) for i in range(100)).get_ylim()
    assert (low, high) == (pytest.approx(20.8), pytest.approx(25.2)), "the margin of matplotlib"


def test_the_time_axis_leaves_room_for_a_whole_point_at_each_end() -> None:
    axes = empty_axes()
    picture._time_axis(axes, (START, START + 1000.0))
    assert [limit - START for limit in axes.get_xlim()] == pytest.approx([-12, 1012])
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert 2 <= len(labels) <= picture._MARKS
    assert all(START <= moment <= START + 1000 for moment in axes.get_xticks())


def test_more_sensors_than_colours_begin_with_the_first_again(tmp_path: Path) -> None:
    names = "abcdefgh"
    text = svg(tmp_path, (reading(name, START + i * 600) for i in range(3) for name in names))
    drawn = [len(solid(text, colour)) for colour in picture._COLOURS]
    assert drawn == [4, *[2] * 6]
    assert f">{', '.join(names)}: " in text


@pytest.mark.parametrize(("length", "shown"), [(28, "names"), (29, "2 sensors")])
def test_a_title_with_too_long_names_counts_the_sensors(length: int, shown: str) -> None:
    names = [f"{'a' * (length + 2)}", f"{'b' * 28}"]
    found = picture.title(history(reading(name, START) for name in names), (START, START + HOUR))
    assert found.startswith(f"{names[0]}, {names[1]}: " if shown == "names" else "2 sensors: ")


def test_the_end_of_the_title_has_a_date_on_another_day() -> None:
    one = history([reading("a", START)])
    assert picture.title(one, (START, START + HOUR)) == "a: 2027-01-15 08:00 to 09:00 UTC"
    assert picture.title(one, (START, START + DAY)) == "a: 2027-01-15 08:00 to 2027-01-16 08:00 UTC"


def test_a_chart_without_values_says_so(tmp_path: Path) -> None:
    file = tmp_path / "room.svg"
    draw(history([reading("a", START)], ["humidity", "frost_point"]), START + HOUR, file)
    assert ">no values</text>" in file.read_text(encoding="utf-8")


def test_each_unit_has_a_chart(tmp_path: Path) -> None:
    file = tmp_path / "room.svg"
    values = {"vapour_deficit": 9.0, "vapour_pressure_deficit": 1.3, "discomfort_index": 70.0}
    draw(history([reading("a", START + i, **values) for i in range(9)], QUANTITIES), START + HOUR, file)
    text = file.read_text(encoding="utf-8")
    for label in (
        ">°C</text>",
        ">humidity (%RH)</text>",
        ">g/m³</text>",
        ">VPD (kPa)</text>",
        ">discomfort index</text>",
    ):
        assert text.count(label) == 1, label
    for label in ("temperature", "dew point", "frost point", "absolute humidity", "vapour deficit"):
        assert text.count(f">{label}</text>") == 1, label


def test_fahrenheit_and_virtual_sensors_are_marked(tmp_path: Path) -> None:
    text = svg(tmp_path, [reading("a", START + i * 600, simulated=True) for i in range(10)], fahrenheit=True)
    assert ">°F</text>" in text
    assert "(virtual sensors): 2027-" in text
    assert ">70" in text  # 21 °C


def test_a_japanese_name_is_drawn_or_the_font_is_named(tmp_path: Path) -> None:
    file = tmp_path / "room.png"
    advice = draw(history([reading("書斎", START)]), START + 60, file)
    assert advice is None or advice.endswith("sudo apt install fonts-noto-cjk")
    assert file.read_bytes().startswith(b"\x89PNG")


def run(*arguments: str, journal: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    settings = {"USBRH_JOURNAL_PATH": str(journal), "USBRH_SIMULATE": "1"}
    return command(["plot", *arguments], os.environ | settings | environ)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    now = int(time.time())
    with Journal(path) as opened:
        opened.add([reading(name, now - i * 60) for name in ("cellar", "attic", "sim-1") for i in range(100)])
        opened.add([Reading("attic", "attic", "USB-RH", (now - 7200) * 10**9, state="busy", error="in use")])
        opened.add([reading("attic", now - 7300 - i, heater=True) for i in range(2)])
    return path


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_picture_from_the_journal(journal: Path, tmp_path: Path, suffix: str, magic: bytes) -> None:
    file = tmp_path / f"room{suffix}"
    result = run("--since", "3h", "-o", str(file), journal=journal)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(
        rf"{file}: 300 readings \(left out: 1 failed, 2 with the heater on\); attic, cellar, sim-1: "
        r"\d{4}-\d\d-\d\d \d\d:\d\d to (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC\n",
        result.stdout,
    )
    assert file.read_bytes().startswith(magic)


def test_json_has_the_exact_time_of_the_first_reading(tmp_path: Path) -> None:
    first = Reading("attic", "1-1", "USB-RH", time.time_ns() // 1000 * 1000 - 60 * 10**9 + 1, 20.0, 50.0, 9.0)
    with Journal(tmp_path / "journal.db") as journal:
        journal.add([first])
    result = run("--json", *QUICK, "-o", str(tmp_path / "a.svg"), journal=tmp_path / "journal.db")
    assert json.loads(result.stdout)["start"] == first.to_dict()["time"]


def test_json_tells_what_was_drawn(journal: Path, tmp_path: Path) -> None:
    result = run("--json", *QUICK, "--since", "90s", "-o", str(tmp_path / "a.svg"), "attic", journal=journal)
    drawn = json.loads(result.stdout)
    (sensor,) = drawn["sensors"]
    assert (drawn["path"], sensor["sensor"]) == (str(tmp_path / "a.svg"), "attic")
    assert (sensor["readings"], sensor["failed"]) in ((1, 0), (2, 0))


def test_a_good_reading_without_the_value_that_is_drawn_counts(journal: Path, tmp_path: Path) -> None:
    """No frost forms at 9 °C."""
    arguments = ["--json", "--since", "3h", "--show", "frost_point", "-o", str(tmp_path / "a.svg"), "attic"]
    (sensor,) = json.loads(run(*arguments, journal=journal).stdout)["sensors"]
    assert sensor == {"sensor": "attic", "readings": 100, "failed": 1, "heated": 2}


@pytest.mark.parametrize(
    ("selectors", "drawn"),
    [
        (["cellar"], {"cellar"}),
        (["1"], {"sim-1"}),
        (["all"], {"attic", "cellar", "sim-1"}),
        (["attic", "1"], {"attic", "sim-1"}),
    ],
)
def test_the_selectors_of_read(journal: Path, tmp_path: Path, selectors: list[str], drawn: set[str]) -> None:
    result = run("--json", *QUICK, "-o", str(tmp_path / "a.svg"), *selectors, journal=journal)
    assert {each["sensor"] for each in json.loads(result.stdout)["sensors"]} == drawn


def test_a_port_and_a_serial_number_select_a_sensor_that_is_not_plugged_in(tmp_path: Path) -> None:
    now = int(time.time())
    with Journal(tmp_path / "journal.db") as opened:
        opened.add([Reading("roof", "1-1.3", "USBRH2", now * 10**9, 20.0, 50.0, serial="E02A")])
        opened.add([Reading("barn", "1-1.4", "USB-RH", now * 10**9, 20.0, 50.0)])
    for selector, name in (("1-1.3", "roof"), ("E02A", "roof"), ("1-1.4", "barn")):
        result = run("--json", *QUICK, "-o", str(tmp_path / "a.svg"), selector, journal=tmp_path / "journal.db")
        assert [each["sensor"] for each in json.loads(result.stdout)["sensors"]] == [name]


def test_what_is_drawn_without_the_option_show(journal: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.svg"
    assert run("-o", str(file), journal=journal).returncode == 0
    text = file.read_text(encoding="utf-8")
    assert [each for each in ("temperature", "dew point", "humidity (%RH)", "g/m³") if f">{each}</text>" in text] == [
        "temperature",
        "dew point",
        "humidity (%RH)",
    ]


def test_fahrenheit_by_option_and_by_configuration(journal: Path, tmp_path: Path) -> None:
    for arguments, environ, unit in (
        (["--fahrenheit"], {}, "°F"),
        ([], {"USBRH_OUTPUT_UNITS": "fahrenheit"}, "°F"),
        (["--celsius"], {"USBRH_OUTPUT_UNITS": "fahrenheit"}, "°C"),
    ):
        assert run("-o", str(tmp_path / "a.svg"), *arguments, journal=journal, **environ).returncode == 0
        assert f">{unit}</text>" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["-o", "a.svg", "garage"], 3, "the journal has no readings of 'garage'; choose one of: attic, cellar, sim-1"),
        (["-o", "a.svg", "7"], 3, "the journal has no readings of '7'; choose one of: attic, cellar, sim-1"),
        (["-o", "a.gif"], 2, "the name of a picture ends in .png, .svg, .pdf"),
        (
            ["-o", "/no/folder/a.png"],
            2,
            "can't write /no/folder/a.png: No such file or directory; ",
        ),
        ([], 2, "the option --output is missing"),
        (["-o", "a.svg", "--since", "1d", "--until", "2d"], 2, "--until must be after --since"),
        (["-o", "a.svg", "--since", "soon"], 2, '"soon" is no time; 7d is a time before now'),
        (
            ["-o", "a.svg", "--since", "2020-01-01", "--until", "2020-01-02T12:00Z"],
            1,
            "no readings of that time; choose another time with --since and --until: the newest reading is of 20",
        ),
    ],
)
def test_what_can_not_be_drawn_is_one_line(journal: Path, arguments: list[str], status: int, words: str) -> None:
    result = run(*arguments, journal=journal)
    assert result.returncode == status
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_no_journal_and_an_empty_one(tmp_path: Path) -> None:
    result = run("-o", str(tmp_path / "a.png"), journal=tmp_path / "none.db")
    assert (result.returncode, result.stdout) == (1, "")
    assert "there is no journal" in result.stderr
    assert not (tmp_path / "none.db").exists()
    with Journal(tmp_path / "empty.db") as opened:
        opened.add([])
    result = run("-o", str(tmp_path / "a.png"), journal=tmp_path / "empty.db")
    assert (result.returncode, result.stdout) == (1, "")
    assert "no readings of that time; read the sensors into it: usbrh run" in result.stderr
