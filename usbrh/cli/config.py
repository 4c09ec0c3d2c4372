"""``usbrh config``."""

import click

from usbrh.bridge.once import routes
from usbrh.cli.context import Context, pass_context
from usbrh.cli.help import Group


@click.group(cls=Group)
def config() -> None:
    """Check the configuration."""


@config.command()
@pass_context
def check(context: Context) -> None:
    """Check what send and run would reject, without a sensor and without a network.

    A service script runs this before it starts or reloads the service.
    """
    routes(context.config)
    click.echo(f"{context.config.path or 'the configuration'}: no errors")
