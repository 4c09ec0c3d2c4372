"""The screen of ``usbrh watch``: its colours, and the time that its charts show. tests/simulated has a terminal."""

import re
import time
from collections.abc import Iterator

import pytest
from rich.console import Console
from rich.style import Style

from usbrh.errors import SensorBusy
from usbrh.output.screen import Screen
from usbrh.reading import Reading, SensorInfo

START = 1_800_000_000
"""08:00 UTC."""


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def good(sensor: str, second: int, temperature: float = 21.5) -> Reading:
    return Reading(sensor, sensor, "USB-RH", second * 10**9, temperature, 45.0, 9.0, 8.6)


def drawn(screen: Screen, width: int = 80, height: int = 24) -> list[list[tuple[str, Style]]]:
    """The lines of the screen as parts with one style each."""
    console = Console(width=width, height=height, color_system="standard", force_terminal=True, legacy_windows=False)
    lines = console.render_lines(screen.render(width, height), console.options.update(width=width))
    return [[(part.text, part.style or Style()) for part in line] for line in lines]


def styles(line: list[tuple[str, Style]], pattern: str) -> set[Style]:
    """The styles of the parts that match."""
    return {style for text, style in line if re.search(pattern, text)}


def test_what_is_not_a_value_is_dim() -> None:
    empty = drawn(Screen(5))
    assert {style.dim for style in styles(empty[0], "measuring")} == {True}
    screen = Screen(5, now=lambda: START)
    screen.add([good("cellar", START - 5 * age) for age in range(20, 0, -1)])
    title, headings, values, *chart = drawn(screen)
    assert {style.dim for style in styles(title, "usbrh watch")} == {True}
    assert {style.dim for style in styles(headings, "sensor|dew point")} == {True}
    assert {style.dim for style in styles(values, "21.50")} == {None}
    axis = [style for line in chart for style in styles(line, "[┤│]")]
    assert axis
    assert {style.dim for style in axis} == {True}


def test_a_sensor_that_fails_is_dim_and_its_state_is_red() -> None:
    screen = Screen(5, now=lambda: START)
    screen.add([good("cellar", START - 5)])
    screen.add([Reading.failed(SensorInfo("1-1", "USB-RH", "cellar"), START * 10**9, SensorBusy("in use", "1-1"))])
    values = drawn(screen)[2]
    assert {style.dim for style in styles(values, "21.50")} == {True}
    assert {style.color and style.color.name for style in styles(values, "busy")} == {"red"}


def test_a_curve_has_the_colour_of_the_number_of_its_sensor() -> None:
    screen = Screen(5, now=lambda: START)
    for age in range(20, 0, -1):
        screen.add([good(f"room-{number}", START - 5 * age, 20.0 + number) for number in range(8)])
    lines = drawn(screen, 100, 40)
    numbers = [style.color and style.color.name for line in lines[2:10] for style in styles(line, r"^\d$")]
    assert numbers == ["cyan", "yellow", "green", "magenta", "blue", "red", "cyan", "yellow"]
    tails = {text: style.color and style.color.name for line in lines[10:] for text, style in line if len(text) == 1}
    assert {name: tails.get(name) for name in "12345678"} == dict(zip("12345678", numbers, strict=True))
    curves = {style.color and style.color.name for line in lines[10:] for style in styles(line, "[\u2801-\u28ff]")}
    assert curves == {"cyan", "yellow", "green", "magenta", "blue", "red"}


def test_sensors_without_a_row_are_counted_below_the_names() -> None:
    screen = Screen(5, now=lambda: START)
    screen.add([good(f"room-{number}", START) for number in range(60)])
    lines = ["".join(text for text, _ in line).rstrip() for line in drawn(screen)]
    names, last = lines[2:-1], lines[-1]
    assert last == f"{' ' * names[0].index('room-0')}and {60 - len(names)} more"


def test_the_charts_show_two_intervals_per_column_at_most() -> None:
    def first_and_last_label(seconds: int) -> list[str]:
        screen = Screen(5, now=lambda: START)
        for second in range(START - seconds, START + 1, 5):
            screen.add([good("cellar", second)])
        labels = re.findall(r"\d\d:\d\d(?::\d\d)?", "".join(text for text, _ in drawn(screen)[-1]))
        return [labels[0], labels[-1]]

    assert first_and_last_label(60) == ["07:59:00", "07:59:50"]
    # 80 columns of two dots, 5 s each: 800 s, also after an hour.
    assert first_and_last_label(3600) == ["07:50", "07:55"]
