"""Clocks that tests and the simulator can replace, deadlines, and the schedule of measurements."""

import time
from typing import NamedTuple, Protocol

NS = 1_000_000_000
"""Nanoseconds in a second."""


class Moment(NamedTuple):
    """What the clocks of this machine show at one moment, and whether the wall clock is known to be right."""

    time_ns: int
    """By the wall clock: nanoseconds since 1970-01-01 UTC."""
    boot_ns: int
    """By the boot clock: nanoseconds since the machine started, including suspend."""
    boot: int
    """A number that each start of the machine has for itself; 0 if it is not known."""
    synchronised: bool | None = None
    """Whether a time service keeps the wall clock right; None if the kernel does not report that."""
    hardware_ns: int | None = None
    """The time of the hardware clock; None if there is none."""

    @property
    def offset_ns(self) -> int:
        """Wall time minus boot time: changes only when the wall clock is set."""
        return self.time_ns - self.boot_ns


class Clock(Protocol):
    """The time functions that this package uses."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never jumps."""

    def time_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, by the wall clock."""

    def boot_ns(self) -> int:
        """Nanoseconds since the machine started, including suspend; never jumps."""

    def moment(self) -> Moment:
        """What all clocks show now."""

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``."""


class SystemClock:
    """The clock of this computer."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never jumps."""
        return time.monotonic()

    def time_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC, by the wall clock."""
        return time.time_ns()

    def boot_ns(self) -> int:
        """Nanoseconds since the machine started, including suspend; never jumps."""
        return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    def moment(self) -> Moment:
        """What all clocks show now."""
        from usbrh import walltime  # noqa: PLC0415 - slow, and only the journal needs it

        return walltime.now(self.time_ns(), self.boot_ns())

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds``."""
        time.sleep(seconds)


SYSTEM_CLOCK = SystemClock()


class Deadline:
    """The moment by which a whole operation must end, however many steps it has."""

    def __init__(self, seconds: float, clock: Clock = SYSTEM_CLOCK) -> None:
        """Set the deadline ``seconds`` from now."""
        self.clock = clock
        self._start = clock.monotonic()
        self._seconds = seconds
        self._outer: Deadline | None = None

    @property
    def seconds(self) -> float:
        """Seconds from the start of the operation to the deadline."""
        if self._outer is None:
            return self._seconds
        return max(0.0, min(self._seconds, self._outer._start + self._outer.seconds - self._start))

    def within(self, seconds: float) -> "Deadline":
        """A deadline for one step: ``seconds`` from now, but never later than this one, even when this is shortened."""
        inner = Deadline(seconds, self.clock)
        inner._outer = self
        return inner

    def remaining(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._start + self.seconds - self.clock.monotonic())

    def shorten(self, seconds: float) -> None:
        """Move the deadline to at most ``seconds`` from now, for a caller that must stop early."""
        self._seconds = min(self._seconds, self.clock.monotonic() + seconds - self._start)

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining() <= 0.0

    def milliseconds(self, at_most: float) -> int:
        """A time-out for libusb, up to ``at_most`` seconds; at least 1 ms, because 0 means no limit."""
        return max(1, int(min(self.remaining(), at_most) * 1000))


class Schedule:
    """Moments ``interval`` seconds apart on the monotonic clock; the first is the creation of the schedule.

    The wall clock sets only the phase. When it jumps, one pause lasts between half and one and a half intervals, and
    the schedule then continues as before. Moments that pass unused (a slow measurement, a suspended computer) are
    skipped.
    """

    def __init__(self, interval: float, clock: Clock = SYSTEM_CLOCK, *, align: bool = True, delay: float = 0.0) -> None:
        """Start the schedule.

        Args:
            interval: s.
            clock: what the moments refer to.
            align: count from whole multiples of ``interval`` on the wall clock instead of from now.
            delay: s after those moments; of a longer delay, only the remainder after whole intervals counts.
        """
        self._interval = interval
        self._align = align
        self._delay = delay
        self._clock = clock
        self._start = self._last = clock.monotonic()

    def next(self) -> float:
        """The next moment, by the monotonic clock; it is now if the last round took exactly one interval."""
        now, interval = self._clock.monotonic(), self._interval
        if self._align:
            past = (self._clock.time_ns() - round(self._delay * NS)) % round(interval * NS) / NS
        else:
            past = (now - self._start - self._delay) % interval
        moment = now + (interval - past) % interval
        if moment < self._last + interval / 2:  # woken a moment early, the wall clock jumped, or the delay is short
            moment += interval
        self._last = moment
        return moment

    def sleep(self) -> None:
        """Sleep until the next moment."""
        self._clock.sleep(max(0.0, self.next() - self._clock.monotonic()))
