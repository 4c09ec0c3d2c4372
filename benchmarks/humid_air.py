"""Independent formulas of humid air, and the tables that compare ``usbrh.psychrometry`` with them.

``usbrh`` uses Magnus formulas, which are short and good enough for such a sensor. These formulas are the reference of
steam tables and atmospheric science. The tables are a part of ``benchmarks.accuracy``.
"""

import math
from collections.abc import Callable, Iterator
from functools import cache

from usbrh import psychrometry

Rows = list[tuple[str, ...]]
RANGES = ((-40, -20), (-20, 0), (0, 50), (50, 80), (80, 124))
"""°C."""
ROOM_PRESSURE = 1013.25
"""hPa."""
_MELTING = 273.16
"""Triple point in K."""


def over_water(celsius: float) -> float:
    """Return the pressure of saturated vapour over water in hPa: steam tables, and below 0 °C supercooled water.

    From 0 °C: IAPWS SR1-86(1992), "Revised Supplementary Release on Saturation Properties of Ordinary Water Substance".
    Below: D. M. Murphy and T. Koop, Q. J. R. Meteorol. Soc. 131 (2005), equation 10, for 123 to 332 K.
    """
    kelvin = celsius + 273.15
    if celsius < 0.0:
        cold = 53.878 - 1331.22 / kelvin - 9.44523 * math.log(kelvin) + 0.014025 * kelvin
        warm = 54.842763 - 6763.22 / kelvin - 4.210 * math.log(kelvin) + 0.000367 * kelvin
        return math.exp(warm + math.tanh(0.0415 * (kelvin - 218.8)) * cold) / 100.0
    tau = 1.0 - kelvin / 647.096
    terms = ((-7.85951783, 1.0), (1.84408259, 1.5), (-11.7866497, 3.0), (22.6807411, 3.5), (-15.9618719, 4.0))
    total = sum(factor * tau**power for factor, power in (*terms, (1.80122502, 7.5)))
    return 220640.0 * math.exp(647.096 / kelvin * total)


def over_ice(celsius: float) -> float:
    """Return the pressure of saturated vapour over ice in hPa, below 0.01 °C.

    IAPWS R14-08(2011), "Revised Release on the Pressure along the Melting and Sublimation Curves".
    """
    theta = (celsius + 273.15) / _MELTING
    terms = ((-21.2144006, 0.00333333333), (27.3203819, 1.20666667), (-6.10598130, 1.70333333))
    return 6.11657 * math.exp(sum(factor * theta**power for factor, power in terms) / theta)


@cache
def wet_bulb(celsius: float, humidity: float) -> float:
    """Return the wet-bulb temperature in °C at ``ROOM_PRESSURE``, by the psychrometer formula with Sprung's constant.

    e = es(Tw) − 0.000662 K⁻¹ · p · (T − Tw): WMO-No. 8, volume I, chapter 4.
    """
    vapour = humidity / 100.0 * over_water(celsius)
    return _solve(lambda wet: over_water(wet) - 6.62e-4 * ROOM_PRESSURE * (celsius - wet) - vapour, -60.0, celsius)


@cache  # for the tables of the other language
def dew_point(celsius: float, humidity: float) -> float:
    """Return the dew point in °C."""
    vapour = humidity / 100.0 * over_water(celsius)
    return _solve(lambda point: over_water(point) - vapour, -120.0, celsius)


@cache
def frost_point(celsius: float, humidity: float) -> float | None:
    """Return the frost point in °C; None if it is not below 0 °C."""
    vapour = humidity / 100.0 * over_water(celsius)
    return None if vapour >= over_ice(0.0) else _solve(lambda point: over_ice(point) - vapour, -120.0, 0.0)


def absolute_humidity(celsius: float, humidity: float) -> float:
    """Return g/m³, by the ideal gas law with the gas constant of water vapour, 0.461526 J/(g·K) (IAPWS R7-97)."""
    return humidity * over_water(celsius) / (0.461526 * (celsius + 273.15))


def vapour_deficit(celsius: float, humidity: float) -> float:
    """Return g/m³: the vapour that is missing at 100 %RH."""
    return absolute_humidity(celsius, 100.0) - absolute_humidity(celsius, humidity)


def vapour_pressure_deficit(celsius: float, humidity: float) -> float:
    """Return kPa: the vapour pressure that is missing at 100 %RH."""
    return (over_water(celsius) - humidity / 100.0 * over_water(celsius)) / 10.0


def discomfort_index(celsius: float, humidity: float) -> float:
    """Return 0.72·(T + Tw) + 40.6, the definition of E. C. Thom (1959) by the wet-bulb temperature, in °C."""
    return 0.72 * (celsius + wet_bulb(celsius, humidity)) + 40.6


def _solve(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where the rising ``function`` is 0, to 10⁻⁹."""
    while high - low > 1e-9:
        middle = (low + high) / 2.0
        low, high = (middle, high) if function(middle) < 0.0 else (low, middle)
    return (low + high) / 2.0


def _air(low: float, high: float, driest: int = 5) -> Iterator[tuple[float, float]]:
    """Yield °C and %RH over a range, in steps of 1 °C and 5 %RH."""
    for celsius in range(int(low), int(high) + 1):
        for humidity in range(driest, 101, 5):
            yield float(celsius), float(humidity)


def differences(*, japanese: bool) -> Rows:
    """Return the table of the largest differences from the independent formulas, from 5 to 100 %RH."""
    heads = ("露点 °C", "霜点 °C", "g/m³", "%", "飽差 g/m³", "VPD kPa")
    if not japanese:
        heads = ("dew point °C", "frost point °C", "g/m³", "%", "deficit g/m³", "VPD kPa")
    rows: Rows = [("°C", *heads)]
    for low, high in RANGES:
        air = list(_air(low, high))
        frost = [(ours, frost_point(*each)) for each in air if (ours := psychrometry.frost_point(*each)) is not None]
        cells = (
            max(abs((psychrometry.dew_point(*each) or 0.0) - dew_point(*each)) for each in air),
            max((abs(ours - (other or 0.0)) for ours, other in frost), default=math.nan),
            max(abs(psychrometry.absolute_humidity(*each) - absolute_humidity(*each)) for each in air),
            max(abs(psychrometry.absolute_humidity(*each) / absolute_humidity(*each) - 1.0) for each in air) * 100.0,
            max(abs(psychrometry.vapour_deficit(*each) - vapour_deficit(*each)) for each in air),
            max(abs(psychrometry.vapour_pressure_deficit(*each) - vapour_pressure_deficit(*each)) for each in air),
        )
        digits = (2, 2, 2, 1, 2, 3)
        numbers = (
            "–" if math.isnan(cell) else f"{cell:.{places}f}" for cell, places in zip(cells, digits, strict=True)
        )
        rows.append((f"{low} … {high}", *numbers))
    return rows


def below_zero(*, japanese: bool) -> Rows:
    """Return the table of dew point and frost point around 0 °C, beside the value of the data sheet's Table 9."""
    heads = (
        ("露点 °C", "霜点 °C", "データシート °C") if japanese else ("dew point °C", "frost point °C", "data sheet °C")
    )
    rows: Rows = [("°C", "%RH", *heads)]
    for celsius, humidity in ((5.0, 50.0), (0.1, 50.0), (-0.1, 50.0), (-10.0, 80.0), (-20.0, 50.0), (-20.0, 80.0)):
        m, tn = (22.46, 272.62) if celsius < 0.0 else (17.62, 243.12)
        gamma = math.log(humidity / 100.0) + m * celsius / (tn + celsius)
        values = (psychrometry.dew_point(celsius, humidity), psychrometry.frost_point(celsius, humidity))
        numbers = ("–" if value is None else f"{value:.2f}" for value in (*values, tn * gamma / (m - gamma)))
        rows.append((f"{celsius:g}", f"{humidity:.0f}", *numbers))
    return rows


def discomfort(*, japanese: bool) -> Rows:
    """Return the table that compares both definitions of the discomfort index."""
    heads = ("usbrh", "湿球温度による定義", "差") if japanese else ("usbrh", "by the wet bulb", "difference")
    rows: Rows = [("°C", "%RH", *heads)]
    for celsius, humidity in ((15, 50), (20, 50), (25, 40), (25, 80), (30, 40), (30, 80), (35, 40), (35, 80)):
        ours, other = psychrometry.discomfort_index(celsius, humidity), discomfort_index(celsius, humidity)
        rows.append((str(celsius), str(humidity), f"{ours:.1f}", f"{other:.1f}", f"{ours - other:+.1f}"))
    return rows
