"""The screen of ``usbrh watch``: a table of the latest readings above one chart per quantity."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from usbrh.output.chart import Cell, Line, chart
from usbrh.output.quantities import USUAL, Quantity, quantities
from usbrh.reading import Reading

_CHARTS = 2
"""Of the usual quantities, those that have a chart, and a column in a narrow terminal."""
_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
_KEPT = 4000
"""Readings kept per sensor: two per column of the widest terminal."""
_SMALLEST_CHART = 7
_WIDE = 64
"""Minimum columns for dew point and absolute humidity."""
_NARROW = 36
"""Minimum columns for the age of a reading."""
_NOTE = 9
"""Columns for the age of a reading: ``100 s ago``."""
_VALUE = 6
"""Columns for a value: ``-12.34``."""
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

    def __init__(
        self,
        interval: float,
        shown: Sequence[str] = (),
        *,
        fahrenheit: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        """``shown``: keys of the quantities, each with a column and, if the terminal is high enough, a chart."""
        self._interval = interval
        self._chosen = bool(shown)
        self._shown = quantities(shown or USUAL, fahrenheit=fahrenheit)
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
        tracks = list(self._tracks.items())
        if len(tracks) > room:
            tracks = tracks[: max(1, room - 1)]
        table = self._table(tracks, len(self._tracks) - len(tracks), width)
        parts: list[Any] = [self._title(width), table]
        room -= len(tracks) + (len(tracks) < len(self._tracks))
        charts = list(self._shown if self._chosen else self._shown[:_CHARTS])
        while charts and room // len(charts) < _SMALLEST_CHART + 1:
            charts.pop()
        for number, shown in enumerate(charts):
            part = room // (len(charts) - number)
            room -= part
            parts += [Text(shown.heading, style="bold"), self._chart(shown, width, part - 1)]
        return Group(*parts)

    def _title(self, width: int) -> Any:
        from rich.text import Text  # noqa: PLC0415

        virtual = "   virtual sensors" if any(track.newest.simulated for track in self._tracks.values()) else ""
        left, right = f"usbrh watch   every {self._interval:g} s{virtual}", "q ends"
        return Text(f"{left:<{max(0, width - len(right))}}{right}"[:width], style="dim")

    def _table(self, tracks: Sequence[tuple[str, _Track]], hidden: int, width: int) -> Any:
        from rich.table import Table  # noqa: PLC0415

        columns = self._columns(width, max(len(name) for name, _ in tracks))
        table = Table(box=None, pad_edge=False, padding=(0, 3 if width >= _WIDE else 1, 0, 0), header_style="dim")
        for heading in ("", "sensor"):
            table.add_column(heading, no_wrap=True)
        for each in columns:
            table.add_column(each.heading, justify="right", no_wrap=True)
        if width >= _NARROW:
            table.add_column("", no_wrap=True, overflow="ellipsis")
        for number, (name, track) in enumerate(tracks):
            values = [track.good and each.value(track.good) for each in columns]
            cells = ["-" if value is None else f"{value:.2f}" for value in values]
            style = "dim" if track.newest.error else None
            colour = _COLOURS[number % len(_COLOURS)]
            note = [self._note(track)] if width >= _NARROW else []
            table.add_row(f"[{colour}]{number + 1}[/]", name, *cells, *note, style=style)
        if hidden:
            table.add_row("", f"and {hidden} more")
        return table

    def _columns(self, width: int, longest_name: int) -> Sequence[Quantity]:
        """Return the quantities that have a column: of the chosen ones, the first that fit as a whole."""
        if not self._chosen:
            return self._shown if width >= _WIDE else self._shown[:_CHARTS]
        padding = 3 if width >= _WIDE else 1
        room = width - longest_name - 2 * padding - 2 - (_NOTE if width >= _NARROW else 0)
        count = 0
        for each in self._shown:
            room -= max(len(each.heading), _VALUE) + padding
            count += room >= 0
        return self._shown[: max(1, count)]

    def _note(self, track: _Track) -> str:
        notes = ["heater on"] * track.newest.heater
        if track.newest.error:
            notes.append(f"[red]{track.newest.state.replace('_', ' ')}[/]")
        if track.good is not None:
            age = max(0, round(self._now() - track.good.time_ns / 1e9))
            notes.append(f"{age} s ago" if age < 120 else f"{age // 60} min ago")
        return ", ".join(notes)

    def _chart(self, shown: Quantity, width: int, height: int) -> Any:
        from rich.text import Text  # noqa: PLC0415

        end = max(track.newest.time_ns / 1e9 for track in self._tracks.values())
        longest = width * 2 * self._interval
        start = max(self._start or end, end - longest)
        lines: list[Line] = [
            [(moment, None if reading.error else shown.value(reading)) for moment, reading in track.points]
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
