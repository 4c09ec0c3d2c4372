"""One thread for each destination of the service: one that is down never holds up another."""

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence

from usbrh.bridge.delivery import Delivery
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.errors import JournalError, UsbrhError, of_destination
from usbrh.reading import Reading

log = logging.getLogger(__name__)

LONGEST_PAUSE = 15.0
"""s between two tries, at most."""
RETRY_REJECTED = 60.0
"""s between two tries of what was rejected, at most."""
FIRST_RETRY = 5.0
"""s until what was rejected is tried again; then twice as long each time. A host or an item that was just made is known
to a server only when it reads its configuration the next time: within 10 s (Zabbix 7.0) or a minute (6.0)."""
STATE_INTERVAL = 60.0
"""s between two values of ``usbrh.bridge``, at least."""
UNSAVED = 10_000
"""Readings kept in memory while the journal can't be used."""
WORK = 3600.0
"""s that all of one delivery may take."""
PORTION = 15.0
"""s of a backlog in one go; then there may be a discovery or a state to be sent. Zabbix takes a bridge for silent after
5 minutes without ``usbrh.bridge``, and one exchange may take as long as ``timeout``."""


class DestinationWorker:
    """Delivers to one destination whenever there is something, until it is stopped."""

    def __init__(
        self,
        delivery: Delivery,
        state: Callable[[], str],
        clock: Clock = SYSTEM_CLOCK,
        chance: random.Random | None = None,
    ) -> None:
        """``state`` gives the value of ``usbrh.bridge``."""
        self.destination = delivery.destination
        self.error: UsbrhError | None = None
        """Why the last try failed."""
        self.broken: Exception | None = None
        """What ended the thread although it should never end."""
        self._delivery = delivery
        self._state = state
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._stop: Deadline | None = None
        self._deadline = Deadline(WORK, clock)
        self._discovery = ""
        self._discovery_is_new = False
        self._unsaved: deque[Reading] = deque(maxlen=UNSAVED)
        self._tries = 0
        self._rejections = 0
        """Retries in a row after which something was still rejected."""
        self._retry_at = self._state_at = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"to {self.destination}", daemon=True)

    def start(self) -> None:
        """Begin with what waits."""
        self._thread.start()

    def new_readings(self, unsaved: Sequence[Reading] = ()) -> None:
        """There is something to deliver: in the journal, or ``unsaved`` that could not be put there."""
        with self._lock:
            self._unsaved.extend(unsaved)
        self._wake.set()

    def new_discovery(self, value: str) -> None:
        """Send ``usbrh.discovery`` before the next delivery, and again as long as something is rejected.

        Even one that was taken may have had no effect: a server takes it for a host that was deleted and made anew, as
        long as it has not read its configuration.
        """
        with self._lock:
            self._discovery, self._discovery_is_new = value, True
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Try once more to deliver everything, for ``seconds``, and end."""
        with self._lock:
            self._stop = Deadline(seconds, self._clock)
            self._deadline.shorten(seconds)
        self._wake.set()

    def join(self, timeout: float) -> None:
        """Wait for the end, if it was started."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            while True:
                self._wake.clear()
                with self._lock:
                    stopping = self._stop is not None
                    self._deadline = self._stop or Deadline(WORK, self._clock)
                self._work(self._deadline)
                if stopping:
                    return
                self._rest(self._pause())
        except Exception as error:
            log.exception("the delivery to %s broke", self.destination)
            self.broken = error

    def _rest(self, pause: float) -> None:
        """Wait for something to do. After a failure only a stop ends the pause early, new readings do not."""
        end = self._clock.monotonic() + pause
        while self._stop is None and (left := end - self._clock.monotonic()) > 0:
            if self._wake.wait(left) and self.error is None:
                return
            self._wake.clear()

    def _pause(self) -> float:
        if self.error is None:
            self._tries = 0
            return min(LONGEST_PAUSE, max(0.0, self._retry_at - self._clock.monotonic()))
        self._tries += 1
        return min(LONGEST_PAUSE, float(2 ** min(self._tries - 1, 10))) * self._chance.uniform(0.5, 1.0)

    def _work(self, deadline: Deadline) -> None:
        error = self.deliver(deadline)
        if error is not None and str(error) != str(self.error):
            log.warning("%s; readings wait in the journal", of_destination(self.destination, error))
        elif error is None and self.error is not None:
            log.info("%s: delivered again", self.destination)
        self.error = error

    def deliver(self, deadline: Deadline) -> UsbrhError | None:
        """Send what there is to send now, of a backlog a portion, and give why not all could be.

        The thread does it again and again, and at once when it was a portion.
        """
        retry = self._stop is not None or self._clock.monotonic() >= self._retry_at
        again = retry and self._rejections > 0
        try:
            rejected = not self._send_discovery(deadline, again)
            rejected |= self._send_unsaved(deadline) > 0
            result = self._delivery.deliver(deadline, retry=retry, seconds=PORTION)
            rejected |= result.rejected > 0
            if result.error is not None:
                if retry:  # which may be why: the next times without it, so that the state gets through
                    self._retry_at = self._clock.monotonic() + RETRY_REJECTED
                if not isinstance(result.error, JournalError):
                    return result.error
            if again or self._clock.monotonic() >= self._state_at:
                rejected |= not self._delivery.send_state("usbrh.bridge", self._state(), deadline)
                self._state_at = self._clock.monotonic() + STATE_INTERVAL
            if result.error is not None:
                return result.error
            if result.out_of_time:
                self._wake.set()
        except UsbrhError as error:
            return error
        if retry or (rejected and not self._rejections):
            self._rejections = self._rejections + 1 if rejected else 0
            self._retry_at = self._clock.monotonic() + _pause_after(self._rejections)
        return None

    def _send_discovery(self, deadline: Deadline, again: bool) -> bool:
        """Whether it was taken, or there was no need of it."""
        with self._lock:
            value = self._discovery
            if not value or not (self._discovery_is_new or again):
                return True
            self._discovery_is_new = False
        try:
            return self._delivery.send_state("usbrh.discovery", value, deadline)
        except UsbrhError:
            with self._lock:
                self._discovery_is_new = True
            raise

    def _send_unsaved(self, deadline: Deadline) -> int:
        """How many were rejected."""
        with self._lock:
            readings = list(self._unsaved)
        if not readings:
            return 0
        result = self._delivery.send_directly(readings, deadline)
        if result.error is not None:
            raise result.error
        if result.out_of_time:
            return result.rejected
        sent = {id(reading) for reading in readings}
        with self._lock:  # what came meanwhile may have pushed some out of a full queue
            self._unsaved = deque((each for each in self._unsaved if id(each) not in sent), UNSAVED)
        return result.rejected


def _pause_after(rejections: int) -> float:
    """Seconds until the next retry."""
    return min(RETRY_REJECTED, FIRST_RETRY * 2.0 ** min(rejections - 1, 10)) if rejections else RETRY_REJECTED
