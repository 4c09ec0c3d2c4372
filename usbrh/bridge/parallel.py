"""The same work for several at the same time, in threads that can be left behind."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TypeVar

from usbrh.clock import Deadline

A = TypeVar("A")
B = TypeVar("B")

POLL_SECONDS = 0.25
"""s of one wait at most: a signal that comes just before it has its handler called only after it."""
GRACE_SECONDS = 2.0
"""s that interrupted work has to note what was done."""


def run_parallel(work: Callable[[A], B], things: Sequence[A], deadline: Deadline) -> list[B]:
    """``work`` on each of ``things``, which all end by ``deadline``; what it gives for them, in their order.

    When the caller is interrupted (Ctrl-C, SIGTERM), the deadline is now. The threads are daemons: for those of a
    ThreadPoolExecutor Python would wait at its own end, too.

    Raises:
        Exception: what ``work`` raised, if it did.
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
        last_word = Deadline(GRACE_SECONDS)
        while len(outcomes) < started and not last_word.passed:
            _wait(ended, last_word.remaining())
        raise
    results = []
    for number in range(len(things)):
        outcome = outcomes[number]
        if isinstance(outcome, Exception):
            raise outcome
        results.append(outcome)
    return results


def _wait(ended: SimpleQueue[None], seconds: float) -> None:
    # Not Thread.join: after an interruption, Python 3.11 takes the thread for ended (bpo-45274).
    with suppress(Empty):
        ended.get(timeout=seconds)
