"""When to measure: at a fixed rate on the monotonic clock, in phase with the wall clock if that is wanted."""

from usbrh.clock import Clock

NS = 1_000_000_000


class Schedule:
    """Moments ``interval`` seconds apart; the first is now.

    The wall clock only says the phase. When it jumps, one pause is between half and one and a half intervals long, and
    then all goes on as before. Moments that passed unused (a suspended computer) are not made up for.
    """

    def __init__(self, interval: float, clock: Clock, *, align: bool = True, delay: float = 0.0) -> None:
        """``align``: count from whole multiples of ``interval`` on the wall clock, not from now; ``delay``: s later.

        Of a longer delay whole intervals are left out.
        """
        self._interval = interval
        self._align = align
        self._delay = delay
        self._clock = clock
        self._start = self._last = clock.monotonic()

    def next(self) -> float:
        """The next moment, by the monotonic clock."""
        now, interval = self._clock.monotonic(), self._interval
        if self._align:
            past = (self._clock.time_ns() - round(self._delay * NS)) % round(interval * NS) / NS
        else:
            past = (now - self._start - self._delay) % interval
        moment = now + interval - past
        if moment < self._last + interval / 2:  # woken a moment early, the wall clock jumped, or the delay is short
            moment += interval
        self._last = moment
        return moment
