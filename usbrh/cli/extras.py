"""Optional libraries, which only some commands need."""

import importlib
from typing import Any

import click

from usbrh.errors import joined
from usbrh.system.installation import install_command


def need(module: str, command: str) -> Any:
    """Import and return ``module`` for ``usbrh command``.

    Raises:
        ClickException: The library is not installed. The message contains the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise click.ClickException(joined(f"usbrh {command} needs {library}", install_command(library))) from error
