"""The same work for several at the same time."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from usbrh.bridge.parallel import run_parallel
from usbrh.clock import Deadline


class Interrupted(BaseException):
    """What a signal's handler raises."""


@contextmanager
def interruption(seconds: float) -> Iterator[None]:
    """A signal comes after ``seconds``."""

    def handler(number: int, frame: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, handler)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_results_come_in_order() -> None:
    def work(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    assert run_parallel(work, [0.1, 0.0, 0.05], Deadline(10)) == [0.1, 0.0, 0.05]
    assert run_parallel(work, [], Deadline(10)) == []


def test_a_failure_comes_after_all_are_done() -> None:
    done = []

    def work(number: int) -> None:
        if number == 0:
            raise ZeroDivisionError
        time.sleep(0.1)
        done.append(number)

    with pytest.raises(ZeroDivisionError):
        run_parallel(work, [0, 1], Deadline(10))
    assert done == [1]


def test_an_interruption_shortens_the_deadline_and_lets_the_work_be_noted() -> None:
    deadline = Deadline(60)
    noted = []

    def work(number: int) -> None:
        while not deadline.passed:
            time.sleep(0.01)
        time.sleep(0.2 * number)
        noted.append(number)

    began = time.monotonic()
    with interruption(0.2), pytest.raises(Interrupted):
        run_parallel(work, [1, 2], deadline)
    assert time.monotonic() - began < 5
    assert noted == [1, 2]


def test_work_that_does_not_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.bridge.parallel.GRACE_SECONDS", 0.1)
    release = threading.Event()
    threads = []

    def work(number: int) -> None:
        threads.append(threading.current_thread())
        release.wait(30)

    began = time.monotonic()
    with interruption(0.2), pytest.raises(Interrupted):
        run_parallel(work, [1, 2], Deadline(60))
    assert time.monotonic() - began < 5
    assert all(thread.daemon for thread in threads), "Python waits for others at its end"
    release.set()
    for thread in threads:
        thread.join(10)
