"""Loading the configuration from ``usbrh.toml`` and the environment.

The file is the one given, else ``$USBRH_CONFIG``, else ``/etc/usbrh/usbrh.toml`` if it exists. A variable
``USBRH_<SECTION>_<KEY>`` overrides a key of ``[zabbix]``, ``[bridge]``, ``[journal]`` or ``[output]``, unless it is
empty.
"""

import re
from collections.abc import Iterator, Mapping
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
from usbrh.system.paths import stat_or_none

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
    config, errors = load_and_check(path, environ)
    if errors:
        raise errors[0]
    return config


def load_and_check(path: Path | None, environ: Mapping[str, str]) -> tuple[Config, list[ConfigError]]:
    """Load the configuration as ``load`` does, and return all errors. A key with an error has its default.

    Raises:
        ConfigError: The file can't be read, or is not TOML.
    """
    path, chosen = config_path(path, environ)
    return _Loader(TomlSource(path if chosen or _may_exist(path) else None), environ).load()


def config_path(path: Path | None, environ: Mapping[str, str]) -> tuple[Path, str | None]:
    """Return the file of the configuration, and what chose it: ``--config``, ``USBRH_CONFIG``, or None by default."""
    if path is not None:
        return path, "--config"
    if environ.get("USBRH_CONFIG"):
        return Path(environ["USBRH_CONFIG"]), "USBRH_CONFIG"
    return DEFAULT_PATH, None


def _may_exist(path: Path) -> bool:
    try:
        return stat_or_none(path) is not None
    except PermissionError:  # Reading the file then reports the problem. The defaults would hide it.
        return True


class _Loader:
    """The configuration from one file and the environment, with the origin of each value and all errors."""

    def __init__(self, source: TomlSource, environ: Mapping[str, str]) -> None:
        self._source = source
        self._environ = environ
        self._errors: list[ConfigError] = []
        self._origin: dict[str, str] = {}

    def load(self) -> tuple[Config, list[ConfigError]]:
        """Load everything; raises ConfigError if the file is not TOML."""
        tables = self._source.tables()
        self._errors += _wrong_names(self._environ)
        sections = {name: self._section(section, tables.pop(name, {}), (name,)) for name, section in _SECTIONS.items()}
        sensor = tables.pop("sensor", {})
        for name in tables:
            remedy = did_you_mean(name, [*_SECTIONS, "sensor"])
            self._wrong((name,), f'there is no section "{name}"', remedy=remedy)
        sensors = self._sensors(sensor)
        config = Config(
            **sections,  # type: ignore[arg-type]
            sensor=sensors,
            path=self._source.path,
            origin=MappingProxyType(self._origin),
        )
        return config, self._errors

    def _wrong(self, key: tuple[str, ...], message: str, *, remedy: str | None = None) -> None:
        self._errors.append(self._source.error(key, message, remedy=remedy))

    def _section(self, section: type[_Section], table: object, path: tuple[str, ...]) -> _Section:
        """Combine a table of the file and the environment into one section."""
        if not isinstance(table, dict):
            self._wrong(path, f'"{path[0]}" must be a section', remedy=f"write [{path[0]}] on a separate line")
            table = {}
        types = key_types(section)
        values: dict[str, Any] = {}
        origin: dict[str, str] = {}
        for key, raw in table.items():
            if key not in types:
                message = f'there is no key "{key}" in [{_header(path)}]'
                self._wrong((*path, key), message, remedy=did_you_mean(key, types))
                continue
            origin[key] = self._source.where((*path, key))  # also of a wrong value: the key is not missing
            try:
                value = types[key].from_toml(raw)
            except InvalidValue as error:
                self._wrong((*path, key), f"{key} {error}", remedy=error.remedy)
                continue
            file = self._source.path
            values[key] = file.parent / value if isinstance(value, Path) and file else value
        for key, value_type in types.items() if path[0] in _SECTIONS else ():
            variable = f"USBRH_{path[0]}_{key}".upper()
            if self._environ.get(variable):
                origin[key] = variable
                try:
                    values[key] = value_type.from_text(self._environ[variable])
                except InvalidValue as error:
                    self._errors.append(ConfigError(f"{variable} {error}", remedy=error.remedy))
        self._origin |= {f"{_header(path)}.{key}": where for key, where in origin.items()}
        if section is ZabbixConfig:
            values["origin"] = MappingProxyType(origin)
        return section(**values)

    def _sensors(self, tables: object) -> Mapping[str, SensorConfig]:
        """Load ``[sensor."…"]`` sections; no two sensors have the same name."""
        if not isinstance(tables, dict):
            remedy = 'write [sensor."1-1.4"] on a separate line'
            self._wrong(("sensor",), '"sensor" must be sections', remedy=remedy)
            tables = {}
        sensors: dict[str, SensorConfig] = {}
        owners: dict[str, str] = {}
        for port, table in tables.items():
            if error := _wrong_port(port, table, self._source):
                self._errors.append(error)
                continue
            sensor = self._section(SensorConfig, table, ("sensor", port))
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
                self._wrong(("sensor", port, "name"), problem, remedy="choose another name")
            owners[composed(name)] = port
            sensors[port] = sensor
        return MappingProxyType(sensors)


def _wrong_port(port: str, table: object, source: TomlSource) -> ConfigError | None:
    try:
        SensorName().from_toml(port)
    except InvalidValue as error:
        return source.error(("sensor", port), f"a sensor's port or serial number {error}")
    tables_only = isinstance(table, dict) and table and all(isinstance(value, dict) for value in table.values())
    if tables_only and "." not in port:  # [sensor.1-1.4] is the table "4" in the table "1-1"
        inner = next(iter(table))  # type: ignore[call-overload]
        if inner not in key_types(SensorConfig):
            remedy = f'write [sensor."{port}.{inner}"]'
            return source.error(("sensor", port), 'a port with a "." needs quotes', remedy=remedy)
    return None


def _header(path: tuple[str, ...]) -> str:
    return path[0] if len(path) == 1 else f'{path[0]}."{path[1]}"'


def _wrong_names(environ: Mapping[str, str]) -> Iterator[ConfigError]:
    """Yield an error for each misspelt variable of usbrh. Other programs also use the prefix ``USBRH_``."""
    known = {f"USBRH_{name}_{key}".upper() for name, section in _SECTIONS.items() for key in key_types(section)}
    known |= {f"USBRH_ZABBIX_{word}" for word in ("URL", "USER", "PASSWORD", "TOKEN")}
    known |= {"USBRH_CONFIG", "USBRH_SIMULATE", "USBRH_ALLOW_SIMULATED"}
    for variable in environ:
        other = variable.startswith("USBRH_") and variable not in known
        if other and (suggestion := did_you_mean(variable, known, cutoff=0.92)):
            yield ConfigError(f"{variable} is not a variable of usbrh", remedy=suggestion)
