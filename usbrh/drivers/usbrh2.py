"""The USBRH2: commands and answers on a USB serial port (CDC-ACM). docs/device.md describes them and their sources."""

import re
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from usbrh.clock import Deadline
from usbrh.drivers.base import Bus, Kind, LedState, Measurement, Plugged
from usbrh.drivers.nodelock import NodeLock
from usbrh.drivers.serialport import SerialDevice
from usbrh.drivers.shared import REPLUG, Attempt
from usbrh.drivers.usbrh2_protocol import Conversation
from usbrh.errors import ConfigError, TransferFailed

MODEL = "USBRH2"
PORT_NAME = "usb-Strawberry_Linux_USBRH2_{}-if00"
"""The name that udev gives to its serial port in /dev/serial/by-id, by serial number."""
CONVERSION = "device"
HEATER_BIT = 0x2000
"""Of the status word: bit 13 (data sheet SHT3x)."""
_LEDS = (1, 2)
_LED_STATES: dict[str, LedState] = {
    **dict.fromkeys(("0", "off", "false"), "off"),
    **dict.fromkeys(("1", "on", "true"), "on"),
    "blink": "blink",
}
"""Every word that the device accepts for a state."""
_TRIES = 3
_ONE_TRY = 0.3
"""s that one more try needs."""

_T = TypeVar("_T")


def plugged_in(bus: Bus) -> list[Plugged]:
    """Find the USBRH2s on ``bus``."""
    found = [(re.fullmatch(PORT_NAME.format("(.+)"), name), port) for name, port, _ in bus.serial_ports()]
    return [Plugged(port, match[1], partial(Usbrh2, match[1], port, bus)) for match, port in found if match]


KIND = Kind(MODEL, plugged_in, identity=re.compile(r"[0-9A-Za-z]+"), has_serial=True)


class Usbrh2:
    """One USBRH2, by its serial number. Each operation opens and closes it, so other programs can use it in between."""

    def __init__(
        self, serial: str, port: str, bus: Bus, *, label: str = "", measuring_led: bool = False, **_: object
    ) -> None:
        """Open nothing. The device converts its values itself: coefficients and supply are ignored."""
        self._number = serial
        self._measuring_led = measuring_led
        self._serial = SerialDevice(PORT_NAME.format(serial), port, label or serial, bus)

    def measure(self, deadline: Deadline) -> Measurement:
        """Measure once. Fails only if starting again did not help."""

        def values(conversation: Conversation, status: int | None, lock: NodeLock) -> Measurement:
            if self._measuring_led:
                conversation.send("led1=on", deadline)
            try:
                temperature, humidity = conversation.values(deadline)
            finally:
                if self._measuring_led:
                    conversation.send("led1=off", deadline)
            return Measurement(
                temperature=temperature,
                humidity=humidity,
                conversion=CONVERSION,
                heater=self._serial.heater_is_leased(lock) if status is None else bool(status & HEATER_BIT),
                status=None if status is None else f"0x{status:04x}",
            )

        return self._converse(values, deadline)

    def firmware(self, deadline: Deadline) -> str:
        """Ask for the version, in the device's words."""
        return self._converse(lambda conversation, _, __: conversation.words("ver", deadline), deadline)

    def set_led(self, number: int, state: LedState, deadline: Deadline) -> None:
        """Switch LED 1 or 2, or let it blink."""
        if number not in _LEDS:
            raise ConfigError(f"{self._serial.label} has no LED {number}", remedy=f"a {MODEL} has 1 and 2")
        self._converse(lambda conversation, _, __: conversation.switch(f"led{number}={state}", deadline), deadline)

    def led_state(self, number: int, deadline: Deadline) -> LedState | None:
        """Ask for the list of settings. Its form is not published: None if it does not name the LED."""
        answer = self._converse(lambda conversation, _, __: conversation.lines("list", deadline), deadline)
        found = re.search(rf"\bled\s*{number}\s*[=:]?\s*(\w+)", "\n".join(answer), re.IGNORECASE)
        return _LED_STATES.get(found[1].lower()) if found else None

    def set_heater(self, on: bool, deadline: Deadline) -> None:
        """Switch the heater. Raises SensorBusy if another process has it on."""
        word = "on" if on else "off"

        def switch(conversation: Conversation, _: int | None, lock: NodeLock) -> None:
            with self._serial.heater_lease(on, lock):
                status = conversation.switch(f"heater {word}", deadline)
                if status is not None and bool(status & HEATER_BIT) != on:
                    message = f"{self._serial.label} did not switch its heater {word}: status 0x{status:04x}"
                    raise TransferFailed(message, remedy=REPLUG)

        self._converse(switch, deadline)

    def release(self, deadline: Deadline) -> None:
        """Do nothing: the driver never takes the device from the kernel's own driver."""

    def _converse(self, act: Callable[[Conversation, int | None, NodeLock], _T], deadline: Deadline) -> _T:
        """Return what ``act`` makes of a new conversation, the status word that it began with, and the port's lock."""

        def attempt_once(attempt: Attempt) -> _T:
            with self._serial.session(deadline) as (port, lock):
                attempt.opened = True
                conversation = Conversation(port, self._serial.label, self._number)
                status = conversation.begin(deadline)
                if (status is None or status & HEATER_BIT) and not self._serial.heater_is_leased(lock):
                    # A process that was killed may have left it on.
                    conversation.switch("heater off", deadline)
                return act(conversation, status, lock)

        return self._serial.with_retries(attempt_once, deadline, tries=_TRIES, one_try=_ONE_TRY)
