"""What can be done to virtual sensors at run time, as lines of text: one line in, one JSON object out."""

from collections.abc import Callable, Mapping
from typing import Any

from usbrh.simulator.faults import FAULTS
from usbrh.simulator.model import VirtualUsbRh
from usbrh.simulator.room import air, listed, listed_air, room
from usbrh.simulator.usbip_wire import busid
from usbrh.simulator.usbrh2 import FAULTS2, VirtualUsbrh2

Model = VirtualUsbRh | VirtualUsbrh2

HELP = """\
sim-1 ticks T RH [T RH ...]   what it measures from now on: raw words, in turn
sim-1 values T RH [T RH ...]  the same of a USBRH2: °C and %RH
sim-1 drift                   back to its room
sim-1 delay SECONDS           from a request to its answer
sim-1 fault NAME [TIMES [SECONDS]]  without TIMES, or with "always", until it is cleared; "faults" lists the names
sim-1 clear                   no fault any more
sim-1 unplug [SECONDS]        for so many seconds, or until "plug"
sim-1 plug
sim-1 status                  or "status" for all
all COMMAND ...               to every sensor
quit"""


def status(model: Model) -> dict[str, Any]:
    """What can be seen of one sensor."""
    own = {"held": model.held} if isinstance(model, VirtualUsbRh) else {"serial": model.serial, "auto": model.automatic}
    return {
        "sensor": model.name,
        "busid": busid(model.number),
        "plugged": model.plugged,
        "plug_ins": model.plug_ins,
        "measured": model.measured,
        **own,
        "leds": list(model.leds),
        "heater": model.heater,
        "delay": model.measuring,
        "faults": model.faults,
    }


def execute(line: str, models: Mapping[str, Model]) -> dict[str, Any]:
    """Do what ``line`` says; the answer has ``"ok"``, and ``"error"`` if nothing was done."""
    try:
        return {"ok": True, **_execute(line, models)}
    except ValueError as error:
        return {"ok": False, "error": str(error)}


def _execute(line: str, models: Mapping[str, Model]) -> dict[str, Any]:
    match line.split():
        case ["help"]:
            return {"help": HELP.splitlines()}
        case ["faults"]:
            faults, faults2 = ({name: each.says for name, each in table.items()} for table in (FAULTS, FAULTS2))
            return {"faults": faults, "faults of a USBRH2": faults2}
        case ["status"]:
            return {"sensors": [status(model) for model in models.values()]}
        case ["all", verb, *arguments]:
            for model in models.values():
                _act(model, verb, arguments)
            return {"sensors": [status(model) for model in models.values()]}
        case [name, verb, *arguments] if name in models:
            _act(models[name], verb, arguments)
            return status(models[name])
        case [name, _, *_]:
            raise ValueError(f"there is no sensor {name!r}; there are: {', '.join(models)}")
    raise ValueError(f"{line.strip()!r} is not a command; help lists them")


def _act(model: Model, verb: str, arguments: list[str]) -> None:
    own: dict[str, Callable[..., None]]
    own = {"ticks": _ticks} if isinstance(model, VirtualUsbRh) else {"values": _values}
    actions: dict[str, Callable[..., None]] = {
        **own,
        "drift": _drift,
        "delay": _delay,
        "fault": _fault,
        "clear": lambda model: model.clear_faults(),
        "unplug": lambda model, seconds=None: model.unplug(None if seconds is None else _seconds(seconds)),
        "plug": lambda model: model.plug(),
        "status": lambda model: None,
    }
    if verb not in actions:
        raise ValueError(f"{verb!r} is not a command; help lists them")
    try:
        actions[verb](model, *arguments)
    except TypeError as error:
        raise ValueError(f"{verb}: too many or too few words; help lists the commands") from error


def _ticks(model: VirtualUsbRh, *words: str) -> None:
    numbers = [_whole(word) for word in words]
    if not numbers or len(numbers) % 2:
        raise ValueError("ticks: give pairs of temperature and humidity, such as 6500 1500")
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    if any(not 0 <= temperature <= 0xFFFF or not 0 <= humidity <= 0xFFFF for temperature, humidity in pairs):
        raise ValueError("ticks: a word of the report has 16 bits")
    first = model.measured
    model.ticks = lambda n: listed(pairs)(n - first)


def _values(model: VirtualUsbrh2, *words: str) -> None:
    numbers = [_number(word) for word in words]
    if not numbers or len(numbers) % 2:
        raise ValueError("values: give pairs of °C and %RH, such as 23.77 42.76")
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    if any(not (-45 <= temperature <= 130 and 0 <= humidity <= 100) for temperature, humidity in pairs):
        raise ValueError("values: it can say -45 to 130 °C and 0 to 100 %RH")
    first = model.measured
    model.air = lambda n: listed_air(pairs)(n - first)


def _drift(model: Model) -> None:
    if isinstance(model, VirtualUsbRh):
        model.ticks = room(model.number)
    else:
        model.air = air(model.number)


def _delay(model: Model, seconds: str) -> None:
    model.measuring = _seconds(seconds)


def _fault(model: Model, name: str, times: str = "always", seconds: str | None = None) -> None:
    model.fault(name, None if times == "always" else _whole(times), None if seconds is None else _seconds(seconds))


def _whole(word: str) -> int:
    try:
        return int(word, 0)
    except ValueError:
        raise ValueError(f"{word!r} is not a whole number") from None


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"{word!r} is not a number") from None


def _seconds(word: str) -> float:
    try:
        seconds = float(word)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise ValueError(f"{word!r} is not a number of seconds")
    return seconds
