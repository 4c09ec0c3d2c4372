"""``usbrh log``."""

from collections.abc import Callable
from functools import partial

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.parameters import DurationType, check_rows, rows_options, time_options, time_style
from usbrh.cli.signals import Terminated
from usbrh.config.value_types import DAY
from usbrh.errors import ConfigError
from usbrh.output import text as output
from usbrh.output.log_file import LogFile
from usbrh.poller import Poller
from usbrh.reading import Reading, counted


@click.command()
@click.argument("sensor", nargs=-1)
@click.option(
    "-o",
    "--output",
    "pattern",
    metavar="FILE",
    default="-",
    show_default=True,
    help="Append to FILE; with %Y, %m and %d in it, one file per day.",
)
@click.option(
    "--interval", type=DurationType(1, DAY), default="60s", show_default=True, help="Time between two readings."
)
@rows_options
@time_options
@pass_context
def log(
    context: Context,
    sensor: tuple[str, ...],
    *,
    pattern: str,
    interval: float,
    as_csv: bool,
    as_json: bool,
    local: bool,
    time_format: str | None,
) -> None:
    """Write the readings of each SENSOR, or of all sensors, until you end it with Ctrl-C.

    \b
    usbrh log --local -o room-%Y-%m-%d.csv --interval 5m

    The time in the name of FILE is in UTC, or with --local in local time, as the times in the file. Folders with a time
    in their names are made; others must exist. A failed reading is also a line, with its error. Each line is written as
    a whole, so you can kill the command and start it again with the same file at any time. Below 5 s the sensor
    measures its own warmth.
    """
    check_rows(as_csv=as_csv, as_json=as_json)
    times = time_style(local=local, time_format=time_format, as_json=as_json)
    poller = Poller(context.config, selectors=sensor)
    header = None if as_json else output.csv_line(output.CSV_COLUMNS)
    try:
        if pattern == "-":
            if header:
                click.echo(header)
            for readings in poller.rounds(interval):
                for reading in readings:
                    row = output.json_line(reading.to_dict()) if as_json else output.csv_reading(reading, times)
                    click.echo(row)
        else:
            line = Reading.to_json if as_json else partial(output.csv_reading, times=times)
            _to_file(LogFile(pattern, header, local=local), poller, interval, line)
    except (KeyboardInterrupt, Terminated):  # the normal end
        return


def _to_file(file: LogFile, poller: Poller, interval: float, line: Callable[[Reading], str]) -> None:
    """Append every round to ``file``. An error in the first round ends the command; later ones (a full disk) do not."""
    lost: int | None = None
    for readings in poller.rounds(interval):
        try:
            file.append([line(reading) for reading in readings], readings[0].time_ns)
        except OSError as error:
            problem = f"{error.filename}: can't be written: {error.strerror}"
            if lost is None:
                raise ConfigError(problem, remedy="choose another file with -o") from error
            if lost == 0:
                click.echo(f"usbrh: {problem}; readings are lost until it can be written", err=True)
            lost += len(readings)
        else:
            if lost:
                click.echo(f"usbrh: the file can be written again; {counted(lost)} lost", err=True)
            lost = 0
