"""What the virtual sensor chip measures: a room that drifts, and the warmth of its own heater."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

Ticks = tuple[int, int]  # SO_T (14 bit), SO_RH (12 bit)
Air = tuple[float, float]  # °C, %RH
Source = Callable[[int], Ticks]  # by the number of the measurement, from 0
AirSource = Callable[[int], Air]

CAPTURED: Ticks = (7169, 1246)
"""What a real sensor answered in the one published capture: 31.69 °C, 42.85 %RH (docs/device.md)."""

HEATER_RISE = 6.0
"""°C above the room in the end; the data sheet says 5 to 10."""
HEATER_TIME = 20.0
"""s until the chip has 1 - 1/e of it."""


def room(number: int = 1) -> Source:
    """Return the room of sensor ``number``: it changes slowly, and the same way each time.

    The room of sensor 1 begins with the captured reading; each of the others is a little cooler and damper.
    """
    cooler = 217 * (number - 1) % 1400
    damper = 131 * (number - 1) % 900
    phase = math.tau * (number - 1) / 7

    def ticks(n: int) -> Ticks:
        # A slow swing over 360 measurements (1.2 °C) and a small one over 11; warmer air is drier.
        slow = math.sin(math.tau * n / 360 + phase) - math.sin(phase)
        small = math.sin(math.tau * n / 11 + phase) - math.sin(phase)
        temperature = CAPTURED[0] - cooler + round(120 * slow + 5 * small)
        humidity = CAPTURED[1] + damper - round(90 * slow + 7 * small)
        return temperature, humidity

    return ticks


def air(number: int = 1) -> AirSource:
    """Return the same rooms, for a sensor that converts its values itself."""
    ticks = room(number)

    def measure(n: int) -> Air:
        words = ticks(n)
        temperature = _temperature(words[0])
        return temperature, _humidity(words[1], temperature)

    return measure


class Values(NamedTuple):
    """The values that one kind of virtual sensor measures; ``key`` is their word in scripts and commands."""

    key: str
    types: tuple[type, ...]
    lowest: Air
    highest: Air
    description: str
    room: Callable[[int], Callable[[int], Any]]
    """The drifting room of a sensor, by its number."""

    def in_turn(self, pairs: object, first: int = 0) -> Callable[[int], Any]:
        """Return a source that repeats these pairs; measurement ``first`` gives the first one. Raises ValueError."""
        if not isinstance(pairs, list) or not pairs or not all(self._fits(pair) for pair in pairs):
            raise ValueError(self.description)
        return lambda n: tuple(pairs[(n - first) % len(pairs)])

    def _fits(self, pair: object) -> bool:
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(number) in self.types for number in pair):
            return False
        return all(low <= number <= high for low, number, high in zip(self.lowest, pair, self.highest, strict=True))


_WORDS = "pairs of temperature and humidity, each a word of 16 bits (0 to 65535)"
TICKS = Values("ticks", (int,), (0, 0), (0xFFFF, 0xFFFF), _WORDS, room)
AIR = Values("values", (int, float), (-45, 0), (130, 100), "pairs of °C, -45 to 130, and %RH, 0 to 100", air)


class Heater:
    """How far the heater has warmed the chip. The amount of water in the air stays, so warmer air reads as drier."""

    def __init__(self) -> None:
        """Off, and cold."""
        self.on = False
        self._rise = 0.0
        self._at = 0.0

    def switch(self, on: bool, at: float) -> None:
        """Switch it at the moment ``at`` (s)."""
        self._rise, self._at, self.on = self.rise(at), at, on

    def rise(self, at: float) -> float:
        """Return how many °C above the room the chip is at the moment ``at``."""
        target = HEATER_RISE if self.on else 0.0
        return target + (self._rise - target) * math.exp((self._at - at) / HEATER_TIME)

    def warm_air(self, temperature: float, humidity: float, at: float) -> Air:
        """Return the air at the warmed chip."""
        warm = temperature + self.rise(at)
        return warm, humidity * _saturation(temperature) / _saturation(warm)

    def warm(self, ticks: Ticks, at: float) -> Ticks:
        """Return what the warmed chip measures where a cold one would measure ``ticks``."""
        if self.rise(at) < 0.005:  # less than one tick
            return ticks
        cold = _temperature(ticks[0])
        warm, drier = self.warm_air(cold, _humidity(ticks[1], cold), at)
        return min(round((warm + 40) * 100), 0x3FFE), min(max(_humidity_ticks(drier, warm), 1), 0x0FFE)


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
