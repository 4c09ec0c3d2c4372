"""Addresses of Zabbix servers and proxies, in the notation of ServerActive of a Zabbix agent."""

import re
from collections import Counter
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
    """One node: a host name, IPv4 address or IPv6 address, and a port."""

    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def name(self) -> str:
        """The shortest spelling, the same for all spellings of this address.

        The dot at the end of an absolute host name is left out, unless the name has no other dot: a search list can
        give ``zabbix`` and ``zabbix.`` different addresses. The connection still uses the dot.
        """
        host = self.host.removesuffix(".") if "." in self.host[:-1] else self.host
        return str(Address(host, self.port)).removesuffix(f":{DEFAULT_PORT}")

    @classmethod
    def parse(cls, text: str, default_port: int = DEFAULT_PORT) -> Self:
        """Parse ``host``, ``host:port``, ``[IPv6]:port``, ``[IPv6]``, or an IPv6 address without a port.

        Raises:
            ConfigError: The text has none of these forms.
        """
        text = text.strip()
        if text.count(":") > 1 and not text.startswith("["):
            return cls(_ipv6(text), default_port)
        match = _ADDRESS.fullmatch(text)
        if not match or (match["name"] is not None and not _NAME.fullmatch(match["name"])):
            raise ConfigError(f'"{text}" is not an address', remedy="write host, host:port or [IPv6]:port")
        port = int(match["port"] or default_port)
        if not 1 <= port <= 65535:
            raise ConfigError(f'"{text}": the port must be 1 to 65535')
        return cls(match["name"].lower() if match["v6"] is None else _ipv6(match["v6"]), port)


def _ipv6(text: str) -> str:
    """The shortest spelling in lower case; the zone after "%" stays."""
    try:
        address = IPv6Address(text)
    except ValueError:
        raise ConfigError(f'"{text}" is not an IPv6 address') from None
    # str() of a mapped address depends on the version of Python.
    return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)


@dataclass(frozen=True, slots=True)
class Destination:
    """One receiver of all readings: a server, a proxy, or a cluster of nodes of which one receives them."""

    text: str
    """The entry of the configuration."""
    nodes: tuple[Address, ...]
    """In the order in which they are tried."""

    def __str__(self) -> str:
        return self.text

    @property
    def name(self) -> str:
        """Identifies the destination, however the entry is written: the names of its nodes, sorted."""
        return ";".join(sorted(node.name for node in self.nodes))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse one entry of ServerActive: an address, or the nodes of one cluster separated by ``;``.

        Raises:
            ConfigError: An address is wrong or missing.
        """
        return cls(text.strip(), tuple(Address.parse(node) for node in text.split(";")))


def parse_destinations(entries: Iterable[str]) -> tuple[Destination, ...]:
    """Parse the entries of ``servers`` in the configuration.

    Raises:
        ConfigError: An address is wrong, or a node appears twice and would receive every reading twice.
    """
    destinations = tuple(Destination.parse(entry) for entry in entries)
    for node, count in Counter(node.name for each in destinations for node in each.nodes).items():
        if count > 1:
            raise ConfigError(f'"{node}" is given twice', remedy='separate the nodes of one cluster with ";"')
    return destinations


def check_url(url: str) -> None:
    """Check the address of a Zabbix front end.

    Raises:
        ConfigError: it is no address, or has a login, which the message does not show.
    """
    from urllib.parse import urlsplit  # noqa: PLC0415 - only the commands that use the API need it

    if "@" in url:  # anywhere: a password may contain the characters that end the host name
        message = "the address of the Zabbix front end must not contain a user or a password"
        raise ConfigError(message, remedy="remove the part up to the @; give --user and --password-file instead")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # half an IPv6 address; a port beyond 65535
        valid = False
    if not valid:
        message = f"{url.partition('?')[0]!r} is not the address of a Zabbix front end"
        raise ConfigError(message, remedy="give an address such as https://zabbix.example/zabbix")
