"""What ``usbrh config check`` finds, in this process. tests/simulated/cli has the command."""

import socket
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from usbrh.config import Config, JournalConfig, ZabbixConfig
from usbrh.doctor.configuration import examine
from usbrh.errors import ConfigError
from usbrh.findings import Finding, Status, fault, ok, warning


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "usbrh.toml"
    file.touch()
    zabbix = ZabbixConfig(servers=("zabbix.example",), host="pc", origin=MappingProxyType({"servers": "a test"}))
    return Config(path=file, zabbix=zabbix, journal=JournalConfig(path=tmp_path / "journal.db"))


def found(config: Config, check: str, *errors: ConfigError, **zabbix: Any) -> list[Finding]:
    config = replace(config, zabbix=replace(config.zabbix, **zabbix))
    return [each for each in examine(config, errors, {}, lambda: False) if each.check == check]


def test_all_is_right(config: Config) -> None:
    assert list(examine(config, (), {}, lambda: False)) == [
        ok("configuration", str(config.path)),
        ok("Zabbix", "host pc, encryption: unencrypted"),
        ok("journal", str(config.journal.path)),
    ]


@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_a_file_with_an_error_is_not_right(config: Config, mode: int) -> None:
    assert config.path
    config.path.chmod(mode)
    error, *others = found(config, "configuration", ConfigError("line 2: wrong", remedy="correct it"))
    assert error == fault("configuration", "line 2: wrong", "correct it", 2)
    assert [each.status for each in others] == [Status.WARNING] * (mode == 0o666)


def test_a_machine_whose_name_can_not_be_that_of_a_host(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "room/pc")
    message = 'the name of this machine, "room/pc", can\'t be the name of a host in Zabbix'
    assert found(config, "Zabbix", host=None) == [fault("Zabbix", message, "set host in [zabbix]", 2)]


@pytest.mark.parametrize(
    ("address", "ours"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False), ("2001:db8::1", False)]
)
def test_the_address_to_send_from_is_one_of_this_machine(config: Config, address: str, ours: bool) -> None:
    message = f"source_ip: this machine does not have {address}"
    expected = ok("Zabbix", "host pc, encryption: unencrypted")
    if not ours:
        expected = warning("Zabbix", message, "ip address shows its addresses")
    assert found(config, "Zabbix", source_ip=address) == [expected]


def test_the_file_of_a_token(config: Config, tmp_path: Path) -> None:
    token = tmp_path / "token"
    message = f"token_file: {token} can't be read: No such file or directory"
    assert found(config, "Zabbix", token_file=token)[1:] == [fault("Zabbix", message, f"see: ls -l {token}", 2)]
    token.touch(mode=0o600)
    assert len(found(config, "Zabbix", token_file=token)) == 1
    token.chmod(0o644)
    (exposed,) = found(config, "Zabbix", token_file=token)[1:]
    assert (exposed.status, exposed.remedy) == (Status.WARNING, f"chmod 600 {token}")
