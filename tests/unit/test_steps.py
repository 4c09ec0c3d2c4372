"""Steps: what is shown of a plan, what is carried out, and what is asked first."""

import errno
import io
import json
import sys
from collections.abc import Callable

import pytest

from usbrh.cli.steps import run
from usbrh.errors import ConfigError
from usbrh.steps import Status, Step, carry_out


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def steps(do: Callable[[], object]) -> list[Step]:
    return [
        Step("template is up to date"),
        Step("write a", do),
        Step("host has an encryption; kept", kept=True),
        Step("replace b", do, question="b was changed", difference="-1\n+2\n"),
    ]


def test_a_step_is_carried_out_if_there_is_something_to_do_and_the_user_agrees() -> None:
    done: list[int] = []
    plan = steps(lambda: done.append(1))
    assert [step.status for step in plan] == [Status.OK, Status.PLANNED, Status.KEPT, Status.PLANNED]
    assert [status for _, status in carry_out(plan, lambda step: False)] == [
        Status.OK, Status.DONE, Status.KEPT, Status.KEPT,
    ]  # fmt: skip
    assert len(done) == 1
    assert [status for _, status in carry_out(plan, lambda step: True)][3] is Status.DONE
    assert len(done) == 3


def test_what_the_system_rejects_is_one_line_with_a_remedy() -> None:
    with pytest.raises(ConfigError) as caught:
        list(carry_out([Step("write a", full)], lambda step: True))
    assert (caught.value.message, bool(caught.value.remedy)) == ("can't write a: No space left on device", True)


class Terminal(io.StringIO):
    """A stdin on which a user types."""

    def isatty(self) -> bool:
        return True


def test_a_dry_run_shows_what_would_be_done_and_asked(capsys: pytest.CaptureFixture[str]) -> None:
    run(steps(full), dry_run=True)
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "= template is up to date",
        "+ write a",
        "! host has an encryption; kept",
        "+ replace b (asks first: b was changed)",
    ]
    assert "Nothing was changed" in shown.err


def test_without_a_terminal_a_question_is_answered_with_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(steps(lambda: None), dry_run=False)[1::2] == [Status.DONE, Status.KEPT]
    shown = capsys.readouterr()
    assert shown.out.splitlines()[1::2] == ["+ write a", "! replace b: not done, b was changed"]
    assert "run this in one" in shown.err


@pytest.mark.parametrize(("answer", "status"), [("y", Status.DONE), ("n", Status.KEPT), ("", Status.KEPT)])
def test_on_a_terminal_the_difference_is_shown_before_the_question(
    answer: str, status: Status, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))
    assert run(steps(lambda: None), dry_run=False)[3] is status
    assert "-1\n+2\nb was changed. Replace b? [y/N]: " in capsys.readouterr().err


def test_steps_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    run(steps(lambda: None), dry_run=False, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == {"status": "done", "step": "write a"}
    assert [each["status"] for each in lines] == ["ok", "done", "kept", "kept"]
    run(steps(lambda: None), dry_run=True, as_json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["status"] for each in lines] == ["ok", "planned", "kept", "planned"]
