"""What every command shares: the global options, which stand before or after the command.

Imported by each start of ``usbrh``: what is heavy is imported where it is used.
"""

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from usbrh.config import Config


class Context:
    """``ctx.obj`` of all commands."""

    def __init__(self) -> None:
        self.config_path: str | None = None
        self.debug = False
        self.simulated_allowed_here = False
        """By the option."""

    @property
    def allow_simulated(self) -> bool:
        """Readings of virtual sensors may leave: by the option, or by USBRH_ALLOW_SIMULATED.

        Raises:
            ConfigError: the variable is neither true nor false.
        """
        from usbrh.config.kinds import Switch, Unfit  # noqa: PLC0415
        from usbrh.errors import ConfigError  # noqa: PLC0415

        given = os.environ.get("USBRH_ALLOW_SIMULATED")
        if self.simulated_allowed_here or not given:
            return self.simulated_allowed_here
        try:
            return Switch().from_text(given)
        except Unfit as error:
            raise ConfigError(f"USBRH_ALLOW_SIMULATED {error}") from None

    @cached_property
    def config(self) -> "Config":
        """The configuration, read when a command first needs it. Raises as ``load``."""
        return self.load()

    def load(self) -> "Config":
        """The configuration as it is now.

        Raises:
            ConfigError: it can't be read, or something in it is wrong.
        """
        from pathlib import Path  # noqa: PLC0415

        from usbrh.config import load  # noqa: PLC0415

        return load(Path(self.config_path) if self.config_path else None, os.environ)


pass_context = click.make_pass_decorator(Context, ensure=True)


def _set_config(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.ensure_object(Context).config_path = value


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        import logging  # noqa: PLC0415

        ctx.ensure_object(Context).debug = True
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(name)s: %(message)s")


def _set_allow_simulated(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Context).simulated_allowed_here = True


def add_global_options(command: click.Command) -> None:
    """Give ``command`` and its subcommands --config, --debug and --allow-simulated, unless they have them already."""
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            add_global_options(subcommand)
    if any(parameter.name == "config_path" for parameter in command.params):
        return
    command.params += [
        click.Option(
            ["--config", "config_path"],
            type=click.Path(readable=False),  # whether it can be read is said in one place, and to an agent as JSON
            metavar="FILE",
            help="Configuration file.  [default: /etc/usbrh/usbrh.toml]",
            callback=_set_config,
            expose_value=False,
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            help="Say on stderr what happens, with a traceback on errors.",
            callback=_set_debug,
            expose_value=False,
        ),
        click.Option(
            ["--allow-simulated"],
            is_flag=True,
            help="Let readings of virtual sensors leave for a real server.",
            callback=_set_allow_simulated,
            expose_value=False,
        ),
    ]
