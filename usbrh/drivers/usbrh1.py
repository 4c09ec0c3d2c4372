"""The USB-RH: its requests and reports, on a pyusb device. docs/device.md describes the protocol and its sources.

A measurement is one output report (SET_REPORT on the control pipe) and the input report that the sensor then sends,
about 0.3 s later. The device keeps a report until a program reads it, and nothing in the report says which request it
answers. Only the time does: the SHT1x needs at least 225 ms for a 14-bit and a 12-bit measurement (data sheet v2.02,
table 1: 210 ms + 55 ms, at best 15 % less). A report that arrives sooner answers a request of another, interrupted
process, and the driver discards it. Where the host polls slowly, a report that waits arrives up to one poll interval
later, and the next one that waits up to one interval after that.

The driver never sends SET_CONFIGURATION or SET_INTERFACE: both reset the host's data toggle, and firmware that keeps
its own loses reports. CLEAR_FEATURE (ENDPOINT_HALT) does too, so it is sent only after a stall.
"""

import errno
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import usb.core
import usb.util

from usbrh import sht1x
from usbrh.clock import Deadline
from usbrh.drivers.base import Bus, Kind, LedState, Measurement, Plugged
from usbrh.drivers.nodelock import NodeLock
from usbrh.drivers.shared import PAUSE, REPLUG, Attempt
from usbrh.drivers.usb import UsbDevice, devices
from usbrh.errors import AccessDenied, BadReport, ConfigError, SensorError, SensorNotFound, SensorTimeout
from usbrh.reading import Ticks

_USB_ID = 0x1774, 0x1001  # vendor, product
MODEL = "USB-RH"

FASTEST_ANSWER = 0.2
"""s; a report that comes sooner after the request answers an earlier one (see above)."""
_POLL_MARGIN = 0.02
"""s more than the poll interval in which the host fetches every report that waits in the device."""
ANSWER_WINDOW = 1.0
"""s to wait for one answer before asking again; the captured exchange took 0.302 s."""
CONTROL_TIMEOUT = 0.5
"""s for one control transfer, which the device answers at once."""
_RESET_TIME = 0.3
"""s that a USB reset may take; libusb accepts no timeout for it."""
_OVERHEAD = 0.5
"""s of one more try for everything else, on a slow machine: opening the sensor, and slow polling."""
_ONE_TRY = PAUSE + ANSWER_WINDOW + _RESET_TIME + _OVERHEAD
"""s that one more try needs, with a reset after it if the sensor still owes an answer. Without that reset, the answer
could become the reading of the next process."""
_SWITCH_TRIES = 3
"""For the heater: a passing fault must not leave it on."""

_INTERFACE = 0
_ENDPOINT = 0x81
_REPORT_LENGTH = 7
_SET_REPORT, _GET_REPORT = (0x21, 0x09), (0xA1, 0x01)
_OUTPUT_REPORT, _FEATURE_REPORT = 0x0200, 0x0300
_LED_COMMAND = {1: 0x03, 2: 0x04}
_LED_VALUE: dict[LedState, int] = {"off": 0, "on": 1}
_HEATER_COMMAND, _HEATER_ON = 0x01, 0x04  # the SHT1x status register and its heater bit

_log = logging.getLogger(__name__)


def plugged_in(bus: Bus) -> list[Plugged]:
    """Find the USB-RHs on ``bus``."""
    return [Plugged(port, None, partial(UsbRh, port, bus)) for port in devices(bus, *_USB_ID)]


KIND = Kind(MODEL, plugged_in, identity=re.compile(r"\d+-\d+(\.\d+)*|sim-\d+", re.ASCII))


def check(report: bytes, label: str = "the sensor") -> Ticks:
    """Return the ticks of an input report. Raises BadReport.

    The report has no checksum, so everything that can't be a measurement is rejected. A sensor chip that is
    disconnected or short-circuited gives a word at the end of its range.
    """
    problem = None
    humidity, temperature = int.from_bytes(report[0:2], "big"), int.from_bytes(report[2:4], "big")
    if len(report) != _REPORT_LENGTH:
        problem = f"a report of {len(report)} bytes instead of {_REPORT_LENGTH}"
    elif not any(report) or all(byte == 0xFF for byte in report):
        problem = f"a report in which every byte is {report[0]:#04x}"
    elif temperature > 0x3FFF or humidity > 0x0FFF:
        problem = f"ticks outside of 14 and 12 bit: {temperature:#06x}, {humidity:#06x}"
    elif temperature in (0, 0x3FFF) or humidity in (0, 0x0FFF):
        problem = f"ticks at the end of their range: {temperature:#06x}, {humidity:#06x}"
    if problem:
        raise BadReport(f"{label} sent {problem}", remedy=REPLUG)
    return Ticks(temperature, humidity, report[4:7])


class UsbRh:
    """One USB-RH, by its port path. Each operation opens and closes it, so other programs can use it in between."""

    def __init__(
        self,
        port: str,
        bus: Bus,
        *,
        label: str = "",
        coefficients: str = sht1x.DEFAULT_COEFFICIENTS,
        supply: float = sht1x.DEFAULT_SUPPLY,
        measuring_led: bool = False,
    ) -> None:
        """Open nothing. ``coefficients`` and ``supply`` choose the conversion (``usbrh.sht1x``)."""
        self._usb = UsbDevice(port, label or port, bus, _USB_ID)
        self._coefficients = coefficients
        self._supply = supply
        self._measuring_led = measuring_led
        self._owed = 0
        """Requests without an answer, which may still come."""
        self._too_soon: bool
        """Whether a report of this measurement came too soon that is not the late answer to an earlier request."""

    def measure(self, deadline: Deadline) -> Measurement:
        """Measure once. Fails only if asking again, re-opening and a USB reset did not help."""
        # Whether each try begins with a USB reset. The one after a reset asks again.
        resets = [self._owed > 0, False, True, False]
        self._too_soon = False

        def ask(attempt: Attempt) -> tuple[Ticks, bool]:
            try:
                with self._session(deadline) as (device, _, heater):
                    attempt.opened = True
                    try:
                        if resets[attempt.number]:
                            self._reset(device, deadline)
                        with self._led_lit(device, deadline):
                            ticks = check(self._ask(device, deadline), self._usb.label)
                    except (SensorError, usb.core.USBError):
                        if attempt.number == len(resets) - 1 or deadline.remaining() < _ONE_TRY:  # the last try
                            with suppress(SensorError, usb.core.USBError):
                                self._settle_debt(device, deadline)
                        raise
                    self._settle_debt(device, deadline)
                    return ticks, heater
            except (SensorNotFound, AccessDenied):
                self._owed = 0  # a device that was unplugged owes nothing
                raise

        ticks, heater = self._usb.with_retries(ask, deadline, tries=len(resets), one_try=_ONE_TRY)
        temperature = sht1x.temperature(ticks.temperature, coefficients=self._coefficients, supply=self._supply)
        return Measurement(
            temperature=temperature,
            humidity=sht1x.humidity(ticks.humidity, temperature, coefficients=self._coefficients),
            conversion=sht1x.conversion_name(self._coefficients, self._supply),
            raw=ticks,
            heater=heater,
        )

    def firmware(self, deadline: Deadline) -> str:
        """Ask for the date of the firmware, ``YY/MM/DD``."""
        with self._session(deadline) as (device, *_):
            answer = device.ctrl_transfer(
                *_GET_REPORT, _FEATURE_REPORT, _INTERFACE, _REPORT_LENGTH, deadline.milliseconds(CONTROL_TIMEOUT)
            )
        if len(answer) < 3:
            message = f"{self._usb.label} sent a firmware date of {len(answer)} bytes instead of 3"
            raise BadReport(message, self._usb.port, remedy=REPLUG)
        return "/".join(f"{part:02d}" for part in answer[:3])

    def set_led(self, number: int, state: LedState, deadline: Deadline) -> None:
        """Switch LED 1 or 2. The sources disagree about their colours."""
        if number not in _LED_COMMAND:
            raise ConfigError(f"{self._usb.label} has no LED {number}", remedy=f"a {MODEL} has 1 and 2")
        if state not in _LED_VALUE:
            raise ConfigError(f"the LEDs of {self._usb.label}, a {MODEL}, can't {state}", remedy="use on or off")
        with self._session(deadline) as (device, *_):
            _set_feature(device, _LED_COMMAND[number], _LED_VALUE[state], deadline)

    def led_state(self, number: int, deadline: Deadline) -> LedState | None:
        """Return None: the device does not report it."""
        return None

    def set_heater(self, on: bool, deadline: Deadline) -> None:
        """Switch the heater. Raises SensorBusy if another process has it on."""

        def switch(attempt: Attempt) -> None:
            with self._session(deadline) as (device, lock, _), self._usb.heater_lease(on, lock):
                _set_feature(device, _HEATER_COMMAND, _HEATER_ON if on else 0, deadline)

        self._usb.with_retries(switch, deadline, tries=_SWITCH_TRIES, one_try=PAUSE + CONTROL_TIMEOUT)

    def release(self, deadline: Deadline) -> None:
        """Give the sensor back to the kernel's HID driver, so that programs find it at /dev/hidraw*."""
        self._usb.release(deadline)

    def _ask(self, device: usb.core.Device, deadline: Deadline) -> bytes:
        """Ask for a measurement and return the report that answers. Raises SensorTimeout, USBError."""
        endpoint = usb.util.find_descriptor(
            device.get_active_configuration()[(_INTERFACE, 0)], bEndpointAddress=_ENDPOINT
        )
        size = endpoint.wMaxPacketSize  # one whole packet, so that a report that is too long shows
        polling = endpoint.bInterval / 1000 + _POLL_MARGIN
        self._owed += 1
        try:
            device.ctrl_transfer(
                *_SET_REPORT, _OUTPUT_REPORT, _INTERFACE, bytes(_REPORT_LENGTH), deadline.milliseconds(CONTROL_TIMEOUT)
            )
        except usb.core.USBError as error:
            if error.errno == errno.EPIPE:  # a stall: the device rejected the request; else it may have received it
                self._owed -= 1
            raise
        window = deadline.within(ANSWER_WINDOW + polling)
        asked = deadline.clock.monotonic()
        earliest = fastest = max(FASTEST_ANSWER, polling)
        label = self._usb.label
        while not window.passed:
            try:
                report = bytes(device.read(_ENDPOINT, size, window.milliseconds(window.seconds)))
            except usb.core.USBTimeoutError:
                break
            except usb.core.USBError as error:
                if error.errno == errno.EPIPE:  # a stall
                    device.clear_halt(_ENDPOINT)
                raise
            elapsed = deadline.clock.monotonic() - asked
            if elapsed >= earliest:
                _log.debug("%s: answered %s after %.3f s", label, report.hex(), elapsed)
                self._owed -= 1
                return report
            _log.debug("%s: discarded %s, which came after %.3f s", label, report.hex(), elapsed)
            self._too_soon |= self._owed == 1
            earliest = max(earliest, elapsed + polling)  # the next poll fetches the next one that waits
        problem = f"did not answer within {window.seconds:.1f} s"
        if self._too_soon:
            problem = f"sent only reports that came within {fastest:.2g} s, too soon for a measurement"
        raise SensorTimeout(f"{label} {problem}", self._usb.port, remedy=REPLUG)

    @contextmanager
    def _session(self, deadline: Deadline) -> Iterator[tuple[usb.core.Device, NodeLock | None, bool]]:
        """Open the device; yield it, the lock on its node, and whether its heater is on."""
        with self._usb.session(deadline) as (device, lock):
            heater = self._usb.heater_is_leased(lock)
            if not heater:
                # A process that was killed may have left it on, and the sensor does not report it. Firmware that
                # rejects the command has no heater.
                with suppress(usb.core.USBError):
                    _set_feature(device, _HEATER_COMMAND, 0, deadline)
            yield device, lock, heater

    @contextmanager
    def _led_lit(self, device: usb.core.Device, deadline: Deadline) -> Iterator[None]:
        """Light LED 1 during the body if the configuration says so; if the device rejects that, measure without it."""
        if not self._measuring_led:
            yield
            return
        with suppress(usb.core.USBError):
            _set_feature(device, _LED_COMMAND[1], _LED_VALUE["on"], deadline)
        try:
            yield
        finally:
            with suppress(usb.core.USBError):
                _set_feature(device, _LED_COMMAND[1], _LED_VALUE["off"], deadline)

    def _reset(self, device: usb.core.Device, deadline: Deadline) -> None:
        device.reset()  # pyusb releases the interface for it
        self._owed = 0
        self._usb.claim(device, deadline)

    def _settle_debt(self, device: usb.core.Device, deadline: Deadline) -> None:
        """Reset a sensor that still owes an answer, so that no program takes it for the answer to its own request."""
        if self._owed and deadline.remaining() >= _RESET_TIME:
            self._reset(device, deadline)


def _set_feature(device: usb.core.Device, command: int, value: int, deadline: Deadline) -> None:
    payload = bytes([command, value]).ljust(_REPORT_LENGTH, b"\0")
    device.ctrl_transfer(*_SET_REPORT, _FEATURE_REPORT, _INTERFACE, payload, deadline.milliseconds(CONTROL_TIMEOUT))
