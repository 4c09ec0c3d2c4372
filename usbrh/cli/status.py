"""``usbrh status``."""

from collections.abc import Iterator, Sequence

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.findings import line
from usbrh.cli.parameters import uses_fahrenheit
from usbrh.doctor.status import State, examine
from usbrh.journal.queries import DestinationStatus
from usbrh.output.quantities import Quantity, quantities
from usbrh.output.text import json_line, text
from usbrh.output.times import age


@click.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_context
def status(context: Context, as_json: bool) -> None:
    """Show whether usbrh works: the service, the last reading of each sensor, and what waits for each destination.

    It asks neither the sensors nor the servers, so it answers at once. The exit status is 0 only if all is well, and
    otherwise that of the first problem. With readings through a Zabbix agent only, there is nothing to show: use usbrh
    doctor.
    """
    state = examine(context.config)
    if as_json:
        click.echo(json_line(state.to_dict()))
    else:
        shown = quantities(fahrenheit=uses_fahrenheit(context, None))
        for each in _lines(state, shown):
            click.echo(each)
    if state.exit_status:
        raise SystemExit(state.exit_status)


def _lines(state: State, shown: Sequence[Quantity]) -> Iterator[str]:
    for finding in state.findings:
        if finding.check in ("units", "last round") and finding not in state.problems:
            yield f"{finding.check.ljust(10)}  {finding.message}"
    yield ""
    for reading in state.sensors:
        yield f"{text(reading, shown)}   {age(state.seconds_since(reading.time_ns))}"
    for each in state.destinations:
        yield _destination(state, each)
    if state.sensors or state.destinations:
        yield ""
    yield from map(line, state.problems)
    if not state.problems:
        yield "all is well"


def _destination(state: State, each: DestinationStatus) -> str:
    newest = state.delivered_ns.get(each.destination)
    counts = f"{each.waiting} waiting, {each.rejected_count} rejected, {each.delivered} delivered"
    latest = "" if newest is None else f" (newest: {age(state.seconds_since(newest))})"
    return f"{each.destination}: {counts}{latest}"
