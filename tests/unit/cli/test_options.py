"""The same option has the same short form in every command."""

from collections.abc import Iterator

import click
import pytest

from tools.cli_reference import commands

SHORT = {"--json": "-j", "--dry-run": "-n", "--output": "-o", "--version": "-V", "--config": "-c", "--debug": "-v"}


def options() -> Iterator[tuple[str, click.Option]]:
    for name, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter


@pytest.mark.parametrize(("name", "option"), list(options()), ids=lambda value: str(getattr(value, "name", value)))
def test_short_options_are_those_of_other_programs(name: str, option: click.Option) -> None:
    for long, short in SHORT.items():
        assert (long in option.opts) == (short in option.opts), f"{name}: {option.opts}"
