"""What a Zabbix should have for one host, from the configuration and the options of ``usbrh zabbix provision``."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Self

from usbrh.config import Config
from usbrh.config.addresses import Address
from usbrh.config.value_types import format_duration
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.templates import Language, Method
from usbrh.zabbix.tls import pre_shared_key

AGENT_PORT = 10050
INTERVAL = "{$USBRH.INTERVAL}"
SPANS = {
    "{$USBRH.BRIDGE.NODATA}": (300, 3),
    "{$USBRH.RISE.WINDOW}": (900, 6),  # its trigger compares the last three readings with those before
    "{$USBRH.NODATA}": (600, 4),  # longer than the bridge's, on which it depends
    "{$USBRH.STUCK.WINDOW}": (21600, 36),  # its trigger needs thirty readings
    "{$USBRH.WINDOW}": (300, 3),
}
"""Macros with a time: the template's default in s, and the number of readings that their triggers need."""
LIMITS: dict[str, dict[str, str]] = {
    profile: {
        f"{{$USBRH.{name}}}": value
        for name, value in zip(
            ("TEMP.MAX.CRIT", "TEMP.MAX.WARN", "TEMP.MIN.WARN", "TEMP.MIN.CRIT",
             "HUM.MAX.CRIT", "HUM.MAX.WARN", "HUM.MIN.WARN", "HUM.MIN.CRIT"),
            values.split(),
            strict=True,
        )
    }
    for profile, values in {
        "server-room": "32 27 18 15 80 70 20 10",
        "people": "32 28 18 10 80 70 40 20",
        "dogs-cats": "32 29 18 10 80 70 30 20",
        "rodents": "30 26 20 16 80 70 30 20",
    }.items()
}  # fmt: skip
"""Profiles of thresholds: macros and values in °C and %RH. docs/zabbix.md has their sources."""


@dataclass(frozen=True)
class Wanted:
    """What Zabbix should have."""

    host: str
    group: str
    method: Method
    metadata: str = "usbrh"
    """Host metadata of the machines that autoregistration concerns."""
    interface: Address | None = None
    """Where the server finds the agent."""
    psk_identity: str | None = None
    psk: str | None = field(default=None, repr=False)
    """The key in hexadecimal digits."""
    interval: float = 60.0  # s
    limits: str | None = None
    """The profile whose thresholds the host gets; None for those of the template."""
    language: Language | None = None
    """Of the template; None for the language that it has in Zabbix, or English."""

    @classmethod
    def of(
        cls,
        config: Config,
        *,
        host: str | None,
        group: str,
        method: Method,
        interface: str | None,
        limits: str | None = None,
        language: Language | None = None,
    ) -> Self:
        """What ``config`` asks for, with the ``host``, the agent's ``interface`` (ADDRESS[:PORT]), the profile of
        ``limits`` and the template's ``language`` if they are given.

        Raises:
            ConfigError: the interface is not an address, or the pre-shared key can't be read.
        """
        settings = effective(config.zabbix)
        identity, key = pre_shared_key(settings) if settings.tls_connect == "psk" else (None, b"")
        address = Address.parse(interface, AGENT_PORT) if interface else None
        return cls(
            host or settings.host or "",
            group,
            method,
            settings.metadata,
            address,
            identity,
            key.hex() or None,
            config.bridge.interval,
            limits,
            language,
        )

    def macros(self, existing: Collection[str] = ()) -> dict[str, str]:
        """The macros to set, beside those that are ``existing`` on the host: times that do not fit the interval of the
        readings, and the limits.
        """
        interval = self.interval
        polled = self.method != "trapper" and (interval != 60 or INTERVAL in existing)
        times = {INTERVAL: interval} if polled else {}
        times |= {name: interval * count for name, (default, count) in SPANS.items() if interval * count > default}
        limits = LIMITS[self.limits] if self.limits else {}
        return {name: format_duration(round(seconds)) for name, seconds in times.items()} | limits
