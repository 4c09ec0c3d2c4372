"""What a check found: its status, what is wrong, and the command that fixes it.

``usbrh doctor`` and ``usbrh zabbix check`` both report findings.
"""

from dataclasses import dataclass
from enum import StrEnum

from usbrh.errors import UsbrhError


class Status(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    """Readings arrive, or may arrive; something needs attention."""
    FAULT = "fault"
    WAITING = "waiting"
    """Not known yet; the check continues."""
    NOT_CHECKED = "not checked"
    """It could not be checked, or there is nothing to check."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of ``check`` (``permission``, for example); ``remedy`` is the command or the step that fixes it."""

    check: str
    status: Status
    message: str
    remedy: str | None = None
    exit_status: int = 0
    """The exit status of the command if this is its first fault. ``usbrh status`` also uses that of a warning, or 1."""

    def to_dict(self) -> dict[str, str | None]:
        """The JSON object of this finding."""
        return {"check": self.check, "status": self.status.value, "message": self.message, "fix": self.remedy}


def ok(check: str, message: str) -> Finding:
    """Nothing is wrong."""
    return Finding(check, Status.OK, message)


def warning(check: str, message: str, remedy: str, exit_status: int = 0) -> Finding:
    """It works, or may work, but needs attention."""
    return Finding(check, Status.WARNING, message, remedy, exit_status)


def fault(check: str, message: str, remedy: str | None, exit_status: int = 1) -> Finding:
    """It does not work."""
    return Finding(check, Status.FAULT, message, remedy, exit_status)


def not_checked(check: str, reason: str) -> Finding:
    """It could not be checked, or there is nothing to check."""
    return Finding(check, Status.NOT_CHECKED, reason)


def of_error(check: str, error: UsbrhError, subject: str = "") -> Finding:
    """The fault that ``error`` reports, with its remedy; ``subject`` is prefixed to its message."""
    message = f"{subject}: {error.message}" if subject else error.message
    return Finding(check, Status.FAULT, message, error.remedy, error.exit_status)
