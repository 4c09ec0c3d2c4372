"""What ``zabbix_sender -c`` takes from the configuration of a Zabbix agent (zabbix_agentd.conf, zabbix_agent2.conf).

ServerActive, Hostname (the first, if there are several), SourceIP, TLS parameters except TLSCipher*, and Include with
``*`` or a directory. Everything else is ignored, as zabbix_sender does. What follows from its source
(``src/libs/zbxcfg``) and from trying it: a parameter given twice has the last value, an empty one counts as absent, the
files of a directory include hidden ones, files may include each other ten deep.

Different here: the files of an Include are read in alphabetical order, and a relative Include starts from the folder of
the file it stands in; zabbix_sender takes the order of the directory, and starts from the working directory.
"""

import re
import socket
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from usbrh.config.model import ZabbixConfig, value_types
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
"""The parameters that count, and what they are called in ``[zabbix]``."""

_DEEPEST = 10
_MOST_FILES = 1000
_LARGEST = 1 << 20  # bytes of one file; Debian's have 15,000


@dataclass(frozen=True, slots=True)
class _Line:
    where: str
    value: str


def effective(zabbix: ZabbixConfig) -> ZabbixConfig:
    """``zabbix`` with what its ``agent_config`` adds: a key of ``[zabbix]`` or the environment wins.

    The host is ``host``, else the agent's Hostname, else this computer's name, as for an agent.

    Raises:
        ConfigError: a file can't be read or something in it is wrong; or there are TLS parameters without a word on
            whether to use them, which must not end in sending plain text.
    """
    values: dict[str, Any] = {}
    origin = dict(zabbix.origin)
    if zabbix.agent_config is not None:
        kinds = value_types(ZabbixConfig)
        for name, line in read(zabbix.agent_config).items():
            key = PARAMETERS[name]
            if _given(zabbix, key):
                continue
            text = line.value.partition(",")[0] if key == "host" else line.value
            try:
                values[key] = kinds[key].from_text(text)
            except InvalidValue as error:
                raise ConfigError(f"{line.where}: {name} {error}") from None
            origin[key] = line.where
    if zabbix.host is None and "host" not in values:
        values["host"] = socket.gethostname()
        origin["host"] = "this computer's name"
    result = replace(zabbix, **values, origin=MappingProxyType(origin))
    if "tls_connect" not in values and not _given(zabbix, "tls_connect"):
        for key in PARAMETERS.values():
            if key.startswith("tls_") and getattr(result, key) is not None and key != "tls_connect":
                where = origin.get(key, key)
                raise ConfigError(
                    f"{where}: {key} is given, but not tls_connect (TLSConnect): "
                    'say "psk", "cert" or "unencrypted" there'
                )
    return result


def _given(zabbix: ZabbixConfig, key: str) -> bool:
    return key in zabbix.origin or getattr(zabbix, key) != getattr(ZabbixConfig(), key)


def read(path: Path) -> Mapping[str, _Line]:
    """The parameters of ``PARAMETERS`` that ``path`` and what it includes give.

    Raises:
        ConfigError: a file can't be read or is not such a configuration.
    """
    found: dict[str, _Line] = {}
    files = 0
    for file, number, name, value in _entries(path, 0):
        files += number == 0
        if files > _MOST_FILES:
            raise ConfigError(f"{path}: includes more than {_MOST_FILES} files")
        if name in PARAMETERS:
            found[name] = _Line(f"{file}, line {number}", value)
    return {name: line for name, line in found.items() if line.value}


def _entries(path: Path, depth: int) -> Iterator[tuple[Path, int, str, str]]:
    """File, line, name and value of each entry; each file begins with one of line 0."""
    yield path, 0, "", ""
    for number, line in enumerate((line.strip(" \t\r\n") for line in _lines(path)), 1):
        if not line or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        name, separator, value = (part.strip(" \t") for part in line.partition("="))
        if not separator:
            # The line itself is not shown: of a key that was named by mistake it would be the key.
            raise ConfigError(f'{where}: not "parameter=value", and no comment (#); see: sed -n {number}p {path}')
        if name != "Include":
            yield path, number, name, value
        elif value:
            if depth == _DEEPEST:
                raise ConfigError(f"{where}: files include each other more than {_DEEPEST} deep")
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
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{where}: Include={target}: {reason}; see ls -ld {target}") from None
    raise ConfigError(f"{where}: Include={target}: neither a file nor a directory")


def _lines(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path}: can't be read: {reason}; see ls -l {path}") from None
    if len(content) > _LARGEST:
        raise ConfigError(f"{path}: too large for a configuration; it may have 1 MiB")
    try:
        return content.decode().split("\n")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}, line {number}: not UTF-8; iconv -t UTF-8 converts a file") from None
