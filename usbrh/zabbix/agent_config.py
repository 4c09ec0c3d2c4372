"""The configuration of a Zabbix agent (zabbix_agentd.conf, zabbix_agent2.conf), read like ``zabbix_sender -c`` does.

These rules come from the source of zabbix_sender (``src/libs/zbxcfg``) and from trials with it: the last of several
values counts, an empty value counts as absent, a directory includes its hidden files, and files include each other up
to ten levels deep. Two differences: files of an Include are read in alphabetical order instead of directory order, and
a relative Include starts from the folder of its file instead of the working directory.
"""

import re
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from usbrh.config.model import ZabbixConfig, key_types
from usbrh.config.toml_source import read_text
from usbrh.config.value_types import InvalidValue
from usbrh.errors import ConfigError

PARAMETERS: Mapping[str, str] = MappingProxyType(
    {
        "ServerActive": "servers",
        "Hostname": "host",
        "SourceIP": "source_ip",
        "TLSConnect": "tls_connect",
        "TLSPSKIdentity": "tls_psk_identity",
        "TLSPSKFile": "tls_psk_file",
        "TLSCAFile": "tls_ca_file",
        "TLSCRLFile": "tls_crl_file",
        "TLSServerCertIssuer": "tls_server_cert_issuer",
        "TLSServerCertSubject": "tls_server_cert_subject",
        "TLSCertFile": "tls_cert_file",
        "TLSKeyFile": "tls_key_file",
    }
)
"""The supported parameters besides Include, with their keys in ``[zabbix]``; others are ignored."""

_MAX_DEPTH = 10
_MAX_FILES = 1000


@dataclass(frozen=True, slots=True)
class _Line:
    where: str
    value: str


def effective(zabbix: ZabbixConfig) -> ZabbixConfig:
    """Return ``zabbix`` with its missing keys filled in from its ``agent_config``, and the host from this machine.

    Raises:
        ConfigError: A file can't be read or has an error; or there are TLS parameters, but no choice of encryption.
    """
    values: dict[str, Any] = {}
    origin = dict(zabbix.origin)
    if zabbix.agent_config is not None:
        types = key_types(ZabbixConfig)
        for name, line in read(zabbix.agent_config).items():
            key = PARAMETERS[name]
            if _given(zabbix, key):
                continue
            text = line.value.partition(",")[0] if key == "host" else line.value
            try:
                values[key] = types[key].from_text(text)
            except InvalidValue as error:
                raise ConfigError(f"{line.where}: {name} {error}", remedy=error.remedy) from None
            origin[key] = line.where
    if zabbix.host is None and "host" not in values:  # as for an agent
        values["host"] = socket.gethostname()
        origin["host"] = "the name of this machine"
    result = replace(zabbix, **values, origin=MappingProxyType(origin))
    if "tls_connect" not in values and not _given(zabbix, "tls_connect"):  # readings must not be sent as plain text
        for key in PARAMETERS.values():
            if key.startswith("tls_") and getattr(result, key) is not None and key != "tls_connect":
                message = f"{origin.get(key, key)}: {key} is set, but tls_connect (TLSConnect) is not"
                raise ConfigError(message, remedy='set it to "psk", "cert" or "unencrypted"')
    return result


def _given(zabbix: ZabbixConfig, key: str) -> bool:
    return key in zabbix.origin or getattr(zabbix, key) != getattr(ZabbixConfig(), key)


def read(path: Path) -> Mapping[str, _Line]:
    """Return the supported parameters in ``path`` and the files that it includes.

    Raises:
        ConfigError: A file can't be read or is not the configuration of an agent.
    """
    found: dict[str, _Line] = {}
    files = 0
    for file, number, name, value in _entries(path, 0):
        files += number == 0
        if files > _MAX_FILES:
            raise ConfigError(f"{path}: includes more than {_MAX_FILES} files")
        if name in PARAMETERS:
            found[name] = _Line(f"{file}, line {number}", value)
    return {name: line for name, line in found.items() if line.value}


def _entries(path: Path, depth: int) -> Iterator[tuple[Path, int, str, str]]:
    """Yield file, line, name and value of each entry. Each file starts with an entry for line 0."""
    yield path, 0, "", ""
    for number, line in enumerate((line.strip(" \t\r\n") for line in read_text(path).split("\n")), 1):
        if not line or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        name, separator, value = (part.strip(" \t") for part in line.partition("="))
        if not separator:
            # The message does not show the line: somebody may have named a key file by mistake.
            message = f'{where}: not "parameter=value" and not a comment'
            raise ConfigError(message, remedy=f"see: sed -n {number}p {path}")
        if name != "Include":
            yield path, number, name, value
        elif value:
            if depth == _MAX_DEPTH:
                raise ConfigError(f"{where}: files include each other more than {_MAX_DEPTH} levels deep")
            for included in _included(path.parent / value, where):
                yield from _entries(included, depth + 1)


def _included(target: Path, where: str) -> list[Path]:
    try:
        if "*" in target.name:
            pattern = re.compile(re.escape(target.name).replace(r"\*", ".*"))
            return sorted(file for file in target.parent.iterdir() if pattern.fullmatch(file.name) and file.is_file())
        if target.is_dir():
            return sorted(file for file in target.iterdir() if file.is_file())
        if stat.S_ISREG(target.stat().st_mode):
            return [target]
    except (OSError, ValueError) as error:  # ValueError: a null byte
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{where}: Include={target}: {reason}", remedy=f"see: ls -ld {target}") from None
    raise ConfigError(f"{where}: Include={target}: neither a file nor a directory")
