"""``usbrh led``, ``usbrh heater`` and ``usbrh release``: the controls of an instrument."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.sensors import one_sensor
from usbrh.drivers.base import LedState
from usbrh.errors import SensorBusy
from usbrh.output import text as output
from usbrh.reading import Reading
from usbrh.sensors import Sensor

_MAX_SECONDS = 180
# °C, %RH and °C that pass the test. The data sheet has a rise of 5 to 10 °C for the bare chip; a USB-RH showed about
# 2 °C. The air stays the same, so the dew point moves only by the errors of the two quantities.
_RISE, _FALL, _DEW_POINT_DRIFT = 0.5, 0.5, 2.0


@click.command()
@click.argument("led", metavar="1|2")
@click.argument("state", type=click.Choice(get_args(LedState)))
@click.argument("sensor", required=False)
@pass_context
def led(context: Context, led: str, state: LedState, sensor: str | None) -> None:
    """Switch LED 1 or 2 of SENSOR. On a USBRH2 it can also blink.

    The sources disagree about their colours. You can name them in the sensor's section of the configuration:
    led = {green = 1, red = 2}
    """
    chosen = one_sensor(context, sensor)
    number = chosen.settings.led.get(led) or {"1": 1, "2": 2}.get(led)
    if number is None:
        raise click.BadParameter(f"{led!r} is neither 1, 2 nor a name from the configuration.", param_hint="LED")
    chosen.set_led(number, state)


@click.group()
def heater() -> None:
    """Switch the sensor's heater, or test the sensor with it.

    The heater is for a functional test; it does not dry the sensor for long. Readings with the heater on do not show
    the room. They are marked "heater": true.
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
    """Switch the heater on, and off again in every case, also after an interrupt while it is being switched on."""
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
    """Heat for some seconds; an interrupt ends it."""
    chosen = one_sensor(context, sensor)
    with _heating(chosen):
        click.echo(f"The heater of {chosen.info.name} is on for {seconds} s; Ctrl-C ends it.", err=True)
        time.sleep(seconds)
    click.echo("The heater is off.", err=True)


@heater.command("off")
@click.argument("sensor", required=False)
@pass_context
def heater_off(context: Context, sensor: str | None) -> None:
    """Switch the heater off."""
    one_sensor(context, sensor).set_heater(False)


@heater.command("test")
@click.argument("sensor", required=False)
@_seconds
@click.option("--json", "as_json", is_flag=True, help="The result as one JSON object.")
@pass_context
def heater_test(context: Context, sensor: str | None, seconds: int, as_json: bool) -> None:
    """Heat the sensor and check the readings.

    The temperature has to rise and the humidity to fall, while the dew point stays. Otherwise the exit status is 1.
    """
    chosen = one_sensor(context, sensor)
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
    """Return the growth; 0 if one of them is not defined (the dew point of air without water)."""
    return 0.0 if before is None or after is None else after - before


@click.command()
@click.argument("sensor", required=False)
@pass_context
def release(context: Context, sensor: str | None) -> None:
    """Give SENSOR back to the kernel's HID driver, so that programs find it at /dev/hidraw* again.

    The first reading of usbrh detaches that driver. It stays detached, so that readings write nothing to the kernel's
    log. The next usbrh command detaches it again.
    """
    one_sensor(context, sensor).release()
