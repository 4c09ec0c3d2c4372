"""``usbrh list`` and ``usbrh read``."""

from typing import Any

import click

from usbrh import errors
from usbrh.cli.context import Context, pass_context
from usbrh.output import text as output
from usbrh.reading import Reading, Ticks
from usbrh.sensors import Sensor, find, measure_all, select

_LIST_TIMEOUT = 2.0
_EXAMPLES = (
    Reading("attic", "1-1.4", "USB-RH", 0, 31.69, 42.85, 17.52, 14.2, Ticks(7169, 1246, bytes(3)), "sht1x"),
    Reading("roof", "1-1.3", "USBRH2", 0, serial="E02A", status="0x8010", state="timeout", error="it did not answer"),
)
"""Together they have every value that a format can name."""


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
@pass_context
def list_(context: Context, as_json: bool) -> None:
    """Show the sensors that are plugged in.

    The list includes sensors that can't be opened; the reason is printed on stderr.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # usbrh read starts faster without it

    sensors = select(find(context.config), ["all"])
    with ThreadPoolExecutor(max_workers=len(sensors)) as pool:
        rows = list(pool.map(_describe, sensors))
    if as_json:
        for row in rows:
            click.echo(output.json_line(row))
        return
    columns = ["name", "port", "model", "serial", "firmware", "access"]
    table = [
        ["", *columns],
        *([str(number), *(str(row[c] or "-") for c in columns)] for number, row in enumerate(rows, 1)),
    ]
    widths = [max(len(line[i]) for line in table) for i in range(len(columns) + 1)]
    for line in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for row in rows:
        if row["error"]:
            click.echo(f"usbrh: {errors.joined(row['error'], row['remedy'])}", err=True)
    if any(row["simulated"] for row in rows):
        click.echo("These sensors are virtual (USBRH_SIMULATE is set).", err=True)


def one_sensor(context: Context, selector: str | None) -> Sensor:
    """Return the selected sensor; without a selector, the only one."""
    sensors = select(find(context.config), [selector or "all"])
    if len(sensors) > 1:
        names = ", ".join(sensor.info.name for sensor in sensors)
        raise click.UsageError(f"there are several sensors, name one: {names}")
    return sensors[0]


def _describe(sensor: Sensor) -> dict[str, Any]:
    """Return the row of a sensor, by JSON key."""
    info = sensor.info
    row: dict[str, Any] = {
        "name": info.name,
        "port": info.port,
        "model": info.model,
        "serial": info.serial,
        "firmware": None,
        "access": "ok",
        "error": None,
        "remedy": None,
        "simulated": info.simulated,
    }
    try:
        row["firmware"] = sensor.firmware(_LIST_TIMEOUT)
    except errors.SensorError as error:
        access = {"access_denied": "denied", "busy": "busy"}.get(error.kind, "failed")
        row |= {"access": access, "error": error.message, "remedy": error.remedy}
    return row


def _check_format(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        try:
            for example in _EXAMPLES:
                output.formatted(value, example)
        except (KeyError, ValueError, IndexError, MemoryError, OverflowError) as error:
            problem = f"there is no value {error}" if isinstance(error, KeyError) else str(error) or "too wide"
            raise click.BadParameter(f"{value!r}: {problem}") from error
    return value


@click.command()
@click.argument("sensor", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All sensors; the default without SENSOR.")
@click.option("--json", "how", flag_value="json", help="One JSON object per reading, one per line.")
@click.option("--csv", "how", flag_value="csv", help="Comma-separated, with a header.")
@click.option(
    "--format",
    "template",
    metavar="STR",
    callback=_check_format,
    help="Your own format, such as '{temperature:.1f} {humidity:.1f}'; a missing value is printed as U.",
)
@click.option("--fahrenheit", "how", flag_value="fahrenheit", help="As text, with temperatures in °F.")
@pass_context
def read(context: Context, sensor: tuple[str, ...], all_: bool, how: str | None, template: str | None) -> None:
    """Read each SENSOR once: a name, a port, a serial number, a number in usbrh list, or "all".

    If a sensor fails, the others are read all the same. The exit status is that of the first failure.
    """
    if how and template is not None:
        raise click.UsageError(f"--{how} and --format exclude each other.")
    chosen = select(find(context.config), ["all"] if all_ or not sensor else sensor)
    readings = measure_all(chosen)
    if how == "csv":
        click.echo(output.csv_line(output.CSV_COLUMNS))
    for reading in readings:
        if how == "json":
            click.echo(output.json_line(reading.to_dict()))
        elif how == "csv":
            click.echo(output.csv_reading(reading))
        elif template is not None:
            click.echo(output.formatted(template, reading))
        elif not reading.error:
            click.echo(output.text(reading, how == "fahrenheit"))
        if reading.error:
            click.echo(f"usbrh: {reading.problem}", err=True)
    failed = [reading.state for reading in readings if reading.error]
    if failed:
        raise SystemExit(errors.exit_status(failed[0]))
