"""The exceptions of usbrh.

``message`` is one line that describes the problem. ``remedy`` is the command or step that fixes it, if one is known.
Text output joins the two with "; ". JSON and ``usbrh doctor`` keep them apart. ``kind`` is a stable word for programs:
the ``state`` of a reading in JSON, and the counters of the bridge. ``exit_status`` is the exit status of the command.
"""

from collections.abc import Iterable
from typing import ClassVar

_EXIT_STATUS = {"ok": 0}
"""The exit status by ``kind``, of all classes below."""


class UsbrhError(Exception):
    """Base class of all exceptions of usbrh; never raised itself.

    Characters that can't be printed, such as control characters from a file or the network, appear as escapes.
    """

    kind: ClassVar[str] = "failed"
    exit_status: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        _EXIT_STATUS.setdefault(cls.kind, cls.exit_status)

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        self.message = printable(message)
        self.remedy = printable(remedy) if remedy else None
        super().__init__(joined(self.message, self.remedy))


class ConfigError(UsbrhError):
    """The configuration, the environment or an argument is wrong."""

    kind = "config"
    exit_status = 2


class SensorError(UsbrhError):
    """Concerns one sensor; ``port`` is its USB port path, such as ``1-1.4``."""

    def __init__(self, message: str, port: str = "", *, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.port = port


class SensorNotFound(SensorError):
    """The sensor is not plugged in, or was unplugged while in use."""

    kind = "not_found"
    exit_status = 3


class AccessDenied(SensorError):
    """This user has no permission for the sensor's device node."""

    kind = "access_denied"
    exit_status = 4


class SensorBusy(SensorError):
    """Another program still used the sensor at the deadline."""

    kind = "busy"
    exit_status = 5


class SensorTimeout(SensorError):
    """The sensor did not answer by the deadline."""

    kind = "timeout"
    exit_status = 5


class BadReport(SensorError):
    """The sensor sent a report that can't be a measurement."""

    kind = "bad_report"


class TransferFailed(SensorError):
    """A USB transfer failed: a stalled endpoint, an I/O error, a rejected detach."""

    kind = "transfer_failed"


class LibusbMissing(UsbrhError):
    """libusb is not installed, or could not be initialised."""

    kind = "no_libusb"


class JournalError(UsbrhError):
    """The journal can't be read or written."""

    kind = "journal"


class ClockError(UsbrhError):
    """The wall clock of this machine is not set, so readings wait until it is."""

    kind = "clock"


class ZabbixError(UsbrhError):
    """Base class of the exceptions that concern Zabbix."""


class ZabbixUnreachable(ZabbixError):
    """No connection, no TLS session, no answer in time, or an answer that is not from Zabbix."""

    kind = "unreachable"
    exit_status = 6
    after_connecting = False
    """A node accepted the connection, and the exchange failed then: a smaller request may succeed."""


class ZabbixRejected(ZabbixError):
    """The server accepted the request but rejected at least one value."""

    kind = "rejected"
    exit_status = 7


class ZabbixApiError(ZabbixError):
    """The API of the Zabbix front end reported an error."""

    kind = "api"


class ZabbixPermissionError(ZabbixApiError):
    """The user of the API has no permission for an object, or its role does not allow a method."""


def exit_status(kind: str) -> int:
    """Return the exit status for a reading whose ``state`` is ``kind``; 0 for ``ok``."""
    return _EXIT_STATUS.get(kind, UsbrhError.exit_status)


def joined(message: str, remedy: str | None) -> str:
    """Join message and remedy to one line of text."""
    return f"{message}; {remedy}" if remedy else message


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return a question with the name in ``known`` that is nearest to ``word``; None if none is near.

    ``cutoff``: how near, from 0 to 1 for equal names.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - slow to import, and needed for an error only

    close = get_close_matches(word, known, n=1, cutoff=cutoff)
    return f"did you mean {close[0]}?" if close else None


def of_destination(destination: str, error: Exception) -> str:
    """Return the text of ``error`` with the destination in front, unless the text already starts with it."""
    return str(error) if str(error).startswith(destination) else f"{destination}: {error}"


def printable(text: str) -> str:
    """Escape all characters that could move a terminal's cursor or forge a line in a log."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
