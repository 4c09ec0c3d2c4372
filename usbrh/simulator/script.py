"""``USBRH_SIMULATE``: how many virtual sensors there are, or the TOML file that describes them.

[sensor.sim-1]                      # at port sim-1; 1 to 127
ticks = [[6500, 1500], [6510, 1490]]  # temperature and humidity words, in turn; without them a room that drifts
delay = 0.45                        # s from a request to its answer
reserved = "000241"                 # the report's last three bytes
firmware = "06/01/09"               # year, month, day
kernel_driver = true                # the kernel's HID driver has taken it
plugged = true
[[sensor.sim-1.fault]]              # any number of them; `usbrh simulate` answers "faults" with the names
name = "late"
times = 3                           # for ever without it
seconds = 8.0                       # for those that take a time

[sensor.sim-2]
model = "USBRH2"                    # "USB-RH" without it
serial = "E02A"                     # E002 without it, from its number
values = [[23.77, 42.76]]           # °C and %RH, in turn; without them a room that drifts
delay = 0.016                       # as above; so are firmware (any words), plugged and fault (with names of its own)
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.errors import ConfigError
from usbrh.simulator import room, usbrh2
from usbrh.simulator.backend import SimulatorBackend
from usbrh.simulator.model import MEASURING, RESERVED, VirtualUsbRh
from usbrh.simulator.usbrh2 import VirtualUsbrh2

Model = VirtualUsbRh | VirtualUsbrh2

MOST_SENSORS = 127
"""As many as one USB bus has addresses for."""
LONGEST_DELAY = 3600.0
"""s; a longer one is taken for a mistake."""

_KEYS = ("model", "ticks", "delay", "reserved", "firmware", "kernel_driver", "plugged", "fault")
_KEYS2 = ("model", "serial", "values", "delay", "firmware", "plugged", "fault")
_FAULT_KEYS = ("name", "times", "seconds")


class _Wrong(ValueError):
    """Something in the script; the message begins with the key."""


def backend_from_environment(text: str, clock: Clock = SYSTEM_CLOCK) -> SimulatorBackend:
    """The virtual sensors that ``USBRH_SIMULATE`` asks for: a number, or the path of a TOML file.

    Raises:
        ConfigError: it is neither, or the file is wrong.
    """
    return SimulatorBackend(models(text, clock), clock)


def models(text: str, clock: Clock = SYSTEM_CLOCK, origin: str = "USBRH_SIMULATE=") -> list[Model]:
    """As ``backend_from_environment``, without a backend around them; messages name ``origin``."""
    given = f"{origin}{text}" if text.isprintable() else f"{origin}{text!r}"
    if text.isascii() and text.isdigit():
        if len(text) > len(str(MOST_SENSORS)) or int(text) > MOST_SENSORS:
            raise ConfigError(f"{given}: a bus takes {MOST_SENSORS} sensors; set it to at most that")
        return [VirtualUsbRh(number, clock=clock) for number in range(1, int(text) + 1)]
    otherwise = f"{origin}1 gives one virtual sensor"
    try:
        return _sensors(tomllib.loads(Path(text).read_text("utf-8")), clock)
    except _Wrong as error:
        raise ConfigError(f"{text}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{text} is not TOML: {error}; correct it") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{text} is not UTF-8 text; {otherwise}") from error
    except (FileNotFoundError, IsADirectoryError, ValueError):  # ValueError: what can't be a path at all
        raise ConfigError(f"{given}: neither a number nor a file; {otherwise}") from None
    except OSError as error:
        raise ConfigError(f"can't read {text}: {error.strerror}; {otherwise}") from error


def _sensors(script: Mapping[str, Any], clock: Clock) -> list[Model]:
    _known(script, ("sensor",), "")
    tables = script.get("sensor")
    if not isinstance(tables, dict) or not tables:
        raise _Wrong("there is no sensor in it; begin with a line [sensor.sim-1]")
    models = [_sensor(name, table, clock) for name, table in sorted(tables.items(), key=lambda item: _number(item[0]))]
    serials = [model.serial for model in models if isinstance(model, VirtualUsbrh2)]
    if len(set(serials)) < len(serials):
        raise _Wrong(f"two sensors have the same serial number, of {', '.join(serials)}; each needs its own")
    return models


def _number(name: str) -> int:
    digits = name.removeprefix("sim-")
    if name == digits or not digits.isascii() or not digits.isdigit() or not 1 <= int(digits) <= MOST_SENSORS:
        raise _Wrong(f"sensor.{name}: the virtual ports are sim-1 to sim-{MOST_SENSORS}; write [sensor.sim-1]")
    return int(digits)


def _sensor(name: str, table: Any, clock: Clock) -> Model:
    where = f"sensor.{name}"
    if not isinstance(table, dict):
        raise _Wrong(f"{where} must be a table; write [{where}]")
    kinds = {"USB-RH": _usbrh1, "USBRH2": _usbrh2}
    kind = table.get("model", "USB-RH")
    if not isinstance(kind, str) or kind not in kinds:
        raise _Wrong(f'{where}.model must be one of {", ".join(kinds)}; write "USBRH2"')
    model = kinds[kind](_number(name), where, table, clock)
    faults = table.get("fault", [])
    if not isinstance(faults, list) or not all(isinstance(fault, dict) for fault in faults):
        raise _Wrong(f"{where}.fault must be a list of tables; write [[{where}.fault]]")
    for fault in faults:
        _arm(model, fault, f"{where}.fault")
    if not _flag(table.get("plugged", True), f"{where}.plugged"):
        model.unplug()
    return model


def _usbrh2(number: int, where: str, table: Mapping[str, Any], clock: Clock) -> Model:
    _known(table, _KEYS2, f"{where}.")
    values = table.get("values")
    return VirtualUsbrh2(
        number,
        clock=clock,
        air=None if values is None else room.listed_air(_airs(values, f"{where}.values")),
        serial=_words(table.get("serial", f"E{number:03X}"), f"{where}.serial"),
        measuring=_seconds(table.get("delay", usbrh2.MEASURING), f"{where}.delay"),
        firmware=_words(table.get("firmware", usbrh2.FIRMWARE), f"{where}.firmware"),
    )


def _usbrh1(number: int, where: str, table: Mapping[str, Any], clock: Clock) -> Model:
    _known(table, _KEYS, f"{where}.")
    ticks = table.get("ticks")
    return VirtualUsbRh(
        number,
        clock=clock,
        ticks=None if ticks is None else room.listed(_pairs(ticks, f"{where}.ticks")),
        measuring=_seconds(table.get("delay", MEASURING), f"{where}.delay"),
        reserved=_reserved(table.get("reserved", RESERVED.hex()), f"{where}.reserved"),
        firmware=_date(table.get("firmware", "06/01/09"), f"{where}.firmware"),
        kernel_driver=_flag(table.get("kernel_driver", True), f"{where}.kernel_driver"),
    )


def _arm(model: Model, fault: Mapping[str, Any], where: str) -> None:
    _known(fault, _FAULT_KEYS, f"{where}.")
    times, seconds = fault.get("times"), fault.get("seconds")
    if times is not None and (not isinstance(times, int) or isinstance(times, bool)):
        raise _Wrong(f"{where}.times must be a whole number; without it the fault lasts for ever")
    try:
        model.fault(
            str(fault.get("name", "")), times, None if seconds is None else _seconds(seconds, f"{where}.seconds")
        )
    except _Wrong:
        raise
    except ValueError as error:
        raise _Wrong(f"{where}: {error}") from error


def _known(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            raise _Wrong(f"{where}{key} is not known; known here: {', '.join(keys)}")


def _pairs(value: Any, where: str) -> list[room.Ticks]:
    if isinstance(value, list) and value and all(_is_pair(pair) for pair in value):
        return [(pair[0], pair[1]) for pair in value]
    raise _Wrong(f"{where} must be pairs of temperature and humidity, each 0 to 65535; write [[7169, 1246]]")


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(type(word) is int and 0 <= word <= 0xFFFF for word in pair)


def _airs(value: Any, where: str) -> list[room.Air]:
    if isinstance(value, list) and value and all(_is_air(pair) for pair in value):
        return [(float(pair[0]), float(pair[1])) for pair in value]
    raise _Wrong(f"{where} must be pairs of °C, -45 to 130, and %RH, 0 to 100; write [[23.77, 42.76]]")


def _is_air(pair: Any) -> bool:
    if not isinstance(pair, list) or len(pair) != 2 or not all(type(number) in (int, float) for number in pair):
        return False
    return bool(-45 <= pair[0] <= 130 and 0 <= pair[1] <= 100)


def _words(value: Any, where: str) -> str:
    if isinstance(value, str) and value and value.isascii() and value.isprintable():
        return value
    raise _Wrong(f'{where} must be printable ASCII; write "E02A"')


def _seconds(value: Any, where: str) -> float:
    if type(value) in (int, float) and 0 <= value <= LONGEST_DELAY:
        return float(value)
    raise _Wrong(f"{where} must be a number of seconds, 0 to {LONGEST_DELAY:g}")


def _flag(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    raise _Wrong(f"{where} must be true or false")


def _reserved(value: Any, where: str) -> bytes:
    try:
        reserved = bytes.fromhex(value)
    except (TypeError, ValueError):
        reserved = b""
    if len(reserved) != 3:
        raise _Wrong(f'{where} must be three bytes in hexadecimal; write "000241"')
    return reserved


def _date(value: Any, where: str) -> tuple[int, int, int]:
    parts = value.split("/") if isinstance(value, str) else []
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and int(part) <= 99 for part in parts):
        raise _Wrong(f'{where} must be year/month/day, two digits each; write "06/01/09"')
    return int(parts[0]), int(parts[1]), int(parts[2])
