"""Libraries that only some commands need, and that not everyone has installed."""

import importlib
import sys
from typing import Any

import click


def need(module: str, command: str, extra: str) -> Any:
    """The module, imported.

    Raises:
        ClickException: it is not installed; the message has the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        # Debian's Python is not pip's to change.
        install = f"sudo apt install python3-{library}" if sys.prefix == "/usr" else f"pip install 'usbrh[{extra}]'"
        raise click.ClickException(f"usbrh {command} needs {library}; {install}") from error
