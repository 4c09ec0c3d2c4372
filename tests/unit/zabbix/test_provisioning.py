"""What is wanted of a Zabbix, from the configuration and the options."""

from typing import Any

import pytest

from tests.support.frontend import Answer, FrontEnd
from usbrh.config import Config, ZabbixConfig
from usbrh.errors import ConfigError
from usbrh.zabbix.api import Api
from usbrh.zabbix.provisioning import plan
from usbrh.zabbix.templates import Language
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


class InZabbix:
    """A front end that has the trapper template in one language, with as many changes by hand."""

    def __init__(self, language: str, changes: int = 0) -> None:
        self.language = language
        self.changes = changes

    def compare(self, params: dict[str, Any]) -> Any:
        language = "ja" if "センサーの検出" in params["source"] else "en"
        names = [f"item {n}" for n in range(self.changes + (0 if language == self.language else 100))]
        changed = [{"before": {"name": name, "history": "1d"}, "after": {"name": name}} for name in names]
        return {"templates": {"updated": changed}} if changed else []

    def step(self, language: Language | None, *, force: bool = False) -> str:
        answers: dict[str, Answer] = {
            "template.get": lambda params: [{"templateid": "1"}],
            "templategroup.get": lambda params: [{"groupid": "1"}],
            "configuration.importcompare": self.compare,
        }
        wanted = Wanted("pc", "Rooms", "trapper", language=language)
        with FrontEnd(answers=answers) as front_end, Api(front_end.url, token="secret") as api:
            return plan(api, wanted, force=force)[0].text


NAME = 'template "USB-RH by Zabbix trapper"'


@pytest.mark.parametrize(
    ("language", "wanted", "text"),
    [
        ("en", None, f"{NAME} is up to date"),
        ("ja", None, f"{NAME} is up to date"),
        ("ja", "ja", f"{NAME} is up to date"),
        ("ja", "en", f"import {NAME} in English instead of Japanese"),
        ("en", "ja", f"import {NAME} in Japanese instead of English"),
    ],
)
def test_the_language_of_the_template(language: str, wanted: Language | None, text: str) -> None:
    """A change of the language needs no --force: nothing that somebody did is lost."""
    assert InZabbix(language).step(wanted) == text


@pytest.mark.parametrize(
    ("language", "wanted", "change"),
    [("ja", None, "again"), ("ja", "ja", "again"), ("ja", "en", "again in English"), ("en", "ja", "again in Japanese")],
)
def test_changes_by_hand_are_compared_in_their_language(language: str, wanted: Language | None, change: str) -> None:
    now = f'{NAME} differs from this version of usbrh: template "item 0": history is 1d, not the default'
    assert InZabbix(language, 1).step(wanted) == f"{now}; kept (with --force: import {NAME} {change})"
    assert InZabbix(language, 1).step(wanted, force=True) == f"import {NAME} {change} ({now})"
