"""``usbrh plot``: the content of the picture, read from its SVG, and the messages without readings."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from tests.support.closed import nobody, reachable
from usbrh.journal.store import Journal
from usbrh.output import picture
from usbrh.output.picture import History, draw
from usbrh.reading import Reading

START = 1_800_000_000
HOUR = 3600


def reading(sensor: str, second: float, temperature: float = 21.0, **changes: object) -> Reading:
    return Reading(sensor, sensor, "USB-RH", int(second * 1e9), temperature, 45.0, 9.0, 8.6, **changes)  # type: ignore[arg-type]


def svg(tmp_path: Path, readings: Iterable[Reading], *, hours: float = 24, fahrenheit: bool = False) -> str:
    file = tmp_path / "room.svg"
    draw(mpl, History.of(readings), (START, START + hours * HOUR), file, fahrenheit=fahrenheit)
    return file.read_text(encoding="utf-8")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be led astray")
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
    draw(mpl, History.of([reading("a", START + HOUR)]), (START, START + 24 * HOUR), file, fahrenheit=False)
    assert file.read_bytes().startswith(begin)


def curves(text: str, colour: str) -> list[str]:
    """Return the solid lines of this colour: temperature and humidity."""
    paths = re.findall(r'<path d="([^"]*)" clip-path=[^>]* style="([^"]*)"', text)
    return [path for path, style in paths if f"stroke: {colour}" in style and "dasharray" not in style and "M" in path]


def strokes(path: str) -> int:
    return len(re.findall(r"\bM ", path))


def test_each_sensor_has_its_colour_and_its_name(tmp_path: Path) -> None:
    text = svg(tmp_path, (reading(name, START + i * 600) for i in range(144) for name in ("cellar", "attic")))
    for name in ("cellar", "attic", "dew point", "°C", "%RH"):
        assert f">{name}</text>" in text
    first, second = (curves(text, colour) for colour in picture._COLOURS[:2])
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
    assert [strokes(path) for path in curves(svg(tmp_path, readings), picture._COLOURS[0])] == [3, 3]


def test_one_late_reading_is_no_gap(tmp_path: Path) -> None:
    readings = [reading("a", START + i * 600 + (590 if i == 50 else 0)) for i in range(100)]
    assert [strokes(path) for path in curves(svg(tmp_path, readings), picture._COLOURS[0])] == [1, 1]


def test_readings_with_the_heater_on_are_not_of_the_room(tmp_path: Path) -> None:
    readings = [reading("a", START + i * 600, heater=40 <= i < 50) for i in range(100)]
    assert [strokes(path) for path in curves(svg(tmp_path, readings), picture._COLOURS[0])] == [2, 2]


def test_many_readings_become_means_with_their_range_and_keep_their_gaps(tmp_path: Path) -> None:
    readings = [reading("a", START + i * 10, 20.0 + i % 2) for i in range(8640) if not 3000 <= i < 3600]
    curve = History.of(readings).curves["a"]
    moments, means, low, high = picture._downsampled(
        np.asarray(curve.seconds), np.asarray(curve.temperature), (START, START + 24 * HOUR)
    )
    assert len(moments) <= picture._MAX_POINTS
    assert np.median(means) == pytest.approx(20.5)
    assert (low.min(), high.max()) == (20.0, 21.0)
    text = svg(tmp_path, readings)
    assert [strokes(path) for path in curves(text, picture._COLOURS[0])][:1] == [2]
    assert "fill-opacity: 0.18" in text


def test_a_lonely_reading_is_a_dot(tmp_path: Path) -> None:
    assert "<use" in svg(tmp_path, [reading("a", START + HOUR)])


def test_fahrenheit_and_virtual_sensors_are_marked(tmp_path: Path) -> None:
    text = svg(tmp_path, [reading("a", START + i * 600, simulated=True) for i in range(10)], fahrenheit=True)
    assert ">°F</text>" in text
    assert ">virtual sensors</text>" in text
    assert ">70" in text  # 21 °C


def test_a_japanese_name_is_drawn_or_the_font_is_named(tmp_path: Path) -> None:
    file = tmp_path / "room.png"
    advice = draw(mpl, History.of([reading("書斎", START)]), (START - 60, START + 60), file, fahrenheit=False)
    assert advice is None or advice.endswith("sudo apt install fonts-noto-cjk")
    assert file.read_bytes().startswith(b"\x89PNG")


def run(*arguments: str, journal: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "usbrh", "plot", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "USBRH_JOURNAL_PATH": str(journal)},
    )


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.db"
    now = int(time.time())
    with Journal(path) as opened:
        opened.add([reading(name, now - i * 60) for name in ("cellar", "attic") for i in range(100)])
    return path


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_a_picture_from_the_journal(journal: Path, tmp_path: Path, suffix: str, magic: bytes) -> None:
    file = tmp_path / f"room{suffix}"
    result = run("--since", "2h", "-o", str(file), journal=journal)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert file.read_bytes().startswith(magic)


def test_one_sensor_of_two(journal: Path, tmp_path: Path) -> None:
    assert run("-o", str(tmp_path / "a.svg"), "cellar", journal=journal).returncode == 0
    text = (tmp_path / "a.svg").read_text()
    assert ">cellar</text>" in text
    assert ">attic</text>" not in text


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["-o", "a.svg", "garage"], 3, "no readings of 'garage' in the last 7d; "),
        (["-o", "a.gif"], 2, "the name of a picture ends in .png, .svg, .pdf"),
        (
            ["-o", "/no/folder/a.png"],
            2,
            "can't write /no/folder/a.png: No such file or directory; ",
        ),
        ([], 2, "missing option '-o' / '--output'"),
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
    assert "no readings in the last 7d" in run("-o", str(tmp_path / "a.png"), journal=tmp_path / "empty.db").stderr
