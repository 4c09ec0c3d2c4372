"""``usbrh setup``."""

import os
import sys

import click

from usbrh.errors import AccessDenied, ConfigError
from usbrh.setup.actions import Action
from usbrh.setup.install import Plan, executable, next_steps, plan
from usbrh.setup.machine import Machine
from usbrh.setup.uninstall import plan_removal


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done; needs no root.")
@click.option("--remove", is_flag=True, help="Take everything away again, but the journal.")
def setup(dry_run: bool, remove: bool) -> None:
    """Set this machine up for the sensor.

    \b
    Brings what is not there yet, and nothing else:
      the udev rule that gives the group usbrh the sensor,
      the user and group usbrh, /var/lib/usbrh for the journal,
      the configuration /etc/usbrh/usbrh.toml, with comments,
      the systemd units (switched off until you enable one),
      the Zabbix agent's file, where an agent is installed.

    A file that setup did not write, or that was changed since, is replaced or removed only after a yes, as is an
    account that it did not make; without a terminal they are left alone. Everything that can be told beforehand is
    shown by --dry-run.
    """
    machine, usbrh = Machine(), executable()
    if not dry_run and os.geteuid() != 0:
        raise AccessDenied(f"setup changes system files, which needs root; sudo {usbrh} setup")
    planned = plan_removal(machine) if remove else plan(machine, usbrh)
    left = 0
    for action in planned.actions:
        if dry_run:
            click.echo(f"would {action.words}{' (asks first)' if action.question else ''}")
        elif action.question and not _agreed(action):
            left += 1
        else:
            _apply(action, machine)
    _close(planned, dry_run=dry_run, remove=remove, left=left)
    if not dry_run and not remove:
        _show(next_steps(machine, usbrh, os.environ.get("SUDO_USER")))


def _agreed(action: Action) -> bool:
    if not sys.stdin.isatty():
        click.echo(f"left alone: {action.question}; to {action.words}, run this in a terminal and say yes", err=True)
        return False
    click.echo(getattr(action, "difference", ""), nl=False)
    if click.confirm(f"{action.question}. {action.words.capitalize()}?", default=False):
        return True
    click.echo(f"left alone: {action.question}", err=True)
    return False


def _apply(action: Action, machine: Machine) -> None:
    try:
        action.apply(machine)
    except OSError as error:
        raise ConfigError(f"can't {action.words}: {error.strerror or error}; mend that and run it again") from error
    click.echo(action.words)


def _close(planned: Plan, *, dry_run: bool, remove: bool, left: int) -> None:
    if not planned.actions:
        click.echo("nothing to remove" if remove else "nothing to do: everything is in place")
    elif not dry_run and not left:
        click.echo("removed" if remove else "done")
    for note in planned.notes:
        click.echo(f"note: {note}")


def _show(steps: list[tuple[str, str]]) -> None:
    click.echo("\nNext:")
    width = max(len(command) for command, _ in steps)
    for command, purpose in steps:
        click.echo(f"  {command.ljust(width)}  # {purpose}")
