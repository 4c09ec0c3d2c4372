"""``usbrh plot``: a picture of the readings in the journal."""

from pathlib import Path
from typing import Any

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.extras import need
from usbrh.cli.parameters import (
    check_since_until,
    fahrenheit_option,
    show_option,
    since_option,
    until_option,
    uses_fahrenheit,
)
from usbrh.cli.recorded import names, no_readings, recorded
from usbrh.clock import NS, SYSTEM_CLOCK
from usbrh.errors import ConfigError
from usbrh.journal.reader import existing
from usbrh.output.curves import History
from usbrh.output.picture import SUFFIXES, draw, title
from usbrh.output.quantities import quantities
from usbrh.output.text import json_line
from usbrh.reading import QUANTITIES, counted, format_time

_SHOWN = ("temperature", "humidity", "dew_point")


def _check_suffix(ctx: click.Context, param: click.Parameter, value: Path) -> Path:
    if value.suffix.lower() not in SUFFIXES:
        raise click.BadParameter(f"{value}: the name of a picture ends in {', '.join(SUFFIXES)}")
    return value


@click.command()
@click.argument("sensor", nargs=-1, shell_complete=names)
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
@since_option("7d")
@until_option("now")
@show_option(", ".join(_SHOWN))
@fahrenheit_option
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object about the picture.")
@pass_context
def plot(
    context: Context,
    sensor: tuple[str, ...],
    *,
    path: Path,
    since: int,
    until: int | None,
    shown: tuple[str, ...],
    fahrenheit: bool | None,
    as_json: bool,
) -> None:
    """Draw the temperature, dew point and humidity of each SENSOR, or of all sensors.

    \b
    usbrh plot --since 30d -o room.png

    SENSOR is a name, a port, a serial number, a number in usbrh list, or "all". The readings are those that usbrh run
    and usbrh send put into the journal. Times without readings are gaps in the curves. Beyond 60 days, a curve shows
    the mean of each day, with a band from the minimum to the maximum.
    """
    matplotlib = need("matplotlib", "plot")
    end = SYSTEM_CLOCK.time_ns() if until is None else until
    check_since_until(since, end)
    journal = existing(context.config.journal.path)
    chosen = recorded(context, journal, sensor)
    in_fahrenheit = uses_fahrenheit(context, fahrenheit)
    keys = [key for key in QUANTITIES if key in (shown or _SHOWN)]
    history = History(quantities(keys, fahrenheit=in_fahrenheit))
    for point in journal.points(since, end, chosen, keys):
        flags = {"failed": point.failed, "heater": point.heater, "simulated": point.simulated}
        history.add(point.sensor, point.time_ns, point.values, **flags)
    if not history.curves:
        raise no_readings(journal, chosen)
    try:
        advice = draw(matplotlib, history, end / NS, path)
    except OSError as error:
        raise ConfigError(f"can't write {path}: {error.strerror}", remedy="set another file with -o") from error
    if as_json:
        click.echo(json_line(_object(history, path, end)))
    else:
        click.echo(f"{path}: {_counts(history)}; {title(history, (history.first, end / NS))}")
    if advice:
        click.echo(f"usbrh: {advice}", err=True)


def _counts(history: History) -> str:
    readings = sum(curve.readings for curve in history.curves.values())
    failed = sum(curve.failed for curve in history.curves.values())
    heated = sum(curve.heated for curve in history.curves.values())
    left_out = [f"{failed} failed"] * bool(failed) + [f"{heated} with the heater on"] * bool(heated)
    return counted(readings) + (f" (left out: {', '.join(left_out)})" if left_out else "")


def _object(history: History, path: Path, end: int) -> dict[str, Any]:
    return {
        "path": str(path),
        "start": format_time(history.first_ns),
        "end": format_time(end),
        "sensors": [
            {"sensor": name, "readings": curve.readings, "failed": curve.failed, "heated": curve.heated}
            for name, curve in sorted(history.curves.items())
        ],
        "simulated": history.simulated,
    }
