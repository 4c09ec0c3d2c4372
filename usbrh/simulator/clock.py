"""Time that passes at once, for tests and soaks."""


class VirtualClock:
    """A ``usbrh.clock.Clock`` in which sleeping takes no time. For one thread."""

    def __init__(self, time_ns: int = 1_767_225_600_000_000_000) -> None:
        """Begin at ``time_ns``, 2026-01-01 unless told otherwise."""
        self._start_ns = time_ns
        self._passed_ns = 0

    def monotonic(self) -> float:
        return self._passed_ns / 1e9

    def time_ns(self) -> int:
        return self._start_ns + self._passed_ns

    def sleep(self, seconds: float) -> None:
        # Rounded up: whoever sleeps until a moment must find that it has come.
        self._passed_ns += max(0, -int(-seconds * 1e9 // 1))
