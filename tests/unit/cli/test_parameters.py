"""Options that several commands share."""

import click
from click.testing import CliRunner

from usbrh.cli.parameters import show_option


def test_each_show_adds_a_value() -> None:
    @click.command()
    @show_option("temperature")
    def command(shown: tuple[str, ...]) -> None:
        click.echo(" ".join(shown))

    done = CliRunner().invoke(command, ["--show", "humidity", "--show", "dew_point"])
    assert (done.exit_code, done.output) == (0, "humidity dew_point\n")
