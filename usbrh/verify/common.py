"""The steps that are the same for every model: the timing, the LEDs, the heater."""

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from usbrh.drivers.base import LedState
from usbrh.errors import SensorError
from usbrh.reading import Reading
from usbrh.verify.bench import Bench
from usbrh.verify.steps import UNUSABLE, Seen, Step

_READINGS = 20
_PAUSE_SECONDS = 0.2
"""s between the readings, so short that the sensor warms itself."""
_MAX_FAILURES = 3
"""Failed readings after which the others are not tried: each can take 5 s."""
_HEATING_SECONDS = 30.0
"""s, at most."""
_WARM_ENOUGH = 2.0
"""°C of rise that end the heating. kimata's manual shows about as much for a USB-RH."""
_HEATING_PAUSE = 2.0
# °C, %RH and °C that pass the test. The data sheet has a rise of 5 to 10 °C for the bare chip; a USB-RH showed about
# 2 °C. The air stays the same, so the dew point moves only by the errors of the two quantities.
_RISE, _FALL, _DEW_POINT_DRIFT = 0.5, 0.5, 2.0
_COLOURS = ("green", "red", "other", "dark")


class Answers(NamedTuple):
    """The requests in some records, and after how many seconds those that were answered got their answer."""

    requests: int
    times: list[float]


def timing(bench: Bench, answers: Callable[[Bench, int], Answers]) -> Seen:
    """Measure 20 times; ``answers`` finds requests and answers in the records since a mark. Raises as ``steps.run``."""
    mark = bench.mark
    readings: list[Reading] = []
    failures: list[str] = []
    while len(readings) + len(failures) < _READINGS and len(failures) < _MAX_FAILURES:
        bench.progress(f"reading {len(readings) + len(failures) + 1} of {_READINGS}")
        try:
            readings.append(bench.read())
        except UNUSABLE:
            raise
        except SensorError as error:
            failures.append(error.message)
        bench.clock.sleep(_PAUSE_SECONDS)
    requests, times = answers(bench, mark)
    differs = [f"{len(failures)} failed: {failures[0]}"] if failures else []
    if requests > len(readings) + len(failures):
        differs.append(f"{requests} requests for {len(readings) + len(failures)} readings")
    text = f"{len(readings)} readings"
    if times:
        text += f", answers after {min(times):.3f} to {max(times):.3f} s, median {median(times):.3f} s"
    return Seen(f"{text}; {_warming(readings)}" if readings else text, differs)


def _warming(readings: list[Reading]) -> str:
    """Return how much the temperature changed from the first three readings to the last three."""
    temperatures = [reading.temperature or 0.0 for reading in readings]
    count = min(3, len(temperatures))
    change = (sum(temperatures[-count:]) - sum(temperatures[:count])) / count
    return f"{change + 0.0:+.2f} °C from the first to the last"


def _leds(bench: Bench, states: tuple[LedState, ...]) -> Seen:
    """Switch each LED on and off, ask the person for its colour, and measure while it is on."""
    colours: dict[int, str] = {}
    for number in (1, 2):
        bench.progress(f"LED {number}")
        try:
            for state in states:
                bench.sensor.set_led(number, state)
            bench.read(f"LED {number}")
            colour = bench.ask(f"LED {number} of {bench.sensor.info.name} is on. Which colour has it", _COLOURS)
        finally:
            bench.sensor.set_led(number, "off")
        if colour:
            colours[number] = colour
            bench.recorder.note(led=number, colour=colour)
    if not colours:
        return Seen("both accept on and off; nobody was asked for the colours")
    text = ", ".join(f"LED {number} is {colour}" for number, colour in colours.items())
    differs = [f"LED {number} stays dark" for number, colour in colours.items() if colour == "dark"]
    new = [] if differs or set(colours.values()) == {"green", "red"} else [text]
    return Seen(text, differs, new)


def led_step(*states: LedState) -> Step:
    """Return the step for the LEDs; ``states`` are those that each of them gets, at last ``on``."""
    return Step("LEDs", "one LED is green and one is red; both can be switched", lambda bench: _leds(bench, states))


def _heater(bench: Bench) -> Seen:
    """Heat until the temperature has risen by 2 °C, at most 30 s."""
    before = after = bench.read()
    begin = bench.clock.monotonic()
    marked = True
    with bench.sensor.heating():
        while bench.clock.monotonic() - begin < _HEATING_SECONDS and _change(before, after) < _WARM_ENOUGH:
            bench.clock.sleep(_HEATING_PAUSE)
            after = bench.read("heater")
            marked = marked and after.heater
            bench.progress(f"{_change(before, after):+.2f} °C")
    seconds = bench.clock.monotonic() - begin
    differs = [words for words, passed in heater_checks(before, after) if not passed]
    if not marked:
        differs.append("a reading with the heater on is not marked")
    if bench.read("").heater:
        differs.append("the heater is still on")
    rise, fall, drift = (_change(before, after, quantity) for quantity in ("temperature", "humidity", "dew_point"))
    text = f"{rise:+.2f} °C, {fall:+.2f} %RH, dew point {drift:+.2f} °C in {seconds:.0f} s"
    return Seen(text, differs)


HEATER = Step("heater", "the temperature rises, the humidity falls, the dew point stays", _heater)


def heater_checks(before: Reading, after: Reading) -> list[tuple[str, bool]]:
    """Compare a reading with one after heating; return what was seen, and whether it is right."""
    rise = _change(before, after)
    fall = -_change(before, after, "humidity")
    drift = _change(before, after, "dew_point")
    return [
        (f"temperature rose by {rise:.2f} °C (at least {_RISE} expected)", rise >= _RISE),
        (f"humidity fell by {fall:.2f} %RH (at least {_FALL} expected)", fall >= _FALL),
        (f"dew point moved by {drift:.2f} °C (at most {_DEW_POINT_DRIFT} expected)", abs(drift) <= _DEW_POINT_DRIFT),
    ]


def _change(before: Reading, after: Reading, quantity: str = "temperature") -> float:
    """Return the growth; 0 if one of them is not defined (the dew point of air without water)."""
    first, last = getattr(before, quantity), getattr(after, quantity)
    return 0.0 if first is None or last is None else last - first + 0.0
