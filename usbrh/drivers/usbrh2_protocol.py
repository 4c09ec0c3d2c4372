"""What is said with a USBRH2 on its serial port. docs/device.md describes the protocol and its sources.

A conversation begins by ending what somebody else may have left: half a command, the automatic lines of ``auto``, the
echo. Then ``status`` is asked. The device serves commands in their order, so that whatever was asked of it before
has been answered when the status word comes, and a line of values that comes after our ``getrh`` is the answer to it:
neither an automatic line nor one that a process asked for which has died since.

A line counts only when it is whole, of the right form, with the right checksum, and within the sensor's range.
"""

import logging
import re
from collections.abc import Iterator
from typing import Any

from usbrh.clock import Deadline
from usbrh.errors import BadReport, SensorTimeout

ANSWER_WINDOW = 1.0
"""s to wait for one answer before beginning anew; the sensor chip measures in 16 ms."""
SLICE = 0.05
"""s for one read."""
REPLUG = "; unplug it and plug it in again"
"""The remedy at the end of a message."""
_WRITE_WINDOW = 0.5
"""s for the device to take one command."""
_GAP = 0.02
"""s without a character after which a command counts as served that has no answer which could be known."""
_LONGEST_GAP = 0.2
_LONGEST_LINE = 256

_LINE = re.compile(rb"(:(-?\d{1,3}(?:\.\d{1,3})?),(\d{1,3}(?:\.\d{1,3})?),)([0-9A-Fa-f]{2})")
_STATUS = re.compile(rb"(?:.*\b)?0x([0-9A-Fa-f]{1,4})|([0-9A-Fa-f]{4})")
_COLDEST, _HOTTEST = -40.0, 125.0

_log = logging.getLogger(__name__)


def crc8(data: bytes) -> int:
    """The checksum of a line, over everything from the ``:`` to the last ``,``: polynomial 0x31, start 0."""
    crc = 0
    for byte in data:
        crc = _CRC_TABLE[crc ^ byte]
    return crc


def _crc_table() -> Iterator[int]:
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc << 1) ^ (0x131 if crc & 0x80 else 0)
        yield crc


_CRC_TABLE = tuple(_crc_table())


def parse(line: bytes, label: str = "the sensor") -> tuple[float, float]:
    """°C and %RH of a line such as ``:23.77,42.76,AC``, without its end.

    Raises:
        BadReport: another form, a wrong checksum, or values that the sensor can't measure, which is what a chip that is
            disconnected (130 °C) or short-circuited (-45 °C) gives.
    """
    match = _LINE.fullmatch(line)
    if not match:
        raise BadReport(f"{label} sent something that is not a line of values: {_shown(line)}{REPLUG}")
    if crc8(match[1]) != int(match[4], 16):
        raise BadReport(f"{label} sent a line with a wrong checksum: {_shown(line)}{REPLUG}")
    temperature, humidity = float(match[2]), float(match[3])
    if not (_COLDEST <= temperature <= _HOTTEST and humidity <= 100):
        raise BadReport(f"{label} sent values that the sensor can't measure: {_shown(line)}{REPLUG}")
    return temperature, humidity


def _shown(line: bytes) -> str:
    return repr(line[:40].decode("ascii", "backslashreplace"))


def took_nothing(label: str) -> SensorTimeout:
    """The error of a device that does not take what is written to it."""
    return SensorTimeout(f"{label} did not take a command in time{REPLUG}")


class Lines:
    """The whole lines in a stream of characters; CR and LF in any mix end them, and prompts are not part of them."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ended in ``data``, without those that are empty."""
        *whole, self._rest = re.split(rb"[\r\n]", self._rest + data)
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b"?"  # what still comes of it is not a line of values either
        return [line for line in (each.lstrip(b"> \t").rstrip() for each in whole) if line]


class Conversation:
    """An open port of which the other side is known to have answered everything up to now."""

    def __init__(self, port: Any, label: str) -> None:
        self._port = port
        self._label = label
        self._lines = Lines()

    def begin(self, deadline: Deadline) -> int:
        """End what somebody else may have left, and wait for the status word, which is returned."""
        self._port.reset_input_buffer()
        for command in ("", "auto off", "echo off"):
            self._write(command, deadline)
            self._settle(deadline)
        return self.status(deadline)

    def status(self, deadline: Deadline) -> int:
        """The status word; whatever was sent before has been served when it comes."""
        self._write("status", deadline)
        return self._until_status(deadline)[0]

    def values(self, deadline: Deadline) -> tuple[float, float]:
        """°C and %RH, measured now."""
        self._write("getrh", deadline)
        window = Deadline(min(ANSWER_WINDOW, deadline.remaining()), deadline.clock)
        for line in self._read(window):
            _log.debug("%s: answered %s", self._label, _shown(line))
            if line.startswith(b":"):
                return parse(line, self._label)
        raise self._silence(window)

    def switch(self, command: str, deadline: Deadline) -> int:
        """Do ``command``, and the status word afterwards."""
        self._write(command, deadline)
        self._settle(deadline)
        return self.status(deadline)

    def words(self, command: str, deadline: Deadline) -> str:
        """The first line that ``command`` is answered with."""
        self._write(command, deadline)
        lines = self._settle(deadline)
        self._write("status", deadline)
        lines += self._until_status(deadline)[1]
        for line in lines:
            if line.lower() != command.encode():  # its echo
                return line.decode("ascii", "backslashreplace")
        raise BadReport(f"{self._label} gave no answer to {command!r}{REPLUG}")

    def _write(self, command: str, deadline: Deadline) -> None:
        import serial  # noqa: PLC0415  # see usbrh2._open

        # With 0, pyserial would not tell what was not taken.
        self._port.write_timeout = max(0.01, min(_WRITE_WINDOW, deadline.remaining()))
        try:
            self._port.write(command.encode("ascii") + b"\r")
        except serial.SerialTimeoutException as error:
            raise took_nothing(self._label) from error

    def _until_status(self, deadline: Deadline) -> tuple[int, list[bytes]]:
        window = Deadline(min(ANSWER_WINDOW, deadline.remaining()), deadline.clock)
        before: list[bytes] = []
        for line in self._read(window):
            match = _STATUS.fullmatch(line)
            if match:
                return int(match[1] or match[2], 16), before
            before.append(line)
        raise self._silence(window)

    def _settle(self, deadline: Deadline) -> list[bytes]:
        """What comes until nothing comes for a moment: some commands have no answer, and one may show in any form."""
        window = Deadline(min(_LONGEST_GAP, deadline.remaining()), deadline.clock)
        lines = []
        while not window.passed:
            data = self._some(_GAP)
            if not data:
                break
            lines += self._lines.feed(data)
        return lines

    def _read(self, window: Deadline) -> Iterator[bytes]:
        while not window.passed:
            yield from self._lines.feed(self._some(min(SLICE, window.remaining())))

    def _some(self, timeout: float) -> bytes:
        """What is there; without anything, what comes first within ``timeout`` seconds."""
        self._port.timeout = timeout
        return bytes(self._port.read(self._port.in_waiting or 1))

    def _silence(self, window: Deadline) -> SensorTimeout:
        return SensorTimeout(f"{self._label} did not answer within {window.seconds:.1f} s{REPLUG}")
