"""Curves in a terminal: two by four dots in each character (Unicode braille patterns)."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of U+2800 by row and column of the dot."""
_ROWS_PER_TICK = 3
_COLUMNS_PER_TIME = 16


@dataclass(frozen=True, slots=True)
class Cell:
    """One character; ``line`` says which curve it belongs to."""

    character: str = " "
    line: int | None = None


Line = Sequence[tuple[float, float | None]]
"""Moments (s since 1970) and values; None, or no point for ``gap`` seconds, is a gap in the curve."""


def chart(lines: Sequence[Line], *, start: float, end: float, gap: float, width: int, height: int) -> list[list[Cell]]:
    """The curves from ``start`` to ``end`` with their axes, in ``height`` rows of ``width`` characters.

    The number of a curve stands at its right end when there are several, for those who see no colours.
    """
    values = [value for line in lines for moment, value in line if value is not None and moment >= start]
    low, high, step = scale(values, max(1, (height - 1) // _ROWS_PER_TICK))
    digits = max(0, -math.floor(math.log10(step)))
    margin = max(len(f"{low:.{digits}f}"), len(f"{high:.{digits}f}")) + 1
    tail = 2 if len(lines) > 1 else 0
    columns, rows = width - margin - 1 - tail, height - 1
    if columns < 4 or rows < 2:
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
            y = round((high - value) / (high - low) * (rows * 4 - 1))
            if before is not None and moment - before[0] <= gap:
                dots.line(before[1], before[2], x, y, number)
            else:
                dots.dot(x, y, number)
            before = (moment, x, y)
            ends[number] = y // 4
    labels = {
        round((high - tick) / (high - low) * (rows * 4 - 1)) // 4: f"{tick:.{digits}f}"
        for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
        for tick in [index * step]
    }
    tails = _spread(ends, rows) if tail else {}
    drawn = [
        _cells(f"{labels.get(row, ''):>{margin}}{'┤' if row in labels else '│'}")
        + dots.row(row)
        + ([Cell(), tails.get(row, Cell())] if tail else [])
        for row in range(rows)
    ]
    return [*drawn, _cells(" " * (margin + 1) + times(start, end, columns))]


def scale(values: Sequence[float], ticks: int) -> tuple[float, float, float]:
    """The lowest and highest value to draw, and the step between labels: 1, 2 or 5 times a power of ten."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low < 0.4:  # the sensor's noise is not to fill the picture
        middle = (low + high) / 2
        low, high = middle - 0.2, middle + 0.2
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / ticks))
    steps = [power * factor for factor in (1, 2, 5, 10)]
    step = next(step for step in steps if step >= span / ticks * 0.999)
    # One label alone would leave the reader without a measure.
    return low, high, step if span / step >= 2 else steps[max(0, steps.index(step) - 1)]


def times(start: float, end: float, columns: int) -> str:
    """The labels of the time axis, each beginning at its moment."""
    row = [" "] * columns
    for column in range(0, max(1, columns - 7), _COLUMNS_PER_TIME):
        moment = start + (end - start) * column / max(1, columns)
        row[column : column + 8] = time.strftime("%H:%M:%S", time.localtime(moment))
    return "".join(row)[:columns]


def _cells(text: str) -> list[Cell]:
    return [Cell(character) for character in text]


def _spread(ends: dict[int, int], rows: int) -> dict[int, Cell]:
    """A row for each curve's number: that of its end, or the nearest free one."""
    taken: dict[int, Cell] = {}
    for number, row in ends.items():
        free = [candidate for candidate in range(rows) if candidate not in taken]
        if free:
            taken[min(free, key=lambda candidate, row=row: abs(candidate - row))] = Cell(str(number + 1)[-1], number)  # type: ignore[misc]
    return taken


class _Dots:
    """A canvas of dots; where curves cross, the later one gives the character its colour."""

    def __init__(self, columns: int, rows: int) -> None:
        self._bits = [[0] * columns for _ in range(rows)]
        self._owner: list[list[int | None]] = [[None] * columns for _ in range(rows)]

    def dot(self, x: int, y: int, number: int) -> None:
        row, column = min(y // 4, len(self._bits) - 1), min(x // 2, len(self._bits[0]) - 1)
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
