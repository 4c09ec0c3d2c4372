"""The command line: one click group, one module a family of commands.

A command's module is imported when the command is asked for, so that ``usbrh --help`` stays instant.
"""

import errno
import importlib
import io
import os
import signal
import sys
from typing import Literal, NoReturn, TextIO

import click

from usbrh import __version__
from usbrh.cli.context import Context, add_global_options
from usbrh.cli.signals import SignalHandler
from usbrh.errors import UsbrhError

# command -> (module below usbrh.cli, attribute, what the group's --help says of it)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "list": ("sensors", "list_", "Show the sensors that are plugged in."),
    "read": ("sensors", "read", "Read each sensor once."),
    "led": ("controls", "led", "Switch an LED."),
    "heater": ("controls", "heater", "Switch the heater, or test the sensor with it."),
    "release": ("controls", "release", "Give a sensor back to the kernel's HID driver."),
    "watch": ("watch", "watch", "Show the sensors live, with a chart."),
    "log": ("log", "log", "Write readings to a file, again and again."),
    "plot": ("plot", "plot", "Draw the local history as a picture."),
    "calibrate": ("calibrate", "calibrate", "Compare a sensor with a reference, for the configuration."),
    "doctor": ("doctor", "doctor", "Find what is wrong and show the command that fixes it."),
    "send": ("run", "send", "Read all sensors once, and deliver what waits in the journal."),
    "run": ("run", "run", "Be the bridge: read and deliver again and again."),
    "journal": ("journal", "journal", "What waits for Zabbix, what was rejected, all readings."),
    "zabbix": ("zabbix", "zabbix", "Set up Zabbix for the sensors, and check it."),
    "agent": ("agent", "agent", "Answer a Zabbix agent, in one line of JSON."),
    "setup": ("setup", "setup", "Set this machine up: udev rule, user, units, agent file."),
    "demo": ("demo", "demo", "Show the whole way with a virtual sensor and a stand-in for the server."),
    "simulate": ("simulate", "simulate", "Serve virtual sensors to a real kernel."),
}


class Group(click.Group):
    """Knows the commands by name, and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(f"usbrh.cli.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"usbrh.cli.{module}.{attribute} is not a command")
        add_global_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, _, short) in COMMANDS.items()])


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit status: 0 done, 1 failed, 2 wrong usage, 3 no sensor, 4 access denied, 5 busy or timed out, "
    "6 Zabbix not reached, 7 Zabbix rejected a value.",
)
@click.version_option(__version__, message="usbrh %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Read Strawberry Linux USB hygrometers and bring every reading to Zabbix."""
    ctx.ensure_object(Context)


add_global_options(cli)


def _one_line(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split())
    return text[:1].lower() + text[1:]


def _prepare_streams() -> None:
    """A stream that the caller closed leads nowhere; what stdout's encoding does not have is printed as "?".

    In the order of their numbers, each of which is the lowest that is free: no file of ours must become stdout.
    """
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # EUC-JP and Shift-JIS have no ³: a reading is worth more than its unit. stderr never fails anyway.
        sys.stdout.reconfigure(errors="replace")


def _nowhere(mode: Literal["r", "w"]) -> TextIO:
    return open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123 - pathlib is not imported by every start


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _give_up_stdout() -> None:
    """Python would try to write what is left at exit, and complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _trace(context: Context) -> None:
    if context.debug:
        import traceback  # noqa: PLC0415

        traceback.print_exc()


def main() -> NoReturn:
    """Run the command line; ends the process with the exit status of the contract."""
    SignalHandler().install()
    _prepare_streams()
    context = Context()
    try:
        status = cli.main(prog_name="usbrh", standalone_mode=False, obj=context)
        sys.stdout.flush()
    except getattr(click.exceptions, "NoArgsIsHelpError", ()) as error:  # since click 8.2; 8.1 exits by itself
        error.show()
        status = error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "usbrh"
        click.echo(f"usbrh: {_one_line(error).rstrip('.')}; see: {command} --help", err=True)
        status = error.exit_code
    except click.ClickException as error:
        click.echo(f"usbrh: {_one_line(error)}", err=True)
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read stdout has gone (`usbrh watch | head`).
        _give_up_stdout()
        status = 1
    except UsbrhError as error:
        _trace(context)
        click.echo(f"usbrh: {error}", err=True)
        status = error.exit_status
    except Exception as error:  # noqa: BLE001 - it is said in one line, or with --debug in many
        _trace(context)
        if isinstance(error, OSError) and error.filename is None and error.errno in _NO_ROOM:
            _give_up_stdout()
            words = f"can't write to the standard output: {os.strerror(error.errno).lower()}; make room: df -h"
        else:
            words = f"{type(error).__name__}: {error}; run it again with --debug and report what it prints"
        click.echo(f"usbrh: {words}", err=True)
        status = 1
    sys.exit(status if isinstance(status, int) else 0)
