"""``usbrh plot``."""

from collections.abc import Iterator
from pathlib import Path

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.extras import need
from usbrh.cli.parameters import DurationType
from usbrh.clock import SYSTEM_CLOCK
from usbrh.config.kinds import DAY, format_duration
from usbrh.errors import ConfigError, JournalError, SensorNotFound
from usbrh.journal.errors import require_journal
from usbrh.journal.store import Journal
from usbrh.output.picture import SUFFIXES, History, draw
from usbrh.reading import Reading


def _check_suffix(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    if value.suffix.lower() not in SUFFIXES:
        raise click.BadParameter(f"{value}: a picture is {', '.join(SUFFIXES)}")
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
    help="The picture: .png, .svg or .pdf.",
)
@click.option("--since", type=DurationType(60, 36500 * DAY), default="7d", show_default=True, help="How far back.")
@click.option("--fahrenheit", is_flag=True, help="Temperatures in °F.")
@pass_context
def plot(context: Context, sensor: tuple[str, ...], path: Path, since: float, fahrenheit: bool) -> None:
    """Draw temperature, dew point and humidity of each SENSOR, by name, or of all, from the local history.

    \b
    usbrh plot --since 30d -o room.png

    The history is the journal that usbrh run and usbrh send fill. Where it has no readings the curves have gaps.
    """
    matplotlib = need("matplotlib", "plot")
    end = SYSTEM_CLOCK.time_ns()
    start = end - int(since * 1e9)
    history = History.of(_readings(context.config.journal.path, start, sensor))
    missing = [name for name in sensor if name not in history.curves]
    if missing:
        raise SensorNotFound(
            f"no readings of {missing[0]!r} in the last {format_duration(since)}; "
            "usbrh journal export --csv shows what there is"
        )
    if not history.curves:
        raise JournalError(f"no readings in the last {format_duration(since)}; look further back: --since 30d")
    try:
        advice = draw(matplotlib, history, (start / 1e9, end / 1e9), path, fahrenheit=fahrenheit)
    except OSError as error:
        raise ConfigError(f"{path}: can't be written: {error.strerror}; name another file with -o") from error
    if advice:
        click.echo(f"usbrh: {advice}", err=True)


def _readings(path: Path, start: int, sensors: tuple[str, ...]) -> Iterator[Reading]:
    require_journal(path)
    with Journal(path) as journal:
        for name in sensors or (None,):
            for entry in journal.history(since_ns=start, sensor=name):
                yield entry.reading
