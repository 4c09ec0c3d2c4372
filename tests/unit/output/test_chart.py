"""Charts in the terminal: positions of dots and labels, and the size of the chart."""

import re
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usbrh.output.chart import Cell, Line, chart, scale, times

WIDTH, HEIGHT = 60, 12


def text(rows: list[list[Cell]]) -> list[str]:
    return ["".join(cell.character for cell in row) for row in rows]


def draw(*lines: Line, **changes: Any) -> list[list[Cell]]:
    arguments: dict[str, Any] = {"start": 0, "end": 100, "gap": 2.5, "width": WIDTH, "height": HEIGHT} | changes
    return chart(lines, **arguments)


def curve_columns(rows: list[list[Cell]]) -> set[int]:
    return {x for row in rows for x, cell in enumerate(row) if cell.line is not None and cell.character > "\u2800"}


def test_a_rising_line_goes_from_bottom_left_to_top_right() -> None:
    rows = text(draw([(t, 20 + t / 10) for t in range(101)]))
    first, last = rows[0], rows[-2]
    assert first.rstrip()[-1] > "\u2800"
    assert last[last.index("│" if "│" in last else "┤") + 1] > "\u2800"
    ticks = [float(match[1]) for row in rows if (match := re.match(r" *([\d.]+)┤", row))]
    assert ticks == sorted(ticks, reverse=True)
    assert len(ticks) >= 2
    assert all(20 <= tick <= 30 for tick in ticks)


def test_a_gap_stays_empty() -> None:
    points: list[tuple[float, float | None]] = [(t, 20.0) for t in range(101) if not 40 <= t < 60]
    failed: list[tuple[float, float | None]] = [(t, None if 40 <= t < 60 else 20.0) for t in range(101)]
    whole = curve_columns(draw([(t, 20.0) for t in range(101)]))
    for line in (points, failed):
        missing = whole - curve_columns(draw(line))
        assert len(missing) == pytest.approx(len(whole) * 0.2, abs=2)
        assert max(missing) - min(missing) < len(missing)  # in one piece


def test_each_of_several_curves_has_its_number_at_its_end() -> None:
    rows = draw([(0, 20.0), (1, 20.0)], [(0, 25.0), (1, 25.0)])
    tails = {row[-1].character: (y, row[-1].line) for y, row in enumerate(rows) if row[-1].line is not None}
    assert tails["1"][1] == 0
    assert tails["2"][1] == 1
    assert tails["2"][0] < tails["1"][0]
    assert {len(row) for row in rows[:-1]} == {WIDTH}


def test_noise_does_not_fill_the_picture() -> None:
    assert scale([20.00, 20.01], 10).row * 10 >= 0.4


@pytest.mark.parametrize("value", [-17.0, 0.0, 0.3, 16.15, 100.0])
def test_a_label_stands_where_its_value_is_drawn(value: float) -> None:
    """The labels have equal distances."""
    spread = [(0, value - 1), (1, value + 3.7)]
    rows = text(draw(spread))
    labels = {y: float(match[1]) for y, row in enumerate(rows) if (match := re.match(r" *(-?[\d.]+)┤", row))}
    assert len({below - above for above, below in pairwise(labels)}) == 1
    for y, label in labels.items():
        if value - 1 <= label <= value + 3.7:
            drawn = draw(spread, [(50, label)])  # in the same picture
            assert [each for each, row in enumerate(drawn) if any(cell.line == 1 for cell in row[:-1])] == [y]


def test_times_are_round_and_stand_at_their_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")  # an offset with half an hour
    time.tzset()
    try:
        row = times(1_800_000_007, 1_800_000_607, 60)
        assert row == "           ╵13:32      ╵13:34      ╵13:36      ╵13:38"
    finally:
        monkeypatch.undo()
        time.tzset()


@given(start=st.floats(0, 4e9), length=st.floats(1, 1e6), columns=st.integers(4, 300))
def test_times_fit(start: float, length: float, columns: int) -> None:
    assert len(times(start, start + length, columns)) <= columns


def test_what_is_older_than_the_start_is_left_out() -> None:
    assert max(curve_columns(draw([(-50, 20.0), (-49, 20.0), (0, 20.0)]))) < 10


def test_too_small_a_place_gives_nothing() -> None:
    assert draw([(0, 20.0)], width=8) == []
    assert draw([(0, 20.0)], height=2) == []
    assert len(draw([(0, 20.0)], height=3)) == 3


def test_the_narrowest_chart_has_four_columns() -> None:
    narrowest = next(rows for width in range(1, 30) if (rows := text(draw([(0, 20.0)], width=width))))
    assert {len(re.split("[│┤]", row)[1]) for row in narrowest[:-1]} == {4}


def test_a_value_at_the_lower_edge_is_in_the_lowest_dot() -> None:
    axis = scale([19.75, 25.0], HEIGHT - 1)
    edge = (axis.lowest - 0.5) * axis.row
    assert scale([edge, 25.0], HEIGHT - 1) == axis, "so the value is still on the axis"
    lowest = text(draw([(0, edge), (100, 25.0)]))[-2]
    assert lowest[lowest.index("│" if "│" in lowest else "┤") + 1] in "\u2840\u2880\u28c0"


POINTS = st.lists(st.tuples(st.floats(0, 100), st.none() | st.floats(-40, 254)), max_size=20)


@given(
    lines=st.lists(POINTS, min_size=1, max_size=12),
    width=st.integers(1, 150),
    height=st.integers(1, 40),
)
def test_it_fits_whatever_is_drawn(lines: list[Line], width: int, height: int) -> None:
    rows = draw(*lines, width=width, height=height)
    assert len(rows) in (0, height)
    assert all(len(row) <= width for row in rows)
