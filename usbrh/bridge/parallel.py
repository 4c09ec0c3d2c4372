"""Runs the same work for several things at the same time, in threads that the program need not wait for."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from typing import TypeVar

from usbrh.clock import Deadline

A = TypeVar("A")
B = TypeVar("B")

POLL_SECONDS = 0.25
"""Longest single wait: the handler of a signal that arrives just before it runs only after it."""
GRACE_SECONDS = 2.0
"""Time for interrupted work to record what it has done."""


def run_parallel(work: Callable[[A], B], things: Sequence[A], deadline: Deadline) -> list[B]:
    """Call ``work`` with each of ``things``, each in a separate thread; return the results in the same order.

    The work must end by ``deadline``, which is set to now when the caller is interrupted (Ctrl-C, SIGTERM). When all
    threads have ended, the first error that ``work`` raised is raised. The threads are daemons, because Python would
    wait at its exit for those of a ThreadPoolExecutor.
    """

    def run(future: Future[B], thing: A) -> None:
        try:
            future.set_result(work(thing))
        except BaseException as error:  # noqa: BLE001 - raised below
            future.set_exception(error)

    futures: list[Future[B]] = []
    try:
        for thing in things:
            future: Future[B] = Future()
            threading.Thread(target=run, args=(future, thing), daemon=True).start()
            futures.append(future)
        while wait(futures, POLL_SECONDS).not_done:
            pass
    except BaseException:
        deadline.shorten(0)
        wait(futures, GRACE_SECONDS)
        raise
    return [future.result() for future in futures]
