"""The command line: one click group, and one module per family of commands.

The module of a command is imported when the command is called, so that ``usbrh --help`` starts fast.
"""

import errno
import gc
import importlib
import io
import os
import signal
import sys
from contextlib import suppress
from typing import Any, Literal, NoReturn, TextIO

import click

from usbrh import __version__
from usbrh.cli.context import Context, add_global_options
from usbrh.cli.help import Group, one_line, usage
from usbrh.cli.signals import SignalHandler
from usbrh.errors import UsbrhError

# The groups of usbrh --help, and in each: command -> (module in usbrh.cli, attribute, line in usbrh --help)
GROUPS: dict[str, dict[str, tuple[str, str, str]]] = {
    "Sensors": {
        "list": ("sensors", "list_", "List the sensors that are plugged in."),
        "read": ("sensors", "read", "Read each sensor once."),
        "watch": ("watch", "watch", "Show live readings with a chart."),
        "led": ("controls", "led", "Switch an LED."),
        "identify": ("controls", "identify", "Let an LED blink, to find a sensor."),
        "heater": ("controls", "heater", "Switch the heater, or test the sensor with it."),
        "calibrate": ("calibrate", "calibrate", "Compare a sensor with a reference and print its calibration."),
        "release": ("controls", "release", "Return a sensor to the kernel's HID driver."),
    },
    "History": {
        "history": ("history", "history", "Show minimum, mean and maximum of the local history."),
        "log": ("log", "log", "Append readings to a file continuously."),
        "plot": ("plot", "plot", "Draw the local history as a picture."),
        "journal": ("journal", "journal", "Show, deliver and export the readings in the journal."),
    },
    "Zabbix": {
        "send": ("run", "send", "Read all sensors once and deliver all waiting readings."),
        "run": ("run", "run", "Run the bridge service: read and deliver continuously."),
        "agent": ("agent", "agent", "Answer a Zabbix agent with one line of JSON."),
        "zabbix": ("zabbix", "zabbix", "Set up Zabbix and check the route to it."),
    },
    "System": {
        "status": ("status", "status", "Show whether usbrh works: readings, queues and the first fix."),
        "config": ("config", "config", "Check the configuration, and show where each setting comes from."),
        "setup": ("setup", "setup", "Install udev rule, user, service and agent file."),
        "doctor": ("doctor", "doctor", "Diagnose problems and show the commands that fix them."),
        "help": ("manual", "help_", "Show the manual page of a command."),
    },
    "Testing": {
        "verify": ("verify", "verify", "Compare a sensor with what its driver assumes."),
        "demo": ("demo", "demo", "Demonstrate the whole route with a virtual sensor and a fake server."),
        "simulate": ("simulate", "simulate", "Provide virtual sensors to a real kernel."),
    },
}
COMMANDS = {name: place for group in GROUPS.values() for name, place in group.items()}


class _Commands(Group):
    """The commands of usbrh, of which only the one that is called is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"usbrh.cli.{module}"), attribute)
        add_global_options(command)
        return command

    def sections(self, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
        return {title: [(name, line) for name, (_, _, line) in group.items()] for title, group in GROUPS.items()}


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage, 3 no sensor, 4 access denied, 5 busy or timed out, "
    "6 Zabbix not reached, 7 Zabbix rejected a value.",
)
@click.version_option(__version__, "-V", "--version", message="usbrh %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Read Strawberry Linux USB hygrometers and bring every reading to Zabbix."""
    ctx.ensure_object(Context)


add_global_options(cli)


def _prepare_streams() -> None:
    """Replace streams that the caller closed, and print characters that stdout's encoding lacks as "?".

    The order matters: a new file gets the lowest free descriptor. Otherwise a file of ours could become stdout.
    """
    sys.stdin = sys.stdin or _devnull("r")
    sys.stdout = sys.stdout or _devnull("w")
    sys.stderr = _lossy(sys.stderr) if sys.stderr else _devnull("w")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # EUC-JP and Shift-JIS have no ³. stderr never fails because of its encoding.
        sys.stdout.reconfigure(errors="replace")


class _LossyFile(io.FileIO):
    """A file that accepts everything, and drops what can't be written."""

    def write(self, data: Any, /) -> int:
        """Write ``data``, or drop it."""
        with suppress(OSError):
            super().write(data)
        return len(data)


def _lossy(stream: TextIO) -> TextIO:
    """Return a stream to the same file that raises no error: a message that nobody can read changes no exit status."""
    # Without a buffer: a signal that ends a write could make the buffer write the same data again.
    file = _LossyFile(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(file, stream.encoding, stream.errors, line_buffering=True, write_through=True)


def _devnull(mode: Literal["r", "w"]) -> TextIO:
    return open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123 - pathlib is not imported at start


_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _discard_stdout() -> None:
    """Discard buffered output, which Python would otherwise try to write again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> NoReturn:
    """Run the command line and exit with the status that ``usbrh --help`` documents."""
    handler = SignalHandler()
    try:
        handler.install()
        _prepare_streams()
        status = _run(Context())
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    finally:
        handler.uninstall()
        # At its end, Python searches all objects for garbage: 10 ms for memory that the process frees in any case.
        gc.freeze()
    sys.exit(status)


def _run(context: Context) -> int:
    """Run the command, print its error, if any, and return the exit status."""
    try:
        status = cli.main(prog_name="usbrh", standalone_mode=False, obj=context)
        sys.stdout.flush()
    except click.ClickException as error:
        words = usage(error) if isinstance(error, click.UsageError) else one_line(error)
        click.echo(f"usbrh: {words}", err=True)
        status = error.exit_code
    except click.Abort:
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of stdout has exited (`usbrh read | head -1`).
        _discard_stdout()
        status = 1
    except Exception as error:  # noqa: BLE001 - reported in one line, with --debug as a traceback
        if context.debug:
            import traceback  # noqa: PLC0415

            traceback.print_exc()
        click.echo(f"usbrh: {error if isinstance(error, UsbrhError) else _unexpected(error)}", err=True)
        status = getattr(error, "exit_status", 1)
    return status if isinstance(status, int) else 0


def _unexpected(error: Exception) -> str:
    """Return the message for an error that no command handles."""
    if isinstance(error, OSError) and error.filename is None and error.errno in _DISK_FULL:
        _discard_stdout()
        return f"can't write to standard output: {os.strerror(error.errno).lower()}; free disk space, see: df -h"
    if isinstance(error, FileNotFoundError) and _in_deleted_folder():
        return "the current folder was deleted; change to another one: cd"
    return f"{type(error).__name__}: {error}; run the command again with --debug and report its output"


def _in_deleted_folder() -> bool:
    try:
        os.getcwd()  # noqa: PTH109 - pathlib is not imported at start
    except FileNotFoundError:
        return True
    return False
