"""``usbrh log``."""

from collections.abc import Callable

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.parameters import DurationType
from usbrh.cli.signals import Terminated
from usbrh.config.value_types import DAY
from usbrh.errors import ConfigError
from usbrh.output import text as output
from usbrh.output.log_file import LogFile
from usbrh.reading import Reading, counted
from usbrh.rounds import Followed, rounds


@click.command()
@click.argument("sensor", nargs=-1)
@click.option(
    "-o",
    "--output",
    "pattern",
    metavar="FILE",
    help="Append to FILE; %Y, %m, %d in it make a file a day.  [default: -]",
)
@click.option(
    "--interval", type=DurationType(1, DAY), default="60s", show_default=True, help="From one reading to the next."
)
@click.option("--csv", "how", flag_value="csv", default="csv", help="Comma-separated, with a header (the default).")
@click.option("--json", "how", flag_value="json", help="One JSON object a reading and line.")
@pass_context
def log(context: Context, sensor: tuple[str, ...], pattern: str | None, interval: float, how: str) -> None:
    """Write the readings of each SENSOR, or of all, until you end it with Ctrl-C.

    \b
    usbrh log -o room-%Y-%m-%d.csv --interval 5m

    A reading that failed is a line too, with its error. Whole lines are written at once, so that it can be killed and
    started again on the same file at any time. Below 5 s the sensor measures its own warmth.
    """
    followed = Followed(context.config, sensor)
    line = output.csv_reading if how == "csv" else Reading.to_json
    shown = output.csv_reading if how == "csv" else lambda reading: output.json_line(reading.to_dict())
    header = output.csv_line(output.CSV_COLUMNS) if how == "csv" else None
    try:
        if pattern in (None, "-"):
            if header:
                click.echo(header)
            for readings in rounds(followed, interval):
                for reading in readings:
                    click.echo(shown(reading))
        else:
            _to_file(LogFile(str(pattern), header), followed, interval, line)
    except (KeyboardInterrupt, Terminated):  # how it is meant to end
        return


def _to_file(file: LogFile, followed: Followed, interval: float, line: Callable[[Reading], str]) -> None:
    """A file that can't be written at first is an error; one that can't be later, a full disk, is waited for."""
    lost: int | None = None
    for readings in rounds(followed, interval):
        try:
            file.append([line(reading) for reading in readings], readings[0].time_ns)
        except OSError as error:
            problem = f"{error.filename}: can't be written: {error.strerror}"
            if lost is None:
                raise ConfigError(f"{problem}; name another file with -o") from error
            if lost == 0:
                click.echo(f"usbrh: {problem}; readings are lost until it can", err=True)
            lost += len(readings)
        else:
            if lost:
                click.echo(f"usbrh: written again; {counted(lost)} lost", err=True)
            lost = 0
