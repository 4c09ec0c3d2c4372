"""The values of sensors over time, for pictures: gaps, and long times as means with a band from minimum to maximum."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from usbrh.output.quantities import Quantity

_MAX_POINTS = 1000
"""Longer curves are drawn as means with a band. A picture has about as many pixels."""
_DAY = 86400
_BY_DAY = 60 * _DAY
"""Seconds from which a day is one point: the swing of each day would fill the picture."""
_GAP = 2.5
"""Median intervals without a reading that make a gap in the curve."""


@dataclass
class Curve:
    """The readings of one sensor."""

    seconds: "array[float]" = field(default_factory=lambda: array("d"))
    """Since 1970."""
    values: "list[array[float]]" = field(default_factory=list)
    """For each quantity. NaN for a failed reading, and with the heater on."""
    failed: int = 0
    heated: int = 0
    """Number of readings with the heater on."""

    @property
    def readings(self) -> int:
        """Number of readings whose values are those of the room."""
        return len(self.seconds) - self.failed - self.heated


@dataclass
class History:
    """The curves to draw."""

    quantities: Sequence[Quantity]
    curves: dict[str, Curve] = field(default_factory=dict)
    """By the name of the sensor."""
    simulated: bool = False
    first_ns: int = 2**63 - 1
    """Time of the first reading, in ns since 1970."""

    def add(
        self, sensor: str, time_ns: int, values: Sequence[float | None], *, failed: bool, heater: bool, simulated: bool
    ) -> None:
        """Add a reading: its values in the order of ``quantities``, temperatures in °C.

        Values with the heater on are left out, because they are not those of the room.
        """
        curve = self.curves.setdefault(sensor, Curve(values=[array("d") for _ in self.quantities]))
        curve.seconds.append(time_ns / 1e9)
        for kept, quantity, value in zip(curve.values, self.quantities, values, strict=True):
            converted = quantity.convert(value)
            kept.append(float("nan") if converted is None or heater else converted)
        curve.failed += failed and not heater
        curve.heated += heater
        self.simulated |= simulated
        self.first_ns = min(self.first_ns, time_ns)

    @property
    def first(self) -> float:
        """Time of the first reading, in seconds since 1970."""
        return self.first_ns / 1e9

    @property
    def last(self) -> float:
        """Time of the last reading, in seconds since 1970."""
        return max(curve.seconds[-1] for curve in self.curves.values())


@dataclass(frozen=True, slots=True)
class Line:
    """Points of a curve as numpy arrays. NaN makes a gap."""

    seconds: Any
    means: Any
    low: Any
    high: Any
    isolated: Any
    """Whether a point has no neighbour, so that a line does not show it."""


def line(curve: Curve, number: int, span: tuple[float, float]) -> Line:
    """Return the points for quantity ``number``: each reading, or one point per part of ``span`` (s since 1970)."""
    import numpy as np  # noqa: PLC0415 - numpy is optional

    seconds, values = np.asarray(curve.seconds), np.asarray(curve.values[number])
    if span[1] - span[0] > _BY_DAY:
        parts = int((span[1] - span[0]) // _DAY)  # a little more than a day each, so that none is shorter
        moments, means, low, high = _summed_up(seconds, values, np.linspace(*span, parts + 1))
    elif len(seconds) > _MAX_POINTS:
        moments, means, low, high = _summed_up(seconds, values, np.linspace(*span, _MAX_POINTS + 1))
    else:
        moments, means, low, high = seconds, values, values, values
    usual = float(np.median(np.diff(moments))) if len(moments) > 1 else 0.0
    gaps = np.nonzero(np.diff(moments) > _GAP * usual)[0] + 1
    moments = np.insert(moments, gaps, moments[gaps - 1] + usual)
    means, low, high = (np.insert(each, gaps, np.nan) for each in (means, low, high))
    good = np.concatenate(([False], np.isfinite(means), [False]))
    return Line(moments, means, low, high, good[1:-1] & ~good[:-2] & ~good[2:])


def _summed_up(seconds: Any, values: Any, limits: Any) -> tuple[Any, Any, Any, Any]:
    """Return times, means, minima and maxima of the values between the ``limits``; a part without readings is left out.

    A part whose readings have all failed is NaN.
    """
    import numpy as np  # noqa: PLC0415

    part = np.clip(np.searchsorted(limits, seconds, side="right") - 1, 0, len(limits) - 2)
    shown = np.unique(part)
    good = np.isfinite(values)
    index = np.searchsorted(shown, part[good])
    count = np.bincount(index, minlength=len(shown)).astype(float)
    count[count == 0] = np.nan
    means = np.bincount(index, weights=values[good], minlength=len(shown)) / count
    low, high = np.full(len(shown), np.inf), np.full(len(shown), -np.inf)
    np.minimum.at(low, index, values[good])
    np.maximum.at(high, index, values[good])
    low[np.isnan(count)] = high[np.isnan(count)] = np.nan
    return (limits[shown] + limits[shown + 1]) / 2, means, low, high
