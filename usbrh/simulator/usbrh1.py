"""The behaviour of a USB-RH: requests in, reports out, in its own time. No pyusb, no sockets, no threads.

A report waits in the endpoint until a program reads it. Nothing here blocks: an answer that is not there yet is None
(NAK on the wire), and ``next_event`` returns when to try again.

``UsbRhUnknowns`` has what nobody knows of the real one. Also inferred (docs/device.md): a USB reset and
SET_CONFIGURATION discard what was measured.
"""

import errno
import math
import struct
from collections import Counter, deque
from typing import Any, NamedTuple

from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.simulator.chapter9 import StandardRequests, TransferError
from usbrh.simulator.descriptors import ENDPOINT, Descriptors
from usbrh.simulator.device import Event, VirtualInstrument
from usbrh.simulator.faults import CORRUPTIONS, FAULTS, Step
from usbrh.simulator.room import TICKS, Source, Ticks, room
from usbrh.simulator.unknowns import UsbRhUnknowns

MEASURING = 0.302
"""s from request to answer in the captured exchange."""
RESERVED = bytes.fromhex("000241")
"""The last three bytes of the captured report; their meaning is unknown."""
UNSOLICITED: Ticks = (4321, 2109)
"""The ticks of the report that nobody asked for; they distinguish it from an answer."""

SET_REPORT, GET_REPORT, _SET_IDLE = (0x21, 0x09), (0xA1, 0x01), (0x21, 0x0A)
_GET_DESCRIPTOR, _SET_CONFIGURATION = (0x80, 0x06), (0x00, 0x09)
_CHANGES = {_SET_CONFIGURATION: "set_configuration", (0x01, 0x0B): "set_interface", (0x02, 0x01): "clear_halt"}
"""The standard requests that change the device, by their names in ``wire``."""
_LONGEST_REPORT = 8
OUTPUT_REPORT, FEATURE_REPORT = 0x0200, 0x0300
_HEATER, _HEATER_BIT = 0x01, 0x04  # the SHT1x status register and its heater bit
_LEDS = {0x03: 1, 0x04: 2}
_REQUEST_ERRORS = {
    "unplug_before_request": errno.ENODEV,
    "unplug_during_request": errno.EIO,
    "request_stalls": errno.EPIPE,
    "request_io_error": errno.EIO,
}


class _Unplugged(NamedTuple):
    """Stands for a report whose reading unplugs the device, for so many seconds."""

    seconds: float | None


class VirtualUsbRh(VirtualInstrument):
    """One virtual USB-RH. All methods may be called from any thread."""

    values = TICKS
    _usb: StandardRequests
    _read_descriptor: bool
    _loses: str
    _next_poll: float

    def __init__(
        self,
        number: int = 1,
        *,
        clock: Clock = SYSTEM_CLOCK,
        ticks: Source | None = None,
        measuring: float = MEASURING,
        reserved: bytes = RESERVED,
        firmware: tuple[int, int, int] = (6, 1, 9),
        kernel_driver: bool = True,
        unknowns: UsbRhUnknowns | None = None,
    ) -> None:
        """Plug in sensor ``number``, from 1. Without ``ticks`` it measures a room that drifts.

        ``measuring``: s from a request to its answer; ``firmware``: year of the century, month, day; ``kernel_driver``:
        whether the kernel's HID driver claims the device at plug-in, as on Linux.
        """
        self.unknowns = unknowns or UsbRhUnknowns()
        self.descriptors = Descriptors(self.unknowns)
        self.wire: deque[str] = deque(maxlen=1000)
        """The last requests that change something or ask for something, and USB resets, by name, oldest first."""
        super().__init__(number, clock, ticks or room(number), measuring, FAULTS)
        self.reserved = reserved
        self.firmware = firmware
        self.kernel_driver = kernel_driver
        self._power_on()

    def host_fault(self, step: Step) -> str:
        """Return the fault that occurs at a step of the host; an empty name if none does."""
        with self._lock:
            return self._trigger(step)[0]

    @property
    def leds(self) -> tuple[bool, bool]:
        """Whether LED 1 and LED 2 are on."""
        return self._leds[1], self._leds[2]

    @property
    def unread(self) -> int:
        """How many reports wait in the endpoint."""
        with self._lock:
            self._advance()
            return len(self._reports)

    @property
    def full_speed(self) -> bool:
        """Whether its packets are too long for low speed."""
        return self.unknowns.packet_size > 8

    def details(self) -> dict[str, Any]:
        """Return what only the status of a USB-RH has, by JSON key."""
        return {"unread": self.unread, "wire": dict(Counter(self.wire))}

    def control(
        self, request: tuple[int, int], value: int, index: int, data: bytes = b"", length: int = 0
    ) -> bytes | None:
        """Answer a control transfer: (bmRequestType, bRequest), wValue, wIndex, and the data out or the length in.

        Return what the device sends, or None if it will never answer. Raises TransferError: EPIPE (unknown request),
        ENODEV (not plugged in), EIO.
        """
        with self._lock:
            self._check_present()
            ends_reset, self._read_descriptor = self._read_descriptor, request == _GET_DESCRIPTOR
            if request[0] & 0x60 == 0:
                answer: bytes | None = self._usb.answer(request, value, index)
                self._change(_CHANGES.get(request, ""), ends_reset)
            elif index == 0:
                answer = self._hid(request, value, data)
            else:
                raise TransferError(errno.EPIPE)
            return answer and answer[:length]

    def interrupt_in(self) -> bytes | None:
        """Remove the next report from the endpoint and return it; None while there is none.

        Raises TransferError: EPIPE (halted), ENODEV (not plugged in), EIO.
        """
        with self._lock:
            self._check_present()
            if not self._polled():
                return None
            if self._usb.halted:
                raise TransferError(errno.EPIPE)
            if not self._reports:
                return None
            report = self._reports.popleft()
            if isinstance(report, _Unplugged):
                self._disconnect(self.clock.monotonic(), report.seconds)
                raise TransferError(errno.EIO)
            if isinstance(report, TransferError):
                raise report
            return report

    def reset(self) -> None:
        """Discard measurements, reports and a halt; LEDs and heater stay. Raises TransferError (ENODEV)."""
        with self._lock:
            self._check_present()
            self.wire.append("reset")
            self._clear()
            self._loses = "nothing"
            if self.unknowns.first_request == "lost_after_reset":
                self._asked = False

    def _change(self, name: str, ends_reset: bool) -> None:
        """Do what a standard request does beyond chapter 9. ``ends_reset``: a descriptor was read just before it."""
        if name == "set_configuration" and ends_reset:
            self.reset()
        elif name:
            self.wire.append(name)
            if name == "set_configuration":
                self._clear()
            if name == self.unknowns.loses_after:
                self._loses = self.unknowns.loses

    def _polled(self) -> bool:
        """Whether the host polls the endpoint now, while it reads. Polls are at multiples of the interval."""
        interval = self.unknowns.poll_interval / 1000
        now = self.clock.monotonic() + 1e-9
        if not interval:
            return True
        if now < self._next_poll:
            return False
        polled = now < self._next_poll + interval  # else no read waited at that moment
        self._next_poll = self._next_poll + interval if polled else math.ceil(now / interval) * interval
        self._at(self._next_poll, lambda _: None)  # wakes the one who waits
        return polled

    def _hid(self, request: tuple[int, int], value: int, data: bytes) -> bytes | None:
        if request == SET_REPORT and value == OUTPUT_REPORT and len(data) <= _LONGEST_REPORT:
            self.wire.append("measure")
            return self._ask()  # whatever the data
        if request in (SET_REPORT, GET_REPORT) and value == FEATURE_REPORT:
            self.wire.append("feature")
            fault, _ = self._trigger(Step.FEATURE)
            if fault == "feature_hangs":
                return None
            if fault == "feature_stalls":
                raise TransferError(errno.EPIPE)
            if request == GET_REPORT:
                return bytes(self.firmware).ljust(self.unknowns.report_length, b"\0")
            return self._set(data)
        if request == _SET_IDLE:  # the device never repeats a report, so there is nothing to limit
            return b""
        raise TransferError(errno.EPIPE)

    def _set(self, data: bytes) -> bytes:
        command, value = data[:2] if len(data) >= 2 else (0, 0)
        if command == _HEATER and self.unknowns.heater == "accepted":
            self._heater.switch(bool(value & _HEATER_BIT), self.clock.monotonic())
        elif command in _LEDS:
            self._leds[_LEDS[command]] = bool(value)
        else:
            raise TransferError(errno.EPIPE)
        return b""

    def _ask(self) -> bytes | None:
        now = self.clock.monotonic()
        first, self._asked = not self._asked, True
        fault, seconds = self._trigger(Step.REQUEST, but="" if first else "first_answer_hangs")
        if fault.startswith("unplug"):
            self._disconnect(now, seconds)
        if fault in _REQUEST_ERRORS:
            raise TransferError(_REQUEST_ERRORS[fault])
        if fault:
            return None if fault == "request_hangs" else b""
        overlaps = now < self._busy_until and self.unknowns.overlap
        if overlaps == "ignored" or (first and self.unknowns.first_request != "answered"):
            return b""
        if overlaps == "restarts":
            self._measurement += 1
            self._busy_until = now
        begin = max(now, self._busy_until)
        self._busy_until = begin + self.measuring
        self._measure(begin, self._busy_until)
        return b""

    def _measure(self, begin: float, done: float) -> None:
        """Plan the events of one measurement."""
        fault, seconds = self._trigger(Step.ANSWER)
        match fault:
            case "no_answer":
                return
            case "unplug_while_measuring":
                self._at((begin + done) / 2, lambda at: self._disconnect(at, seconds))
            case "unplug_during_read":
                self._at_done(done, lambda at: self._put(_Unplugged(seconds)))
            case "endpoint_halts":
                self._at_done(done, lambda at: self._usb.halted.add(ENDPOINT))
            case "read_io_error":
                self._at_done(done, lambda at: self._put(TransferError(errno.EIO)))
            case "late":
                self._at_done(done, lambda at: self._later(at + (seconds or 0.0), self._report(at)))
            case "duplicate":
                self._at_done(done, lambda at: self._put(*[self._report(at)] * 2))
            case "unsolicited":
                self._put(self._pack(UNSOLICITED))
                self._at_done(done, lambda at: self._put(self._report(at)))
            case _:
                corrupt = CORRUPTIONS.get(fault, bytes)
                self._at_done(done, lambda at: self._put(corrupt(self._report(at))))

    def _at_done(self, when: float, event: Event) -> None:
        """Let ``event`` happen at the end of the measurement, unless another request restarts the measurement."""
        number = self._measurement
        self._at(when, lambda at: event(at) if number == self._measurement else None)

    def _put(self, *reports: "bytes | TransferError | _Unplugged") -> None:
        """Put reports into the endpoint, or lose them."""
        for report in reports:
            if self._loses != "nothing":
                if self._loses == "next":
                    self._loses = "nothing"
            elif not self._reports or self.unknowns.unread == "queued":
                self._reports.append(report)
            elif self.unknowns.unread == "overwritten":
                self._reports[0] = report

    def _report(self, at: float) -> bytes:
        """Measure."""
        ticks = self._heater.warm(self.source(self.measured), at)
        self.measured += 1
        return self._pack(ticks)

    def _pack(self, ticks: Ticks) -> bytes:
        report = struct.pack(">HH", ticks[1], ticks[0]) + self.reserved
        return report.ljust(self.unknowns.report_length, b"\0")

    def _later(self, when: float, report: bytes) -> None:
        self._at(when, lambda at: self._put(report))

    def _check_present(self) -> None:
        self._advance()
        if not self._plugged:
            raise TransferError(errno.ENODEV)

    def _power_on(self) -> None:
        self._leds = {1: False, 2: False}
        self._asked = self._read_descriptor = False
        self._loses = "nothing"
        self._measurement = 0
        self._next_poll = -math.inf
        self._usb = StandardRequests(self.descriptors.by_type, self.descriptors.texts, (ENDPOINT,))
        super()._power_on()

    def _clear(self) -> None:
        super()._clear()
        self._usb.halted.clear()
        self._reports: deque[bytes | TransferError | _Unplugged] = deque()
