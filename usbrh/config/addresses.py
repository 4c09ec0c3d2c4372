"""Where a Zabbix server or proxy listens, in the notation of ServerActive."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self

from usbrh.errors import ConfigError

DEFAULT_PORT = 10051
"""The trapper port of a Zabbix server or proxy."""

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^][]*)\]|(?P<name>[^][:]*))(?::(?P<port>\d{1,5}))?", re.ASCII)
_NAME = re.compile(r"[0-9A-Za-z_.-]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """One node: a name, an IPv4 or an IPv6 address, and a port."""

    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, default_port: int = DEFAULT_PORT) -> Self:
        """``host``, ``host:port``, ``[v6]:port``, ``[v6]``, or a bare IPv6 address without a port.

        Raises:
            ConfigError: it is none of these.
        """
        text = text.strip()
        if text.count(":") > 1 and not text.startswith("["):
            return cls(_ipv6(text), default_port)
        match = _ADDRESS.fullmatch(text)
        if not match:
            raise ConfigError(f'"{text}" is not an address; write host, host:port or [IPv6]:port')
        port = int(match["port"] or default_port)
        if not 1 <= port <= 65535:
            raise ConfigError(f'"{text}": a port is 1 to 65535')
        if match["v6"] is not None:
            return cls(_ipv6(match["v6"]), port)
        if not _NAME.fullmatch(match["name"]):
            raise ConfigError(f'"{text}" is not an address; write host, host:port or [IPv6]:port')
        return cls(match["name"], port)


def _ipv6(text: str) -> str:
    try:
        IPv6Address(text)
    except ValueError:
        raise ConfigError(f'"{text}" is not an IPv6 address') from None
    return text


@dataclass(frozen=True, slots=True)
class Destination:
    """What gets its own copy of every reading: one server or proxy, or the nodes of one cluster."""

    text: str
    """As it is written in the configuration, without the blanks around it: the destination's identity."""
    nodes: tuple[Address, ...]
    """To be tried in this order; never empty."""

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Self:
        """One entry of ServerActive: addresses with ``;`` between the nodes of one cluster.

        Raises:
            ConfigError: an address is wrong, or missing.
        """
        return cls(text.strip(), tuple(Address.parse(node) for node in text.split(";")))


def parse_destinations(entries: Iterable[str]) -> tuple[Destination, ...]:
    """The destinations of ``servers`` in the configuration.

    Raises:
        ConfigError: an address is wrong, or two entries are the same or share a node: it would get everything twice.
    """
    destinations = tuple(Destination.parse(entry) for entry in entries)
    seen: dict[Address, Destination] = {}
    for destination in destinations:
        for node in destination.nodes:
            if node in seen:
                raise ConfigError(f'"{node}" is given twice; ";" stands between the nodes of one cluster')
            seen[node] = destination
    return destinations
