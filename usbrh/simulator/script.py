"""``USBRH_SIMULATE``: how many virtual sensors there are, or the TOML file that describes them.

[sensor.sim-1]                      # at port sim-1; 1 to 1000
ticks = [[6500, 1500], [6510, 1490]]  # temperature and humidity words, in turn; without them a room that drifts
delay = 0.45                        # s from a request to its answer
reserved = "000241"                 # the report's last three bytes
firmware = "06/01/09"               # year, month, day
kernel_driver = true                # the kernel's HID driver has claimed it
plugged = true
unknown = {unread = "kept"}         # what nobody knows of the real one; unknowns.py has the keys and values
[[sensor.sim-1.fault]]              # any number of them; `usbrh simulate` answers "faults" with the names
name = "late"
times = 3                           # without it, until it is cleared
seconds = 8.0                       # for faults that have a duration

[sensor.sim-2]
model = "USBRH2"                    # "USB-RH" without it
serial = "E02A"                     # E002 without it, from its number
values = [[23.77, 42.76]]           # °C and %RH, in turn; without them a room that drifts
delay = 0.016                       # as above; so are firmware (any words), plugged and fault (other names)
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.errors import ConfigError
from usbrh.simulator.backend import SimulatorBackend
from usbrh.simulator.unknowns import Usbrh2Unknowns, UsbRhUnknowns, from_table
from usbrh.simulator.usbrh1 import VirtualUsbRh
from usbrh.simulator.usbrh2 import VirtualUsbrh2

Model = VirtualUsbRh | VirtualUsbrh2

MAX_SENSORS = 1000
"""More than any machine has: one USB bus has addresses for 127."""
MAX_DELAY = 3600.0
"""s; a longer one is probably an error."""


class _ScriptError(ConfigError):
    """Something in the script is wrong; the message begins with the key."""


def backend_from_environment(text: str, clock: Clock = SYSTEM_CLOCK) -> SimulatorBackend:
    """Return the virtual sensors that ``USBRH_SIMULATE`` asks for: a number, or the path of a TOML file.

    Raises ConfigError if it is neither, or if the file is wrong.
    """
    return SimulatorBackend(models(text, clock), clock)


def models(text: str, clock: Clock = SYSTEM_CLOCK, origin: str = "USBRH_SIMULATE=") -> list[Model]:
    """Do as ``backend_from_environment``, without a backend; messages name ``origin``."""
    given = f"{origin}{text}" if text.isprintable() else f"{origin}{text!r}"
    if text.isascii() and text.isdigit():
        if len(text) > len(str(MAX_SENSORS)) or int(text) > MAX_SENSORS:
            raise ConfigError(f"{given}: too many sensors", remedy=f"set it to at most {MAX_SENSORS}")
        return [VirtualUsbRh(number, clock=clock) for number in range(1, int(text) + 1)]
    import tomllib  # noqa: PLC0415  # slow to import, and a number needs none of it

    remedy = f"{origin}1 gives one virtual sensor"
    try:
        return _sensors(tomllib.loads(Path(text).read_text("utf-8")), clock)
    except _ScriptError as error:
        raise ConfigError(f"{text}: {error.message}", remedy=error.remedy) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{text} is not TOML: {error}", remedy="correct it") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{text} is not UTF-8 text", remedy=remedy) from error
    except (FileNotFoundError, IsADirectoryError, ValueError):  # ValueError: what can't be a path at all
        raise ConfigError(f"{given}: neither a number nor a file", remedy=remedy) from None
    except OSError as error:
        raise ConfigError(f"can't read {text}: {error.strerror}", remedy=remedy) from error


def _sensors(script: Mapping[str, Any], clock: Clock) -> list[Model]:
    _check_keys(script, ("sensor",), "")
    tables = script.get("sensor")
    if not isinstance(tables, dict) or not tables:
        raise _ScriptError("there is no sensor in it", remedy="begin with a line [sensor.sim-1]")
    models = [_sensor(name, table, clock) for name, table in sorted(tables.items(), key=lambda item: _number(item[0]))]
    serials = [model.serial for model in models if isinstance(model, VirtualUsbrh2)]
    if len(set(serials)) < len(serials):
        message = f"two sensors have the same serial number, of {', '.join(serials)}"
        raise _ScriptError(message, remedy="each needs its own")
    return models


def _number(name: str) -> int:
    digits = name.removeprefix("sim-")
    if name == digits or not digits.isascii() or not digits.isdigit() or not 1 <= int(digits) <= MAX_SENSORS:
        message = f"sensor.{name}: the virtual ports are sim-1 to sim-{MAX_SENSORS}"
        raise _ScriptError(message, remedy="write [sensor.sim-1]")
    return int(digits)


def _sensor(name: str, table: Any, clock: Clock) -> Model:
    where = f"sensor.{name}"
    if not isinstance(table, dict):
        raise _ScriptError(f"{where} must be a table", remedy=f"write [{where}]")
    kind = table.get("model", "USB-RH")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _ScriptError(f"{where}.model must be one of {', '.join(_KINDS)}", remedy='write "USBRH2"')
    make, keys = _KINDS[kind]
    _check_keys(table, ("model", make.values.key, *keys, "plugged", "fault"), f"{where}.")
    given = {key: convert(table[key], f"{where}.{key}") for key, convert in keys.items() if key in table}
    if "delay" in given:
        given["measuring"] = given.pop("delay")
    if "unknown" in given:
        given["unknowns"] = given.pop("unknown")
    model = make(_number(name), clock=clock, **given)
    if make.values.key in table:
        try:
            model.set_values(table[make.values.key])
        except ValueError as error:
            raise _ScriptError(f"{where}.{make.values.key} must be {error}") from error
    faults = table.get("fault", [])
    if not isinstance(faults, list) or not all(isinstance(fault, dict) for fault in faults):
        raise _ScriptError(f"{where}.fault must be a list of tables", remedy=f"write [[{where}.fault]]")
    for fault in faults:
        _arm(model, fault, f"{where}.fault")
    if not _flag(table.get("plugged", True), f"{where}.plugged"):
        model.unplug()
    return model


def _arm(model: Model, fault: Mapping[str, Any], where: str) -> None:
    _check_keys(fault, ("name", "times", "seconds"), f"{where}.")
    times, seconds = fault.get("times"), fault.get("seconds")
    if times is not None and type(times) is not int:
        raise _ScriptError(f"{where}.times must be a whole number", remedy="without it the fault lasts")
    if seconds is not None:
        seconds = _seconds(seconds, f"{where}.seconds")
    try:
        model.fault(str(fault.get("name", "")), times, seconds)
    except ValueError as error:
        raise _ScriptError(f"{where}: {error}") from error


def _check_keys(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            raise _ScriptError(f"{where}{key} is not known", remedy=f"known here: {', '.join(keys)}")


def _words(value: Any, where: str) -> str:
    if isinstance(value, str) and value and value.isascii() and value.isprintable():
        return value
    raise _ScriptError(f"{where} must be printable ASCII", remedy='write "E02A"')


def _seconds(value: Any, where: str) -> float:
    if type(value) in (int, float) and 0 <= value <= MAX_DELAY:
        return float(value)
    raise _ScriptError(f"{where} must be a number of seconds, 0 to {MAX_DELAY:g}")


def _flag(value: Any, where: str) -> bool:
    if isinstance(value, bool):
        return value
    raise _ScriptError(f"{where} must be true or false")


def _reserved(value: Any, where: str) -> bytes:
    with suppress(TypeError, ValueError):
        if len(reserved := bytes.fromhex(value)) == 3:
            return reserved
    raise _ScriptError(f"{where} must be three bytes in hexadecimal", remedy='write "000241"')


def _date(value: Any, where: str) -> tuple[int, int, int]:
    parts = value.split("/") if isinstance(value, str) else []
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and int(part) <= 99 for part in parts):
        raise _ScriptError(f"{where} must be year/month/day, two digits each", remedy='write "06/01/09"')
    return int(parts[0]), int(parts[1]), int(parts[2])


def _unknowns(kind: type[Any], value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _ScriptError(f"{where} must be a table", remedy=f"write [{where}]")
    try:
        return from_table(kind, value)
    except ValueError as error:
        raise _ScriptError(f"{where}.{error}") from error


_KINDS: dict[str, tuple[type[Model], dict[str, Callable[[Any, str], Any]]]] = {
    "USB-RH": (
        VirtualUsbRh,
        {
            "delay": _seconds,
            "reserved": _reserved,
            "firmware": _date,
            "kernel_driver": _flag,
            "unknown": partial(_unknowns, UsbRhUnknowns),
        },
    ),
    "USBRH2": (
        VirtualUsbrh2,
        {"serial": _words, "delay": _seconds, "firmware": _words, "unknown": partial(_unknowns, Usbrh2Unknowns)},
    ),
}
"""By ``model``: its class, and its keys with their checks. ``delay`` is the argument ``measuring``, ``unknown`` is
``unknowns``."""
