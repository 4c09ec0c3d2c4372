"""The generated parts of the documents are up to date."""

from tools import cli_reference, config_reference
from usbrh.config.model import key_types


def test_docs_cli_shows_every_command_as_its_help_does() -> None:
    assert cli_reference.stale() is None, "docs/cli.md is stale; run: make documents"


def test_reference_has_the_commands_below_groups() -> None:
    paths = [path for path, _ in cli_reference.commands()]
    assert {"usbrh", "usbrh read", "usbrh heater on", "usbrh journal export"} <= set(paths)
    assert len(paths) == len(set(paths))


def test_docs_configuration_shows_every_key_as_it_is() -> None:
    assert [path.name for path, _ in config_reference.stale()] == [], "stale; run: make documents"


def test_meanings_are_of_keys_that_are_there() -> None:
    there = {f"{section}.{key}" for section, kind in config_reference.SECTIONS.items() for key in key_types(kind)}
    assert set(config_reference.MEANINGS) == there
