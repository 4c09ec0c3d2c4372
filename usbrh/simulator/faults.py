"""The faults of a virtual sensor, by name."""

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple


class Step(Enum):
    """The step at which a fault occurs: the first six of a USB-RH, the others of a USBRH2."""

    OPEN = "the host opens the device"
    CLAIM = "the host claims the interface"
    DETACH = "the host detaches the kernel's driver"
    FEATURE = "a feature report is set or asked for"
    REQUEST = "a measurement is asked for"
    ANSWER = "a measurement is in progress or done"
    COMMAND = "a command comes"
    MEASURE = "getrh asks for a measurement"
    SWITCH = "a command that switches something comes"


class Fault(NamedTuple):
    """One kind of fault."""

    step: Step
    description: str
    seconds: float | None = None
    """The default duration, for faults that have one."""


FAULTS = {
    "access_denied": Fault(Step.OPEN, "opening fails with EACCES"),
    "busy": Fault(Step.CLAIM, "another program has claimed the interface: claiming fails with EBUSY"),
    "detach_rejected": Fault(Step.DETACH, "the kernel's driver can't be detached"),
    "feature_stalls": Fault(Step.FEATURE, "LED, heater and firmware requests stall"),
    "feature_hangs": Fault(Step.FEATURE, "LED, heater and firmware requests are not answered"),
    "unplug_before_request": Fault(Step.REQUEST, "gone when the request comes; back after so many seconds, if given"),
    "unplug_during_request": Fault(Step.REQUEST, "gone in the middle of the request; back as above"),
    "request_stalls": Fault(Step.REQUEST, "the request stalls"),
    "request_hangs": Fault(Step.REQUEST, "the request is neither accepted nor rejected"),
    "request_io_error": Fault(Step.REQUEST, "the request fails with EIO"),
    "first_answer_hangs": Fault(Step.REQUEST, "the first request after plug-in is accepted, and never answered"),
    "unplug_while_measuring": Fault(Step.ANSWER, "gone after half of the measuring time; back as above"),
    "unplug_during_read": Fault(Step.ANSWER, "gone while the answer is read; back as above"),
    "no_answer": Fault(Step.ANSWER, "no answer at all"),
    "late": Fault(Step.ANSWER, "the answer comes so many seconds late", seconds=10.0),
    "endpoint_halts": Fault(Step.ANSWER, "the endpoint halts instead of answering, until the halt is cleared"),
    "read_io_error": Fault(Step.ANSWER, "reading fails with EIO instead of an answer"),
    "short": Fault(Step.ANSWER, "a report of 3 bytes"),
    "long": Fault(Step.ANSWER, "a report of 8 bytes"),
    "empty": Fault(Step.ANSWER, "a report of no bytes"),
    "garbage": Fault(Step.ANSWER, "bytes that mean nothing"),
    "all_zero": Fault(Step.ANSWER, "a report of zeros"),
    "all_ff": Fault(Step.ANSWER, "a report of 0xff"),
    "out_of_range": Fault(Step.ANSWER, "bits set above the 14 and 12 of a measurement"),
    "duplicate": Fault(Step.ANSWER, "the answer twice"),
    "unsolicited": Fault(Step.ANSWER, "a report that nobody asked for, at once, and later the answer"),
}
"""The faults of a USB-RH. Of the armed faults of one step, only the first in this table occurs."""

USBRH2_FAULTS = {
    "silent": Fault(Step.COMMAND, "commands are neither done nor answered"),
    "unplug_on_command": Fault(Step.COMMAND, "gone when a command comes; back after so many seconds, if given"),
    "hang": Fault(Step.COMMAND, "everything is served in its turn, but only after so many seconds", seconds=2.0),
    "ignores": Fault(Step.SWITCH, "echo, auto, LED and heater stay as they are"),
    "no_answer": Fault(Step.MEASURE, "getrh is not answered"),
    "late": Fault(Step.MEASURE, "the answer to getrh comes so many seconds late", seconds=10.0),
    "half_line": Fault(Step.MEASURE, "the answer stops in its middle"),
    "unplug_mid_line": Fault(Step.MEASURE, "gone in the middle of the answer; back as above"),
    "dropped_byte": Fault(Step.MEASURE, "a digit of the answer is missing"),
    "flipped_bit": Fault(Step.MEASURE, "a bit of a digit is another"),
    "no_crc": Fault(Step.MEASURE, "the answer has no checksum"),
    "disconnected_chip": Fault(Step.MEASURE, "what 0xffff from the chip gives: 130.00 °C, 100.00 %RH"),
    "shorted_chip": Fault(Step.MEASURE, "what 0x0000 from the chip gives: -45.00 °C, 0.00 %RH"),
    "garbage": Fault(Step.MEASURE, "bytes that mean nothing"),
    "endless": Fault(Step.MEASURE, "four thousand digits without an end of line"),
    "duplicate": Fault(Step.MEASURE, "the answer twice"),
    "byte_by_byte": Fault(Step.MEASURE, "the answer in single bytes, so many seconds apart", seconds=0.005),
}
"""The faults of a USBRH2. Of the armed faults of one step, only the first in this table occurs."""

CORRUPTIONS: dict[str, Callable[[bytes], bytes]] = {
    "short": lambda report: report[:3],
    "long": lambda report: report + b"\0",
    "empty": lambda report: b"",
    "garbage": lambda report: bytes(byte ^ 0xA5 for byte in report),
    "all_zero": lambda report: bytes(len(report)),
    "all_ff": lambda report: b"\xff" * len(report),
    "out_of_range": lambda report: bytes([report[0] | 0x10, report[1], report[2] | 0x40, *report[3:]]),
}
"""For the faults of a USB-RH that only change the report: how."""
