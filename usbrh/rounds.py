"""Measuring again and again, on a fixed schedule, what is plugged in at the time."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.config import Config
from usbrh.errors import UsbrhError
from usbrh.reading import Reading
from usbrh.sensors import find, measure_all, select


class Followed:
    """The sensors that are measured: those named, or all, and then those too that are plugged in later."""

    def __init__(self, config: Config, selectors: Sequence[str]) -> None:
        """Look for them.

        Raises:
            SensorNotFound: one that is named is not plugged in, or none is.
            LibusbMissing, ConfigError: see discovery.find.
        """
        self._config = config
        self._all = not selectors or "all" in selectors
        self._sensors = select(find(config), selectors or ["all"])

    def measure(self) -> list[Reading]:
        """One reading of each; one that was unplugged gives a reading that says so."""
        if self._all:
            with suppress(UsbrhError):  # the sensors that are known will say what is wrong
                found = find(self._config, known=self._sensors)
                there = {sensor.info.identity for sensor in found}
                self._sensors = found + [sensor for sensor in self._sensors if sensor.info.identity not in there]
        return measure_all(self._sensors)


def rounds(followed: Followed, interval: float, clock: Clock = SYSTEM_CLOCK) -> Iterator[list[Reading]]:
    """The readings of each round, for ever, on the schedule of ``each``."""
    for _ in each(interval, clock):
        yield followed.measure()


def each(interval: float, clock: Clock = SYSTEM_CLOCK) -> Iterator[None]:
    """Goes on at once, and then ``interval`` seconds from start to start, for ever.

    What takes longer than the interval makes the next ones late; none is made up for.
    """
    start = clock.monotonic()
    while True:
        yield
        behind = clock.monotonic() - start
        start += interval * max(1, -(-behind // interval))
        clock.sleep(max(0.0, start - clock.monotonic()))
