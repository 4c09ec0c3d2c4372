"""How ``usbrh verify`` shows its steps, in this process. tests/simulated/cli has the command in a terminal."""

import io
import sys

import pytest

from usbrh.cli.verify import _Display, _line
from usbrh.verify.steps import Result, Verdict


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def result(verdict: Verdict, detail: str | None = None) -> Result:
    return Result("timing", "0.3 s", "0.4 s", verdict, detail)


def test_progress_is_on_one_line_of_the_terminal_and_results_are_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with _Display(as_json=False) as display:
        display.progress("[4/11] timing")
        display.progress("reading 2 of 20")
        display.show(result(Verdict.AS_ASSUMED))
        assert display.ask("Is it on?", ["yes", "no"]) is None, "nobody is there"
    clear = "\r\x1b[K"
    assert stderr.getvalue() == f"{clear}[4/11] timing{clear}[4/11] timing: reading 2 of 20{clear}{clear}{clear}"
    assert capsys.readouterr().out == "as assumed  timing          0.4 s\n"


def test_without_a_terminal_there_is_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with _Display(as_json=True) as display:
        display.progress("[4/11] timing")
        display.show(result(Verdict.AS_ASSUMED))
    shown = capsys.readouterr()
    assert (shown.err, shown.out.count("\n")) == ("", 1)
    assert '"verdict": "as assumed"' in shown.out


def test_a_question_is_answered_at_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))
    assert _Display(as_json=False).ask("Is it on?", ["yes", "no"]) == "no"
    assert "Is it on? (yes, no): " in stderr.getvalue()


@pytest.mark.parametrize(
    ("verdict", "colour"),
    [(Verdict.AS_ASSUMED, "\x1b[32m"), (Verdict.NEW, "\x1b[36m"), (Verdict.DIFFERS, "\x1b[33m")],
)
def test_the_verdict_has_a_colour(verdict: Verdict, colour: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert _line(result(verdict)) == f"{colour}{verdict.value.ljust(11)}\x1b[0m timing          0.4 s"
    monkeypatch.setenv("NO_COLOR", "1")
    lines = _line(result(verdict, "slower")).splitlines()
    assert lines[1:] == [f"{'':28}{verdict}: slower", f"{'':28}assumed: 0.3 s"]
