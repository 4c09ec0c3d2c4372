"""A clock whose time passes only in sleep, for tests and long simulations."""

from usbrh.clock import Moment


class VirtualClock:
    """A ``usbrh.clock.Clock`` in which sleeping takes no real time. For one thread."""

    def __init__(self, time_ns: int = 1_767_225_600_000_000_000) -> None:
        """Start at ``time_ns``; the default is 2026-01-01."""
        self._start_ns = time_ns
        self._passed_ns = 0

    def monotonic(self) -> float:
        """Seconds that passed since the start."""
        return self._passed_ns / 1e9

    def time_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        return self._start_ns + self._passed_ns

    def boot_ns(self) -> int:
        """Nanoseconds that passed since the start."""
        return self._passed_ns

    def moment(self) -> Moment:
        """What all clocks show now; the wall clock is right."""
        return Moment(self.time_ns(), self.boot_ns(), boot=1, synchronised=True)

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass, at once."""
        # Rounded up, so that the moment slept for has come.
        self._passed_ns += max(0, -int(-seconds * 1e9 // 1))
