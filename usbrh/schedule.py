"""When to measure: at a fixed rate on the monotonic clock, in phase with the wall clock if that is wanted."""

from usbrh.clock import Clock

NS = 1_000_000_000


class Schedule:
    """Moments ``interval`` seconds apart; the first is now.

    The wall clock only says the phase. When it jumps, one pause is between half and one and a half intervals long, and
    then all goes on as before. Moments that passed unused (a suspended computer) are not made up for.
    """

    def __init__(self, interval: float, clock: Clock, *, align: bool = True, delay: float = 0.0) -> None:
        """``align``: at whole multiples of ``interval`` on the wall clock; ``delay``: that many seconds later."""
        self._interval = interval
        self._align = align
        self._delay = delay
        self._clock = clock
        self._last = clock.monotonic() + (0.0 if align else delay)

    def next(self) -> float:
        """The next moment, by the monotonic clock."""
        now, interval = self._clock.monotonic(), self._interval
        if self._align:
            past = (self._clock.time_ns() - round(self._delay * NS)) % round(interval * NS) / NS
            moment = now + interval - past
            if moment < self._last + interval / 2:  # woken a moment early, or the wall clock jumped
                moment += interval
        else:
            moment = max(self._last, now - (now - self._last) % interval) + interval
        self._last = moment
        return moment
