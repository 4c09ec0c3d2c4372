"""Clocks that a test sets, and one that does not wait."""

from usbrh.clock import NS, Moment, SystemClock


class FixedClock(SystemClock):
    """A clock whose wall time changes only when the test sets ``now``. Its monotonic time is the real one.

    Its boot time stands still, so that only the test sets the wall clock.
    """

    def __init__(self, time_ns: int) -> None:
        self.now = time_ns

    def time_ns(self) -> int:
        return self.now

    def boot_ns(self) -> int:
        return 1000 * NS


class HandClock(SystemClock):
    """A clock whose monotonic time changes only when the test sets ``now``. Its wall time is the real one."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class HurriedClock(SystemClock):
    """The clock of this computer, except that a sleep takes no time: it sets the clock forward."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        self._skipped += seconds


class WoundClock:
    """The clocks of a machine that a test winds: the wall clock can be set, and the machine can restart."""

    def __init__(self, time_ns: int, *, synchronised: bool | None = False, hardware: bool = False) -> None:
        """Start the machine. With ``hardware``, a hardware clock always shows the same as the wall clock."""
        self.time = time_ns
        self.boot = 1
        self.up = 10 * NS
        self.synchronised = synchronised
        self.hardware = hardware

    def monotonic(self) -> float:
        return self.up / NS

    def time_ns(self) -> int:
        return self.time

    def boot_ns(self) -> int:
        return self.up

    def moment(self) -> Moment:
        return Moment(self.time, self.up, self.boot, self.synchronised, self.time if self.hardware else None)

    def sleep(self, seconds: float) -> None:
        self.time += round(seconds * NS)
        self.up += round(seconds * NS)

    def set(self, time_ns: int, *, synchronised: bool = False) -> None:
        """Set the wall clock, as a person does, or a time service (``synchronised``)."""
        self.time = time_ns
        self.synchronised = synchronised

    def restart(self, time_ns: int) -> None:
        """Restart the machine, with this time on its wall clock."""
        self.boot += 1
        self.up = 10 * NS
        self.set(time_ns)
