"""What nobody knows of the real instruments, as parameters of the virtual ones. docs/device.md discusses each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args, get_type_hints

_T = TypeVar("_T")

MAX_POLL_INTERVAL = 255
"""ms; the field of the endpoint descriptor has 8 bits."""


@dataclass(frozen=True)
class UsbRhUnknowns:
    """One possible USB-RH."""

    poll_interval: int = 0
    """ms between two polls of the endpoint by the host, up to 255. With 0 the host polls all the time, and the
    descriptor shows 10."""
    unread: Literal["queued", "overwritten", "kept"] = "queued"
    """What becomes of a report while an older one waits: it waits too, replaces the older one, or is lost."""
    overlap: Literal["queued", "ignored", "restarts"] = "queued"
    """What a request during a measurement does: it waits its turn, does nothing, or starts the measurement again."""
    report_length: Literal[7, 8] = 7
    packet_size: Literal[8, 64] = 8
    """Bytes; 64 means full speed."""
    strings: Literal["present", "absent", "undecodable"] = "present"
    loses: Literal["nothing", "next", "all"] = "nothing"
    """Which reports the firmware loses after the request ``loses_after``: the next one, or all until a USB reset."""
    loses_after: Literal["set_configuration", "set_interface", "clear_halt"] = "set_configuration"
    heater: Literal["accepted", "rejected"] = "accepted"
    """Whether the firmware knows the heater command."""
    first_request: Literal["answered", "lost", "lost_after_reset"] = "answered"
    """Whether the first request after power-on, or also the first one after each USB reset, gets no answer."""


@dataclass(frozen=True)
class Usbrh2Unknowns:
    """One possible USBRH2."""

    newline: Literal["\r\n", "\r", "\n", "\n\r", "\r\r\n\n"] = "\r\n"
    """The end of each line that it sends."""
    prompt: Literal[">", "> ", ">\r\n"] = ">"
    """What it sends while the echo is on, after each answer: before the next line, or on a separate line."""
    greeting: bool = False
    """Whether the prompt is there already when a program opens the port."""
    echo: Literal["switchable", "always", "never"] = "switchable"
    """Whether commands come back: until ``echo off``, always, or never."""
    status: Literal["0x8010", "8010", "STATUS=0x8010", "Status: 8010h", "32784", "1000 0000 0001 0000", ""] = "0x8010"
    """The form of the answer to ``status`` after power-up; with an empty one it does not answer."""
    serial: Literal["E02A", "serial=E02A", "SERIAL: E02A", ""] = "E02A"
    """The form of the answer to ``serial``; E02A stands for the serial number."""
    switched: Literal["", "OK", "LED1=on", "led1 = on"] = ""
    """What it answers to a command that switches something. The last two stand for name and value in this form."""


def from_table(kind: type[_T], table: Mapping[str, Any]) -> _T:
    """Return the unknowns in a table of TOML. Raises ValueError; its message begins with the key."""
    hints = get_type_hints(kind)
    for key, value in table.items():
        if key not in hints:
            raise ValueError(f"{key} is not known; known here: {', '.join(hints)}")
        choices = get_args(hints[key])
        if choices and not any(type(value) is type(choice) and value == choice for choice in choices):
            raise ValueError(f"{key} must be one of {', '.join(map(repr, choices))}")
        if not choices and type(value) is not hints[key]:
            raise ValueError(f"{key} must be {'true or false' if hints[key] is bool else 'a whole number'}")
        if hints[key] is int and not 0 <= value <= MAX_POLL_INTERVAL:
            raise ValueError(f"{key} must be 0 to {MAX_POLL_INTERVAL}")
    return kind(**table)
