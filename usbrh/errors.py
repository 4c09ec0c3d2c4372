"""Everything that can go wrong, as one tree.

    UsbrhError
    ├── ConfigError             the configuration, the environment or an argument is wrong
    ├── SensorError             about one sensor; ``port`` says which
    │   ├── SensorNotFound      not plugged in, or unplugged while in use
    │   ├── AccessDenied        no permission for its device node
    │   ├── SensorBusy          another program holds it
    │   ├── SensorTimeout       it did not answer by the deadline
    │   ├── BadReport           it sent something that can't be a measurement
    │   └── TransferFailed      USB itself failed: stall, I/O error
    ├── LibusbMissing           libusb or the USB bus can't be used at all
    ├── JournalError            the journal can't be read or written
    └── ZabbixError
        ├── ZabbixUnreachable   no connection, no TLS, no answer, or not the answer of a Zabbix
        ├── ZabbixRejected      the server accepted the request and rejected a value
        └── ZabbixApiError      the API of the front end reported an error

``message`` is one line that says what is wrong. ``remedy`` is the command or the step that fixes it, if one is known.
Text output joins the two with "; "; JSON and ``usbrh doctor`` keep them apart. ``kind`` is the stable word for programs
(the ``state`` of a reading in JSON, the counters of the bridge). ``exit_status`` is what the command line ends with.
"""

from typing import ClassVar


class UsbrhError(Exception):
    """Base of all errors of this package; never raised itself.

    Characters that can't be printed, such as a control character from a file or from the network, appear as escapes.
    """

    kind: ClassVar[str] = "failed"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        self.message = printable(message)
        self.remedy = printable(remedy) if remedy else None
        super().__init__(joined(self.message, self.remedy))


class ConfigError(UsbrhError):
    """The configuration, the environment or an argument is wrong."""

    kind = "config"
    exit_status = 2


class SensorError(UsbrhError):
    """About one sensor; ``port`` is its USB port path, such as ``1-1.4``."""

    def __init__(self, message: str, port: str = "", *, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.port = port


class SensorNotFound(SensorError):
    """Not plugged in, or unplugged while in use."""

    kind = "not_found"
    exit_status = 3


class AccessDenied(SensorError):
    """No permission for the sensor's device node."""

    kind = "access_denied"
    exit_status = 4


class SensorBusy(SensorError):
    """Another program still had the sensor open at the deadline."""

    kind = "busy"
    exit_status = 5


class SensorTimeout(SensorError):
    """The sensor did not answer by the deadline."""

    kind = "timeout"
    exit_status = 5


class BadReport(SensorError):
    """The sensor sent something that can't be a measurement."""

    kind = "bad_report"


class TransferFailed(SensorError):
    """USB itself failed: a stalled endpoint, an I/O error, a rejected detach."""

    kind = "transfer_failed"


class LibusbMissing(UsbrhError):
    """libusb is not installed, or can't be initialised."""

    kind = "no_libusb"


class JournalError(UsbrhError):
    """The journal can't be read or written."""

    kind = "journal"


class ZabbixError(UsbrhError):
    """Base of what concerns Zabbix."""


class ZabbixUnreachable(ZabbixError):
    """No connection, no TLS session, no answer in time, or not the answer of a Zabbix."""

    kind = "unreachable"
    exit_status = 6


class ZabbixRejected(ZabbixError):
    """The server accepted the request and rejected at least one value."""

    kind = "rejected"
    exit_status = 7


class ZabbixApiError(ZabbixError):
    """The API of the Zabbix front end reported an error, or the address is not such an API."""

    kind = "api"


def exit_status(kind: str) -> int:
    """What the command line ends with for a reading whose ``state`` is ``kind``; 0 for ``ok``."""
    if kind == "ok":
        return 0
    remaining: list[type[UsbrhError]] = [UsbrhError]
    while remaining:
        candidate = remaining.pop()
        if candidate.kind == kind:
            return candidate.exit_status
        remaining += candidate.__subclasses__()
    return UsbrhError.exit_status


def joined(message: str, remedy: str | None) -> str:
    """Message and remedy as one line of text."""
    return f"{message}; {remedy}" if remedy else message


def of_destination(destination: str, error: Exception) -> str:
    """``error`` with whose it is; that a node was not reached begins with the node, which mostly says so already."""
    return str(error) if str(error).startswith(destination) else f"{destination}: {error}"


def printable(text: str) -> str:
    """``text`` as one line without anything that could move a terminal's cursor or forge a line in a log."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
