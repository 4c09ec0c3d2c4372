"""Converts the ticks of a Sensirion SHT1x to °C and %RH. Pure: no I/O, no state.

Source of the conversion: Sensirion's data sheet "SHT1x / SHT7x". It has two sets of coefficients:

- ``v3``: data sheets up to version 3 (read in v2.02 of 2004). The default, because the maker's own ``USBMeter.dll``
  uses it, with the row for 5 V.
- ``v4``: data sheets 4 and 5 (v4.3 of May 2010, version 5 of December 2011), optimised for sensors with an
  alphanumeric code on the cap. These data sheets allow the older set for such sensors too.

Within 30 to 85 %RH the sets differ by at most 1.05 %RH and 0.1 °C. That is less than the sensor's own error, but it
shows as a step in a graph, so every reading names its set (``conversion_name``).
"""

from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

DEFAULT_COEFFICIENTS = "v3"
DEFAULT_SUPPLY = 5.0
"""Volt."""


class _HumidityCoefficients(NamedTuple):
    """RH = c1 + c2·SO + c3·SO² + (T − 25 °C)·(t1 + t2·SO), with the names of the data sheet."""

    c1: float
    c2: float
    c3: float
    t1: float
    t2: float


# Data sheet, "temperature": d1 in °C by supply voltage. The °F column is rounded separately and not used.
_D1 = MappingProxyType(
    {
        "v3": ((2.5, -39.55), (3.0, -39.60), (3.5, -39.66), (4.0, -39.75), (5.0, -40.00)),
        "v4": ((2.5, -39.4), (3.0, -39.6), (3.5, -39.7), (4.0, -39.8), (5.0, -40.1)),
    }
)
# Data sheet, "temperature": d2 in °C per tick by resolution in bits; the same in all versions.
_D2 = MappingProxyType({14: 0.01, 12: 0.04})
# Data sheet, "relative humidity" and "temperature compensation", by set and resolution in bits.
_HUMIDITY = MappingProxyType(
    {
        ("v3", 12): _HumidityCoefficients(-4.0, 0.0405, -2.8e-6, 0.01, 0.00008),
        ("v3", 8): _HumidityCoefficients(-4.0, 0.648, -7.2e-4, 0.01, 0.00128),
        ("v4", 12): _HumidityCoefficients(-2.0468, 0.0367, -1.5955e-6, 0.01, 0.00008),
        ("v4", 8): _HumidityCoefficients(-2.0468, 0.5872, -4.0845e-4, 0.01, 0.00128),
    }
)
_SATURATED = 99.0  # %RH; the data sheet asks to show 100 from here on, because the air is saturated


def temperature(
    ticks: int, *, coefficients: str = DEFAULT_COEFFICIENTS, supply: float = DEFAULT_SUPPLY, bits: int = 14
) -> float:
    """Compute the temperature in °C: T = d1 + d2·SO_T.

    Args:
        ticks: SO_T, 0 to 2^bits − 1.
        coefficients: ``v3`` or ``v4``.
        supply: the sensor's supply in volt, 2.5 to 5; d1 is interpolated linearly between the rows of the data sheet.
        bits: resolution of the measurement, 14 or 12. The USB-RH measures with 14.

    Raises:
        ValueError: an argument has another value.
    """
    if bits not in _D2:
        raise ValueError(f"no temperature of {bits} bits: 14 or 12")
    _check_ticks(ticks, bits)
    return _d1(coefficients, supply) + _D2[bits] * ticks


def humidity(ticks: int, temperature: float, *, coefficients: str = DEFAULT_COEFFICIENTS, bits: int = 12) -> float:
    """Compute the relative humidity in %RH, compensated for temperature: 0 to 99, or 100.

    RH = c1 + c2·SO_RH + c3·SO_RH² + (T − 25)·(t1 + t2·SO_RH). Values from 99 %RH on become 100, as the data sheet asks
    for saturated air. Values below 0, which a wet sensor can give, become 0. The supply voltage has no significant
    effect (data sheet).

    Args:
        ticks: SO_RH, 0 to 2^bits − 1.
        temperature: of the sensor in the same measurement, °C.
        coefficients: ``v3`` or ``v4``.
        bits: resolution of the measurement, 12 or 8. The USB-RH measures with 12.

    Raises:
        ValueError: an argument has another value.
    """
    _check_coefficients(coefficients)
    if (coefficients, bits) not in _HUMIDITY:
        raise ValueError(f"no humidity of {bits} bits: 12 or 8")
    _check_ticks(ticks, bits)
    c = _HUMIDITY[coefficients, bits]
    linear = c.c1 + c.c2 * ticks + c.c3 * ticks * ticks
    compensated = linear + (temperature - 25.0) * (c.t1 + c.t2 * ticks)
    return 100.0 if compensated >= _SATURATED else max(0.0, compensated)


def conversion_name(coefficients: str = DEFAULT_COEFFICIENTS, supply: float = DEFAULT_SUPPLY) -> str:
    """Return the name of a conversion in a reading: ``sht1x-v3@5V``. Raises ValueError as ``temperature``."""
    _d1(coefficients, supply)
    return f"sht1x-{coefficients}@{supply:g}V"


def _d1(coefficients: str, supply: float) -> float:
    _check_coefficients(coefficients)
    for (low, d1_low), (high, d1_high) in pairwise(_D1[coefficients]):
        if low <= supply <= high:
            share = (supply - low) / (high - low)
            return d1_low * (1.0 - share) + d1_high * share  # this form gives the rows exactly
    raise ValueError(f"no coefficients for a supply of {supply:g} V: 2.5 to 5 V")


def _check_coefficients(coefficients: str) -> None:
    if coefficients not in _D1:
        raise ValueError(f"unknown coefficients {coefficients!r}: {' or '.join(_D1)}")


def _check_ticks(ticks: int, bits: int) -> None:
    if not 0 <= ticks < 1 << bits:
        raise ValueError(f"{ticks} ticks are not a measurement of {bits} bits")
