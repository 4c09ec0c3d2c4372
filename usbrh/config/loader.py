"""Loading the configuration from ``usbrh.toml`` and the environment.

The file is the one given, else ``$USBRH_CONFIG``, else ``/etc/usbrh/usbrh.toml`` if it exists. A variable
``USBRH_<SECTION>_<KEY>`` overrides a key of ``[zabbix]``, ``[bridge]``, ``[journal]`` or ``[output]``, unless it is
empty.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from usbrh.config.model import (
    PORT_PATH,
    BridgeConfig,
    Config,
    JournalConfig,
    OutputConfig,
    SensorConfig,
    ZabbixConfig,
    key_types,
)
from usbrh.config.toml_source import TomlSource
from usbrh.config.value_types import InvalidValue, SensorName, composed
from usbrh.errors import ConfigError, did_you_mean
from usbrh.paths import stat_or_none

DEFAULT_PATH = Path("/etc/usbrh/usbrh.toml")
_SELECTOR = r"all|[1-9][0-9]?"
"""Words that select sensors on the command line: ``all`` and numbers up to 99. A name like "101" is allowed."""

_SECTIONS = MappingProxyType(
    {"zabbix": ZabbixConfig, "bridge": BridgeConfig, "journal": JournalConfig, "output": OutputConfig}
)
_Section = TypeVar("_Section", ZabbixConfig, BridgeConfig, JournalConfig, OutputConfig, SensorConfig)


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Load the configuration from ``path``, or from the default file, and from ``environ``.

    Raises:
        ConfigError: The file can't be read, or it or ``environ`` has an error.
    """
    if path is None:
        path = _default_path(environ)
    source = TomlSource(path)
    tables = source.tables()
    _check_names(environ)
    sections = {
        name: _section(section, tables.pop(name, {}), source, (name,), environ) for name, section in _SECTIONS.items()
    }
    sensor = tables.pop("sensor", {})
    for name in tables:
        remedy = did_you_mean(name, [*_SECTIONS, "sensor"])
        raise source.error((name,), f'there is no section "{name}"', remedy=remedy)
    return Config(**sections, sensor=_sensors(sensor, source), path=path)  # type: ignore[arg-type]


def _default_path(environ: Mapping[str, str]) -> Path | None:
    if environ.get("USBRH_CONFIG"):
        return Path(environ["USBRH_CONFIG"])
    try:
        return DEFAULT_PATH if stat_or_none(DEFAULT_PATH) else None
    except PermissionError:  # Reading the file then reports the problem. The defaults would hide it.
        return DEFAULT_PATH


def _section(
    section: type[_Section], table: object, source: TomlSource, path: tuple[str, ...], environ: Mapping[str, str]
) -> _Section:
    """Combine a table of the file and the environment into one section."""
    if not isinstance(table, dict):
        raise source.error(path, f'"{path[0]}" must be a section', remedy=f"write [{path[0]}] on a separate line")
    types = key_types(section)
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for key, raw in table.items():
        if key not in types:
            message = f'there is no key "{key}" in [{_header(path)}]'
            raise source.error((*path, key), message, remedy=did_you_mean(key, types))
        try:
            value = types[key].from_toml(raw)
        except InvalidValue as error:
            raise source.error((*path, key), f"{key} {error}", remedy=error.remedy) from None
        values[key] = source.path.parent / value if isinstance(value, Path) and source.path else value
        if section is ZabbixConfig:
            origin[key] = source.where((*path, key))
    for key, value_type in types.items() if path[0] in _SECTIONS else ():
        variable = f"USBRH_{path[0]}_{key}".upper()
        if environ.get(variable):
            try:
                values[key] = value_type.from_text(environ[variable])
            except InvalidValue as error:
                raise ConfigError(f"{variable} {error}", remedy=error.remedy) from None
            origin[key] = variable
    if section is ZabbixConfig:
        values["origin"] = MappingProxyType(origin)
    return section(**values)


def _sensors(tables: object, source: TomlSource) -> Mapping[str, SensorConfig]:
    """Load ``[sensor."…"]`` sections; no two sensors have the same name."""
    if not isinstance(tables, dict):
        remedy = 'write [sensor."1-1.4"] on a separate line'
        raise source.error(("sensor",), '"sensor" must be sections', remedy=remedy)
    sensors: dict[str, SensorConfig] = {}
    owners: dict[str, str] = {}
    for port, table in tables.items():
        _check_port(port, table, source)
        sensor = _section(SensorConfig, table, source, ("sensor", port), {})
        name = sensor.name or port
        problem = None
        if name != port and PORT_PATH.fullmatch(name):
            problem = f'name "{name}" looks like a port'
        elif sensor.name and re.fullmatch(_SELECTOR, name):
            problem = f'name "{name}" would select all sensors, or a sensor by its number'
        elif composed(name) in owners:
            problem = f'name "{name}" is already the name of sensor "{owners[composed(name)]}"'
        elif name != port and name in tables:
            problem = f'name "{name}" is the serial number of another sensor'
        if problem:
            raise source.error(("sensor", port, "name"), problem, remedy="choose another name")
        owners[composed(name)] = port
        sensors[port] = sensor
    return MappingProxyType(sensors)


def _check_port(port: str, table: object, source: TomlSource) -> None:
    try:
        SensorName().from_toml(port)
    except InvalidValue as error:
        raise source.error(("sensor", port), f"a sensor's port or serial number {error}") from None
    tables_only = isinstance(table, dict) and table and all(isinstance(value, dict) for value in table.values())
    if tables_only and "." not in port:  # [sensor.1-1.4] is the table "4" in the table "1-1"
        inner = next(iter(table))  # type: ignore[call-overload]
        if inner not in key_types(SensorConfig):
            remedy = f'write [sensor."{port}.{inner}"]'
            raise source.error(("sensor", port), 'a port with a "." needs quotes', remedy=remedy)


def _header(path: tuple[str, ...]) -> str:
    return path[0] if len(path) == 1 else f'{path[0]}."{path[1]}"'


def _check_names(environ: Mapping[str, str]) -> None:
    """Reject a variable whose name is a misspelt variable of usbrh. Other programs also use the prefix ``USBRH_``."""
    known = {f"USBRH_{name}_{key}".upper() for name, section in _SECTIONS.items() for key in key_types(section)}
    known |= {f"USBRH_ZABBIX_{word}" for word in ("URL", "USER", "PASSWORD", "TOKEN")}
    known |= {"USBRH_CONFIG", "USBRH_SIMULATE", "USBRH_ALLOW_SIMULATED"}
    for variable in environ:
        other = variable.startswith("USBRH_") and variable not in known
        if other and (suggestion := did_you_mean(variable, known, cutoff=0.92)):
            raise ConfigError(f"{variable} is not a variable of usbrh", remedy=suggestion)
