"""Signals that end a command, most of them in a separate process."""

import signal
import subprocess
import sys
import time

import pytest

from usbrh.cli.signals import SignalHandler, Terminated

PROGRAM = """\
import os, signal, time
from usbrh.cli.signals import SignalHandler
{before}
SignalHandler().install()
try:
    print("heating", flush=True)
    time.sleep(10)
finally:
    print("tidying", flush=True)
    time.sleep({seconds})
    print("tidied", flush=True)
"""
HUP, TERM, INT = signal.SIGHUP, signal.SIGTERM, signal.SIGINT


def start(before: str = "", seconds: float = 0.25) -> "subprocess.Popen[str]":
    program = PROGRAM.format(before=before, seconds=seconds)
    return subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def line_of(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline()


@pytest.mark.parametrize(
    ("first", "then"), [(HUP, HUP), (TERM, HUP), (HUP, TERM), (INT, INT), (TERM, INT)], ids=lambda number: number.name
)
def test_the_second_of_two_does_not_break_off_what_the_first_began(first: signal.Signals, then: signal.Signals) -> None:
    with start() as process:
        assert line_of(process) == "heating\n"
        process.send_signal(first)
        assert line_of(process) == "tidying\n"
        process.send_signal(then)
        assert line_of(process) == "tidied\n"
        # Python passes an interrupt that is not caught to the default action.
        assert process.wait(5) == (-INT if first == INT else 128 + first)


def test_what_is_ignored_stays_so() -> None:
    """A command under nohup continues when its terminal closes."""
    with start("signal.signal(signal.SIGHUP, signal.SIG_IGN)") as process:
        assert line_of(process) == "heating\n"
        process.send_signal(HUP)
        process.send_signal(TERM)
        assert line_of(process) == "tidying\n"
        assert process.wait(5) == 128 + TERM


def test_one_that_comes_later_ends_what_still_hangs() -> None:
    with start("import usbrh.cli.signals as ending; ending.GRACE_SECONDS = 0.1", 10) as process:
        assert line_of(process) == "heating\n"
        process.send_signal(INT)
        assert line_of(process) == "tidying\n"
        time.sleep(0.2)
        process.send_signal(TERM)
        assert line_of(process) == ""
        assert process.wait(5) == 128 + TERM


def test_while_python_exits_signals_end_it_at_once() -> None:
    """tests/simulated/cli/test_streams.py sends them then."""
    before = {number: signal.getsignal(number) for number in (HUP, TERM, INT)}
    try:
        signal.signal(HUP, signal.SIG_IGN)
        handler = SignalHandler()
        handler.install()
        assert [signal.getsignal(number) for number in (HUP, TERM, INT)] == [
            *(signal.SIG_IGN, handler._caught),
            handler._caught,
        ]
        handler.uninstall()
        assert [signal.getsignal(number) for number in (HUP, TERM, INT)] == [
            *(signal.SIG_IGN, signal.SIG_DFL),
            signal.SIG_DFL,
        ]
    finally:
        for number, found in before.items():
            signal.signal(number, found)


def test_five_seconds_after_the_first_another_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    handler = SignalHandler()
    with pytest.raises(KeyboardInterrupt):
        handler._caught(INT, None)
    now[0] = 104.9
    handler._caught(TERM, None)
    now[0] = 105.1
    with pytest.raises(Terminated) as caught:
        handler._caught(TERM, None)
    assert caught.value.code == 143
