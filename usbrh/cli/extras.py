"""Libraries that only some commands need, and that not everyone has installed."""

import importlib
from typing import Any

import click

from usbrh.installation import install_command


def need(module: str, command: str) -> Any:
    """The module, imported.

    Raises:
        ClickException: it is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise click.ClickException(f"usbrh {command} needs {library}; {install_command(library)}") from error
