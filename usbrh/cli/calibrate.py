"""``usbrh calibrate``."""

from collections.abc import Sequence
from statistics import fmean

import click

from usbrh.cli.context import Context, pass_context
from usbrh.config.model import Config, key_types
from usbrh.errors import BadReport, ConfigError, SensorBusy
from usbrh.reading import Reading
from usbrh.rounds import each
from usbrh.sensors import Sensor, find, select
from usbrh.setup.machine import CONFIG

_INTERVAL = 5.0
"""s between readings, so that the sensor does not measure its own warmth."""
_SETTLED = {"temperature": 0.3, "humidity": 1.5}
"""°C and %RH between the lowest and the highest reading; more is no steady state (the sensor repeats to 0.1)."""
_UNITS = {"temperature": "°C", "humidity": "%RH"}


@click.command()
@click.argument("sensor", required=False)
@click.option("--temperature", type=click.FloatRange(-40, 124), metavar="T", help="The true temperature in °C.")
@click.option("--humidity", type=click.FloatRange(0, 100), metavar="H", help="The true relative humidity in %.")
@click.option(
    "--readings", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many to average, 5 s apart."
)
@pass_context
def calibrate(
    context: Context, sensor: str | None, temperature: float | None, humidity: float | None, readings: int
) -> None:
    """Compare SENSOR with a reference and print the lines for the configuration.

    \b
    usbrh calibrate living-room --temperature 0

    The mean of the readings becomes what you say is true, by a new offset; a scale in the configuration stays. Nothing
    is changed: put the lines into the file yourself. docs/calibration.md has the ice bath and the salt test.
    """
    references = {
        quantity: value
        for quantity, value in (("temperature", temperature), ("humidity", humidity))
        if value is not None
    }
    if not references:
        raise click.UsageError("Give --temperature, --humidity or both.")
    chosen = _only_one(find(context.config), sensor)
    taken = []
    for number, _ in zip(range(1, readings + 1), each(_INTERVAL), strict=False):
        reading = chosen.read()
        if reading.heater:
            raise SensorBusy(f"{chosen.info.name}: its heater is on; usbrh heater off, and wait", chosen.info.port)
        click.echo(f"{number}/{readings}: {reading.temperature:.2f} °C   {reading.humidity:.2f} %RH", err=True)
        taken.append(reading)
    lines = [_line(chosen, quantity, reference, taken) for quantity, reference in references.items()]
    click.echo(f"\nPut this into {context.config.path or CONFIG}:\n", err=True)
    click.echo(f'[sensor."{chosen.info.serial or chosen.info.port}"]')
    for line in lines:
        click.echo(line)
    _say_old(context.config, chosen, references)


def _only_one(sensors: Sequence[Sensor], selector: str | None) -> Sensor:
    chosen = select(sensors, [selector or "all"])
    if len(chosen) > 1:
        names = ", ".join(each.info.name for each in chosen)
        raise click.UsageError(f"Say which sensor: {names}.")
    return chosen[0]


def _line(sensor: Sensor, quantity: str, reference: float, readings: Sequence[Reading]) -> str:
    """The line of the configuration that makes the mean of ``readings`` the ``reference``."""
    values: list[float] = [getattr(reading, quantity) for reading in readings]
    unit = _UNITS[quantity]
    if quantity == "humidity" and max(values) >= 100:
        raise BadReport(
            f"{sensor.info.name} reads 100 %RH, which is all it can say of wet air; let it dry, and take a drier"
            " reference such as the salt test",
            sensor.info.port,
        )
    if quantity == "humidity" and min(values) <= 0:
        # Readings end at 0: by how much the offset took it below, nobody knows any more.
        old = sensor.calibration.humidity_offset
        without = f"take humidity_offset = {old} out of the configuration, or " if old < 0 else "take "
        raise BadReport(
            f"{sensor.info.name} reads 0 %RH, which is all it can say of dry air; {without}a wetter reference such as"
            " the salt test",
            sensor.info.port,
        )
    mean = fmean(values)
    spread = f"{min(values):.2f} to {max(values):.2f}"
    click.echo(f"{quantity}: {mean:.2f} {unit} on average ({spread}), reference {reference:g} {unit}", err=True)
    if max(values) - min(values) > _SETTLED[quantity]:
        click.echo(f"usbrh: the {quantity} still changes; wait until it is steady, and do it again", err=True)
    key = f"{quantity}_offset"
    offset = round(getattr(sensor.calibration, key) + reference - mean, 2) + 0.0
    kind = key_types(type(sensor.settings))[key]
    try:
        kind.from_toml(offset)
    except ValueError as error:
        raise ConfigError(f"{key} {error}; that is no calibration: look at sensor and reference") from error
    return f"{key} = {offset}"


def _say_old(config: Config, sensor: Sensor, references: dict[str, float]) -> None:
    for quantity in references:
        old = getattr(sensor.calibration, f"{quantity}_offset")
        if old:
            click.echo(f"(instead of {quantity}_offset = {old}, which is in {config.path} now)", err=True)
