"""Value types of settings: each one checks and converts a TOML value, or a text from the environment."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Any

from usbrh.errors import ConfigError

DAY = 86400.0
_UNITS = MappingProxyType({"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY, "w": 7 * DAY})
_DURATION = re.compile(r"(\d+(?:\.\d+)?) *(ms|[smhdw]?)", re.ASCII)
_BOOLEANS = MappingProxyType(
    {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
)
# Characters that a Zabbix agent rejects in the parameter of a user parameter (UnsafeUserParameters=0; "%" from 8.0 on),
# and the comma, which separates the parameters of an item key.
_UNSAFE = frozenset("\\'\"`*?[]{}~$!&;()<>|#@%,")
_HOST = re.compile(r"[0-9A-Za-z _.-]+", re.ASCII)


class InvalidValue(ValueError):
    """A setting can't have this value. The message starts with "must" and follows the name of the setting."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy


class ValueType(ABC):
    """Base class of the value types."""

    @abstractmethod
    def from_toml(self, value: Any) -> Any:
        """Convert a value as tomllib returns it.

        Raises:
            InvalidValue: The setting can't have this value.
        """

    def from_text(self, text: str) -> Any:
        """Convert a text from the environment or the command line. Raises as ``from_toml``."""
        return self.from_toml(text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"must be text in quotes, not {_toml_type(value)}")
    if not value.strip():
        raise InvalidValue("must not be empty")
    if any(not character.isprintable() for character in value):
        raise InvalidValue(f"must not contain control characters: {value!r}")
    return value


def _toml_type(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


class Text(ValueType):
    """Any text of at most ``at_most`` bytes in UTF-8. Zabbix limits its fields in bytes, too."""

    def __init__(self, at_most: int) -> None:
        self.at_most = at_most

    def from_toml(self, value: Any) -> str:
        """Return the text unchanged."""
        text = _text(value)
        if len(text.encode()) > self.at_most:
            raise InvalidValue(f"must be at most {self.at_most} bytes long")
        return text


class HostName(ValueType):
    """The technical name of a Zabbix host."""

    def from_toml(self, value: Any) -> str:
        """Return the name without surrounding spaces."""
        text = _text(value).strip()
        if not _HOST.fullmatch(text) or len(text) > 128:
            raise InvalidValue(
                f'must be the name of a Zabbix host (letters, digits, space, ".", "-", "_"; up to 128), not "{text}"'
            )
        return text


def composed(text: str) -> str:
    """Return ``text`` with composed characters (Unicode NFC), so that names are equal however they were typed."""
    if text.isascii():
        return text
    import unicodedata  # noqa: PLC0415  # few names need it

    return unicodedata.normalize("NFC", text)


class SensorName(ValueType):
    """A sensor name of up to 64 characters that is safe in item keys and in user parameters of a Zabbix agent."""

    def from_toml(self, value: Any) -> str:
        """Return the name unchanged."""
        text = _text(value)
        unsafe = sorted(_UNSAFE.intersection(text))
        if unsafe:
            raise InvalidValue(
                f"must not contain {' '.join(unsafe)} because Zabbix rejects it in item keys and user parameters"
            )
        if text != text.strip():
            raise InvalidValue("must not begin or end with a space")
        if len(text) > 64:
            raise InvalidValue("must be at most 64 characters long")
        return text


class IpAddress(ValueType):
    """An IPv4 or IPv6 address."""

    def from_toml(self, value: Any) -> str:
        """Return the address without surrounding spaces."""
        text = _text(value).strip()
        try:
            ip_address(text)
        except ValueError:
            raise InvalidValue(f'must be an IPv4 or IPv6 address, not "{text}"') from None
        return text


class Choice(ValueType):
    """One of a list of words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def from_toml(self, value: Any) -> str:
        """Return the word."""
        if value not in self.words:
            shown = f'"{value}"' if isinstance(value, str) else _toml_type(value)
            words = " or ".join(f'"{word}"' for word in self.words)
            raise InvalidValue(f"must be {words}, not {shown}")
        return str(value)


class Boolean(ValueType):
    """``true`` or ``false``; in the environment also ``yes``/``no``, ``on``/``off``, ``1``/``0``."""

    def from_toml(self, value: Any) -> bool:
        """Return the value unchanged."""
        if not isinstance(value, bool):
            raise InvalidValue(f"must be true or false, not {_toml_type(value)}")
        return value

    def from_text(self, text: str) -> bool:
        """Convert one of the words above, in any letter case."""
        try:
            return _BOOLEANS[text.lower()]
        except KeyError:
            raise InvalidValue(f'must be true or false, not "{text}"') from None


class Number(ValueType):
    """A number within bounds, both included."""

    def __init__(self, at_least: float, at_most: float) -> None:
        self.at_least = at_least
        self.at_most = at_most

    def from_toml(self, value: Any) -> float:
        """Return the number as float."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidValue(f"must be a number, not {_toml_type(value)}")
        if not self.at_least <= value <= self.at_most:
            raise InvalidValue(f"must be {self.at_least:g} to {self.at_most:g}, not {value:g}")
        return float(value)

    def from_text(self, text: str) -> float:
        """Convert decimal notation."""
        try:
            number = float(text)
        except ValueError:
            raise InvalidValue(f'must be a number, not "{text}"') from None
        return self.from_toml(number)


class NumberOrText(Number):
    """A number within bounds, with or without quotes."""

    def from_toml(self, value: Any) -> float:
        """Return the number as float."""
        return self.from_text(value) if isinstance(value, str) else super().from_toml(value)


class Integer(ValueType):
    """A whole number within bounds, both included."""

    def __init__(self, at_least: int, at_most: int) -> None:
        self.at_least = at_least
        self.at_most = at_most

    def from_toml(self, value: Any) -> int:
        """Return the number unchanged."""
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidValue(f"must be a whole number, not {_toml_type(value)}")
        if not self.at_least <= value <= self.at_most:
            raise InvalidValue(f"must be {self.at_least} to {self.at_most}, not {value}")
        return value

    def from_text(self, text: str) -> int:
        """Convert up to 18 decimal digits."""
        if not re.fullmatch(r"\d{1,18}", text, re.ASCII):
            raise InvalidValue(f'must be a whole number, not "{text}"')
        return self.from_toml(int(text))


class Duration(ValueType):
    """A time span within bounds, both included, in seconds: ``90``, ``"90s"``, ``"5m"``, ``"1h"``, ``"400d"``."""

    def __init__(self, at_least: float, at_most: float) -> None:
        self.at_least = at_least
        self.at_most = at_most

    def from_toml(self, value: Any) -> float:
        """Return the time span in seconds."""
        match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
        if match:
            value = float(match[1]) * _UNITS[match[2]]
        elif isinstance(value, bool) or not isinstance(value, int | float):
            shown = f'"{value}"' if isinstance(value, str) else _toml_type(value)
            raise InvalidValue(f'must be a time such as "60s", "5m", "1h" or "400d", not {shown}')
        if not self.at_least <= value <= self.at_most:
            given = format_duration(value) if math.isfinite(value) else str(value)
            bounds = f"{format_duration(self.at_least)} to {format_duration(self.at_most)}"
            raise InvalidValue(f"must be {bounds}, not {given}")
        return float(value)


def format_duration(seconds: float) -> str:
    """Write a time span in the largest unit that divides it: ``60s``, ``1h``, ``400d``."""
    for unit, size in (("d", DAY), ("h", 3600.0), ("m", 60.0)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"


class FilePath(ValueType):
    """The path of a file. Whether the file exists is checked when it is used."""

    def from_toml(self, value: Any) -> Path:
        """Return the path; a pre-shared key in its place is rejected without showing it."""
        text = _text(value)
        if looks_like_key(text):
            raise InvalidValue("must be the path of a file, not a key", remedy="write the key into a file of mode 640")
        return Path(text)


def looks_like_key(text: str) -> bool:
    """Whether a text can be a pre-shared key of Zabbix: 32 to 512 hexadecimal digits."""
    return re.fullmatch(r"[0-9A-Fa-f]{32,512}", text) is not None


class ServerList(ValueType):
    """Zabbix servers and proxies: a list, or one text with commas as in ServerActive of a Zabbix agent."""

    def from_toml(self, value: Any) -> tuple[str, ...]:
        """Return one text per destination."""
        from usbrh.config.addresses import parse_destinations  # noqa: PLC0415 - needed only if servers is set

        if isinstance(value, str):
            value = value.split(",")
        if not isinstance(value, list):
            raise InvalidValue(f'must be a list such as ["zabbix.example:10051"], not {_toml_type(value)}')
        try:
            return tuple(str(destination) for destination in parse_destinations(map(_text, value)))
        except ConfigError as error:
            raise InvalidValue(f"must be addresses of Zabbix servers: {error.message}", remedy=error.remedy) from None


class LedNames(ValueType):
    """Names for LED 1 and 2, such as their colours: ``{red = 1, green = 2}``; or ``"measuring"``."""

    MEASURING = "measuring"

    def from_toml(self, value: Any) -> Mapping[str, int] | str:
        """Return a read-only mapping from name to LED number, or the word."""
        if value == self.MEASURING:
            return self.MEASURING
        if not isinstance(value, dict) or any(
            isinstance(led, bool) or led not in (1, 2) or not word.isalpha() for word, led in value.items()
        ):
            raise InvalidValue(
                f'must be a table of words and LED numbers, such as {{red = 1, green = 2}}, or "{self.MEASURING}"'
            )
        return MappingProxyType(dict(value))
