"""The commands and answers of a USBRH2 on its serial port. docs/device.md describes the protocol and its sources.

A conversation first ends what another program may have left: half a command, the automatic lines of ``auto``, the echo.
Then it asks for ``status``. The device serves commands in their order. When the status word arrives, the device has
answered everything that was asked before. The next line of values therefore answers our ``getrh``: it is neither an
automatic line nor the answer to a process that died. If no status word arrives, perhaps because its form is another
one, the conversation asks for ``serial``: a line with the serial number, which is known, shows the same.

A line counts only if it is whole, has the right form and checksum, and is within the range of the sensor.
"""

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from usbrh.clock import Deadline
from usbrh.drivers.serialport import command_timeout
from usbrh.drivers.shared import REPLUG
from usbrh.errors import BadReport, SensorTimeout

if TYPE_CHECKING:
    from serial import Serial

ANSWER_WINDOW = 1.0
"""s to wait for one answer before starting again; the sensor chip measures in 16 ms."""
_STATUS_WINDOW = 0.3
"""s to wait for the status word before asking for the serial number."""
_READ_SLICE = 0.05
"""s for one read."""
_WRITE_WINDOW = 0.5
"""s for the device to accept one command."""
_GAP = 0.02
"""s without a character after which a command counts as served, if the form of its answer is not known."""
_LONGEST_GAP = 0.2
_LONGEST_LINE = 256

_LINE = re.compile(rb"(:(-?\d{1,3}(?:\.\d{1,3})?),(\d{1,3}(?:\.\d{1,3})?),)([0-9A-Fa-f]{2})")
_STATUS = re.compile(rb"(?:.*\b)?0x([0-9A-Fa-f]{1,4})|([0-9A-Fa-f]{4})")
_COLDEST, _HOTTEST = -40.0, 125.0

_log = logging.getLogger(__name__)


def crc8(data: bytes) -> int:
    """Compute the checksum of a line, from the ``:`` to the last ``,``: polynomial 0x31, start value 0."""
    remainder = int.from_bytes(data, "big") << 8
    for bit in range(remainder.bit_length() - 1, 7, -1):
        if remainder >> bit & 1:
            remainder ^= 0x131 << (bit - 8)
    return remainder


def parse(line: bytes, label: str = "the sensor") -> tuple[float, float]:
    """Return °C and %RH of a line such as ``:23.77,42.76,AC``, without its end. Raises BadReport.

    A chip that is disconnected gives 130 °C, a short-circuited one -45 °C.
    """
    match = _LINE.fullmatch(line)
    if not match:
        problem = "something that is not a line of values"
    elif crc8(match[1]) != int(match[4], 16):
        problem = "a line with a wrong checksum"
    elif not (_COLDEST <= float(match[2]) <= _HOTTEST and float(match[3]) <= 100):
        problem = "values that the sensor can't measure"
    else:
        return float(match[2]), float(match[3])
    raise BadReport(f"{label} sent {problem}: {_shown(line)}", remedy=REPLUG)


def _shown(line: bytes) -> str:
    return repr(line[:40].decode("ascii", "backslashreplace"))


class Lines:
    """Splits a stream of characters into whole lines. Any mix of CR and LF ends a line; prompts are removed."""

    def __init__(self) -> None:
        """Start without characters."""
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that end in ``data``, without empty ones."""
        *whole, self._rest = re.split(rb"[\r\n]", self._rest + data)
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b"?"  # so that the end of this line is not taken for a line of values
        return [line for line in (each.lstrip(b"> \t").rstrip() for each in whole) if line]


class Conversation:
    """An open port. When a status word or the serial number arrives, the device has served every earlier command."""

    def __init__(self, port: "Serial", label: str, serial: str) -> None:
        """Send nothing. Messages name the device by its ``label``."""
        self._port = port
        self._label = label
        # Not in a line of values, which begins with ":".
        self._serial = re.compile(rb"(?!:)(.*\b)?%b(\b.*)?" % re.escape(serial.encode()), re.IGNORECASE)
        self._lines = Lines()
        self._questions = ["status", "serial"]
        """What shows that earlier commands were served. A status in an unknown form is asked for only once."""

    def begin(self, deadline: Deadline) -> int | None:
        """End what another program may have left, and return the status word as ``switch`` does."""
        self._port.reset_input_buffer()
        for command in ("", "auto off"):
            self.send(command, deadline)
        return self.switch("echo off", deadline)

    def values(self, deadline: Deadline) -> tuple[float, float]:
        """Measure now; return °C and %RH."""
        self._write("getrh", deadline)
        window = deadline.within(ANSWER_WINDOW)
        for line in self._read(window):
            _log.debug("%s: answered %s", self._label, _shown(line))
            if line.startswith(b":"):
                return parse(line, self._label)
        raise self._no_answer(window)

    def switch(self, command: str, deadline: Deadline) -> int | None:
        """Send ``command``, and return the status word after it; None if the device writes it in an unknown form."""
        self.send(command, deadline)
        return self._until_served(deadline)[0]

    def words(self, command: str, deadline: Deadline) -> str:
        """Send ``command``, and return the first line of its answer."""
        for line in self.lines(command, deadline):
            return line
        raise BadReport(f"{self._label} gave no answer to {command!r}", remedy=REPLUG)

    def lines(self, command: str, deadline: Deadline) -> list[str]:
        """Send ``command``, and return all lines of its answer."""
        lines = self.send(command, deadline) + self._until_served(deadline)[1]
        return [line.decode("ascii", "backslashreplace") for line in lines if line.lower() != command.encode()]

    def send(self, command: str, deadline: Deadline) -> list[bytes]:
        """Send ``command``, and return the lines that come until there is a gap."""
        self._write(command, deadline)
        return self._settle(deadline)

    def _write(self, command: str, deadline: Deadline) -> None:
        import serial  # noqa: PLC0415  # only needed with a USBRH2

        # With 0, pyserial would not report that the device did not accept everything.
        self._port.write_timeout = max(0.01, min(_WRITE_WINDOW, deadline.remaining()))
        try:
            self._port.write(command.encode("ascii") + b"\r")
        except serial.SerialTimeoutException as error:
            raise command_timeout(self._label) from error

    def _until_served(self, deadline: Deadline) -> tuple[int | None, list[bytes]]:
        """Return the status word, None if it has an unknown form, and the lines before it."""
        whole = deadline.within(ANSWER_WINDOW)
        before: list[bytes] = []
        for command in self._questions:
            self._write(command, deadline)
            for line in self._read(whole.within(_STATUS_WINDOW) if command == "status" else whole):
                if self._serial.fullmatch(line):  # first: it may look like a status word
                    if command == "serial":
                        self._questions = ["serial"]
                        return None, before
                elif match := _STATUS.fullmatch(line):
                    if command == "serial":
                        self._settle(deadline)  # its answer
                    return int(match[1] or match[2], 16), before
                else:
                    before.append(line)
        raise self._no_answer(whole)

    def _settle(self, deadline: Deadline) -> list[bytes]:
        """Return the lines that come until there is a gap: some commands have no answer, or one in any form."""
        window = deadline.within(_LONGEST_GAP)
        lines = []
        while not window.passed:
            data = self._available(_GAP)
            if not data:
                break
            lines += self._lines.feed(data)
        return lines

    def _read(self, window: Deadline) -> Iterator[bytes]:
        while not window.passed:
            yield from self._lines.feed(self._available(min(_READ_SLICE, window.remaining())))

    def _available(self, timeout: float) -> bytes:
        """Return what has arrived; if nothing has, wait up to ``timeout`` seconds for the first character."""
        self._port.timeout = timeout
        return bytes(self._port.read(self._port.in_waiting or 1))

    def _no_answer(self, window: Deadline) -> SensorTimeout:
        return SensorTimeout(f"{self._label} did not answer within {window.seconds:.1f} s", remedy=REPLUG)
