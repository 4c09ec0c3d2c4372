"""Ticks of a Sensirion SHT1x to °C and %RH. Pure: no I/O, no state.

Source of the conversion: Sensirion's data sheet "SHT1x / SHT7x". Its coefficients come in two sets:

- ``v3``: sheets up to version 3 (read in v2.02 of 2004). What the maker of the USB-RH computes in his own
  ``USBMeter.dll``, with the row for 5 V, and so the default here.
- ``v4``: sheets 4 and 5 (v4.3 of May 2010, version 5 of December 2011), optimised for sensors whose cap
  carries an alphanumeric code. By those sheets the older set still applies to them too.

Within 30 to 85 %RH the sets differ by at most 1.05 %RH and 0.1 °C: less than the sensor's own error, but a
step in a graph, so every reading names the set it was made with (``conversion_name``).
"""

from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

DEFAULT_COEFFICIENTS = "v3"
DEFAULT_SUPPLY = 5.0
"""Volt."""


class _HumidityCoefficients(NamedTuple):
    """RH = c1 + c2·SO + c3·SO² + (T − 25 °C)·(t1 + t2·SO); the names are the sheet's."""

    c1: float
    c2: float
    c3: float
    t1: float
    t2: float


# Sheet, "temperature": d1 in °C by supply voltage. The °F column is rounded on its own and not used.
_D1 = MappingProxyType(
    {
        "v3": ((2.5, -39.55), (3.0, -39.60), (3.5, -39.66), (4.0, -39.75), (5.0, -40.00)),
        "v4": ((2.5, -39.4), (3.0, -39.6), (3.5, -39.7), (4.0, -39.8), (5.0, -40.1)),
    }
)
# Sheet, "temperature": d2 in °C per tick by resolution in bits; the same in all sheets.
_D2 = MappingProxyType({14: 0.01, 12: 0.04})
# Sheet, "relative humidity" and "temperature compensation", by set and resolution in bits.
_HUMIDITY = MappingProxyType(
    {
        ("v3", 12): _HumidityCoefficients(-4.0, 0.0405, -2.8e-6, 0.01, 0.00008),
        ("v3", 8): _HumidityCoefficients(-4.0, 0.648, -7.2e-4, 0.01, 0.00128),
        ("v4", 12): _HumidityCoefficients(-2.0468, 0.0367, -1.5955e-6, 0.01, 0.00008),
        ("v4", 8): _HumidityCoefficients(-2.0468, 0.5872, -4.0845e-4, 0.01, 0.00128),
    }
)
_SATURATED = 99.0  # %RH; by the sheet, from here on the air is saturated and 100 is to be shown


def temperature(
    ticks: int, *, coefficients: str = DEFAULT_COEFFICIENTS, supply: float = DEFAULT_SUPPLY, bits: int = 14
) -> float:
    """The temperature in °C: T = d1 + d2·SO_T.

    Args:
        ticks: SO_T, 0 to 2^bits − 1.
        coefficients: ``v3`` or ``v4``.
        supply: the sensor's supply in volt, 2.5 to 5; between the sheet's rows d1 is interpolated linearly.
        bits: resolution of the measurement, 14 or 12. The USB-RH measures with 14.

    Raises:
        ValueError: an argument is none of these.
    """
    if bits not in _D2:
        raise ValueError(f"no temperature of {bits} bits: 14 or 12")
    _check_ticks(ticks, bits)
    return _d1(coefficients, supply) + _D2[bits] * ticks


def humidity(ticks: int, temperature: float, *, coefficients: str = DEFAULT_COEFFICIENTS, bits: int = 12) -> float:
    """The relative humidity in %RH, compensated for temperature: 0 to 99, or 100.

    RH = c1 + c2·SO_RH + c3·SO_RH² + (T − 25)·(t1 + t2·SO_RH). From 99 %RH on it reads 100, as the sheet asks
    for saturated air; a wetted sensor can compute to less than 0, which reads 0. By the sheet the supply
    voltage has no significant effect.

    Args:
        ticks: SO_RH, 0 to 2^bits − 1.
        temperature: of the sensor at that moment, °C.
        coefficients: ``v3`` or ``v4``.
        bits: resolution of the measurement, 12 or 8. The USB-RH measures with 12.

    Raises:
        ValueError: an argument is none of these.
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
    """How a reading names its conversion: ``sht1x-v3@5V``.

    Raises:
        ValueError: the coefficients are not known, or the sheet doesn't cover the supply.
    """
    _d1(coefficients, supply)
    return f"sht1x-{coefficients}@{supply:g}V"


def _d1(coefficients: str, supply: float) -> float:
    _check_coefficients(coefficients)
    for (low, d1_low), (high, d1_high) in pairwise(_D1[coefficients]):
        if low <= supply <= high:
            share = (supply - low) / (high - low)
            return d1_low * (1.0 - share) + d1_high * share  # in this form the rows themselves come out exactly
    raise ValueError(f"no coefficients for a supply of {supply:g} V: 2.5 to 5 V")


def _check_coefficients(coefficients: str) -> None:
    if coefficients not in _D1:
        raise ValueError(f"unknown coefficients {coefficients!r}: {' or '.join(_D1)}")


def _check_ticks(ticks: int, bits: int) -> None:
    if not 0 <= ticks < 1 << bits:
        raise ValueError(f"{ticks} ticks are not a measurement of {bits} bits")
