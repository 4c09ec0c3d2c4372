"""Minimum, mean and maximum of the readings of one sensor in one period."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from usbrh.periods import Period
from usbrh.reading import format_time, rounded


@dataclass(frozen=True, slots=True)
class Spread:
    """One quantity: its mean, in which each reading has the same weight, and its extremes."""

    min: float
    min_ns: int
    mean: float
    max: float
    max_ns: int
    """The extremes occurred at these times first, in ns since 1970."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, with two decimals as in a reading."""
        return {
            "min": rounded(self.min),
            "min_time": format_time(self.min_ns),
            "mean": rounded(self.mean),
            "max": rounded(self.max),
            "max_time": format_time(self.max_ns),
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """The readings of one sensor in one period; there is at least one, maybe a failed one."""

    sensor: str
    period: Period
    readings: int
    """Number of good readings with the heater off. Only they are in ``spreads``."""
    failed: int
    heated: int
    """Number of readings with the heater on, whose values are not those of the room."""
    simulated: bool
    """At least one reading is from a virtual sensor."""
    spreads: Mapping[str, Spread | None]
    """By the names in ``SUMMARISED``; None without a value. At 0 %RH there is no dew point."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "sensor": self.sensor,
            "period": self.period.label,
            "start": format_time(self.period.start_ns),
            "end": format_time(self.period.end_ns),
            "readings": self.readings,
            "failed": self.failed,
            "heated": self.heated,
            **{name: spread and spread.to_dict() for name, spread in self.spreads.items()},
            "simulated": self.simulated,
        }
