"""usbrh.toml and the environment, as one frozen, validated Config.

The file is the one given, else ``$USBRH_CONFIG``, else ``/etc/usbrh/usbrh.toml`` if there is one. Every key of
``[zabbix]``, ``[bridge]`` and ``[journal]`` can be given in the environment too, as ``USBRH_<SECTION>_<KEY>``,
which wins over the file; an empty variable counts as absent. Relative paths in the file start from its folder.

What a key may be is said once, by the ``Kind`` in its annotation.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, get_type_hints

from usbrh.config.kinds import (
    DAY,
    Choice,
    Duration,
    FilePath,
    HostName,
    IpAddress,
    Kind,
    Leds,
    Number,
    SensorName,
    Servers,
    Switch,
    Text,
    Unfit,
    Whole,
)
from usbrh.config.toml_source import TomlSource
from usbrh.errors import ConfigError
from usbrh.paths import stat_or_none

DEFAULT_PATH = Path("/etc/usbrh/usbrh.toml")
PORT_PATH = re.compile(r"(?:\d+-\d+(?:\.\d+)*|sim-\d+)", re.ASCII)
SELECTOR = re.compile(r"all|[1-9]\d?", re.ASCII)
"""Words that mean something else than a name; room 101 may be called so."""


@dataclass(frozen=True, slots=True)
class ZabbixConfig:
    """``[zabbix]``: where readings go, and how."""

    agent_config: Annotated[Path | None, FilePath()] = None
    """An agent's configuration, from which comes what is not given here."""
    servers: Annotated[tuple[str, ...], Servers()] = ()
    """Every entry gets everything; ``;`` in one separates the nodes of a cluster."""
    host: Annotated[str | None, HostName()] = None
    source_ip: Annotated[str | None, IpAddress()] = None
    timeout: Annotated[float, Duration(1, 300)] = 15.0
    """Seconds for one whole exchange with one server."""
    compression: Annotated[bool, Switch()] = False
    tls_connect: Annotated[str, Choice("unencrypted", "psk", "cert")] = "unencrypted"
    tls_psk_identity: Annotated[str | None, Text(128)] = None
    tls_psk_file: Annotated[Path | None, FilePath()] = None
    tls_ca_file: Annotated[Path | None, FilePath()] = None
    tls_crl_file: Annotated[Path | None, FilePath()] = None
    tls_server_cert_issuer: Annotated[str | None, Text(1024)] = None
    tls_server_cert_subject: Annotated[str | None, Text(1024)] = None
    tls_cert_file: Annotated[Path | None, FilePath()] = None
    tls_key_file: Annotated[Path | None, FilePath()] = None
    origin: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False, repr=False)
    """Where each key that was given stands, for messages: ``{"host": "/etc/usbrh/usbrh.toml, line 3"}``."""


@dataclass(frozen=True, slots=True)
class BridgeConfig:
    """``[bridge]``: the service's schedule."""

    interval: Annotated[float, Duration(5, DAY)] = 60.0
    """Seconds, at least 5."""
    align: Annotated[bool, Switch()] = True
    """Measure at whole multiples of the interval on the wall clock (…:00, …:60 s)."""
    jitter: Annotated[float, Duration(0, 3600)] = 0.0
    """Seconds; a random delay up to this much, chosen once at start."""


@dataclass(frozen=True, slots=True)
class JournalConfig:
    """``[journal]``: the durable queue and local history."""

    path: Annotated[Path, FilePath()] = Path("/var/lib/usbrh/journal.db")
    keep: Annotated[float, Duration(0, 36500 * DAY)] = 400 * DAY
    """Seconds that delivered readings are kept."""
    max_waiting: Annotated[int, Whole(1, 1_000_000_000)] = 1_000_000
    """Readings that may wait for one destination; beyond that the oldest are given up, counted and logged."""


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """``[sensor."1-1.4"]``: one sensor, by port path (USB-RH) or serial number (USBRH2)."""

    name: Annotated[str | None, SensorName()] = None
    coefficients: Annotated[str, Choice("v3", "v4")] = "v3"
    supply: Annotated[float, Number(2.5, 5)] = 5.0
    """Volt."""
    temperature_offset: Annotated[float, Number(-50, 50)] = 0.0
    """°C, added after conversion (and after the scale)."""
    temperature_scale: Annotated[float, Number(0.5, 2)] = 1.0
    humidity_offset: Annotated[float, Number(-50, 50)] = 0.0
    """%RH."""
    humidity_scale: Annotated[float, Number(0.5, 2)] = 1.0
    led: Annotated[Mapping[str, int], Leds()] = field(default_factory=lambda: MappingProxyType({}))
    """Words for LED 1 and 2, such as their colours, which the makes do not agree on."""


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; without a file everything has its default."""

    zabbix: ZabbixConfig = ZabbixConfig()
    bridge: BridgeConfig = BridgeConfig()
    journal: JournalConfig = JournalConfig()
    sensor: Mapping[str, SensorConfig] = field(default_factory=lambda: MappingProxyType({}))
    path: Path | None = None
    """The file it came from."""


_SECTIONS = MappingProxyType({"zabbix": ZabbixConfig, "bridge": BridgeConfig, "journal": JournalConfig})
_Section = TypeVar("_Section", ZabbixConfig, BridgeConfig, JournalConfig, SensorConfig)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration of ``path``, or of the file that the module's docstring names, and of ``environ``.

    Raises:
        ConfigError: the file can't be read, or something in it or in ``environ`` is wrong; the message names
            the file and the line, or the variable.
    """
    if path is None:
        path = _usual_path(environ)
    source = TomlSource(path)
    tables = source.tables()
    _check_environment(environ)
    sections = {
        name: _section(section, tables.pop(name, {}), source, (name,), environ) for name, section in _SECTIONS.items()
    }
    sensor = tables.pop("sensor", {})
    for name in tables:
        raise source.error((name,), f'there is no section "{name}"{_nearest(name, [*_SECTIONS, "sensor"])}')
    return Config(**sections, sensor=_sensors(sensor, source), path=path)  # type: ignore[arg-type]


def _usual_path(environ: Mapping[str, str]) -> Path | None:
    given = environ.get("USBRH_CONFIG")
    if given:
        return Path(given)
    try:
        return DEFAULT_PATH if stat_or_none(DEFAULT_PATH) else None
    except PermissionError:  # which is no reason to go on with the defaults; reading it says so
        return DEFAULT_PATH


def _section(
    section: type[_Section],
    table: object,
    source: TomlSource,
    path: tuple[str, ...],
    environ: Mapping[str, str],
) -> _Section:
    """``table`` and the environment as one ``section``."""
    if not isinstance(table, dict):
        raise source.error(path, f'"{path[0]}" must be a section: write [{path[0]}] on a line of its own')
    kinds = kinds_of(section)
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for key, raw in table.items():
        if key not in kinds:
            raise source.error((*path, key), f'there is no key "{key}" in [{_header(path)}]{_nearest(key, kinds)}')
        try:
            value = kinds[key].from_toml(raw)
        except Unfit as error:
            raise source.error((*path, key), f"{key} {error}") from None
        values[key] = source.path.parent / value if isinstance(value, Path) and source.path else value
        origin[key] = source.where((*path, key))
    for key, kind in kinds.items() if path[0] in _SECTIONS else ():
        variable = f"USBRH_{path[0]}_{key}".upper()
        if environ.get(variable):
            try:
                values[key] = kind.from_text(environ[variable])
            except Unfit as error:
                raise ConfigError(f"{variable} {error}") from None
            origin[key] = variable
    if section is ZabbixConfig:
        values["origin"] = MappingProxyType(origin)
    return section(**values)


def kinds_of(section: type) -> Mapping[str, Kind]:
    """The keys of a section and their kinds, from its annotations."""
    hints = get_type_hints(section, include_extras=True)
    kinds = {item.name: getattr(hints[item.name], "__metadata__", (None,))[0] for item in fields(section)}
    return MappingProxyType({name: kind for name, kind in kinds.items() if kind})


def _sensors(tables: object, source: TomlSource) -> Mapping[str, SensorConfig]:
    if not isinstance(tables, dict):
        raise source.error(("sensor",), '"sensor" must be sections: write [sensor."1-1.4"] on a line of its own')
    sensors: dict[str, SensorConfig] = {}
    owners: dict[str, str] = {}
    for port, table in tables.items():
        try:
            SensorName().from_toml(port)
        except Unfit as error:
            raise source.error(("sensor", port), f"a sensor's port or serial number {error}") from None
        if (
            isinstance(table, dict)
            and table
            and all(isinstance(value, dict) for value in table.values())
            and "." not in port
        ):
            inner = next(iter(table))
            if inner not in kinds_of(SensorConfig):
                message = f'a port with a "." needs quotes: [sensor."{port}.{inner}"]'
                raise source.error(("sensor", port), message)
        sensor = _section(SensorConfig, table, source, ("sensor", port), {})
        if sensor.name and sensor.name != port and PORT_PATH.fullmatch(sensor.name):
            message = f'name "{sensor.name}" would be taken for a port; choose another'
            raise source.error(("sensor", port, "name"), message)
        if sensor.name and SELECTOR.fullmatch(sensor.name):
            message = f'name "{sensor.name}" would be taken for all sensors or a number in their list; choose another'
            raise source.error(("sensor", port, "name"), message)
        name = sensor.name or port
        if name in owners:
            message = f'name "{name}" is already that of sensor "{owners[name]}"; each needs its own'
            raise source.error(("sensor", port, "name"), message)
        owners[name] = port
        sensors[port] = sensor
    return MappingProxyType(sensors)


def _header(path: tuple[str, ...]) -> str:
    return path[0] if len(path) == 1 else f'{path[0]}."{path[1]}"'


def _check_environment(environ: Mapping[str, str]) -> None:
    """Reject variables that are nearly one of ours. What merely begins alike may belong to something else."""
    known = {f"USBRH_{name}_{key}".upper() for name, section in _SECTIONS.items() for key in kinds_of(section)}
    known |= {f"USBRH_ZABBIX_{word}" for word in ("URL", "USER", "PASSWORD", "TOKEN")}
    known |= {"USBRH_CONFIG", "USBRH_SIMULATE", "USBRH_ALLOW_SIMULATED"}
    for variable in environ:
        if variable.startswith("USBRH_") and variable not in known:
            nearest = _nearest(variable, known, cutoff=0.92)
            if nearest:
                raise ConfigError(f"{variable} is not a variable of usbrh{nearest}")


def _nearest(word: str, words: Iterable[str], cutoff: float = 0.6) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, and only wanted for an error

    close = get_close_matches(word, words, n=1, cutoff=cutoff)
    return f"; did you mean {close[0]}?" if close else ""
