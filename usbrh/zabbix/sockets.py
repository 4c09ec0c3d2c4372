"""Waiting for a peer with a deadline that somebody may shorten meanwhile."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from usbrh.clock import Deadline

T = TypeVar("T")

POLL_SECONDS = 0.25
"""s after which a wait looks at its deadline again."""


def patiently(connection: Any, deadline: Deadline, step: Callable[[], T]) -> T:
    """The result of ``step``, one operation of ``connection`` (a socket) that can be tried again after its time-out.

    Raises:
        TimeoutError: it was not possible by ``deadline``.
    """
    while not deadline.passed:
        connection.settimeout(max(0.001, min(POLL_SECONDS, deadline.remaining())))  # 0 would mean: do not wait at all
        with suppress(TimeoutError):
            return step()
    raise TimeoutError
