"""Runs the same work for several things at the same time, in threads that the program need not wait for."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from usbrh.clock import Deadline

A = TypeVar("A")
B = TypeVar("B")

POLL_SECONDS = 0.25
"""Longest single wait: the handler of a signal that arrives just before a wait runs only after it."""
GRACE_SECONDS = 2.0
"""Time for interrupted work to record what it has done."""


def run_parallel(work: Callable[[A], B], things: Sequence[A], deadline: Deadline) -> list[B]:
    """Call ``work`` with each of ``things`` in a thread of its own; the results in the same order.

    The work itself must end by ``deadline``. When the caller is interrupted (Ctrl-C, SIGTERM), the deadline is set to
    now. The threads are daemons, because Python would wait at its exit for those of a ThreadPoolExecutor.

    Raises:
        Exception: the first error that ``work`` raised, when all threads have ended.
    """
    outcomes: dict[int, B | Exception] = {}
    ended: SimpleQueue[None] = SimpleQueue()

    def run(number: int) -> None:
        try:
            outcomes[number] = work(things[number])
        except Exception as error:  # noqa: BLE001 - raised below
            outcomes[number] = error
        ended.put(None)

    started = 0
    try:
        for number in range(len(things)):
            threading.Thread(target=run, args=(number,), daemon=True).start()
            started += 1
        while len(outcomes) < started:
            _wait(ended, POLL_SECONDS)
    except BaseException:
        deadline.shorten(0)
        grace = Deadline(GRACE_SECONDS)
        while len(outcomes) < started and not grace.passed:
            _wait(ended, grace.remaining())
        raise
    results = []
    for number in range(len(things)):
        outcome = outcomes[number]
        if isinstance(outcome, Exception):
            raise outcome
        results.append(outcome)
    return results


def _wait(ended: SimpleQueue[None], seconds: float) -> None:
    # Not Thread.join: after an interruption, Python 3.11 believes that the thread has ended (bpo-45274).
    with suppress(Empty):
        ended.get(timeout=seconds)
