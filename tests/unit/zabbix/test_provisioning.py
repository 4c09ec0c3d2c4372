"""What is wanted of a Zabbix, from the configuration and the options."""

import pytest

from usbrh.config import Config, ZabbixConfig
from usbrh.errors import ConfigError
from usbrh.zabbix.wanted import Wanted


def wanted(interface: str | None, host: str | None = None) -> Wanted:
    config = Config(zabbix=ZabbixConfig(host="pc"))
    return Wanted.of(config, host=host, group="Rooms", method="agent", interface=interface)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.10", "192.0.2.10", 10050),
        ("pi.example:10060", "pi.example", 10060),
        ("::1", "::1", 10050),
        ("[::1]", "::1", 10050),
        ("[::1]:10060", "::1", 10060),
    ],
)
def test_the_interface_of_an_agent(text: str, host: str, port: int) -> None:
    interface = wanted(text).interface
    assert interface is not None
    assert (interface.host, interface.port) == (host, port)


@pytest.mark.parametrize("text", ["pi.example:0", "pi.example:agent", "[::1", "a b"])
def test_an_interface_that_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError):
        wanted(text)


def test_an_option_wins_over_the_configuration() -> None:
    assert (wanted(None).host, wanted(None, "other").host, wanted(None).interface) == ("pc", "other", None)
