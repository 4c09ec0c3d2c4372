"""How ``usbrh setup`` and ``usbrh zabbix provision`` show their steps, ask about them, and carry them out."""

import sys
from collections.abc import Sequence

import click

from usbrh.output import text as output
from usbrh.steps import Status, Step, carry_out

_SIGNS = {Status.OK: "=", Status.PLANNED: "+", Status.DONE: "+", Status.KEPT: "!"}


def run(steps: Sequence[Step], *, dry_run: bool, as_json: bool = False) -> list[Status]:
    """Carry out ``steps``, or only show them; prints each, and returns the state of each. Raises as ``carry_out``."""
    states = []
    for step, status in ((step, step.status) for step in steps) if dry_run else carry_out(steps, agree):
        if as_json:
            click.echo(output.json_line({"status": status.value, "step": step.text}))
        else:
            click.echo(f"{_SIGNS[status]} {step.text}{_note(step, status)}")
        states.append(status)
    if Status.PLANNED in states:
        click.echo("Nothing was changed: a dry run.", err=True)
    return states


def _note(step: Step, status: Status) -> str:
    if step.question is None or status is Status.DONE:
        return ""
    return f" (asks first: {step.question})" if status is Status.PLANNED else f": not done, {step.question}"


def agree(step: Step) -> bool:
    """Ask the question of ``step``, and show what would be overwritten. Without a terminal the answer is no."""
    if not sys.stdin.isatty():
        click.echo("not a terminal, so the next step is not done; to be asked about it, run this in one", err=True)
        return False
    click.echo(step.difference, nl=False, err=True)
    return click.confirm(f"{step.question}. {step.text.capitalize()}?", default=False, err=True)
