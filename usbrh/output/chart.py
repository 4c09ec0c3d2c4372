"""Line charts in a terminal, with two by four dots per character (Unicode braille patterns)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from usbrh.output.time_axis import marks

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of U+2800 by row and column of the dot."""
_MIN_SPAN = 0.4
"""Smallest range of the vertical axis, so that the sensor's noise does not fill the chart."""
_COLUMNS_PER_TIME = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """One character; ``line`` is the number of the curve that it belongs to."""

    character: str = " "
    line: int | None = None


Line = Sequence[tuple[float, float | None]]
"""Times (seconds since 1970) and values. None, or no point for ``gap`` seconds, makes a gap in the curve."""


def chart(lines: Sequence[Line], *, start: float, end: float, gap: float, width: int, height: int) -> list[list[Cell]]:
    """Draw the curves from ``start`` to ``end`` with their axes, in ``height`` rows of ``width`` characters.

    Several curves have their number at the right end, for users who can't distinguish the colours.
    """
    rows = height - 1
    if rows < 2:
        return []
    axis = scale([value for line in lines for moment, value in line if value is not None and moment >= start], rows)
    labels = axis.labels(rows)
    margin = max(map(len, labels.values())) + 1
    tail = 2 if len(lines) > 1 else 0
    columns = width - margin - 1 - tail
    if columns < 4:
        return []
    dots = _Dots(columns, rows)
    ends: dict[int, int] = {}
    for number, line in enumerate(lines):
        before: tuple[float, int, int] | None = None
        for moment, value in line:
            if value is None or moment < start:
                before = None
                continue
            x = round((moment - start) / (end - start) * (columns * 2 - 1))
            y = min(max(0, math.floor((axis.top(rows) - value) / axis.row * 4)), rows * 4 - 1)
            if before is not None and moment - before[0] <= gap:
                dots.line(before[1], before[2], x, y, number)
            else:
                dots.dot(x, y, number)
            before = (moment, x, y)
            ends[number] = y // 4
    tails = _spread(ends, rows) if tail else {}
    drawn = [
        _cells(f"{labels.get(row, ''):>{margin}}{'┤' if row in labels else '│'}")
        + dots.row(row)
        + ([Cell(), tails.get(row, Cell())] if tail else [])
        for row in range(rows)
    ]
    return [*drawn, _cells(" " * (margin + 1) + times(start, end, columns))]


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear vertical axis. The value of a label is the middle of its row."""

    lowest: int
    """The middle of the lowest row, counted in rows from the value 0."""
    every: int
    """Rows between two labels."""
    step: float
    """Difference between two labels: 1, 2 or 5 times a power of ten."""

    @property
    def row(self) -> float:
        """The range of one row."""
        return self.step / self.every

    def top(self, rows: int) -> float:
        """Return the value at the upper edge of the highest of ``rows``."""
        return (self.lowest + rows - 0.5) * self.row

    def labels(self, rows: int) -> dict[int, str]:
        """Return the labels by row, counted from the top."""
        digits = max(0, -math.floor(math.log10(self.step)))
        indices = ((row, self.lowest + rows - 1 - row) for row in range(rows))
        return {
            row: f"{index // self.every * self.step:.{digits}f}" for row, index in indices if not index % self.every
        }


def scale(values: Sequence[float], rows: int) -> Scale:
    """Return the finest axis on which the values fit into ``rows`` (2 or more). It has at least two labels."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low < _MIN_SPAN:
        middle = (low + high) / 2
        low, high = middle - _MIN_SPAN / 2, middle + _MIN_SPAN / 2
    power = math.floor(math.log10((high - low) / rows))
    most = min(4, rows // 2)
    fitting = []
    for every in range(min(2, most), most + 1):
        for step in (factor * 10.0**exponent for exponent in range(power, power + 3) for factor in (1, 2, 5)):
            lowest, highest = (math.floor(value / step * every + 0.5) for value in (low, high))
            spare = rows - 1 - (highest - lowest)
            if spare >= 0:
                fitting.append(Scale(lowest - spare // 2, every, step))
    return min(fitting, key=lambda axis: (axis.row, abs(axis.every - 3)))


def times(start: float, end: float, columns: int) -> str:
    """Return the labels of the time axis: round times of day, each after a mark at its position."""
    per_column = (end - start) / columns
    row = ""
    for mark in marks(start, end, _COLUMNS_PER_TIME * per_column):
        label = f"╵{mark.label}"
        column = math.floor((mark.second - start) / per_column)
        if len(row) <= column <= columns - len(label):
            row = f"{row:<{column}}{label}"
    return row


def _cells(text: str) -> list[Cell]:
    return [Cell(character) for character in text]


def _spread(ends: dict[int, int], rows: int) -> dict[int, Cell]:
    """Assign a row to each curve's number: the row where the curve ends, or the nearest free one."""
    taken: dict[int, Cell] = {}
    for number, row in ends.items():
        free = [candidate for candidate in range(rows) if candidate not in taken]
        if free:
            taken[min(free, key=lambda candidate, row=row: abs(candidate - row))] = Cell(str(number + 1)[-1], number)  # type: ignore[misc]
    return taken


class _Dots:
    """A canvas of dots. Where curves cross, the character has the colour of the later one."""

    def __init__(self, columns: int, rows: int) -> None:
        self._bits = [[0] * columns for _ in range(rows)]
        self._owner: list[list[int | None]] = [[None] * columns for _ in range(rows)]

    def dot(self, x: int, y: int, number: int) -> None:
        row, column = y // 4, x // 2
        self._bits[row][column] |= _DOTS[y % 4][x % 2]
        self._owner[row][column] = number

    def line(self, x0: int, y0: int, x1: int, y1: int, number: int) -> None:
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(steps + 1):
            self.dot(round(x0 + (x1 - x0) * step / steps), round(y0 + (y1 - y0) * step / steps), number)

    def row(self, row: int) -> list[Cell]:
        return [
            Cell(chr(0x2800 + bits) if bits else " ", owner)
            for bits, owner in zip(self._bits[row], self._owner[row], strict=True)
        ]
