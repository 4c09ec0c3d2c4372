"""Computes quantities of humid air from temperature and relative humidity. Pure: no I/O, no state."""

from math import exp, log

# m and Tn in °C of the Magnus formula: data sheet SHT1x v4.3 and version 5, Table 9.
_WATER = (17.62, 243.12)
_ICE = (22.46, 272.62)


def dew_point(temperature: float, humidity: float) -> float | None:
    """Compute the dew point in °C, with the constants over ice when the air is below 0 °C.

    Td = Tn·Γ / (m − Γ) with Γ = ln(RH/100) + m·T/(Tn + T): data sheet SHT1x v4.3 and version 5, Table 9, for −40 to
    50 °C. The data sheet chooses ice or water by the temperature of the air, not by the dew point; docs/accuracy.md
    explains the effect.

    ``temperature`` in °C, ``humidity`` in %RH. None at 0 %RH and below, where no dew point exists.
    """
    if humidity <= 0.0:
        return None
    m, tn = _ICE if temperature < 0.0 else _WATER
    gamma = log(humidity) - log(100.0) + m * temperature / (tn + temperature)
    return tn * gamma / (m - gamma)


def absolute_humidity(temperature: float, humidity: float) -> float:
    """Compute the mass of water vapour in g per m³ of air.

    216.7·e/(273.15 + T) with the vapour pressure e = RH/100 · 6.112 hPa · exp(17.62·T/(243.12 °C + T)): Sensirion's
    "Humidity at a Glance". Over water below 0 °C too, because the %RH of such a sensor refers to water.
    ``temperature`` in °C, ``humidity`` in %RH.
    """
    m, tn = _WATER
    vapour_pressure = humidity / 100.0 * 6.112 * exp(m * temperature / (tn + temperature))
    return 216.7 * vapour_pressure / (273.15 + temperature)
