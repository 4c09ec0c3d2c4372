"""A picture of the history: temperature and dew point in the upper chart, humidity in the lower one."""

import io
import warnings
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from usbrh.files import write_regular
from usbrh.reading import Reading

SUFFIXES = (".png", ".svg", ".pdf")
_MAX_POINTS = 2000
"""Longer curves are drawn as means with a band from minimum to maximum. A picture has no more pixels."""
_GAP = 2.5
"""Median intervals without a reading that make a gap in the curve."""
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""The palette of Okabe and Ito, which colour-blind people can distinguish."""
_CJK_FONTS = ("Noto Sans CJK JP", "IPAexGothic", "IPAGothic", "TakaoPGothic", "VL PGothic")


@dataclass
class Curve:
    """The values of one sensor; NaN for a failed reading."""

    seconds: "array[float]" = field(default_factory=lambda: array("d"))
    temperature: "array[float]" = field(default_factory=lambda: array("d"))
    dew_point: "array[float]" = field(default_factory=lambda: array("d"))
    humidity: "array[float]" = field(default_factory=lambda: array("d"))


@dataclass
class History:
    """The curves to draw."""

    curves: dict[str, Curve] = field(default_factory=dict)
    simulated: bool = False

    @classmethod
    def of(cls, readings: Iterable[Reading]) -> "History":
        """Collect the curves of all sensors. A reading with the heater on counts as failed."""
        history = cls()
        for reading in readings:
            curve = history.curves.setdefault(reading.sensor, Curve())
            curve.seconds.append(reading.time_ns / 1e9)
            for values, value in (
                (curve.temperature, reading.temperature),
                (curve.dew_point, reading.dew_point),
                (curve.humidity, reading.humidity),
            ):
                values.append(float("nan") if value is None or reading.heater else value)
            history.simulated |= reading.simulated
        return history


def draw(
    matplotlib: ModuleType, history: History, span: tuple[float, float], path: Path, fahrenheit: bool
) -> str | None:
    """Draw ``span`` (start and end in seconds since 1970) into the file ``path``.

    Returns:
        A warning if the installed fonts lack characters of a sensor's name, else None.

    Raises:
        OSError: The file can't be written.
    """
    import matplotlib.font_manager as fonts  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    installed = {font.name for font in fonts.fontManager.ttflist}
    style = {
        "font.family": ["DejaVu Sans", *(name for name in _CJK_FONTS if name in installed)],
        "svg.fonttype": "none",  # text stays text, drawn with the viewer's fonts
        "svg.hashsalt": "usbrh",
        "axes.formatter.use_locale": False,
    }
    with matplotlib.rc_context(style), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = Figure(figsize=(10, 6), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        for number, (name, curve) in enumerate(sorted(history.curves.items())):
            colour = _COLOURS[number % len(_COLOURS)]
            temperature, dew_point = (
                np.asarray(values) * 1.8 + 32 if fahrenheit else values
                for values in (curve.temperature, curve.dew_point)
            )
            _curve(upper, curve.seconds, temperature, span, color=colour, label=name)
            _curve(upper, curve.seconds, dew_point, span, color=colour, linestyle=":", linewidth=1.1)
            _curve(lower, curve.seconds, curve.humidity, span, color=colour)
        upper.plot([], [], color="0.4", linestyle=":", linewidth=1.1, label="dew point")
        upper.set_ylabel("°F" if fahrenheit else "°C")
        lower.set_ylabel("%RH")
        _time_axis(lower, span)
        for axes in (upper, lower):
            axes.grid(visible=True, color="0.9")
            axes.spines[["top", "right"]].set_visible(False)
        # An axes' legend above the curves: matplotlib 3.6 (Debian 12) reserves no space for a figure's legend.
        columns = min(6, len(history.curves) + 1)
        upper.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, frameon=False)
        if history.simulated:
            lower.set_title("virtual sensors", loc="right", fontsize="small", color="0.4")
        kind = path.suffix.lower().removeprefix(".")
        picture = io.BytesIO()
        figure.savefig(picture, format=kind, dpi=120, metadata={"Date": None} if kind == "svg" else None)
    write_regular(path, picture.getvalue())
    if any("missing from" in str(warning.message) for warning in caught):
        return "no installed font has all characters of the sensor names; sudo apt install fonts-noto-cjk"
    return None


def _curve(axes: Any, seconds: Any, values: Any, span: tuple[float, float], **style: Any) -> None:
    import numpy as np  # noqa: PLC0415

    moments, means, low, high = _downsampled(np.asarray(seconds), np.asarray(values, dtype=float), span)
    if not len(moments):
        return
    # A NaN between two points makes a gap in the line.
    usual = float(np.median(np.diff(moments))) if len(moments) > 1 else 0.0
    gaps = np.nonzero(np.diff(moments) > _GAP * usual)[0] + 1
    moments = np.insert(moments, gaps, moments[gaps - 1] + usual)
    means, low, high = (np.insert(each, gaps, np.nan) for each in (means, low, high))
    days = moments / 86400.0
    style = {"linewidth": 1.4, "solid_capstyle": "round", **style}
    axes.plot(days, means, **style)
    # A line of one point is invisible: draw a dot for each good value that has no good neighbour.
    good = np.concatenate(([False], np.isfinite(means), [False]))
    isolated = good[1:-1] & ~good[:-2] & ~good[2:]
    axes.plot(days[isolated], means[isolated], ".", color=style["color"], markersize=4)
    if (high > low).any() and style.get("linestyle") is None:
        axes.fill_between(days, low, high, color=style["color"], alpha=0.18, linewidth=0)


def _downsampled(moments: Any, values: Any, span: tuple[float, float]) -> tuple[Any, Any, Any, Any]:
    """Return at most ``_MAX_POINTS`` times with mean, minimum and maximum of the values around each."""
    import numpy as np  # noqa: PLC0415

    if len(moments) <= _MAX_POINTS:
        return moments, values, values, values
    width = (span[1] - span[0]) / _MAX_POINTS
    number = ((moments - span[0]) // width).astype(int)
    good = np.isfinite(values)
    shown = np.unique(number)  # an interval with only failed readings becomes a gap
    index = np.searchsorted(shown, number[good])
    count = np.bincount(index, minlength=len(shown)).astype(float)
    count[count == 0] = np.nan
    means = np.bincount(index, weights=values[good], minlength=len(shown)) / count
    low, high = np.full(len(shown), np.inf), np.full(len(shown), -np.inf)
    np.minimum.at(low, index, values[good])
    np.maximum.at(high, index, values[good])
    low[np.isnan(count)] = high[np.isnan(count)] = np.nan
    return span[0] + (shown + 0.5) * width, means, low, high


def _time_axis(axes: Any, span: tuple[float, float]) -> None:
    dates: Any = import_module("matplotlib.dates")
    local = import_module("dateutil.tz").tzlocal()  # a dependency of matplotlib that knows daylight saving time
    axes.set_xlim(span[0] / 86400.0, span[1] / 86400.0)
    axes.xaxis_date(tz=local)
    locator = dates.AutoDateLocator(tz=local, minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=local))
