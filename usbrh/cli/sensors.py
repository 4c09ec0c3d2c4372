"""``usbrh list`` and ``usbrh read``."""

import click

from usbrh.cli.context import Context, pass_context


@click.command("list")
@pass_context
def list_(context: Context) -> None:
    """Show the sensors that are plugged in."""


@click.command()
@pass_context
def read(context: Context) -> None:
    """Read each sensor once."""
