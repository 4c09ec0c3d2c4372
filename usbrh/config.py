"""usbrh.toml and the environment, as one frozen, validated Config."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class ZabbixConfig:
    """``[zabbix]``: where readings go, and how."""

    agent_config: Path | None = None
    servers: tuple[str, ...] = ()
    """Every entry gets everything; ``;`` in one separates the nodes of a cluster."""
    host: str | None = None
    source_ip: str | None = None
    timeout: float = 15.0
    """Seconds for one whole exchange with one server."""
    compression: bool = False
    tls_connect: str = "unencrypted"
    tls_psk_identity: str | None = None
    tls_psk_file: Path | None = None
    tls_ca_file: Path | None = None
    tls_crl_file: Path | None = None
    tls_server_cert_issuer: str | None = None
    tls_server_cert_subject: str | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """``[bridge]``: the service's schedule."""

    interval: float = 60.0
    """Seconds, at least 5."""
    align: bool = True
    """Measure at whole multiples of the interval on the wall clock (…:00, …:60 s)."""
    jitter: float = 0.0
    """Seconds; a random delay up to this much, chosen once at start."""


@dataclass(frozen=True, slots=True)
class JournalConfig:
    """``[journal]``: the durable queue and local history."""

    path: Path = Path("/var/lib/usbrh/journal.db")
    keep: float = 400 * 86400.0
    """Seconds that delivered readings are kept."""
    max_waiting: int = 1_000_000
    """Readings that may wait for one destination; beyond that the oldest are given up, counted and logged."""


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """``[sensor."1-1.4"]``: one sensor, by port path (USB-RH) or serial number (USBRH2)."""

    name: str | None = None
    coefficients: str = "v3"
    supply: float = 5.0
    """Volt."""
    temperature_offset: float = 0.0
    """°C, added after conversion (and after the scale)."""
    temperature_scale: float = 1.0
    humidity_offset: float = 0.0
    """%RH."""
    humidity_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; without a file everything has its default."""

    zabbix: ZabbixConfig = ZabbixConfig()
    bridge: BridgeConfig = BridgeConfig()
    journal: JournalConfig = JournalConfig()
    sensor: Mapping[str, SensorConfig] = field(default_factory=lambda: MappingProxyType({}))
    path: Path | None = None
    """The file it came from."""


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration of ``path``, over the defaults."""
    return Config(path=path)
