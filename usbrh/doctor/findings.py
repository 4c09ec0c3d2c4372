"""What a check found: a line with what is there, and the command that fixes it if it is not right."""

from dataclasses import dataclass
from enum import StrEnum

from usbrh.errors import UsbrhError


class Status(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    """It works, or may; somebody should look."""
    FAULT = "fault"
    NOT_CHECKED = "not checked"
    """It could not be looked at, or there is nothing to look at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    check: str
    status: Status
    message: str
    remedy: str | None = None
    """The command or the step that fixes it."""
    exit_status: int = 0
    """What the command line ends with if this is the first fault."""

    def to_dict(self) -> dict[str, str | None]:
        """Its JSON object."""
        return {"check": self.check, "status": self.status.value, "message": self.message, "fix": self.remedy}


def ok(check: str, message: str) -> Finding:
    """All is well."""
    return Finding(check, Status.OK, message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """It works, or may."""
    return Finding(check, Status.WARNING, message, remedy)


def fault(check: str, message: str, remedy: str, exit_status: int = 1) -> Finding:
    """It does not work."""
    return Finding(check, Status.FAULT, message, remedy, exit_status)


def not_checked(check: str, why: str) -> Finding:
    """It could not be looked at."""
    return Finding(check, Status.NOT_CHECKED, why)


def of_error(check: str, error: UsbrhError) -> Finding:
    """The fault that ``error`` reports, with its own remedy."""
    return Finding(check, Status.FAULT, error.message, error.remedy, error.exit_status)
