"""``usbrh doctor``."""

import os

import click

from usbrh.cli.context import Context, pass_context
from usbrh.config import Config
from usbrh.doctor import Finding, Status, examine
from usbrh.errors import ConfigError
from usbrh.output import text as output

_COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.FAULT: "red", Status.NOT_CHECKED: "bright_black"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding and line.")
@pass_context
def doctor(context: Context, as_json: bool) -> None:
    """Look at everything between the sensor and Zabbix.

    Each line says "ok", "warning", "fault" or "not checked", and the command that mends it. Nothing is changed. The
    exit status is 0 when there is no fault, and otherwise that of the first. Root sees more than others.
    """
    config: Config | ConfigError
    try:
        config = context.config
    except ConfigError as error:
        config = error
    findings = []
    for finding in examine(config):
        findings.append(finding)
        click.echo(output.json_line(finding.to_dict()) if as_json else _line(finding))
    faults = [finding for finding in findings if finding.status is Status.FAULT]
    if not as_json:
        warnings = sum(finding.status is Status.WARNING for finding in findings)
        click.echo(f"\n{_count(len(faults), 'fault')}, {_count(warnings, 'warning')}")
    if faults:
        raise SystemExit(faults[0].exit_status)


def _line(finding: Finding) -> str:
    status = finding.status.value.ljust(11)
    if not os.environ.get("NO_COLOR"):  # click leaves colours out when this is no terminal
        status = click.style(status, fg=_COLOURS[finding.status])
    line = f"{status}  {finding.check.ljust(13)}  {finding.message}"
    return f"{line}\n{'':28}fix: {finding.remedy}" if finding.remedy else line


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"
