"""``usbrh list`` and ``usbrh read``."""

from typing import Any

import click

from usbrh import errors
from usbrh.cli.context import Context, pass_context
from usbrh.cli.parameters import fahrenheit_option, time_options, time_style, uses_fahrenheit
from usbrh.output import text as output
from usbrh.output.quantities import quantities
from usbrh.reading import Reading, Ticks
from usbrh.sensors import Sensor, find, measure_all, select

_LIST_TIMEOUT = 2.0
_EXAMPLES = (
    Reading(
        "attic",
        "1-1.4",
        "USB-RH",
        0,
        31.69,
        42.85,
        17.52,
        14.2,
        Ticks(7169, 1246, bytes(3)),
        "sht1x",
        frost_point=-1.0,
        vapour_deficit=18.9,
        vapour_pressure_deficit=2.67,
        discomfort_index=79.3,
    ),
    Reading("roof", "1-1.3", "USBRH2", 0, serial="E02A", status="0x8010", state="timeout", error="it did not answer"),
)
"""Together they have every value that a format can name."""


@click.command("list")
@click.option("-j", "--json", "as_json", is_flag=True, help="One JSON object per line.")
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
            problem = str(error) or "too wide"
            if isinstance(error, KeyError):
                problem = f"there is no value {error}; the values are {', '.join(output.format_values(_EXAMPLES[0]))}"
            raise click.BadParameter(f"{value!r}: {problem}") from error
    return value


@click.command()
@click.argument("sensor", nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All sensors; the default without SENSOR.")
@click.option("-j", "--json", "as_json", is_flag=True, help="One JSON object per reading, one per line.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, with a header.")
@click.option(
    "--format",
    "template",
    metavar="STR",
    callback=_check_format,
    help="Your own format, such as '{temperature:.1f} {humidity:.1f}'.",
)
@click.option("--unknown", metavar="TEXT", help="With --format, the text for a missing value.  [default: U]")
@time_options
@fahrenheit_option
@pass_context
def read(
    context: Context,
    sensor: tuple[str, ...],
    *,
    all_: bool,
    as_json: bool,
    as_csv: bool,
    template: str | None,
    unknown: str | None,
    local: bool,
    time_format: str | None,
    fahrenheit: bool | None,
) -> None:
    """Read each SENSOR once: a name, a port, a serial number, a number in usbrh list, or "all".

    With --local or --time-format, text begins with the time. If a sensor fails, the others are still read. The
    exit status is that of the first failure.
    """
    given = {"--json": as_json, "--csv": as_csv, "--format": template is not None}
    _check_options([option for option, is_given in given.items() if is_given], unknown, fahrenheit=fahrenheit)
    times = time_style(local=local, time_format=time_format, as_json=as_json)
    with_time = local or time_format is not None
    shown = quantities(fahrenheit=uses_fahrenheit(context, fahrenheit))
    readings = measure_all(select(find(context.config), ["all"] if all_ or not sensor else sensor))
    if as_csv:
        click.echo(output.csv_line(output.CSV_COLUMNS))
    for reading in readings:
        if as_json:
            click.echo(output.json_line(reading.to_dict()))
        elif as_csv:
            click.echo(output.csv_reading(reading, times))
        elif template is not None:
            text = output.UNKNOWN if unknown is None else unknown
            click.echo(output.formatted(template, reading, unknown=text, times=times))
        elif not reading.error:
            time = f"{times.text(reading.time_ns)}  " if with_time else ""
            click.echo(f"{time}{output.text(reading, shown)}")
        if reading.error:
            click.echo(f"usbrh: {reading.problem}", err=True)
    failed = [reading.state for reading in readings if reading.error]
    if failed:
        raise SystemExit(errors.exit_status(failed[0]))


def _check_options(forms: list[str], unknown: str | None, *, fahrenheit: bool | None) -> None:
    """Reject options that contradict each other; ``forms`` are the given ones of --json, --csv and --format."""
    if len(forms) > 1:
        raise click.UsageError(f"{forms[0]} and {forms[1]} exclude each other.")
    if fahrenheit and forms:
        advice = "use {temperature_f}" if forms == ["--format"] else "its temperatures are always in °C"
        raise click.UsageError(f"--fahrenheit and {forms[0]} exclude each other: {advice}.")
    if unknown is not None and forms != ["--format"]:
        raise click.UsageError("--unknown needs --format.")
