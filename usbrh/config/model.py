"""The sections of the configuration as frozen dataclasses. The annotation of each key contains its value type."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, get_type_hints

from usbrh.config import value_types as types
from usbrh.config.value_types import DAY, ValueType

PORT_PATH = re.compile(r"(?:\d+-\d+(?:\.\d+)*|sim-\d+)", re.ASCII)
"""A USB port path such as ``1-1.4``, or the port of a virtual sensor."""


@dataclass(frozen=True, slots=True)
class ZabbixConfig:
    """``[zabbix]``: the destinations of the readings."""

    agent_config: Annotated[Path | None, types.FilePath()] = None
    """The configuration file of a Zabbix agent; provides the keys that are missing here."""
    servers: Annotated[tuple[str, ...], types.ServerList()] = ()
    """Each entry receives every reading."""
    host: Annotated[str | None, types.HostName()] = None
    source_ip: Annotated[str | None, types.IpAddress()] = None
    url: Annotated[str | None, types.Text(2048)] = None
    """Address of the front end, for the commands that use its API."""
    token_file: Annotated[Path | None, types.FilePath()] = None
    """File with an API token of that front end."""
    timeout: Annotated[float, types.Duration(1, 300)] = 15.0
    """Seconds for one complete exchange with one server."""
    compression: Annotated[bool, types.Boolean()] = False
    autoregister: Annotated[bool, types.Boolean()] = False
    """Announce the host, so that an autoregistration action of Zabbix can create it."""
    metadata: Annotated[str, types.Text(255)] = "usbrh"
    """Text of the announcement, for the conditions of the action."""
    tls_connect: Annotated[str, types.Choice("unencrypted", "psk", "cert")] = "unencrypted"
    tls_psk_identity: Annotated[str | None, types.Text(128)] = None
    tls_psk_file: Annotated[Path | None, types.FilePath()] = None
    tls_ca_file: Annotated[Path | None, types.FilePath()] = None
    tls_crl_file: Annotated[Path | None, types.FilePath()] = None
    tls_server_cert_issuer: Annotated[str | None, types.Text(1024)] = None
    tls_server_cert_subject: Annotated[str | None, types.Text(1024)] = None
    tls_cert_file: Annotated[Path | None, types.FilePath()] = None
    tls_key_file: Annotated[Path | None, types.FilePath()] = None
    origin: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False, repr=False)
    """The source of each key that was set, for messages: ``{"host": "/etc/usbrh/usbrh.toml, line 3"}``."""


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """``[bridge]``: the schedule of the service."""

    interval: Annotated[float, types.Duration(5, DAY)] = 60.0
    """Seconds between two rounds."""
    align: Annotated[bool, types.Boolean()] = True
    """Measure at whole multiples of the interval on the wall clock, such as at each full minute."""
    jitter: Annotated[float, types.Duration(0, 3600)] = 0.0
    """Upper limit in seconds of a random delay that is chosen once at start."""


@dataclass(frozen=True, slots=True)
class JournalConfig:
    """``[journal]``: the send queue and local history of usbrh."""

    path: Annotated[Path, types.FilePath()] = Path("/var/lib/usbrh/journal.db")
    keep: Annotated[float, types.Duration(0, 36500 * DAY)] = 400 * DAY
    """Seconds that delivered readings are kept."""
    max_waiting: Annotated[int, types.Integer(1, 1_000_000_000)] = 1_000_000
    """Readings that may wait for one destination. Beyond that the oldest expire, and are counted and logged."""


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """``[output]``: what people see. Output for programs (JSON, CSV, ``--format``, Zabbix) does not change."""

    units: Annotated[str, types.Choice("celsius", "fahrenheit")] = "celsius"


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """``[sensor."1-1.4"]``: one sensor, by port path (USB-RH) or serial number (USBRH2)."""

    name: Annotated[str | None, types.SensorName()] = None
    coefficients: Annotated[str, types.Choice("v3", "v4")] = "v3"
    supply: Annotated[float, types.Number(2.5, 5)] = 5.0
    """Supply voltage of the sensor chip in volts."""
    temperature_offset: Annotated[float, types.Number(-50, 50)] = 0.0
    """°C, added after the conversion and the scale."""
    temperature_scale: Annotated[float, types.Number(0.5, 2)] = 1.0
    humidity_offset: Annotated[float, types.Number(-50, 50)] = 0.0
    """%RH, added after the conversion and the scale."""
    humidity_scale: Annotated[float, types.Number(0.5, 2)] = 1.0
    spike: Annotated[float | None, types.NumberOrText(0.1, 100)] = None
    """°C and %RH. After a larger jump from one round to the next, the sensor is measured once more."""
    led: Annotated[Mapping[str, int] | str, types.LedNames()] = field(default_factory=lambda: MappingProxyType({}))
    """Names for LED 1 and 2, such as their colours, which differ between makes; or ``measuring``: LED 1 is on during a
    measurement."""

    @property
    def led_names(self) -> Mapping[str, int]:
        """The LED numbers by their names."""
        return {} if isinstance(self.led, str) else self.led

    @property
    def measuring_led(self) -> bool:
        """Whether LED 1 is on during a measurement."""
        return self.led == types.LedNames.MEASURING


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. Without a file every key has its default."""

    zabbix: ZabbixConfig = ZabbixConfig()
    bridge: BridgeConfig = BridgeConfig()
    journal: JournalConfig = JournalConfig()
    output: OutputConfig = OutputConfig()
    sensor: Mapping[str, SensorConfig] = field(default_factory=lambda: MappingProxyType({}))
    path: Path | None = None
    """The file that was read."""
    origin: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False, repr=False)
    """The source of each key that was set: ``{"bridge.interval": "/etc/usbrh/usbrh.toml, line 7"}``."""


_KEY_TYPES: dict[type, Mapping[str, ValueType]] = {}


def key_types(section: type) -> Mapping[str, ValueType]:
    """Return the keys of a section with their value types."""
    if section not in _KEY_TYPES:
        hints = get_type_hints(section, include_extras=True)
        found = {item.name: getattr(hints[item.name], "__metadata__", (None,))[0] for item in fields(section)}
        _KEY_TYPES[section] = MappingProxyType({name: value_type for name, value_type in found.items() if value_type})
    return _KEY_TYPES[section]
