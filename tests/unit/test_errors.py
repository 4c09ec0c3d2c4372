"""The exceptions: what programs read of them, and what people read."""

import pytest

from usbrh import errors
from usbrh.errors import SensorNotFound, UsbrhError, ZabbixApiError, ZabbixUnreachable, did_you_mean, of_destination

CONTRACT = {
    "ConfigError": ("config", 2),
    "SensorNotFound": ("not_found", 3),
    "AccessDenied": ("access_denied", 4),
    "SensorBusy": ("busy", 5),
    "SensorTimeout": ("timeout", 5),
    "BadReport": ("bad_report", 1),
    "TransferFailed": ("transfer_failed", 1),
    "LibusbMissing": ("no_libusb", 1),
    "JournalError": ("journal", 1),
    "ClockError": ("clock", 1),
    "ZabbixUnreachable": ("unreachable", 6),
    "ZabbixRejected": ("rejected", 7),
    "ZabbixApiError": ("api", 1),
    "ZabbixPermissionError": ("api", 1),
}
"""Kind and exit status of each class. docs/cli.md has the exit statuses; neither changes in 1.x."""


def raised() -> set[str]:
    """The names of the classes, without those that are never raised themselves."""
    found = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, UsbrhError)}
    return found - {"UsbrhError", "SensorError", "ZabbixError"}


def test_kinds_and_exit_statuses() -> None:
    assert {name: (vars(errors)[name].kind, vars(errors)[name].exit_status) for name in raised()} == CONTRACT
    assert {kind: errors.exit_status(kind) for kind, _ in CONTRACT.values()} == dict(CONTRACT.values())
    assert (errors.exit_status("ok"), errors.exit_status("a kind of a later version")) == (0, 1)


def test_message_and_remedy_are_one_line_and_two_attributes() -> None:
    error = SensorNotFound("no sensor at 1-1.4", "1-1.4", remedy="plug it in")
    assert (error.message, error.remedy, error.port) == ("no sensor at 1-1.4", "plug it in", "1-1.4")
    assert str(error) == "no sensor at 1-1.4; plug it in"
    assert str(ZabbixApiError("no host")) == "no host"
    assert ZabbixApiError("no host", remedy="").remedy is None
    assert not ZabbixUnreachable("down").after_connecting


def test_nothing_moves_the_cursor_or_forges_a_line() -> None:
    error = UsbrhError("sensor \x1b[2J\n“居間”", remedy="rm a\tb")
    assert error.message == r"sensor \x1b[2J\n“居間”"
    assert error.remedy == r"rm a\tb"


def test_a_destination_is_named_once() -> None:
    assert of_destination("a:10051", ZabbixUnreachable("no answer")) == "a:10051: no answer"
    assert of_destination("a:10051", ZabbixUnreachable("a:10051: no answer")) == "a:10051: no answer"


@pytest.mark.parametrize(
    ("word", "answer"), [("raed", "did you mean read?"), ("reed", "did you mean read?"), ("xyzzy", None)]
)
def test_the_nearest_name(word: str, answer: str | None) -> None:
    assert did_you_mean(word, ["list", "read", "release"]) == answer
    assert did_you_mean(word, ["list", "read", "release"], cutoff=1.0) is None
