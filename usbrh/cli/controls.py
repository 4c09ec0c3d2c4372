"""``usbrh led``, ``usbrh heater`` and ``usbrh release``: the instrument's own controls."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import click

from usbrh.cli.context import Context, pass_context
from usbrh.drivers.base import LedState
from usbrh.errors import SensorBusy
from usbrh.output import text as output
from usbrh.reading import Reading
from usbrh.sensors import Sensor, find, select

_MAX_SECONDS = 180
# What the self-test asks for. The data sheet promises 5 to 10 °C for the bare chip, on a USB-RH about 2 °C were
# seen; the dew point is that of the same air, and moves only by the errors of the two quantities.
_RISE, _FALL, _DEW_POINT_DRIFT = 0.5, 0.5, 2.0


def _one(context: Context, selector: str | None) -> Sensor:
    """The sensor that is meant; the only one when none is named."""
    sensors = select(find(context.config), [selector or "all"])
    if len(sensors) > 1:
        names = ", ".join(sensor.info.name for sensor in sensors)
        raise click.UsageError(f"there are several sensors, name one: {names}")
    return sensors[0]


@click.command()
@click.argument("led", metavar="1|2")
@click.argument("state", type=click.Choice(get_args(LedState)))
@click.argument("sensor", required=False)
@pass_context
def led(context: Context, led: str, state: LedState, sensor: str | None) -> None:
    """Switch LED 1 or 2 of SENSOR; a USBRH2 can let it blink by itself.

    Their colours differ between sources; give them names of your own: led = {green = 1, red = 2} in the sensor's
    section of the configuration.
    """
    chosen = _one(context, sensor)
    number = chosen.settings.led.get(led) or {"1": 1, "2": 2}.get(led)
    if number is None:
        raise click.BadParameter(f"{led!r} is neither 1, 2 nor a name that the configuration gives.", param_hint="LED")
    chosen.set_led(number, state)


@click.group()
def heater() -> None:
    """Switch the sensor's heater, or test the sensor with it.

    The heater is a functional test, not a way to dry the sensor for long: readings meanwhile are not those of the
    room, and are marked "heater": true.
    """


_seconds = click.option(
    "--seconds",
    type=click.IntRange(1, _MAX_SECONDS),
    default=30,
    show_default=True,
    help=f"How long, at most {_MAX_SECONDS}.",
)


@contextmanager
def _heating(sensor: Sensor) -> Iterator[None]:
    """The heater on, and off again whatever comes between, an interrupt while it is being switched on included."""
    ours = True
    try:
        try:
            sensor.set_heater(True)
        except SensorBusy:  # another process has it on, and will switch it off
            ours = False
            raise
        yield
    finally:
        if ours:
            sensor.set_heater(False)


@heater.command("on")
@click.argument("sensor", required=False)
@_seconds
@pass_context
def heater_on(context: Context, sensor: str | None, seconds: int) -> None:
    """Heat for a time, and switch off at its end or when interrupted."""
    chosen = _one(context, sensor)
    with _heating(chosen):
        click.echo(f"The heater of {chosen.info.name} is on for {seconds} s; Ctrl-C ends it.", err=True)
        time.sleep(seconds)
    click.echo("The heater is off.", err=True)


@heater.command("off")
@click.argument("sensor", required=False)
@pass_context
def heater_off(context: Context, sensor: str | None) -> None:
    """Switch the heater off."""
    _one(context, sensor).set_heater(False)


@heater.command("test")
@click.argument("sensor", required=False)
@_seconds
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
@pass_context
def heater_test(context: Context, sensor: str | None, seconds: int, as_json: bool) -> None:
    """Heat the sensor and see whether it answers as it should.

    Temperature has to rise and humidity to fall while the dew point stays. Exit status 1 if one does not.
    """
    chosen = _one(context, sensor)
    before = chosen.read()
    with _heating(chosen):
        click.echo(f"Heating {chosen.info.name} for {seconds} s ...", err=True)
        time.sleep(seconds)
        after = chosen.read()
    checks = _heater_checks(before, after)
    passed = all(ok for _, ok in checks)
    if as_json:
        click.echo(output.json_line({"passed": passed, "before": before.to_dict(), "after": after.to_dict()}))
    else:
        for words, ok in checks:
            click.echo(f"{'ok  ' if ok else 'FAIL'}  {words}")
        click.echo("The sensor passed." if passed else "The sensor failed: it may be wet, dirty or broken.")
    if not passed:
        raise SystemExit(1)


def _heater_checks(before: Reading, after: Reading) -> list[tuple[str, bool]]:
    rise = _change(before.temperature, after.temperature)
    fall = -_change(before.humidity, after.humidity)
    drift = _change(before.dew_point, after.dew_point)
    return [
        (f"temperature rose by {rise:.2f} °C (at least {_RISE} expected)", rise >= _RISE),
        (f"humidity fell by {fall:.2f} %RH (at least {_FALL} expected)", fall >= _FALL),
        (f"dew point moved by {drift:.2f} °C (at most {_DEW_POINT_DRIFT} expected)", abs(drift) <= _DEW_POINT_DRIFT),
    ]


def _change(before: float | None, after: float | None) -> float:
    """How much it grew; nothing if one of them is not defined (the dew point of bone-dry air)."""
    return 0.0 if before is None or after is None else after - before


@click.command()
@click.argument("sensor", required=False)
@pass_context
def release(context: Context, sensor: str | None) -> None:
    """Give SENSOR back to the kernel's HID driver, so that programs on /dev/hidraw find it again.

    usbrh takes it from there at its first reading and then leaves it as it is, so that readings stay silent in the
    kernel's log. The next usbrh command takes it again.
    """
    _one(context, sensor).release()
