"""The kinds of value a setting can have: each takes what TOML gives, or text from the environment.

What it can't be is rejected by ``Unfit``, with words that fit behind the setting's name: "must be …".
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from usbrh.errors import ConfigError

DAY = 86400.0
_UNITS = MappingProxyType({"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY, "w": 7 * DAY})
_DURATION = re.compile(r"(\d+(?:\.\d+)?) *(ms|[smhdw]?)", re.ASCII)
_BOOLEANS = MappingProxyType(
    {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
)
# What Zabbix's agent rejects in a parameter of a user parameter (UnsafeUserParameters=0), and the comma
# that ends a parameter of an item key.
_UNSAFE = frozenset("\\'\"`*?[]{}~$!&;()<>|#@,")
_Bound = TypeVar("_Bound", bound=float)
_HOST = re.compile(r"[0-9A-Za-z _.-]+", re.ASCII)


class Unfit(ValueError):
    """A value that a setting can't have; the message starts with "must"."""


class Kind(ABC):
    """Base of the kinds."""

    @abstractmethod
    def from_toml(self, value: Any) -> Any:
        """The value of ``value`` as TOML gives it.

        Raises:
            Unfit: it can't be that.
        """

    def from_text(self, text: str) -> Any:
        """The value of a text from the environment; raises like ``from_toml``."""
        return self.from_toml(text)


def _need_text(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit(f"must be text in quotes, not {_type(value)}")
    if not value.strip():
        raise Unfit("must not be empty")
    if any(not character.isprintable() for character in value):
        raise Unfit(f"must not contain control characters: {value!r}")
    return value


def _type(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


class Text(Kind):
    """Any text of at most so many bytes in UTF-8, which is how Zabbix counts."""

    def __init__(self, at_most: int) -> None:
        self.at_most = at_most

    def from_toml(self, value: Any) -> str:
        text = _need_text(value)
        if len(text.encode()) > self.at_most:
            raise Unfit(f"must be at most {self.at_most} bytes long")
        return text


class HostName(Kind):
    """The technical name of a Zabbix host."""

    def from_toml(self, value: Any) -> str:
        text = _need_text(value).strip()
        if not _HOST.fullmatch(text) or len(text) > 128:
            raise Unfit(
                f'must be the name of a Zabbix host (letters, digits, blank, ".", "-", "_"; up to 128), not "{text}"'
            )
        return text


class SensorName(Kind):
    """A name that is safe in an item key and in a user parameter of Zabbix's agent."""

    def from_toml(self, value: Any) -> str:
        text = _need_text(value)
        unsafe = sorted(_UNSAFE.intersection(text))
        if unsafe:
            raise Unfit(f"must not contain {' '.join(unsafe)} which Zabbix rejects in an item key or user parameter")
        if text != text.strip():
            raise Unfit("must not begin or end with a blank")
        if len(text) > 64:
            raise Unfit("must be at most 64 characters long")
        return text


class IpAddress(Kind):
    """An address of this computer, to send from."""

    def from_toml(self, value: Any) -> str:
        text = _need_text(value).strip()
        try:
            ip_address(text)
        except ValueError:
            raise Unfit(f'must be an IPv4 or IPv6 address, not "{text}"') from None
        return text


class Choice(Kind):
    """One of some words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def from_toml(self, value: Any) -> str:
        if value not in self.words:
            shown = f'"{value}"' if isinstance(value, str) else _type(value)
            words = " or ".join(f'"{word}"' for word in self.words)
            raise Unfit(f"must be {words}, not {shown}")
        return str(value)


class Switch(Kind):
    """true or false."""

    def from_toml(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise Unfit(f"must be true or false, not {_type(value)}")
        return value

    def from_text(self, text: str) -> bool:
        try:
            return _BOOLEANS[text.lower()]
        except KeyError:
            raise Unfit(f'must be true or false, not "{text}"') from None


class Bounded(Kind, Generic[_Bound]):
    """Base of the kinds with bounds, both included."""

    def __init__(self, at_least: _Bound, at_most: _Bound) -> None:
        self.at_least = at_least
        self.at_most = at_most


class Number(Bounded[float]):
    """A number within bounds, both included."""

    def from_toml(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unfit(f"must be a number, not {_type(value)}")
        if not self.at_least <= value <= self.at_most:
            raise Unfit(f"must be {self.at_least:g} to {self.at_most:g}, not {value:g}")
        return float(value)

    def from_text(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            raise Unfit(f'must be a number, not "{text}"') from None
        return self.from_toml(number)


class Whole(Bounded[int]):
    """A whole number within bounds, both included."""

    def from_toml(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit(f"must be a whole number, not {_type(value)}")
        if not self.at_least <= value <= self.at_most:
            raise Unfit(f"must be {self.at_least} to {self.at_most}, not {value}")
        return value

    def from_text(self, text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
            raise Unfit(f'must be a whole number, not "{text}"')
        return self.from_toml(int(text))


class Duration(Bounded[float]):
    """A time in seconds: ``90``, ``"90s"``, ``"5m"``, ``"1h"``, ``"400d"``; bounds included."""

    def from_toml(self, value: Any) -> float:
        if isinstance(value, str):
            match = _DURATION.fullmatch(value.strip())
            if not match:
                raise Unfit(f'must be a time such as "60s", "5m", "1h" or "400d", not "{value}"')
            value = float(match[1]) * _UNITS[match[2]]
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise Unfit(f'must be a time such as "60s", "5m", "1h" or "400d", not {_type(value)}')
        if not self.at_least <= value <= self.at_most:
            given = format_duration(value) if math.isfinite(value) else str(value)
            raise Unfit(f"must be {format_duration(self.at_least)} to {format_duration(self.at_most)}, not {given}")
        return float(value)


def format_duration(seconds: float) -> str:
    """``60s``, ``1h``, ``400d``: in the largest unit that divides it."""
    for unit, size in (("d", DAY), ("h", 3600.0), ("m", 60.0)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


class FilePath(Kind):
    """A file; whether it is there is seen when it is used."""

    def from_toml(self, value: Any) -> Path:
        return Path(_need_text(value))


class Servers(Kind):
    """Destinations: a list, or one text with commas as in ServerActive."""

    def from_toml(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, list):
            raise Unfit(f'must be a list such as ["zabbix.example:10051"], not {_type(value)}')
        from usbrh.config.addresses import parse_destinations  # noqa: PLC0415  # only for those who have a server

        try:
            return tuple(str(destination) for destination in parse_destinations(map(_need_text, value)))
        except ConfigError as error:
            raise Unfit(f"must be addresses of Zabbix servers: {error}") from None


class Leds(Kind):
    """Words for the instrument's LEDs, whose colours differ between makes: ``{red = 1, green = 2}``."""

    def from_toml(self, value: Any) -> Mapping[str, int]:
        if not isinstance(value, dict) or any(
            isinstance(led, bool) or led not in (1, 2) or not word.isalpha() for word, led in value.items()
        ):
            raise Unfit("must be a table of words and LED numbers, such as {red = 1, green = 2}")
        return MappingProxyType(dict(value))
