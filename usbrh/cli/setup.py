"""``usbrh setup``."""

import os

import click

from usbrh.cli.steps import run
from usbrh.errors import AccessDenied
from usbrh.setup.install import executable, next_steps, plan
from usbrh.setup.machine import Machine
from usbrh.setup.uninstall import plan_removal
from usbrh.steps import Status


@click.command()
@click.option("-n", "--dry-run", is_flag=True, help="Only show what would be done; needs no root.")
@click.option("--remove", is_flag=True, help="Remove everything that setup installed, except the journal.")
def setup(dry_run: bool, remove: bool) -> None:
    """Set up this machine for the sensor.

    \b
    Installs what is missing, and nothing else:
      the udev rule that gives the group usbrh access to the sensor,
      the user and group usbrh, and /var/lib/usbrh for the journal,
      the configuration /etc/usbrh/usbrh.toml, with comments,
      the systemd units or the OpenRC service (disabled until you enable one),
      the Zabbix agent's file, if an agent is installed.

    Setup asks before it replaces or removes a file that it did not write or that was changed since, and before it
    removes an account that it did not create. Without a terminal they stay as they are. --dry-run shows all steps.
    """
    machine, usbrh = Machine(), executable()
    if not dry_run and os.geteuid() != 0:
        raise AccessDenied("setup changes system files and needs root", remedy=f"sudo {usbrh} setup")
    planned = plan_removal(machine) if remove else plan(machine, usbrh)
    if planned.obstacle:
        click.echo(f"usbrh: {planned.obstacle}", err=True)
    states = run(planned.steps, dry_run=dry_run)
    if planned.obstacle and all(state is Status.DONE for state in states):
        click.echo("not complete: everything is in place except the service and the agent file")
    elif not states:
        click.echo("nothing to remove" if remove else "nothing to do: everything is in place")
    elif all(state is Status.DONE for state in states):
        click.echo("removed" if remove else "done")
    for note in planned.notes:
        click.echo(f"note: {note}")
    if not dry_run and not remove:
        following = next_steps(machine, usbrh, os.environ.get("SUDO_USER"))
        width = max(len(command) for command, _ in following)
        click.echo("\nNext:")
        for command, purpose in following:
            click.echo(f"  {command.ljust(width)}  # {purpose}")
