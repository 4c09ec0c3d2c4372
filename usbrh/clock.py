"""Time, so that everything that waits can be given another time in tests and in the simulator."""

import time
from typing import Protocol


class Clock(Protocol):
    """What the package needs of time."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never jumps."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, by the wall clock."""

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""


class SystemClock:
    """The computer's own time."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time_ns(self) -> int:
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


class Deadline:
    """A moment by which a whole operation has to be over, however many steps it takes."""

    def __init__(self, seconds: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self._start = clock.monotonic()
        self._seconds = seconds
        self._outer: Deadline | None = None

    @property
    def seconds(self) -> float:
        """From its beginning to its end."""
        if self._outer is None:
            return self._seconds
        return max(0.0, min(self._seconds, self._outer._start + self._outer.seconds - self._start))

    def within(self, seconds: float) -> "Deadline":
        """One for a part of the operation: ``seconds`` from now, and never later than this one, shortened or not."""
        inner = Deadline(seconds, self.clock)
        inner._outer = self
        return inner

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._start + self.seconds - self.clock.monotonic())

    def shorten(self, seconds: float) -> None:
        """Make it end ``seconds`` from now at the latest; for whoever has to stop early."""
        self._seconds = min(self._seconds, self.clock.monotonic() + seconds - self._start)

    @property
    def passed(self) -> bool:
        return self.remaining() <= 0.0

    def milliseconds(self, at_most: float) -> int:
        """A time-out for libusb: what is left or ``at_most`` seconds, and at least 1 ms: 0 would mean for ever."""
        return max(1, int(min(self.remaining(), at_most) * 1000))
