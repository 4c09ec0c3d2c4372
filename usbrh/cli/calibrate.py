"""``usbrh calibrate``."""

from collections.abc import Sequence
from statistics import fmean

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.sensors import one_sensor
from usbrh.clock import Schedule
from usbrh.config.model import key_types
from usbrh.errors import BadReport, ConfigError, SensorBusy
from usbrh.reading import Reading
from usbrh.sensors import Sensor
from usbrh.setup.machine import CONFIG

_INTERVAL = 5.0
"""Seconds between readings, so that the sensor does not measure its own warmth."""
_SETTLED = {"temperature": 0.3, "humidity": 1.5}
"""Largest difference between two readings in a steady state, in °C and %RH; the sensor repeats to 0.1."""
_USUAL = {"temperature": 2.0, "humidity": 10.0}
"""Offsets above these, in °C and %RH, more often come from a wrong reference than from the sensor."""
_UNITS = {"temperature": "°C", "humidity": "%RH"}


@click.command()
@click.argument("sensor", required=False)
@click.option("--temperature", type=click.FloatRange(-40, 124), metavar="T", help="The true temperature in °C.")
@click.option("--humidity", type=click.FloatRange(0, 100), metavar="H", help="The true relative humidity in %.")
@click.option(
    "--readings",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    help="How many readings to average, 5 s apart.",
)
@pass_context
def calibrate(
    context: Context, sensor: str | None, temperature: float | None, humidity: float | None, readings: int
) -> None:
    """Compare SENSOR with a reference and print the lines for the configuration.

    \b
    usbrh calibrate living-room --temperature 0

    A new offset makes the mean of the readings equal to the true value; a configured scale is kept. This command
    changes no file: copy the lines into the configuration yourself. The ice bath and the salt test:
    https://repository.invalid/usbrh/blob/HEAD/docs/calibration.md
    """
    given = {"temperature": temperature, "humidity": humidity}
    references = {quantity: value for quantity, value in given.items() if value is not None}
    if not references:
        raise click.UsageError("Give --temperature, --humidity or both.")
    chosen = one_sensor(context, sensor)
    taken: list[Reading] = []
    schedule = Schedule(_INTERVAL, chosen.clock, align=False)
    for number in range(1, readings + 1):
        if taken:
            schedule.sleep()
        reading = chosen.read()
        if reading.heater:
            remedy = "switch it off and wait until the sensor is cool: usbrh heater off"
            raise SensorBusy(f"{chosen.info.name}: its heater is on", chosen.info.port, remedy=remedy)
        click.echo(f"{number}/{readings}: {reading.temperature:.2f} °C   {reading.humidity:.2f} %RH", err=True)
        taken.append(reading)
    lines = [_line(chosen, quantity, reference, taken) for quantity, reference in references.items()]
    click.echo(f"\nPut this into {context.config.path or CONFIG}:\n", err=True)
    click.echo("\n".join([f'[sensor."{chosen.info.identity}"]', *lines]))
    for quantity in references:
        if old := getattr(chosen.calibration, f"{quantity}_offset"):
            click.echo(f"(replaces {quantity}_offset = {old}, which is in {context.config.path} now)", err=True)


def _line(sensor: Sensor, quantity: str, reference: float, readings: Sequence[Reading]) -> str:
    """The configuration line that makes the mean of ``readings`` equal to ``reference``."""
    values: list[float] = [getattr(reading, quantity) for reading in readings]
    unit = _UNITS[quantity]
    if quantity == "humidity" and not 0 < min(values) <= max(values) < 100:
        # Readings are clamped there, so the true difference to the reference is unknown.
        end, remedy = 100, "let it dry, and use a drier reference such as the salt test"
        if max(values) < 100:
            old = sensor.calibration.humidity_offset
            without = f"remove humidity_offset = {old} from the configuration, or " if old < 0 else ""
            end, remedy = 0, f"{without}use a wetter reference such as the salt test"
        raise BadReport(f"{sensor.info.name} reads {end} %RH, the end of its range", sensor.info.port, remedy=remedy)
    mean = fmean(values)
    spread = f"{min(values):.2f} to {max(values):.2f}"
    click.echo(f"{quantity}: {mean:.2f} {unit} on average ({spread}), reference {reference:g} {unit}", err=True)
    if max(values) - min(values) > _SETTLED[quantity]:
        click.echo(
            f"usbrh: the {quantity} still changes; wait until it is steady, then repeat the calibration", err=True
        )
    key = f"{quantity}_offset"
    offset = round(getattr(sensor.calibration, key) + reference - mean, 2) + 0.0
    kind = key_types(type(sensor.settings))[key]
    try:
        kind.from_toml(offset)
    except ValueError as error:
        remedy = "such a large offset is not a calibration: check the sensor and the reference"
        raise ConfigError(f"{key} {error}", remedy=remedy) from error
    if abs(offset) > _USUAL[quantity]:
        click.echo(
            f"usbrh: an offset of {offset:g} {unit} is unusual; check the reference, and that the sensor is next to it",
            err=True,
        )
    return f"{key} = {offset}"
