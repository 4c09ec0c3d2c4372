"""Commands that change virtual sensors while they run: one line of text in, one JSON object out."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from usbrh.simulator.device import VirtualInstrument
from usbrh.simulator.faults import FAULTS, USBRH2_FAULTS
from usbrh.simulator.usbip_wire import busid

_N = TypeVar("_N", int, float)

HELP = """\
sim-1 ticks T RH [T RH ...]   what it measures from now on: ticks, in turn
sim-1 values T RH [T RH ...]  the same for a USBRH2: °C and %RH
sim-1 drift                   back to its room
sim-1 delay SECONDS           from a request to its answer
sim-1 fault NAME [TIMES [SECONDS]]  without TIMES, or with "always", until it is cleared; "faults" lists the names
sim-1 clear                   clear all faults
sim-1 unplug [SECONDS]        for SECONDS, or until "plug"
sim-1 plug
sim-1 status                  or "status" for all
all COMMAND ...               to every sensor
quit"""


def status(model: VirtualInstrument) -> dict[str, Any]:
    """Return what can be seen of one sensor, by JSON key."""
    return {
        "sensor": model.name,
        "busid": busid(model.number),
        "plugged": model.plugged,
        "plug_ins": model.plug_ins,
        "measured": model.measured,
        **model.details(),
        "leds": list(model.leds),
        "heater": model.heater,
        "delay": model.measuring,
        "faults": model.faults,
    }


def execute(line: str, models: Mapping[str, VirtualInstrument]) -> dict[str, Any]:
    """Execute ``line``; the answer has ``"ok"``, and ``"error"`` if nothing was done."""
    try:
        return {"ok": True, **_execute(line, models)}
    except ValueError as error:
        return {"ok": False, "error": str(error)}


def _execute(line: str, models: Mapping[str, VirtualInstrument]) -> dict[str, Any]:
    match line.split():
        case ["help"]:
            return {"help": HELP.splitlines()}
        case ["faults"]:
            tables = {"faults": FAULTS, "faults of a USBRH2": USBRH2_FAULTS}
            return {key: {name: fault.description for name, fault in table.items()} for key, table in tables.items()}
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


def _act(model: VirtualInstrument, verb: str, arguments: list[str]) -> None:
    actions: dict[str, Callable[..., None]] = {
        model.values.key: _values,
        "drift": lambda model: model.drift(),
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


def _values(model: VirtualInstrument, *words: str) -> None:
    numbers = [_number(word) for word in words]
    try:
        model.set_values([numbers[i : i + 2] for i in range(0, len(numbers), 2)])
    except ValueError as error:
        raise ValueError(f"{model.values.key}: give {error}") from error


def _delay(model: VirtualInstrument, seconds: str) -> None:
    model.measuring = _seconds(seconds)


def _fault(model: VirtualInstrument, name: str, times: str = "always", seconds: str | None = None) -> None:
    count = None if times == "always" else _parsed(_whole, times, "a whole number")
    model.fault(name, count, None if seconds is None else _seconds(seconds))


def _whole(word: str) -> int:
    return int(word, 0)


def _number(word: str) -> float:
    return _parsed(float if "." in word else _whole, word, "a number")


def _seconds(word: str) -> float:
    seconds = _parsed(float, word, "a number of seconds")
    if not 0 <= seconds < 1e6:
        raise ValueError(f"{word!r} is not a number of seconds")
    return seconds


def _parsed(parse: Callable[[str], _N], word: str, kind: str) -> _N:
    try:
        return parse(word)
    except ValueError:
        raise ValueError(f"{word!r} is not {kind}") from None
