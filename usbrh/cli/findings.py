"""How ``usbrh doctor`` and ``usbrh zabbix check`` print findings."""

import os
from collections.abc import Iterable

import click

from usbrh.findings import Finding, Status
from usbrh.output import text as output

_COLOURS = {
    Status.OK: "green",
    Status.WARNING: "yellow",
    Status.FAULT: "red",
    Status.WAITING: "cyan",
    Status.NOT_CHECKED: "bright_black",
}


def show(findings: Iterable[Finding], *, as_json: bool) -> list[Finding]:
    """Print each finding when it is known, in text with a summary at the end; returns all of them."""
    shown = []
    for finding in findings:
        click.echo(output.json_line(finding.to_dict()) if as_json else line(finding))
        shown.append(finding)
    if not as_json:
        faults, warnings = (sum(each.status is status for each in shown) for status in (Status.FAULT, Status.WARNING))
        click.echo(f"\n{_count(faults, 'fault')}, {_count(warnings, 'warning')}")
    return shown


def exit_status(findings: Iterable[Finding]) -> int:
    """The exit status of the first fault; 0 without one."""
    return next((finding.exit_status for finding in findings if finding.status is Status.FAULT), 0)


def line(finding: Finding) -> str:
    """One finding as text, with its fix on a second line."""
    status = finding.status.value.ljust(11)
    if not os.environ.get("NO_COLOR"):  # click removes colours itself when stdout is not a terminal
        status = click.style(status, fg=_COLOURS[finding.status])
    text = f"{status}  {finding.check.ljust(13)}  {finding.message}"
    return f"{text}\n{'':28}fix: {finding.remedy}" if finding.remedy else text


def _count(number: int, word: str) -> str:
    return f"{number or 'no'} {word}{'' if number == 1 else 's'}"
