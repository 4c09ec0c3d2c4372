"""How the numbers of a reading are called and in which unit people see them."""

from collections.abc import Iterable
from typing import NamedTuple

from usbrh.reading import Reading


class Quantity(NamedTuple):
    """One number of a reading."""

    key: str
    """Attribute of ``Reading`` and key of its JSON."""
    label: str
    unit: str

    @property
    def heading(self) -> str:
        """The shortest text that identifies the quantity: its unit, if that is clear."""
        return self.unit if self.key in ("temperature", "humidity", "absolute_humidity") else self.label

    def value(self, reading: Reading) -> float | None:
        """Return the number in ``reading``, in ``unit``."""
        return self.convert(getattr(reading, self.key))

    def text(self, reading: Reading) -> str:
        """Write the number in ``reading`` with its unit, and its label if the unit alone is not clear; else nothing."""
        value = self.value(reading)
        label = "" if self.heading == self.unit else self.label
        return "" if value is None else f"{label} {value:.2f} {self.unit}".strip()

    def convert(self, value: float | None) -> float | None:
        """Return a number from a reading (temperatures in °C) in ``unit``."""
        return to_fahrenheit(value) if self.unit == "°F" else value


_CELSIUS = {
    quantity.key: quantity
    for quantity in (
        Quantity("temperature", "temperature", "°C"),
        Quantity("humidity", "humidity", "%RH"),
        Quantity("dew_point", "dew point", "°C"),
        Quantity("absolute_humidity", "absolute humidity", "g/m³"),
        Quantity("frost_point", "frost point", "°C"),
        Quantity("vapour_deficit", "vapour deficit", "g/m³"),
        Quantity("vapour_pressure_deficit", "VPD", "kPa"),
        Quantity("discomfort_index", "discomfort index", ""),
    )
}


USUAL = ("temperature", "humidity", "dew_point", "absolute_humidity")
"""Keys of the quantities that people see unless they choose others."""


def quantities(keys: Iterable[str] = USUAL, *, fahrenheit: bool = False) -> list[Quantity]:
    """Return the quantities ``keys`` (of ``usbrh.reading.QUANTITIES``), temperatures in °F if ``fahrenheit``."""
    chosen = [_CELSIUS[key] for key in keys]
    return [each._replace(unit="°F") if fahrenheit and each.unit == "°C" else each for each in chosen]


def to_fahrenheit(celsius: float | None) -> float | None:
    """Convert °C to °F, with two decimals."""
    return None if celsius is None else round(celsius * 1.8 + 32, 2)
