"""Computes quantities of humid air from temperature and relative humidity. Pure: no I/O, no state.

All functions accept the temperature in °C and the relative humidity in %RH over water, below 0 °C too: meteorology
defines it so (WMO-No. 8, volume I, chapter 4). docs/accuracy.md compares the results with independent formulas.
"""

from math import exp, log
from typing import TypedDict

# Coefficients m and Tn (°C) of the Magnus formula: data sheet SHT1x v4.3 and version 5, Table 9.
_WATER = (17.62, 243.12)
_ICE = (22.46, 272.62)
_MELTING = 6.112
"""Vapour pressure of water and ice at 0 °C in hPa: Sensirion's "Introduction to Humidity"."""
_KELVIN = 273.15


class Derived(TypedDict):
    """The quantities that a reading derives from temperature and humidity, with their names in the JSON object."""

    dew_point: float | None
    frost_point: float | None
    absolute_humidity: float
    vapour_deficit: float
    vapour_pressure_deficit: float
    discomfort_index: float


def derived(temperature: float, humidity: float) -> Derived:
    """Compute all quantities of this module."""
    return Derived(
        dew_point=dew_point(temperature, humidity),
        frost_point=frost_point(temperature, humidity),
        absolute_humidity=absolute_humidity(temperature, humidity),
        vapour_deficit=vapour_deficit(temperature, humidity),
        vapour_pressure_deficit=vapour_pressure_deficit(temperature, humidity),
        discomfort_index=discomfort_index(temperature, humidity),
    )


def dew_point(temperature: float, humidity: float) -> float | None:
    """Compute the dew point in °C: the temperature at which this vapour saturates the air over water.

    Td = Tn·Γ / (m − Γ) with Γ = ln(RH/100) + m·T/(Tn + T) and the coefficients over water: data sheet SHT1x v4.3 and
    version 5, Table 9. The data sheet changes to the coefficients over ice when the air is below 0 °C. That gives
    neither the dew point nor the frost point, and a step in a graph (1.0 °C at 50 %RH), so this function does not.

    None at 0 %RH and below, where no dew point exists.
    """
    gamma = _gamma(temperature, humidity)
    return None if gamma is None else _saturated_at(gamma, _WATER)


def frost_point(temperature: float, humidity: float) -> float | None:
    """Compute the frost point in °C: the temperature at which this vapour saturates the air over ice.

    The formula of ``dew_point`` with the same Γ, which describes the vapour in the air, and the coefficients over ice
    of the same table. Frost forms on surfaces that are colder.

    None if it is not below 0 °C, because there is no ice then, and at 0 %RH and below.
    """
    gamma = _gamma(temperature, humidity)
    return None if gamma is None or gamma >= 0.0 else _saturated_at(gamma, _ICE)


def absolute_humidity(temperature: float, humidity: float) -> float:
    """Compute the mass of water vapour in g per m³ of air.

    216.7·e/(273.15 + T) with the vapour pressure e in hPa: Sensirion's "Humidity at a Glance".
    """
    return 216.7 * humidity / 100.0 * _saturation_pressure(temperature) / (_KELVIN + temperature)


def vapour_deficit(temperature: float, humidity: float) -> float:
    """Compute the humidity deficit (飽差) in g per m³: how much more vapour the air can contain.

    The absolute humidity at 100 %RH less that of the air. Japanese growers use this unit.
    """
    return absolute_humidity(temperature, 100.0 - humidity)


def vapour_pressure_deficit(temperature: float, humidity: float) -> float:
    """Compute the vapour pressure deficit of the air (VPD) in kPa.

    es − ea = es·(1 − RH/100): Allen et al., "Crop evapotranspiration", FAO Irrigation and Drainage Paper 56, chapter 3.
    A leaf has another temperature than the air, and therefore another deficit.
    """
    return (1.0 - humidity / 100.0) * _saturation_pressure(temperature) / 10.0


def discomfort_index(temperature: float, humidity: float) -> float:
    """Compute the discomfort index (不快指数). From 75 on, many people feel uncomfortable; from 80 on, most people.

    0.81·T + 0.01·RH·(0.99·T − 14.3) + 46.3: the form without a wet-bulb temperature that is usual in Japan
    (https://keisan.casio.jp/keisan/unchiku/index.php?pno=86), of the index of E. C. Thom, "The Discomfort Index",
    Weatherwise 12 (1959). It is made for warm air, and has no unit.
    """
    return 0.81 * temperature + 0.01 * humidity * (0.99 * temperature - 14.3) + 46.3


def _saturation_pressure(temperature: float) -> float:
    """The pressure of saturated vapour over water in hPa: the Magnus formula of "Humidity at a Glance"."""
    m, tn = _WATER
    return _MELTING * exp(m * temperature / (tn + temperature))


def _gamma(temperature: float, humidity: float) -> float | None:
    """The logarithm of the vapour pressure in units of its value at 0 °C; None without vapour."""
    m, tn = _WATER
    return None if humidity <= 0.0 else log(humidity) - log(100.0) + m * temperature / (tn + temperature)


def _saturated_at(gamma: float, coefficients: tuple[float, float]) -> float:
    """The temperature in °C at which saturated vapour has the pressure that ``gamma`` describes."""
    m, tn = coefficients
    return tn * gamma / (m - gamma)
