"""``usbrh led``, ``usbrh identify``, ``usbrh heater`` and ``usbrh release``: the controls of an instrument."""

from typing import get_args

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.help import Group
from usbrh.cli.sensors import one_sensor
from usbrh.drivers.base import LedState
from usbrh.output import text as output
from usbrh.sensors import BLINK_SECONDS
from usbrh.verify.common import heater_checks

_MAX_SECONDS = 180


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
    number = chosen.settings.led_names.get(led) or {"1": 1, "2": 2}.get(led)
    if number is None:
        raise click.UsageError(f"{led!r} is not an LED: neither 1, 2 nor a name from the configuration.")
    chosen.set_led(number, state)


@click.command()
@click.argument("sensor", required=False)
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON object: the sensor whose LED blinks.")
@pass_context
def identify(context: Context, sensor: str | None, *, as_json: bool) -> None:
    """Let LED 1 of SENSOR blink, to find it among several.

    Afterwards the LED is as before. A USB-RH does not report the state of its LEDs: its LED 1 is off then.
    """
    chosen = one_sensor(context, sensor)
    info = chosen.info
    if as_json:
        found = {"sensor": info.name, "port": info.port, "model": info.model, "serial": info.serial}
        click.echo(output.json_line({**found, "led": 1, "seconds": BLINK_SECONDS, "simulated": info.simulated}))
    else:
        click.echo(f"LED 1 of {info.name} blinks for {BLINK_SECONDS:.0f} s; Ctrl-C ends it.", err=True)
    chosen.blink()


@click.group(cls=Group)
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


@heater.command("on")
@click.argument("sensor", required=False)
@_seconds
@pass_context
def heater_on(context: Context, sensor: str | None, seconds: int) -> None:
    """Heat for some seconds; an interrupt ends it."""
    chosen = one_sensor(context, sensor)
    with chosen.heating():
        click.echo(f"The heater of {chosen.info.name} is on for {seconds} s; Ctrl-C ends it.", err=True)
        chosen.clock.sleep(seconds)
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
@click.option("-j", "--json", "as_json", is_flag=True, help="The result as one JSON object.")
@pass_context
def heater_test(context: Context, sensor: str | None, seconds: int, as_json: bool) -> None:
    """Heat the sensor and check the readings.

    The temperature has to rise and the humidity to fall, while the dew point stays. Otherwise the exit status is 1.
    """
    chosen = one_sensor(context, sensor)
    before = chosen.read()
    with chosen.heating():
        click.echo(f"Heating {chosen.info.name} for {seconds} s ...", err=True)
        chosen.clock.sleep(seconds)
        after = chosen.read()
    checks = heater_checks(before, after)
    passed = all(ok for _, ok in checks)
    if as_json:
        click.echo(output.json_line({"passed": passed, "before": before.to_dict(), "after": after.to_dict()}))
    else:
        for words, ok in checks:
            click.echo(f"{'ok  ' if ok else 'FAIL'}  {words}")
        click.echo("The sensor passed." if passed else "The sensor failed: it may be wet, dirty or broken.")
    if not passed:
        raise SystemExit(1)


@click.command()
@click.argument("sensor", required=False)
@pass_context
def release(context: Context, sensor: str | None) -> None:
    """Give SENSOR back to the kernel's HID driver, so that programs find it at /dev/hidraw* again.

    The first reading of usbrh detaches that driver. It stays detached, so that readings write nothing to the kernel's
    log. The next usbrh command detaches it again.
    """
    one_sensor(context, sensor).release()
