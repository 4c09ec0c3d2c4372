"""``usbrh watch``: the loop and the keys; output/screen.py draws."""

import errno
import os
import queue
import select
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from usbrh.cli.context import Context, pass_context
from usbrh.cli.extras import need
from usbrh.cli.parameters import DurationType, fahrenheit_option, show_option, uses_fahrenheit
from usbrh.cli.signals import Terminated
from usbrh.clock import NS
from usbrh.output import text as output
from usbrh.output.quantities import USUAL, Quantity, quantities
from usbrh.output.screen import Screen
from usbrh.poller import Poller
from usbrh.reading import Reading

_POLL_SECONDS = 0.2
"""Seconds between two checks for a key, a new size of the terminal, and new readings."""


@click.command()
@click.argument("sensor", nargs=-1)
@click.option(
    "--interval", type=DurationType(1, 3600), default="5s", show_default=True, help="Time between two readings."
)
@show_option(", ".join(USUAL))
@fahrenheit_option
@pass_context
def watch(
    context: Context, sensor: tuple[str, ...], interval: float, shown: tuple[str, ...], fahrenheit: bool | None
) -> None:
    """Show each SENSOR, or all sensors, live with a chart; q or Ctrl-C ends it.

    Prints plain lines if the output is not a terminal. Below 5 s the sensor measures its own warmth.
    """
    live = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    rich = need("rich.live", "watch") if live else None
    in_fahrenheit = uses_fahrenheit(context, fahrenheit)
    poller = Poller(context.config, selectors=sensor)
    try:
        if rich is None:
            _lines(poller, interval, quantities(shown or USUAL, fahrenheit=in_fahrenheit))
        else:
            _screen(rich, poller, interval, Screen(interval, shown, fahrenheit=in_fahrenheit))
    except (KeyboardInterrupt, Terminated):  # the normal end
        return
    except (OSError, termios.error) as error:
        if error.args[:1] != (errno.EIO,):
            raise
        raise BrokenPipeError from error  # the terminal was closed and can't be restored


def _lines(poller: Poller, interval: float, shown: Sequence[Quantity]) -> None:
    for readings in poller.rounds(interval):
        for reading in readings:
            moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(reading.time_ns // NS))
            words = f"{reading.sensor}: {reading.problem}" if reading.error else output.text(reading, shown)
            click.echo(f"{moment}  {words}")


def _screen(rich_live: Any, poller: Poller, interval: float, screen: Screen) -> None:
    results: queue.SimpleQueue[list[Reading] | Exception] = queue.SimpleQueue()
    threading.Thread(target=_measure, args=(poller, interval, results), daemon=True).start()
    live_screen = rich_live.Live(screen=True, auto_refresh=False)
    with _keys() as pressed, live_screen as live, _stoppable(live) as stop_if_asked:
        drawn = None
        while not pressed():
            stop_if_asked()
            while not results.empty():
                result = results.get()
                if isinstance(result, Exception):
                    raise result
                screen.add(result)
                drawn = None
            now = (live.console.size, int(time.time()))
            if now != drawn:  # the age of each reading changes between readings
                live.update(screen.render(*live.console.size), refresh=True)
                drawn = now


def _measure(poller: Poller, interval: float, results: "queue.SimpleQueue[list[Reading] | Exception]") -> None:
    try:
        for readings in poller.rounds(interval):
            results.put(readings)
    except Exception as error:  # noqa: BLE001 - raised again in the main thread
        results.put(error)


@contextmanager
def _keys() -> Iterator[Any]:
    """A function that waits a moment and returns whether q was pressed; meanwhile the terminal echoes no keys."""
    if not sys.stdin.isatty():
        yield lambda: time.sleep(_POLL_SECONDS)
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed() -> bool:
        if not select.select([descriptor], [], [], _POLL_SECONDS)[0]:
            return False
        keys = os.read(descriptor, 64)
        return not keys or b"q" in keys.lower()  # no keys: the terminal was closed

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _stoppable(live: Any) -> Iterator[Callable[[], None]]:
    """Yield a function that stops the process after Ctrl-Z: it restores the terminal, and fg shows the chart again.

    The signal itself does nothing: it can arrive while the chart is written, when nothing else may be written.
    """
    asked: list[int] = []

    def stop_if_asked() -> None:
        if not asked:
            return
        asked.clear()
        shown = termios.tcgetattr(sys.stdout.fileno())
        live.console.set_alt_screen(False)
        live.console.show_cursor(True)
        cooked = [*shown[:3], shown[3] | termios.ECHO | termios.ICANON, *shown[4:]]
        termios.tcsetattr(sys.stdout.fileno(), termios.TCSADRAIN, cooked)
        os.kill(os.getpid(), signal.SIGSTOP)
        termios.tcsetattr(sys.stdout.fileno(), termios.TCSADRAIN, shown)
        live.console.set_alt_screen(True)
        live.console.show_cursor(False)
        live.refresh()

    before = signal.signal(signal.SIGTSTP, lambda number, frame: asked.append(number))
    try:
        yield stop_if_asked
    finally:
        signal.signal(signal.SIGTSTP, before)
