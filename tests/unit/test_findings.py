"""Findings: what reaches the person and the program that reads them."""

import pytest

from usbrh.errors import AccessDenied, ConfigError, SensorNotFound, UsbrhError, ZabbixRejected, ZabbixUnreachable
from usbrh.findings import Finding, Status, fault, not_checked, of_error, ok, warning


@pytest.mark.parametrize(
    ("error", "exit_status"),
    [
        (ConfigError("a; b is wrong", remedy="correct it; then try"), 2),
        (SensorNotFound("gone", "1-1", remedy="plug it in"), 3),
        (AccessDenied("closed", "1-1", remedy="sudo usbrh setup"), 4),
        (ZabbixUnreachable("down", remedy="start it"), 6),
        (ZabbixRejected("unknown host", remedy="create it"), 7),
        (ConfigError("wrong"), 2),
    ],
)
def test_an_error_keeps_its_words_its_remedy_and_its_exit_status(error: UsbrhError, exit_status: int) -> None:
    assert of_error("server", error) == Finding("server", Status.FAULT, error.message, error.remedy, exit_status)
    assert of_error("server", error, "a.example").message == f"a.example: {error.message}"
    assert of_error("server", error, "a.example").remedy == error.remedy


def test_the_kinds_of_findings() -> None:
    assert ok("clock", "right") == Finding("clock", Status.OK, "right", None, 0)
    assert warning("clock", "slow", "set it") == Finding("clock", Status.WARNING, "slow", "set it", 0)
    assert warning("clock", "slow", "set it", 5).exit_status == 5
    assert fault("clock", "wrong", "set it") == Finding("clock", Status.FAULT, "wrong", "set it", 1)
    assert fault("clock", "wrong", None, 5).exit_status == 5
    assert not_checked("clock", "no clock") == Finding("clock", Status.NOT_CHECKED, "no clock", None, 0)


def test_the_object_for_programs() -> None:
    words = ["ok", "warning", "fault", "waiting", "not checked"]
    assert [Finding("clock", status, "").to_dict()["status"] for status in Status] == words
    assert fault("clock", "wrong; late", "set it; wait", 5).to_dict() == {
        "check": "clock", "status": "fault", "message": "wrong; late", "fix": "set it; wait",
    }  # fmt: skip
