"""Clocks that a test sets."""

from usbrh.clock import SystemClock


class FixedClock(SystemClock):
    """A clock whose wall time changes only when the test sets ``now``. Its monotonic time is the real one."""

    def __init__(self, time_ns: int) -> None:
        self.now = time_ns

    def time_ns(self) -> int:
        return self.now


class HandClock(SystemClock):
    """A clock whose monotonic time changes only when the test sets ``now``. Its wall time is the real one."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now
