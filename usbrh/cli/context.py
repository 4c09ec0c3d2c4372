"""The state that all commands share, and the global options, which can precede or follow the command.

Every start of ``usbrh`` imports this module, so heavy imports are inside the functions.
"""

import os
import sys
from functools import cached_property, partial
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from usbrh.config import Config


class Context:
    """The object in ``ctx.obj`` of all commands."""

    def __init__(self) -> None:
        self.config_path: str | None = None
        self.debug = False
        self.allow_simulated_option = False

    @property
    def allow_simulated(self) -> bool:
        """Whether --allow-simulated or USBRH_ALLOW_SIMULATED allows sending simulated readings to a real server.

        Raises:
            ConfigError: The variable is neither true nor false.
        """
        from usbrh.config.value_types import Boolean, InvalidValue  # noqa: PLC0415
        from usbrh.errors import ConfigError  # noqa: PLC0415

        given = os.environ.get("USBRH_ALLOW_SIMULATED")
        if self.allow_simulated_option or not given:
            return self.allow_simulated_option
        try:
            return Boolean().from_text(given)
        except InvalidValue as error:
            raise ConfigError(f"USBRH_ALLOW_SIMULATED {error}") from None

    @cached_property
    def config(self) -> "Config":
        """The configuration, loaded on first use. Raises as ``load``."""
        return self.load()

    def load(self) -> "Config":
        """Load the configuration again.

        Raises:
            ConfigError: The configuration can't be read or has an error.
        """
        from pathlib import Path  # noqa: PLC0415

        from usbrh.config import load  # noqa: PLC0415

        return load(Path(self.config_path) if self.config_path else None, os.environ)


pass_context = click.make_pass_decorator(Context, ensure=True)


def _store(ctx: click.Context, param: click.Parameter, value: str | bool | None) -> None:
    """Set the attribute of the context with the name of the option, in one of its two places."""
    if value and param.name:
        setattr(ctx.ensure_object(Context), param.name, value)
        if param.name == "debug":
            import logging  # noqa: PLC0415

            logging.basicConfig(level=logging.DEBUG, stream=sys.stderr, format="%(name)s: %(message)s")


def add_global_options(command: click.Command) -> None:
    """Add --config, --debug and --allow-simulated to ``command`` and its subcommands, unless they have them already."""
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            add_global_options(subcommand)
    if any(parameter.name == "config_path" for parameter in command.params):
        return
    option = partial(click.Option, callback=_store, expose_value=False)
    command.params += [
        option(
            ["-c", "--config", "config_path"],
            type=click.Path(readable=False),  # the loader reports that, to a Zabbix agent as JSON
            metavar="FILE",
            help="Configuration file.  [default: /etc/usbrh/usbrh.toml]",
        ),
        option(["-v", "--debug"], is_flag=True, help="Write debug messages to stderr, with a traceback on errors."),
        option(
            ["--allow-simulated", "allow_simulated_option"],
            is_flag=True,
            help="Allow sending readings of virtual sensors to a real server.",
        ),
    ]
