"""``usbrh config show``: each effective setting with its origin, and without secrets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usbrh.config import BridgeConfig, Config, JournalConfig, OutputConfig, SensorConfig, ZabbixConfig
from usbrh.config.model import key_types
from usbrh.config.value_types import Duration, ValueType, format_duration, looks_like_key
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.secrets import REDACTED

DEFAULT = "default"
_VARIABLES = ("CONFIG", "SIMULATE", "ALLOW_SIMULATED", "ZABBIX_USER")
_SECRET_VARIABLES = ("ZABBIX_PASSWORD", "ZABBIX_TOKEN")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key with its effective value."""

    section: str
    """As in the file: ``bridge``, ``sensor."1-1.4"``; ``environment`` for a variable that is no key."""
    key: str
    value: Any
    """A value of JSON: times in seconds, paths as text; None if it is not set."""
    text: str
    """The same in TOML, with a unit for a time."""
    origin: str
    """``default``; a file and line, of a Zabbix agent's configuration too; a variable; ``the name of this machine``."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {"section": self.section, "key": self.key, "value": self.value, "origin": self.origin}


def settings(config: Config, environ: Mapping[str, str]) -> Iterator[Setting]:
    """The settings of all sections, in the order of the documentation, then the other variables that are set.

    Raises:
        ConfigError: the configuration of the Zabbix agent can't be read, or has an error.
    """
    zabbix = effective(config.zabbix)
    origin = {**config.origin, **{f"zabbix.{key}": where for key, where in zabbix.origin.items()}}
    sections: list[tuple[str, ZabbixConfig | BridgeConfig | JournalConfig | OutputConfig | SensorConfig]] = [
        ("zabbix", zabbix),
        ("bridge", config.bridge),
        ("journal", config.journal),
        ("output", config.output),
        *((f'sensor."{identity}"', sensor) for identity, sensor in config.sensor.items()),
    ]
    for name, section in sections:
        for key, value_type in key_types(type(section)).items():
            where = origin.get(f"{name}.{key}", DEFAULT)
            value = _without_secret(key, getattr(section, key))
            yield Setting(name, key, _plain(value), _toml(value, value_type), where)
    for name in (*_VARIABLES, *_SECRET_VARIABLES):
        variable = f"USBRH_{name}"
        if value := environ.get(variable):
            shown = REDACTED if name in _SECRET_VARIABLES else value
            yield Setting("environment", variable, shown, json.dumps(shown, ensure_ascii=False), variable)


def _without_secret(key: str, value: Any) -> Any:
    # The condition of an autoregistration action can compare the metadata with a secret word.
    if key == "metadata" and value != ZabbixConfig().metadata:
        return REDACTED
    if key == "url" and "@" in (value or ""):  # a login
        return REDACTED
    # Somebody may have set the key instead of its identity.
    if key == "tls_psk_identity" and value is not None and looks_like_key(value):
        return REDACTED
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _toml(value: Any, value_type: ValueType) -> str:
    if isinstance(value_type, Duration):
        value = format_duration(value)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{word} = {number}' for word, number in value.items())}}}"
    return json.dumps(_plain(value), ensure_ascii=False)  # TOML writes text, numbers and lists as JSON does
