"""A USB serial port: found by its name, locked against other programs for one operation, and closed again."""

import errno
import os
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from usbrh.clock import Deadline
from usbrh.drivers.base import Bus
from usbrh.drivers.nodelock import NodeLock
from usbrh.drivers.shared import REPLUG, WORK, SharedDevice
from usbrh.errors import SensorError, SensorTimeout

if TYPE_CHECKING:
    from serial import Serial

    from usbrh.drivers.recording import Recorder

BAUD_RATE = 9600
_GONE = (errno.EIO, errno.ESHUTDOWN)  # an open serial port gives these too when its device was unplugged


class SerialDevice(SharedDevice):
    """The device whose serial port has the given name in /dev/serial/by-id, wherever it is plugged in."""

    def __init__(self, name: str, port: str, label: str, bus: Bus) -> None:
        """Open nothing. ``port`` is where the device was plugged in; only errors need it."""
        super().__init__(port, label)
        self._name = name
        self._bus = bus
        self._closing: threading.Thread | None = None
        """Closes a port whose device did not accept what was sent."""

    @contextmanager
    def session(self, deadline: Deadline) -> Iterator[tuple["Serial", NodeLock]]:
        """Open the port; yield it and the lock on its node.

        Raises SensorError, also for errors of the operating system and of pyserial in the body.
        """
        node = self._find()
        with self._errors_mapped(node):
            queueing = deadline.within(max(0.0, deadline.remaining() - WORK))
            lock = self.lock(node, queueing)
            try:
                port = self.when_free(lambda: _open(node, self._bus.recorder), node, queueing)
            except BaseException:
                lock.close()
                raise
            try:
                yield port, lock
            except OSError:
                # An unplugged device fails in many ways, some of them without an errno; this one then gives EIO.
                termios.tcgetattr(port.fileno())
                raise
            finally:
                self._closing = close_both(port, lock)

    def busy(self, nodes: list[Path]) -> SensorError:
        """Return the error of a port that was busy until the deadline; it names the programs that use it."""
        if self._closing is not None and self._closing.is_alive():
            return command_timeout(self.label)  # our own thread still closes the port, for that reason
        return super().busy(nodes)

    def _find(self) -> Path:
        # Each time: a sensor that was plugged in again may have another node.
        for name, _, node in self._bus.serial_ports():
            if name == self._name:
                return node
        raise self.not_plugged_in()

    @contextmanager
    def _errors_mapped(self, node: Path) -> Iterator[None]:
        """Errors of the operating system and of pyserial become ours."""
        try:
            yield
        except (OSError, termios.error) as error:  # pyserial's are OSErrors
            number = _errno(error)
            if number is None:
                raise self.busy([node]) from error
            message = f"serial port of {self.label} failed: {os.strerror(number)}"
            raise self.failure(errno.ENODEV if number in _GONE else number, node, message) from error


def command_timeout(label: str) -> SensorTimeout:
    """Return the error of a device that does not accept what is written to it."""
    return SensorTimeout(f"{label} did not accept a command in time", remedy=REPLUG)


def close_both(port: "Serial", lock: NodeLock) -> threading.Thread | None:
    """Close the port and its lock without waiting for the device.

    For a device that does not accept what was sent, the kernel waits up to 30 s in close. Return the thread that waits.
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


def _open(node: Path, recorder: "Recorder | None") -> "Serial":
    """Open the serial port and lock it (flock) against programs that honour such locks."""
    if recorder:
        from usbrh.drivers.recording import RecordingSerial  # noqa: PLC0415  # only for usbrh verify

        return RecordingSerial(recorder, str(node), BAUD_RATE, exclusive=True)
    import serial  # noqa: PLC0415  # only needed with a USBRH2

    return serial.Serial(str(node), BAUD_RATE, exclusive=True)


def _errno(error: OSError | termios.error) -> int | None:
    """The errno of an error; pyserial puts that of a port that it can't set up into the text only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    cause = error if isinstance(error, termios.error) else error.__context__
    return cause.args[0] if isinstance(cause, termios.error) else None
