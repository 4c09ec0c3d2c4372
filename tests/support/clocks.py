"""Clocks that a test moves by hand."""

from usbrh.clock import SystemClock


class FixedClock(SystemClock):
    """The time of day stands still until the test sets it; the monotonic time goes on."""

    def __init__(self, time_ns: int) -> None:
        self.now = time_ns

    def time_ns(self) -> int:
        return self.now


class HandClock(SystemClock):
    """Its monotonic time stands still until it is moved; the wall clock goes on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now
