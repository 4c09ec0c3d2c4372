"""``usbrh history``."""

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.parameters import (
    check_rows,
    check_since_until,
    fahrenheit_option,
    since_option,
    until_option,
    uses_fahrenheit,
)
from usbrh.cli.recorded import names, no_readings, recorded
from usbrh.clock import SYSTEM_CLOCK
from usbrh.journal.reader import existing
from usbrh.output.history import CSV_COLUMNS, csv_summary, tables
from usbrh.output.text import csv_line, json_line
from usbrh.periods import UNITS, Unit


@click.command()
@click.argument("sensor", nargs=-1, shell_complete=names)
@since_option("7d")
@until_option("now")
@click.option("--by", type=click.Choice(UNITS), default="day", show_default=True, help="Length of a period.")
@click.option("-j", "--json", "as_json", is_flag=True, help="One JSON object per line, sensor and period.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, with a header.")
@fahrenheit_option
@pass_context
def history(
    context: Context,
    *,
    sensor: tuple[str, ...],
    since: int,
    until: int | None,
    by: Unit,
    as_json: bool,
    as_csv: bool,
    fahrenheit: bool | None,
) -> None:
    """Show minimum, mean and maximum of the readings in the journal, for each SENSOR or for all.

    \b
    usbrh history --since 30d --by week

    SENSOR is a name, a port, a serial number, a number in usbrh list, or "all". Hours, days and weeks are those of the
    local calendar, and always whole. The times are those at which an extreme occurred first.
    """
    check_rows(as_csv=as_csv, as_json=as_json)
    if (as_json or as_csv) and fahrenheit is not None:
        option = "--fahrenheit" if fahrenheit else "--celsius"
        raise click.UsageError(f"{option} is for text: --json and --csv always have °C.")
    until = SYSTEM_CLOCK.time_ns() + 1 if until is None else until
    check_since_until(since, until)
    journal = existing(context.config.journal.path)
    chosen = recorded(context, journal, sensor)
    summaries = journal.summaries(since, until, by, chosen)
    empty = True
    if as_csv:
        click.echo(csv_line(CSV_COLUMNS))
    if as_csv or as_json:
        for each in summaries:
            empty = False
            click.echo(json_line(each.to_dict()) if as_json else csv_summary(each))
    else:
        for line in tables(summaries, fahrenheit=uses_fahrenheit(context, fahrenheit)):
            empty = False
            click.echo(line)
    if empty:
        raise no_readings(journal, chosen)
