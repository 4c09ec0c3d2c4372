"""The USB-RH: its requests and reports, on a pyusb device. docs/device.md describes the protocol and its sources.

A measurement is one output report (SET_REPORT on the control pipe) and the input report that the sensor then
sends, about 0.3 s later. The device holds an answer until somebody reads it, whoever had asked for it, and
nothing in an answer says to which request it belongs. Time does: a 14-bit and a 12-bit measurement of the SHT1x
can't be done in less than 225 ms (data sheet v2.02, table 1: 210 ms + 55 ms, 15 % less at best), so that a report
which arrives sooner was asked for by another, interrupted, process and is thrown away.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import usb.core
import usb.util

from usbrh import sht1x
from usbrh.clock import Clock, Deadline
from usbrh.config import SensorConfig
from usbrh.drivers.base import LedState, Measurement, Plugged
from usbrh.drivers.nodelock import HEATER, NodeLock
from usbrh.drivers.usb import PAUSE, REPLUG, UsbDevice, devices, node
from usbrh.errors import (
    AccessDenied,
    BadReport,
    ConfigError,
    SensorBusy,
    SensorError,
    SensorNotFound,
    SensorTimeout,
)
from usbrh.reading import Ticks

_KIND = 0x1774, 0x1001  # vendor, product
MODEL = "USB-RH"

FASTEST_ANSWER = 0.2
"""s; what comes sooner after the request was measured for another one (see above)."""
ANSWER_WINDOW = 1.0
"""s to wait for one answer before asking again; the captured exchange took 0.302 s."""
CONTROL_TIMEOUT = 0.5
"""s for one control transfer, which the device answers at once."""
_RESET_TIME = 0.3
"""s that a USB reset may take; it can't be given a time-out."""
_WORK = 0.5
"""s of one operation: a request, its answer, and a little."""
_CONVINCED = 2
"""So many requests have to be answered early, each with one report, before a device is taken for a fast one."""
_ONE_TRY = PAUSE + ANSWER_WINDOW + _RESET_TIME
"""s that have to be left for another try, so that the sensor can be reset after it if it owes an answer."""
_SWITCH_TRIES = 3
"""For the heater; a passing fault must not leave it on."""

_INTERFACE = 0
_ENDPOINT = 0x81
_REPORT_LENGTH = 7
_SET_REPORT, _GET_REPORT = (0x21, 0x09), (0xA1, 0x01)
_OUTPUT_REPORT, _FEATURE_REPORT = 0x0200, 0x0300
_LED_COMMAND = {1: 0x03, 2: 0x04}
_LED_VALUE: dict[LedState, int] = {"off": 0, "on": 1}
_HEATER_COMMAND, _HEATER_ON = 0x01, 0x04  # the SHT1x status register and its heater bit

_log = logging.getLogger(__name__)


def plugged_in(backend: Any) -> list[Plugged]:
    """The USB-RHs on the bus of this pyusb backend; none without a backend."""
    if backend is None:
        return []
    simulated = bool(getattr(backend, "simulated", False))

    def driver(port: str, label: str, settings: SensorConfig, clock: Clock) -> UsbRh:
        return UsbRh(port, backend, clock, label=label, coefficients=settings.coefficients, supply=settings.supply)

    return [Plugged(MODEL, port, None, simulated, partial(driver, port)) for port in devices(backend, *_KIND)]


def check(report: bytes, label: str = "the sensor") -> Ticks:
    """The ticks of an input report.

    The report has no checksum, so everything that can't be a measurement is rejected.

    Raises:
        BadReport: wrong length, all bits equal, bits set that the words don't have, or a word at the end of its
            range, which is what a sensor chip that is disconnected or short-circuited gives.
    """
    if len(report) != _REPORT_LENGTH:
        raise BadReport(f"{label} sent a report of {len(report)} bytes instead of {_REPORT_LENGTH}{REPLUG}")
    if not any(report) or all(byte == 0xFF for byte in report):
        raise BadReport(f"{label} sent a report in which every byte is {report[0]:#04x}{REPLUG}")
    humidity, temperature = int.from_bytes(report[0:2], "big"), int.from_bytes(report[2:4], "big")
    if temperature > 0x3FFF or humidity > 0x0FFF:
        raise BadReport(f"{label} sent ticks outside of 14 and 12 bit: {temperature:#06x}, {humidity:#06x}{REPLUG}")
    if temperature in (0, 0x3FFF) or humidity in (0, 0x0FFF):
        raise BadReport(f"{label} sent ticks at the end of their range: {temperature:#06x}, {humidity:#06x}{REPLUG}")
    return Ticks(temperature, humidity, report[4:7])


class UsbRh:
    """One USB-RH, by its port path; opened for each operation, so that others can use it in between."""

    model = MODEL
    serial: str | None = None

    def __init__(
        self, port: str, backend: Any, clock: Clock, *, label: str = "", coefficients: str = "v3", supply: float = 5.0
    ) -> None:
        self.port = port
        self.label = label or port
        self._usb = UsbDevice(port, self.label, backend, _KIND, clock)
        self.simulated = self._usb.simulated
        self._clock = clock
        self._coefficients = coefficients
        self._supply = supply
        self._owed = 0
        """Requests made that were not answered, and whose answers may still come."""
        self._silent = False
        """A request was not answered at all since the last reset or good answer."""
        self._early_only = 0
        """How often in a row one early report was all that came."""
        self._heater_on = False
        self._heater_lock: NodeLock | None = None

    # ---------------------------------------------------------------- operations

    def measure(self, deadline: Deadline) -> Measurement:
        """One measurement; an error only when asking again, re-opening, clearing a halt and a USB reset did not help.

        Raises:
            SensorError: one of its leaves, by the deadline.
        """
        # What is tried, in this order; each try opens the device anew.
        tries = [self._reset if self._owed else _nothing, _nothing, _clear_halt, self._reset]
        seen = False
        while True:
            recover = tries.pop(0)
            try:
                with self._session(deadline) as (device, heater):
                    seen = True
                    recover(device, deadline)
                    ticks = check(self._ask(device, deadline), self.label)
                    self._forget(device, deadline)
                break
            except (SensorNotFound, AccessDenied):
                self._owed = 0  # a device that was unplugged owes nothing
                # A sensor that vanishes in our hands may come back; udev then needs a moment to open it to us.
                if not seen or deadline.remaining() < _ONE_TRY:
                    raise
                tries.insert(0, recover)
            except SensorBusy:
                raise
            except SensorError as error:
                if not tries or deadline.remaining() < _ONE_TRY:
                    error.port = self.port
                    with suppress(SensorError), self._session(deadline) as (device, _):
                        self._forget(device, deadline)
                    raise
                _log.debug("%s; trying again", error)
            self._clock.sleep(min(PAUSE, deadline.remaining()))
        temperature = sht1x.temperature(ticks.temperature, coefficients=self._coefficients, supply=self._supply)
        return Measurement(
            temperature=temperature,
            humidity=sht1x.humidity(ticks.humidity, temperature, coefficients=self._coefficients),
            conversion=sht1x.conversion_name(self._coefficients, self._supply),
            raw=ticks,
            heater=heater,
        )

    def firmware(self, deadline: Deadline) -> str:
        """The firmware's date, ``YY/MM/DD``.

        Raises:
            SensorError: one of its leaves, by the deadline.
        """
        with self._session(deadline) as (device, _):
            answer = device.ctrl_transfer(
                *_GET_REPORT, _FEATURE_REPORT, _INTERFACE, _REPORT_LENGTH, deadline.milliseconds(CONTROL_TIMEOUT)
            )
        if len(answer) < 3:
            raise BadReport(f"{self.label} sent a firmware date of {len(answer)} bytes instead of 3{REPLUG}", self.port)
        return "/".join(f"{part:02d}" for part in answer[:3])

    def set_led(self, number: int, state: LedState, deadline: Deadline) -> None:
        """Switch LED 1 or 2. Which colour they are, the sources disagree about.

        Raises:
            ConfigError: no such LED, or it can't do that.
            SensorError: one of its leaves, by the deadline.
        """
        if number not in _LED_COMMAND:
            raise ConfigError(f"{self.label} has no LED {number}; a {MODEL} has 1 and 2")
        if state not in _LED_VALUE:
            raise ConfigError(f"the LEDs of {self.label} can't {state}, it is a {MODEL}; say on or off")
        with self._session(deadline) as (device, _):
            _set_feature(device, _LED_COMMAND[number], _LED_VALUE[state], deadline)

    def set_heater(self, on: bool, deadline: Deadline) -> None:
        """Switch the heater; on, it is ours until it is switched off. The next to open the sensor ends it if we die.

        Raises:
            SensorBusy: another process has it on.
            SensorError: one of its other leaves, by the deadline.
        """
        for left in reversed(range(_SWITCH_TRIES)):
            try:
                self._switch_heater(on, deadline)
            except (SensorNotFound, AccessDenied, SensorBusy):
                raise
            except SensorError as error:
                if not left or deadline.remaining() < PAUSE + CONTROL_TIMEOUT:
                    raise
                _log.debug("%s; trying again", error)
            else:
                return
            self._clock.sleep(PAUSE)

    def release(self, deadline: Deadline) -> None:
        """Give the sensor back to the kernel's HID driver, so that /dev/hidraw programs find it again.

        Raises:
            SensorError: one of its leaves, by the deadline.
        """
        self._usb.release(deadline)

    # ---------------------------------------------------------------- one exchange

    def _ask(self, device: usb.core.Device, deadline: Deadline) -> bytes:
        """The report that answers a request made now.

        Raises:
            SensorTimeout: none came within the window.
            USBError: the transfer failed.
        """
        size = usb.util.find_descriptor(
            device.get_active_configuration()[(_INTERFACE, 0)], bEndpointAddress=_ENDPOINT
        ).wMaxPacketSize  # one whole packet, so that a report that is too long is seen as such
        fastest = 0.0 if self._early_only >= _CONVINCED else FASTEST_ANSWER
        device.ctrl_transfer(
            *_SET_REPORT, _OUTPUT_REPORT, _INTERFACE, bytes(_REPORT_LENGTH), deadline.milliseconds(CONTROL_TIMEOUT)
        )
        self._owed += 1
        asked = self._clock.monotonic()
        window = Deadline(min(ANSWER_WINDOW, deadline.remaining()), self._clock)
        early = 0
        try:
            while True:
                report = bytes(device.read(_ENDPOINT, size, window.milliseconds(ANSWER_WINDOW)))
                elapsed = self._clock.monotonic() - asked
                if elapsed >= fastest:
                    break
                early += 1
                _log.debug("%s: a report after %.3f s is a stale one: %s", self.label, elapsed, report.hex())
                if window.passed:
                    raise SensorTimeout(f"{self.label} sent only stale reports{REPLUG}", self.port)
        except usb.core.USBTimeoutError as error:
            # Whoever answers early, and then not at all, has answered us: a device faster than any that is known.
            # But after a request without any answer it may be a slow one, always behind.
            self._silent |= not early
            self._early_only = self._early_only + 1 if early == 1 and not self._silent else 0
            raise SensorTimeout(
                f"{self.label} did not answer within {window.seconds:.1f} s{REPLUG}", self.port
            ) from error
        _log.debug("%s: answered %s after %.3f s", self.label, report.hex(), elapsed)
        if elapsed >= FASTEST_ANSWER:
            self._early_only = 0
        self._owed -= 1
        self._silent = False
        return report

    # ---------------------------------------------------------------- open, reset

    @contextmanager
    def _session(self, deadline: Deadline) -> Iterator[tuple[usb.core.Device, bool]]:
        """The claimed device, and whether somebody has its heater on."""
        with self._usb.session(deadline, _WORK) as (device, lock):
            heater = self._heater_on or (lock is not None and lock.held_elsewhere(HEATER))
            if not heater:
                # A process that was killed may have left it on, also since we were here last: nothing tells. Firmware
                # that rejects has no heater to leave on.
                with suppress(usb.core.USBError):
                    _set_feature(device, _HEATER_COMMAND, 0, deadline)
            yield device, heater

    def _reset(self, device: usb.core.Device, deadline: Deadline) -> None:
        device.reset()  # pyusb lets go of the interface for it
        self._owed, self._silent = 0, False
        self._usb.claim(device, deadline)

    def _forget(self, device: usb.core.Device, deadline: Deadline) -> None:
        """Reset a sensor that still owes an answer, so that nobody takes it for the answer to a request of his own."""
        if self._owed and deadline.remaining() >= _RESET_TIME:
            self._reset(device, deadline)

    def _switch_heater(self, on: bool, deadline: Deadline) -> None:
        with self._session(deadline) as (device, _):
            if on and self._heater_lock is None:
                self._heater_lock = self._lock_heater(device)
            try:
                _set_feature(device, _HEATER_COMMAND, _HEATER_ON if on else 0, deadline)
            except usb.core.USBError:
                if on:  # it may be on all the same: not ours, it is switched off by the next to open the sensor
                    self._forget_heater()
                raise
        if on:
            self._heater_on = True
        else:
            self._forget_heater()

    def _forget_heater(self) -> None:
        self._heater_on = False
        if self._heater_lock is not None:
            self._heater_lock.close()
            self._heater_lock = None

    def _lock_heater(self, device: usb.core.Device) -> NodeLock | None:
        if self.simulated:
            return None
        lock = NodeLock(node(device))
        if not lock.acquire(HEATER, Deadline(0, self._clock)):
            lock.close()
            raise SensorBusy(f"{self.label}: another process has its heater on; wait for it to end", self.port)
        return lock


def _set_feature(device: usb.core.Device, command: int, value: int, deadline: Deadline) -> None:
    payload = bytes([command, value]).ljust(_REPORT_LENGTH, b"\0")
    device.ctrl_transfer(*_SET_REPORT, _FEATURE_REPORT, _INTERFACE, payload, deadline.milliseconds(CONTROL_TIMEOUT))


def _nothing(device: usb.core.Device, deadline: Deadline) -> None:
    """Recovery of the first two tries: just ask."""


def _clear_halt(device: usb.core.Device, deadline: Deadline) -> None:
    device.clear_halt(_ENDPOINT)
