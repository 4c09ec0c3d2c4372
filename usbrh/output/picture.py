"""A picture of the history: one chart for each unit, one colour for each sensor."""

import io
import math
import time
import warnings
from itertools import cycle
from pathlib import Path
from types import ModuleType
from typing import Any

from usbrh.output.curves import Curve, History, Line, line
from usbrh.output.time_axis import marks
from usbrh.system.files import write_regular

SUFFIXES = (".png", ".svg", ".pdf")
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""The palette of Okabe and Ito, which colour-blind people can distinguish, without its yellow, which is too light."""
_STYLES = ("-", ":", "--", "-.")
"""For the quantities of one chart."""
_CJK_FONTS = ("Noto Sans CJK JP", "IPAexGothic", "IPAGothic", "TakaoPGothic", "VL PGothic")
_MARKS = 9
"""Most marks of the time axis."""
_MARGIN = 0.012
"""Fraction of the time axis that is free at each end, so that a point there is a whole point."""
_SHORTEST = 60.0
"""Seconds of the shortest time axis, for a single reading."""
_SMALLEST = {"°C": 1.0, "°F": 2.0, "%RH": 2.0, "g/m³": 1.0, "kPa": 0.1, "": 2.0}
"""Smallest range of the vertical axis by unit, so that the sensor's noise does not fill the chart."""
_LEGEND_COLUMNS = 6
_LONGEST_NAMES = 60
"""Characters of the sensors' names in the title. The legend has them too."""
_WIDTH = 1.4


def draw(matplotlib: ModuleType, history: History, end: float, path: Path) -> str | None:
    """Draw the time from the first reading to ``end`` (s since 1970) into the file ``path``.

    Returns:
        A warning if the installed fonts lack characters of a sensor's name, else None.

    Raises:
        OSError: The file can't be written.
    """
    import matplotlib.font_manager as fonts  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    installed = {font.name for font in fonts.fontManager.ttflist}
    style = {
        "font.family": ["DejaVu Sans", *(name for name in _CJK_FONTS if name in installed)],
        "svg.fonttype": "none",  # text stays text, drawn with the viewer's fonts
        "svg.hashsalt": "usbrh",
        "axes.formatter.use_locale": False,
        "axes.formatter.useoffset": False,
    }
    start = history.first
    missing = max(0.0, _SHORTEST - (end - start)) / 2
    span = (start - missing, end + missing)
    with matplotlib.rc_context(style), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        charts: dict[str, list[int]] = {}
        for number, quantity in enumerate(history.quantities):
            charts.setdefault(quantity.unit, []).append(number)
        rows = len(charts)
        figure = Figure(figsize=(10, 2.4 + 1.8 * rows), layout="constrained")
        all_axes = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=(3, *[2] * (rows - 1)))[:, 0]
        for axes, (unit, numbers) in zip(all_axes, charts.items(), strict=True):
            _chart(axes, history, unit, numbers, span)
            _legend(axes, history, numbers, sensors=axes is all_axes[0])
        _time_axis(all_axes[-1], span)
        figure.suptitle(title(history, span), fontsize="medium")
        kind = path.suffix.lower().removeprefix(".")
        picture = io.BytesIO()
        figure.savefig(picture, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)
    write_regular(path, picture.getvalue())
    if any("missing from" in str(warning.message) for warning in caught):
        return "no installed font has all characters of the sensor names; sudo apt install fonts-noto-cjk"
    return None


def title(history: History, span: tuple[float, float]) -> str:
    """Return the sensors and the local time of the picture."""
    names = sorted(history.curves)
    sensors = ", ".join(names) if len(", ".join(names)) <= _LONGEST_NAMES else f"{len(names)} sensors"
    start, end = (time.localtime(moment) for moment in span)
    zones = " / ".join(dict.fromkeys((start.tm_zone, end.tm_zone)))
    same_day = start[:3] == end[:3]
    until = time.strftime("%H:%M" if same_day else "%Y-%m-%d %H:%M", end)
    virtual = " (virtual sensors)" if history.simulated else ""
    return f"{sensors}{virtual}: {time.strftime('%Y-%m-%d %H:%M', start)} to {until} {zones}"


def _chart(axes: Any, history: History, unit: str, numbers: list[int], span: tuple[float, float]) -> None:
    """Draw the quantities ``numbers``, which have the same unit, of all sensors."""
    for colour, (_, curve) in _coloured(history):
        for number, style in zip(numbers, cycle(_STYLES)):
            _curve(axes, line(curve, number, span), colour, style)
    labels = [history.quantities[number].label for number in numbers]
    axes.set_ylabel(unit if len(labels) > 1 else f"{labels[0]} ({unit})" if unit else labels[0])
    axes.grid(visible=True, color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
    low, high = axes.get_ylim()
    missing = _SMALLEST[unit] - (high - low)
    if not axes.has_data():
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", va="center", color="0.4")
        axes.set_yticks([])
    elif missing > 0:
        axes.set_ylim(low - missing / 2, high + missing / 2)


def _curve(axes: Any, points: Line, colour: str, style: str) -> None:
    import numpy as np  # noqa: PLC0415

    if not np.isfinite(points.means).any():
        return
    width = _WIDTH if style == "-" else _WIDTH * 0.8
    axes.plot(points.seconds, points.means, color=colour, linestyle=style, linewidth=width)
    dots = {"markersize": 4, "markerfacecolor": colour if style == "-" else "white"}
    axes.plot(points.seconds[points.isolated], points.means[points.isolated], "o", color=colour, **dots)
    if style == "-" and (points.high > points.low).any():
        axes.fill_between(points.seconds, points.low, points.high, color=colour, alpha=0.22, linewidth=0)


def _time_axis(axes: Any, span: tuple[float, float]) -> None:
    margin = (span[1] - span[0]) * _MARGIN
    chosen = marks(*span, (span[1] - span[0]) / _MARKS)
    axes.set_xlim(span[0] - margin, span[1] + margin)
    axes.set_xticks([mark.second for mark in chosen], [f"{mark.label}\n{mark.context}".rstrip() for mark in chosen])


def _legend(axes: Any, history: History, numbers: list[int], *, sensors: bool) -> None:
    """Explain the line styles of several quantities, and with ``sensors`` the colours of several sensors."""
    coloured = _coloured(history)
    several = len(coloured) > 1
    entries = [_sample(color=colour, label=name) for colour, (name, _) in coloured] if several and sensors else []
    for number, style in zip(numbers if len(numbers) > 1 else (), cycle(_STYLES)):
        label = history.quantities[number].label
        entries.append(_sample(color="0.3" if several else coloured[0][0], linestyle=style, label=label))
    if entries:
        # An axes' legend above the curves: matplotlib 3.6 (Debian 12) reserves no space for a figure's legend.
        lines = math.ceil(len(entries) / _LEGEND_COLUMNS)
        columns = math.ceil(len(entries) / lines)
        axes.legend(handles=entries, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, frameon=False)


def _sample(**style: Any) -> Any:
    from matplotlib.lines import Line2D  # noqa: PLC0415

    return Line2D([], [], **style)


def _coloured(history: History) -> list[tuple[str, tuple[str, Curve]]]:
    return list(zip(cycle(_COLOURS), sorted(history.curves.items())))
