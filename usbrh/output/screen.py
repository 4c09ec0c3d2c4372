"""The screen of ``usbrh watch``: a table of the latest readings above one chart per quantity."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from usbrh.output.chart import Cell, Line, chart
from usbrh.output.text import fahrenheit as to_fahrenheit
from usbrh.reading import Reading

_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
_KEPT = 4000
"""Readings kept per sensor: two per column of the widest terminal."""
_SMALLEST_CHART = 7
_WIDE = 64
"""Minimum columns for dew point and absolute humidity."""
_NARROW = 36
"""Minimum columns for the age of a reading."""
_MIN_INTERVALS = 12
"""Shortest time axis in measuring intervals. A shorter axis would move too fast at the start."""


@dataclass
class _Track:
    """The latest reading of one sensor, its last good one, and its curve."""

    newest: Reading
    good: Reading | None = None
    points: deque[tuple[float, Reading]] = field(default_factory=lambda: deque(maxlen=_KEPT))


class Screen:
    """The readings so far, and their presentation."""

    def __init__(self, interval: float, *, fahrenheit: bool = False, now: Callable[[], float] = time.time) -> None:
        self._interval = interval
        self._fahrenheit = fahrenheit
        self._now = now
        self._tracks: dict[str, _Track] = {}
        self._start: float | None = None

    def add(self, readings: Sequence[Reading]) -> None:
        """Add the readings of one round."""
        for reading in readings:
            moment = reading.time_ns / 1e9
            self._start = moment if self._start is None else self._start
            track = self._tracks.setdefault(reading.sensor, _Track(reading))
            track.newest = reading
            track.good = track.good if reading.error else reading
            track.points.append((moment, reading))

    def render(self, width: int, height: int) -> Any:
        """Return a rich renderable of ``width`` by ``height`` characters."""
        from rich.console import Group  # noqa: PLC0415 - rich is optional
        from rich.text import Text  # noqa: PLC0415

        if not self._tracks:
            return Text("usbrh watch: measuring …  (q ends)", style="dim")
        room = height - 2  # below the title and the headings
        shown = list(self._tracks.items())
        if len(shown) > room:
            shown = shown[: max(1, room - 1)]
        table = self._table(shown, len(self._tracks) - len(shown), width)
        parts: list[Any] = [self._title(width), table]
        room -= len(shown) + (len(shown) < len(self._tracks))
        quantities = self._quantities()[:2]
        while quantities and room // len(quantities) < _SMALLEST_CHART + 1:
            quantities.pop()
        for number, (unit, value) in enumerate(quantities):
            part = room // (len(quantities) - number)
            room -= part
            parts += [Text(unit, style="bold"), self._chart(value, width, part - 1)]
        return Group(*parts)

    def _quantities(self) -> list[tuple[str, Callable[[Reading], float | None]]]:
        """Return the heading and the value of each quantity."""
        convert = to_fahrenheit if self._fahrenheit else _unchanged
        return [
            ("°F" if self._fahrenheit else "°C", lambda reading: convert(reading.temperature)),
            ("%RH", lambda reading: reading.humidity),
            ("dew point", lambda reading: convert(reading.dew_point)),
            ("g/m³", lambda reading: reading.absolute_humidity),
        ]

    def _title(self, width: int) -> Any:
        from rich.text import Text  # noqa: PLC0415

        virtual = "   virtual sensors" if any(track.newest.simulated for track in self._tracks.values()) else ""
        left, right = f"usbrh watch   every {self._interval:g} s{virtual}", "q ends"
        return Text(f"{left:<{max(0, width - len(right))}}{right}"[:width], style="dim")

    def _table(self, tracks: Sequence[tuple[str, _Track]], hidden: int, width: int) -> Any:
        from rich.table import Table  # noqa: PLC0415

        quantities = self._quantities()[: 4 if width >= _WIDE else 2]
        table = Table(box=None, pad_edge=False, padding=(0, 3 if width >= _WIDE else 1, 0, 0), header_style="dim")
        for heading in ("", "sensor"):
            table.add_column(heading, no_wrap=True)
        for heading, _ in quantities:
            table.add_column(heading, justify="right", no_wrap=True)
        if width >= _NARROW:
            table.add_column("", no_wrap=True, overflow="ellipsis")
        for number, (name, track) in enumerate(tracks):
            values = [track.good and value(track.good) for _, value in quantities]
            cells = ["-" if value is None else f"{value:.2f}" for value in values]
            style = "dim" if track.newest.error else None
            colour = _COLOURS[number % len(_COLOURS)]
            note = [self._note(track)] if width >= _NARROW else []
            table.add_row(f"[{colour}]{number + 1}[/]", name, *cells, *note, style=style)
        if hidden:
            table.add_row("", f"and {hidden} more")
        return table

    def _note(self, track: _Track) -> str:
        notes = ["heater on"] * track.newest.heater
        if track.newest.error:
            notes.append(f"[red]{track.newest.state.replace('_', ' ')}[/]")
        if track.good is not None:
            age = max(0, round(self._now() - track.good.time_ns / 1e9))
            notes.append(f"{age} s ago" if age < 120 else f"{age // 60} min ago")
        return ", ".join(notes)

    def _chart(self, value: Callable[[Reading], float | None], width: int, height: int) -> Any:
        from rich.text import Text  # noqa: PLC0415

        end = max(track.newest.time_ns / 1e9 for track in self._tracks.values())
        longest = width * 2 * self._interval
        start = max(self._start or end, end - longest)
        lines: list[Line] = [
            [(moment, None if reading.error else value(reading)) for moment, reading in track.points]
            for track in self._tracks.values()
        ]
        rows = chart(
            lines,
            start=start,
            end=max(end, start + _MIN_INTERVALS * self._interval),
            gap=self._interval * 2.5,
            width=width,
            height=height,
        )
        text = Text(no_wrap=True)
        for number, row in enumerate(rows):
            for style, cells in groupby(row, key=_style):
                text.append("".join(cell.character for cell in cells), style=style)
            text.append("\n" if number < len(rows) - 1 else "")
        return text


def _style(cell: Cell) -> str:
    return "dim" if cell.line is None else _COLOURS[cell.line % len(_COLOURS)]


def _unchanged(value: float | None) -> float | None:
    return value
