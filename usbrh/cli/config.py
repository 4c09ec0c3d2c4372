"""``usbrh config``: check the configuration, and show the effective settings."""

import os
from itertools import groupby
from pathlib import Path

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.findings import exit_status
from usbrh.cli.help import Group
from usbrh.config.loader import config_path, load_and_check
from usbrh.errors import ConfigError, joined
from usbrh.findings import Status, of_error
from usbrh.output.text import json_line
from usbrh.system.paths import stat_or_none

_WIDEST = 50
"""Characters of the setting that the column of the origins follows at most."""


@click.group(cls=Group)
def config() -> None:
    """Check the configuration, and show the effective settings and where each comes from."""


def _given(context: Context) -> Path | None:
    return Path(context.config_path) if context.config_path else None


@config.command()
@click.option(
    "-j", "--json", "as_json", is_flag=True, help="Print one JSON object per finding and line, as doctor does."
)
@pass_context
def check(context: Context, as_json: bool) -> None:
    """Find all errors, without a sensor and without a network.

    An error is everything that send, run, agent or zabbix provision would reject. Root checks with the rights of the
    user who runs the service, so the command also finds files that this user can't read, such as a key.
    """
    from usbrh.doctor.configuration import examine  # noqa: PLC0415 - show and path start faster without it

    try:
        settings, errors = load_and_check(_given(context), os.environ)
    except ConfigError as error:
        path, findings = None, [of_error("configuration", error)]
    else:
        path = settings.path
        findings = list(examine(settings, errors, os.environ, lambda: context.allow_simulated))
    for finding in findings:
        if as_json:
            click.echo(json_line(finding.to_dict()))
        elif finding.status is not Status.OK:
            click.echo(f"usbrh: {joined(finding.message, finding.remedy)}", err=True)
    if status := exit_status(findings):
        raise SystemExit(status)
    if not as_json:
        click.echo(f"{path or 'the configuration'}: no errors")


@config.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object per setting and line.")
@pass_context
def show(context: Context, as_json: bool) -> None:
    """Show each effective value and where it comes from.

    The origin is "default", a line of the file or of a Zabbix agent's file, or a variable. JSON has times in seconds.
    Secrets are shown as ***.
    """
    from usbrh.bridge.settings import settings  # noqa: PLC0415 - path starts faster without it

    found = list(settings(context.config, os.environ))
    if as_json:
        for each in found:
            click.echo(json_line(each.to_dict()))
        return
    for number, (section, group) in enumerate(groupby(found, key=lambda each: each.section)):
        lines = [(f"{each.key} = {each.text}" if each.value is not None else each.key, each) for each in group]
        width = max((len(text) for text, _ in lines if len(text) <= _WIDEST), default=0)
        click.echo(f"{chr(10) * bool(number)}[{section}]")
        for text, each in lines:
            origin = "not set" if each.value is None else each.origin
            click.echo(f"{'# ' if each.value is None else ''}{text}".ljust(width + 2) + f"  # {origin}")


@config.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_context
def path(context: Context, as_json: bool) -> None:
    """Print the path of the configuration file.

    It is that of --config, that of USBRH_CONFIG, or /etc/usbrh/usbrh.toml. If the file does not exist, a line on stderr
    reports this.
    """
    file, chosen = config_path(_given(context), os.environ)
    try:
        exists: bool | None = stat_or_none(file) is not None
    except OSError:
        exists = None
    if as_json:
        click.echo(json_line({"path": str(file), "chosen_by": chosen or "default", "exists": exists}))
        return
    click.echo(file)
    if not exists:
        state = "does not exist" if exists is False else "is in a folder that this user may not search"
        click.echo(f"usbrh: {file} {state}", err=True)
