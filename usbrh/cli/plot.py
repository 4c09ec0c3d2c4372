"""``usbrh plot``: a picture of the readings in the journal."""

from collections.abc import Iterator
from pathlib import Path

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.extras import need
from usbrh.cli.parameters import DurationType
from usbrh.clock import NS, SYSTEM_CLOCK
from usbrh.config.value_types import DAY, format_duration
from usbrh.errors import ConfigError, JournalError, SensorNotFound
from usbrh.journal.reader import existing
from usbrh.output.picture import SUFFIXES, History, draw
from usbrh.reading import Reading


def _check_suffix(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    if value.suffix.lower() not in SUFFIXES:
        raise click.BadParameter(f"{value}: the name of a picture ends in {', '.join(SUFFIXES)}")
    return value


@click.command()
@click.argument("sensor", nargs=-1)
@click.option(
    "-o",
    "--output",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    callback=_check_suffix,
    help="The file to write: .png, .svg or .pdf.",
)
@click.option(
    "--since", type=DurationType(60, 36500 * DAY), default="7d", show_default=True, help="How much time to plot."
)
@click.option("--fahrenheit", is_flag=True, help="Show temperatures in °F.")
@pass_context
def plot(context: Context, sensor: tuple[str, ...], path: Path, since: float, fahrenheit: bool) -> None:
    """Draw the temperature, dew point and humidity of each SENSOR, or of all sensors.

    \b
    usbrh plot --since 30d -o room.png

    SENSOR is a name. The readings are those that usbrh run and usbrh send put into the journal. Times without readings
    are gaps in the curves.
    """
    matplotlib = need("matplotlib", "plot")
    end = SYSTEM_CLOCK.time_ns()
    start = end - int(since * NS)
    history = History.of(_readings(context.config.journal.path, start, sensor))
    missing = [name for name in sensor if name not in history.curves]
    if missing:
        message = f"no readings of {missing[0]!r} in the last {format_duration(since)}"
        raise SensorNotFound(message, remedy="list all readings: usbrh journal export")
    if not history.curves:
        raise JournalError(
            f"no readings in the last {format_duration(since)}", remedy="plot a longer time: --since 30d"
        )
    try:
        advice = draw(matplotlib, history, (start / NS, end / NS), path, fahrenheit=fahrenheit)
    except OSError as error:
        raise ConfigError(f"can't write {path}: {error.strerror}", remedy="set another file with -o") from error
    if advice:
        click.echo(f"usbrh: {advice}", err=True)


def _readings(path: Path, start: int, sensors: tuple[str, ...]) -> Iterator[Reading]:
    journal = existing(path)
    for name in sensors or (None,):
        for entry in journal.history(since_ns=start, sensor=name):
            yield entry.reading
