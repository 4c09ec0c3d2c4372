"""The USBRH2: a serial port (CDC-ACM) that is found, shared with other programs, and talked to until it answers."""

import errno
import logging
import os
import re
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from usbrh.clock import Clock, Deadline
from usbrh.config import SensorConfig
from usbrh.drivers.base import LedState, Measurement, Plugged
from usbrh.drivers.holders import holders
from usbrh.drivers.nodelock import HEATER, MEASURE, NodeLock
from usbrh.drivers.usbrh2_protocol import REPLUG, SLICE, Conversation, took_nothing
from usbrh.errors import (
    AccessDenied,
    ConfigError,
    SensorBusy,
    SensorError,
    SensorNotFound,
    TransferFailed,
)

MODEL = "USBRH2"
CONVERSION = "device"
BY_ID = re.compile(r"usb-Strawberry_Linux_USBRH2_(.+)-if00")
"""What udev calls its port in /dev/serial/by-id."""

BAUD_RATE = 9600
HEATER_BIT = 0x2000
"""Of the status word: bit 13 (data sheet SHT3x)."""
_LEDS = (1, 2)
_TRIES = 3
_PAUSE = 0.1
"""s between tries, and between looks for a sensor that was unplugged or a port that somebody else has."""
_WORK = 0.5
"""s of one operation: a conversation from its beginning, and a little."""
_ONE_TRY = 0.3
"""s that have to be left for another try."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

Port = tuple[str, str, Path]
"""Serial number, USB port path and device node of one USBRH2."""


def ports(dev: Path = Path("/dev"), sys: Path = Path("/sys")) -> list[Port]:
    """The USBRH2s of this machine, by the names that udev gives to serial ports."""
    found = []
    for link in sorted(dev.glob("serial/by-id/*")):
        match = BY_ID.fullmatch(link.name)
        if match:
            node = link.resolve()
            found.append((match[1], _port_path(node, sys), node))
    return found


def _port_path(node: Path, sys: Path) -> str:
    """``1-1.4`` from the path of the USB interface, ``.../1-1.4/1-1.4:1.0``; the node's name if it has none."""
    interface = (sys / "class/tty" / node.name / "device").resolve().name
    match = re.fullmatch(r"(\d+-\d+(?:\.\d+)*):\d+\.\d+", interface)
    return match[1] if match else node.name


def plugged_in(backend: Any) -> list[Plugged]:
    """The USBRH2s of this machine; those of the simulator if ``backend`` is one."""
    simulated = bool(getattr(backend, "simulated", False))
    look: Callable[[], list[Port]] = backend.serial_ports if simulated else ports

    def driver(serial: str, port: str, label: str, settings: SensorConfig, clock: Clock) -> Usbrh2:
        return Usbrh2(serial, port, look, clock, label=label, simulated=simulated)

    return [Plugged(MODEL, port, serial, simulated, partial(driver, serial, port)) for serial, port, _ in look()]


class Usbrh2:
    """One USBRH2, by its serial number; opened for each operation, so that others can use it in between."""

    model = MODEL

    def __init__(
        self,
        serial: str,
        port: str,
        look: Callable[[], list[Port]],
        clock: Clock,
        *,
        label: str = "",
        simulated: bool = False,
    ) -> None:
        self.serial: str | None = serial
        self.port = port
        self.label = label or serial
        self.simulated = simulated
        self._look = look
        self._clock = clock
        self._heater_lock: NodeLock | None = None
        self._closing: threading.Thread | None = None
        """Closes a port whose device does not take what was sent."""

    # ---------------------------------------------------------------- operations

    def measure(self, deadline: Deadline) -> Measurement:
        """One measurement; an error only when beginning anew did not help.

        Raises:
            SensorError: one of its leaves, by the deadline.
        """

        def act(conversation: Conversation, status: int) -> Measurement:
            temperature, humidity = conversation.values(deadline)
            return Measurement(
                temperature=temperature,
                humidity=humidity,
                conversion=CONVERSION,
                heater=bool(status & HEATER_BIT),
                status=f"0x{status:04x}",
            )

        return self._with_tries(act, deadline)

    def firmware(self, deadline: Deadline) -> str:
        """The version, in the device's words.

        Raises:
            SensorError: one of its leaves, by the deadline.
        """
        return self._with_tries(lambda conversation, _: conversation.words("ver", deadline), deadline)

    def set_led(self, number: int, state: LedState, deadline: Deadline) -> None:
        """Switch LED 1 or 2, or let it blink.

        Raises:
            ConfigError: no such LED.
            SensorError: one of its leaves, by the deadline.
        """
        if number not in _LEDS:
            raise ConfigError(f"{self.label} has no LED {number}; a {MODEL} has 1 and 2")
        self._with_tries(lambda conversation, _: conversation.switch(f"led{number}={state}", deadline), deadline)

    def set_heater(self, on: bool, deadline: Deadline) -> None:
        """Switch the heater; on, it is ours until it is switched off. The next to open the sensor ends it if we die.

        Raises:
            SensorBusy: another process has it on.
            SensorError: one of its other leaves, by the deadline.
        """
        if on and self._heater_lock is None:
            self._heater_lock = self._lock_heater(deadline)

        def act(conversation: Conversation, _: int) -> None:
            status = conversation.switch(f"heater {'on' if on else 'off'}", deadline)
            if bool(status & HEATER_BIT) != on:
                raise TransferFailed(
                    f"{self.label} did not switch its heater {'on' if on else 'off'}: status 0x{status:04x}{REPLUG}"
                )

        try:
            self._with_tries(act, deadline)
        except SensorError:
            if on:
                self._release_heater()
            raise
        if not on:
            self._release_heater()

    def release(self, deadline: Deadline) -> None:
        """Nothing: it is never taken from the kernel's driver."""

    # ---------------------------------------------------------------- open and close

    def _with_tries(self, act: Callable[[Conversation, int], _T], deadline: Deadline) -> _T:
        """What ``act`` makes of a conversation and the status word it began with."""
        tries, opened = _TRIES, False
        while True:
            tries -= 1
            try:
                with self._opened(deadline) as (port, lock):
                    opened = True
                    conversation = Conversation(port, self.label)
                    status = conversation.begin(deadline)
                    if status & HEATER_BIT and not lock.held_elsewhere(HEATER):
                        # A process that was killed may have left it on.
                        conversation.switch("heater off", deadline)
                    return act(conversation, status)
            except (SensorNotFound, AccessDenied):
                # A sensor that vanishes in our hands may come back; udev then needs a moment to open it to us.
                if not opened or deadline.remaining() < _ONE_TRY:
                    raise
                tries += 1
            except SensorBusy:
                raise
            except SensorError as error:
                if not tries or deadline.remaining() < _ONE_TRY:
                    error.port = self.port
                    raise
                _log.debug("%s; trying again", error)
            self._clock.sleep(min(_PAUSE, deadline.remaining()))

    def _find(self) -> Path:
        # Anew each time: a sensor that was plugged in again may have another node.
        for serial, _, node in self._look():
            if serial == self.serial:
                return node
        raise SensorNotFound(f"{self.label} is not plugged in; usbrh list shows what is", self.port)

    @contextmanager
    def _opened(self, deadline: Deadline) -> Iterator[tuple[Any, NodeLock]]:
        """The open port, ours alone, and the lock that says so."""
        node = self._find()
        with self._errors_named(node):
            # If it is ours only when nothing can be done with it any more, it has been busy for too long.
            queueing = Deadline(max(0.0, deadline.remaining() - _WORK), deadline.clock)
            lock = self._patiently(NodeLock, node, queueing)
            if not lock.acquire(MEASURE, queueing):
                lock.close()
                raise self._busy(node)
            try:
                port = self._patiently(_open, node, queueing)
            except BaseException:
                lock.close()
                raise
            try:
                yield port, lock
            except OSError:
                # A device that goes fails in many ways, some of which pyserial tells in words only; then it says EIO.
                _check_present(port)
                raise
            finally:
                self._closing = let_go(port, lock)

    def _patiently(self, take: Callable[[Path], _T], node: Path, deadline: Deadline) -> _T:
        """What ``take`` gives; another program may have the port for itself for a while."""
        while True:
            try:
                return take(node)
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.EAGAIN):
                    raise
                if deadline.passed:
                    raise self._busy(node) from error
            self._clock.sleep(min(_PAUSE, deadline.remaining()))

    def _lock_heater(self, deadline: Deadline) -> NodeLock:
        node = self._find()
        with self._errors_named(node):
            lock = self._patiently(NodeLock, node, deadline)
        if not lock.acquire(HEATER, Deadline(0, self._clock)):
            lock.close()
            raise SensorBusy(f"{self.label}: another process has its heater on; wait for it to end", self.port)
        return lock

    def _release_heater(self) -> None:
        if self._heater_lock is not None:
            self._heater_lock.close()
            self._heater_lock = None

    def _busy(self, node: Path) -> SensorError:
        if self._closing is not None and self._closing.is_alive():
            return took_nothing(self.label)  # it is us who hold it, for that reason
        who = ", ".join(holders([node])) or "another program"
        return SensorBusy(f"{self.label} is held by {who}; end it, or try again", self.port)

    @contextmanager
    def _errors_named(self, node: Path) -> Iterator[None]:
        """Errors of the operating system and of pyserial become ours."""
        try:
            yield
        except (OSError, termios.error) as error:  # pyserial's are OSErrors
            number = _errno(error)
            if number in (errno.ENODEV, errno.ENOENT, errno.ENXIO, errno.EIO, errno.ESHUTDOWN):
                raise SensorNotFound(f"{self.label} was unplugged; plug it in again", self.port) from error
            if number in (errno.EACCES, errno.EPERM):
                raise AccessDenied(
                    f"no permission for {self.label} ({node}); sudo usbrh setup, then plug it in again", self.port
                ) from error
            if number is None:
                raise self._busy(node) from error
            raise TransferFailed(
                f"serial port of {self.label} failed: {os.strerror(number)}{REPLUG}", self.port
            ) from error


def _open(node: Path) -> Any:
    """The serial port, set up as the device wants it and locked (flock) against programs that honour that."""
    import serial  # noqa: PLC0415  # only for those who have a USBRH2

    return serial.Serial(str(node), BAUD_RATE, timeout=SLICE, exclusive=True)


def _errno(error: OSError | termios.error) -> int | None:
    """pyserial hides that of a port that it can't set up in words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    cause = error if isinstance(error, termios.error) else error.__context__
    return cause.args[0] if isinstance(cause, termios.error) else None


def _check_present(port: Any) -> None:
    """Raises termios.error (EIO) if the device has gone."""
    termios.tcgetattr(port.fileno())


def let_go(port: Any, lock: NodeLock) -> threading.Thread | None:
    """Close both; where the device does not take what was sent, the kernel lets that wait 30 s, but not us.

    Then the thread is returned in which it waits.
    """

    def close() -> None:
        port.close()
        lock.close()

    stuck = False
    with suppress(OSError):
        stuck = port.out_waiting > 0
    if not stuck:
        close()
        return None
    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    return closing
