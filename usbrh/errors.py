"""Everything that can go wrong, as one tree.

    UsbrhError
    ├── ConfigError             the configuration, the environment or an argument is wrong
    ├── SensorError             about one sensor; ``port`` says which
    │   ├── SensorNotFound      not plugged in, or unplugged while in use
    │   ├── AccessDenied        no permission for its device node
    │   ├── SensorBusy          another program holds it
    │   ├── SensorTimeout       it did not answer by the deadline
    │   ├── BadReport           it answered something that can't be a measurement
    │   └── TransferFailed      USB itself failed: stall, I/O error
    ├── LibusbMissing           libusb or the USB bus can't be used at all
    ├── JournalError            the journal can't be read or written
    └── ZabbixError
        ├── ZabbixUnreachable   no connection, no TLS, no answer, or not the answer of a Zabbix
        ├── ZabbixRefused       the server took the request, and refused a value
        └── ZabbixApiError      the front end's API said no

A message is one line: what is wrong, and behind a semicolon the command that mends it. ``kind`` is the
stable word for programs (the ``state`` of a reading in JSON, the counters of the bridge) and
``exit_status`` is what the command line ends with.
"""

from typing import ClassVar


class UsbrhError(Exception):
    """Base of all errors of this package; never raised itself.

    What can't be printed in a message, such as a control character that came from a file or from the network,
    is shown by its escape.
    """

    kind: ClassVar[str] = "failed"
    exit_status: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class ConfigError(UsbrhError):
    """The configuration, the environment or an argument is wrong."""

    kind = "config"
    exit_status = 2


class SensorError(UsbrhError):
    """About one sensor; ``port`` is its USB port path, such as ``1-1.4``."""

    def __init__(self, message: str, port: str = "") -> None:
        super().__init__(message)
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
    """Another program holds the sensor and did not let go by the deadline."""

    kind = "busy"
    exit_status = 5


class SensorTimeout(SensorError):
    """The sensor did not answer by the deadline."""

    kind = "timeout"
    exit_status = 5


class BadReport(SensorError):
    """The sensor answered something that can't be a measurement."""

    kind = "bad_report"


class TransferFailed(SensorError):
    """USB itself failed: a stalled endpoint, an I/O error, a refused detach."""

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


class ZabbixRefused(ZabbixError):
    """The server took the request and refused at least one value."""

    kind = "refused"
    exit_status = 7


class ZabbixApiError(ZabbixError):
    """The API of the Zabbix front end refused, or is not one."""

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


def of_destination(destination: str, error: Exception) -> str:
    """``error`` with whose it is; that a node was not reached begins with the node, which mostly says so already."""
    return str(error) if str(error).startswith(destination) else f"{destination}: {error}"


def printable(text: str) -> str:
    """``text`` as one line without anything that could move a terminal's cursor or forge a line in a log."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
