"""Everything that can be made to go wrong with a virtual sensor, by name."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple


class Step(Enum):
    """Where in the life of a measurement a fault strikes."""

    OPEN = "the host opens the device"
    CLAIM = "the host claims the interface"
    DETACH = "the host detaches the kernel's driver"
    FEATURE = "a feature report is set or asked for"
    REQUEST = "a measurement is asked for"
    ANSWER = "a measurement is under way or done"


class Fault(NamedTuple):
    """One kind of fault; ``seconds`` is the default of what it takes a time for."""

    step: Enum
    says: str
    seconds: float | None = None


FAULTS = {
    "access_denied": Fault(Step.OPEN, "opening fails with EACCES"),
    "busy": Fault(Step.CLAIM, "another program holds the interface: claiming fails with EBUSY"),
    "detach_rejected": Fault(Step.DETACH, "the kernel's driver does not let go"),
    "feature_stalls": Fault(Step.FEATURE, "LED, heater and firmware requests stall"),
    "feature_hangs": Fault(Step.FEATURE, "LED, heater and firmware requests are not answered"),
    "unplug_before_request": Fault(Step.REQUEST, "gone when the request comes; back after so many seconds, if given"),
    "unplug_during_request": Fault(Step.REQUEST, "gone in the middle of the request; back as above"),
    "request_stalls": Fault(Step.REQUEST, "the request stalls"),
    "request_hangs": Fault(Step.REQUEST, "the request is neither taken nor rejected"),
    "request_io_error": Fault(Step.REQUEST, "the request fails with EIO"),
    "first_answer_hangs": Fault(Step.REQUEST, "the first request after plug-in is taken, and never answered"),
    "unplug_while_measuring": Fault(Step.ANSWER, "gone after half of the measuring time; back as above"),
    "unplug_during_read": Fault(Step.ANSWER, "gone while the answer is read; back as above"),
    "no_answer": Fault(Step.ANSWER, "no answer at all"),
    "late": Fault(Step.ANSWER, "the answer is held back for so many seconds", seconds=10.0),
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
"""By name. Where several of one step are armed, the first of this table strikes, one a step."""


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "short": lambda report: report[:3],
    "long": lambda report: report + b"\0",
    "empty": lambda report: b"",
    "garbage": lambda report: bytes(byte ^ 0xA5 for byte in report),
    "all_zero": lambda report: bytes(len(report)),
    "all_ff": lambda report: b"\xff" * len(report),
    "out_of_range": lambda report: bytes([report[0] | 0x10, report[1], report[2] | 0x40, *report[3:]]),
}
"""What the faults that change nothing but the report make of it."""


class Armed:
    """The faults of one sensor that wait to strike."""

    def __init__(self, faults: Mapping[str, Fault] = FAULTS) -> None:
        self._faults = faults
        self._armed: dict[str, tuple[int | None, float | None]] = {}

    def arm(self, name: str, times: int | None, seconds: float | None) -> None:
        """Let ``name`` strike the next ``times`` times; None: until it is disarmed.

        Raises:
            ValueError: there is no such fault, or a number is out of its range.
        """
        if name not in self._faults:
            raise ValueError(f"there is no fault {name!r}; there are: {', '.join(self._faults)}")
        if times is not None and times < 1:
            raise ValueError(f"a fault strikes 1 time or more, not {times}")
        if seconds is not None and seconds < 0:
            raise ValueError(f"a fault takes 0 s or more, not {seconds}")
        self._armed[name] = (times, seconds if seconds is not None else self._faults[name].seconds)

    def disarm(self) -> None:
        self._armed.clear()

    def strike(self, step: Enum, *, but: str = "") -> tuple[str, float | None]:
        """The name and the seconds of the fault that strikes now; an empty name if none does."""
        for name, fault in self._faults.items():
            if fault.step is step and name in self._armed and name != but:
                times, seconds = self._armed[name]
                if times == 1:
                    del self._armed[name]
                elif times is not None:
                    self._armed[name] = (times - 1, seconds)
                return name, seconds
        return "", None

    def waiting(self) -> dict[str, int | None]:
        """What is armed, and how often each still strikes; None: for ever."""
        return {name: times for name, (times, _) in self._armed.items()}
