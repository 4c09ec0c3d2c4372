"""What the virtual sensor chip measures: a room that drifts, and the chip's own heater."""

import math
from collections.abc import Callable, Sequence

Ticks = tuple[int, int]
"""SO_T (14 bit) and SO_RH (12 bit), in this order."""
Source = Callable[[int], Ticks]
"""The ticks of the n-th measurement, from 0."""

Air = tuple[float, float]
"""°C and %RH."""
AirSource = Callable[[int], Air]
"""The air at the n-th measurement, from 0."""

CAPTURED: Ticks = (7169, 1246)
"""What a real sensor answered in the one published capture: 31.69 °C, 42.85 %RH (docs/device.md)."""

HEATER_RISE = 6.0
"""°C above the room in the end; the data sheet says 5 to 10."""
HEATER_TIME = 20.0
"""s for 1 - 1/e of the way."""


def room(number: int = 1) -> Source:
    """The room of sensor ``number``: slow and the same each time.

    That of sensor 1 begins with the captured reading; the others are a little cooler and damper, each its own.
    """
    cooler = 217 * (number - 1) % 1400
    damper = 131 * (number - 1) % 900
    phase = math.tau * (number - 1) / 7

    def ticks(n: int) -> Ticks:
        # A slow swing over 360 measurements (1.2 °C) and a small one over 11; in a warmer room the air is drier.
        slow = math.sin(math.tau * n / 360 + phase) - math.sin(phase)
        small = math.sin(math.tau * n / 11 + phase) - math.sin(phase)
        temperature = CAPTURED[0] - cooler + round(120 * slow + 5 * small)
        humidity = CAPTURED[1] + damper - round(90 * slow + 7 * small)
        return temperature, humidity

    return ticks


def air(number: int = 1) -> AirSource:
    """The same rooms, for a sensor that converts by itself."""
    ticks = room(number)

    def measure(n: int) -> Air:
        words = ticks(n)
        temperature = _temperature(words[0])
        return temperature, _humidity(words[1], temperature)

    return measure


def listed_air(values: Sequence[Air]) -> AirSource:
    """These values in turn, then from the first again."""
    steps = tuple(values)
    return lambda n: steps[n % len(steps)]


def listed(ticks: Sequence[Ticks]) -> Source:
    """These ticks in turn, then from the first again."""
    steps = tuple(ticks)
    return lambda n: steps[n % len(steps)]


class Heater:
    """How far the heater has warmed the chip. The water in the air stays, so warmer reads as drier."""

    def __init__(self) -> None:
        self.on = False
        self._rise = 0.0
        self._at = 0.0

    def switch(self, on: bool, at: float) -> None:
        """From the moment ``at`` (s) on."""
        self._rise, self._at, self.on = self.rise(at), at, on

    def rise(self, at: float) -> float:
        """°C above the room at that moment."""
        target = HEATER_RISE if self.on else 0.0
        return target + (self._rise - target) * math.exp((self._at - at) / HEATER_TIME)

    def warm_air(self, temperature: float, humidity: float, at: float) -> Air:
        """The air at the warmed chip."""
        warm = temperature + self.rise(at)
        return warm, humidity * _saturation(temperature) / _saturation(warm)

    def warm(self, ticks: Ticks, at: float) -> Ticks:
        """What the warmed chip measures where a cold one would measure ``ticks``."""
        if self.rise(at) < 0.005:  # less than one tick
            return ticks
        cold = _temperature(ticks[0])
        warm, drier = self.warm_air(cold, _humidity(ticks[1], cold), at)
        humidity = _humidity_ticks(drier, warm)
        return min(round((warm + 40) * 100), 0x3FFE), min(max(humidity, 1), 0x0FFE)


# Data sheet SHT1x v2.02: V3 coefficients at 5 V, and the Magnus formula above water.
def _temperature(ticks: int) -> float:
    return ticks * 0.01 - 40


def _saturation(temperature: float) -> float:
    return math.exp(17.62 * temperature / (243.12 + temperature))


def _humidity(ticks: int, temperature: float) -> float:
    return -4 + 0.0405 * ticks - 2.8e-6 * ticks**2 + (temperature - 25) * (0.01 + 0.00008 * ticks)


def _humidity_ticks(humidity: float, temperature: float) -> int:
    a, b = -2.8e-6, 0.0405 + (temperature - 25) * 0.00008
    c = -4 + (temperature - 25) * 0.01 - humidity
    return round((-b + math.sqrt(b * b - 4 * a * c)) / (2 * a))
