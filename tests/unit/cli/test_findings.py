"""How findings are printed: for people with colours and a summary, for programs without."""

import json

import click
import pytest

from usbrh.cli.findings import exit_status, line, show
from usbrh.findings import Finding, Status, fault, ok, warning


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.parametrize(
    ("status", "colour"),
    [
        (Status.OK, "\x1b[32m"),
        (Status.WARNING, "\x1b[33m"),
        (Status.FAULT, "\x1b[31m"),
        (Status.WAITING, "\x1b[36m"),
        (Status.NOT_CHECKED, "\x1b[90m"),
    ],
)
def test_the_status_has_a_colour(status: Status, colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    coloured = line(Finding("server", status, "down"))
    assert coloured.startswith(f"{colour}{status.value}")
    plain = f"{status.value.ljust(11)}  server         down"
    assert click.unstyle(coloured) == plain
    monkeypatch.setenv("NO_COLOR", "1")
    assert line(Finding("server", status, "down")) == plain
    monkeypatch.setenv("NO_COLOR", "")
    assert line(Finding("server", status, "down")) == coloured


def test_the_fix_is_below_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert line(fault("clock", "wrong", "set it")) == f"fault        clock          wrong\n{'':28}fix: set it"


@pytest.mark.parametrize(
    ("findings", "summary"),
    [
        ([ok("clock", "right")], "no faults, no warnings"),
        ([fault("a", "b", "c"), warning("a", "b", "c"), warning("d", "e", "f")], "1 fault, 2 warnings"),
        ([fault("a", "b", "c"), fault("d", "e", "f"), warning("a", "b", "c")], "2 faults, 1 warning"),
    ],
)
def test_text_ends_with_a_summary(findings: list[Finding], summary: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert show(iter(findings), as_json=False) == findings
    *_, empty, last = capsys.readouterr().out.splitlines()
    assert (empty, last) == ("", summary)
    assert show(iter(findings), as_json=True) == findings
    assert [json.loads(each) for each in capsys.readouterr().out.splitlines()] == [each.to_dict() for each in findings]


def test_the_exit_status_is_that_of_the_first_fault() -> None:
    assert exit_status([ok("a", "b"), warning("a", "b", "c", 5)]) == 0
    assert exit_status([warning("a", "b", "c", 5), fault("a", "b", "c", 3), fault("a", "b", "c", 6)]) == 3
