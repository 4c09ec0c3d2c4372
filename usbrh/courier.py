"""One thread for each destination of the service: one that is down never holds up another."""

import logging
import random
import threading
from collections import deque
from collections.abc import Callable, Sequence

from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.delivery import Delivery
from usbrh.errors import UsbrhError
from usbrh.reading import Reading

log = logging.getLogger(__name__)

LONGEST_PAUSE = 15.0
"""s between two tries, at most."""
RETRY_REFUSED = 60.0
"""s between two tries of what was refused."""
STATE_INTERVAL = 60.0
"""s between two values of ``usbrh.bridge``, at least."""
UNSAVED = 10_000
"""Readings kept in memory while the journal can't be used."""
WORK = 3600.0
"""s of one delivery; then the thread looks whether there is something else to do."""


class Courier:
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
        self._discovery: str | None = None
        self._discovery_at = 0.0
        self._unsaved: deque[Reading] = deque(maxlen=UNSAVED)
        self._tries = 0
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
        """Send ``usbrh.discovery`` with the next delivery."""
        with self._lock:
            self._discovery = value
            self._discovery_at = self._clock.monotonic()
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Try once more to deliver everything, for ``seconds``, and end."""
        with self._lock:
            self._stop = Deadline(seconds, self._clock)
            self._deadline.shorten(seconds)
        self._wake.set()

    def join(self, timeout: float) -> None:
        """Wait for the end."""
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
            return LONGEST_PAUSE
        self._tries += 1
        return min(LONGEST_PAUSE, float(2 ** min(self._tries - 1, 10))) * self._chance.uniform(0.5, 1.0)

    def _work(self, deadline: Deadline) -> None:
        error = self._try(deadline)
        if error is not None and str(error) != str(self.error):
            log.warning("%s: %s; readings wait in the journal", self.destination, error)
        elif error is None and self.error is not None:
            log.info("%s: delivered again", self.destination)
        self.error = error

    def _try(self, deadline: Deadline) -> UsbrhError | None:
        try:
            self._send_discovery(deadline)
            self._send_unsaved(deadline)
            retry = self._clock.monotonic() >= self._retry_at
            result = self._delivery.deliver(deadline, retry=retry)
            if retry:
                self._retry_at = self._clock.monotonic() + RETRY_REFUSED
            if result.error is None and self._clock.monotonic() >= self._state_at:
                self._delivery.send_state("usbrh.bridge", self._state(), deadline)
                self._state_at = self._clock.monotonic() + STATE_INTERVAL
        except UsbrhError as error:
            return error
        return result.error

    def _send_discovery(self, deadline: Deadline) -> None:
        with self._lock:
            value = self._discovery if self._clock.monotonic() >= self._discovery_at else None
        if value is not None:
            taken = self._delivery.send_state("usbrh.discovery", value, deadline)
            with self._lock:
                if self._discovery != value:
                    return
                if taken:
                    self._discovery = None
                else:
                    # A host that was just made is not known to a server that reads its configuration once a minute.
                    self._discovery_at = self._clock.monotonic() + RETRY_REFUSED

    def _send_unsaved(self, deadline: Deadline) -> None:
        with self._lock:
            readings = list(self._unsaved)
        if not readings:
            return
        result = self._delivery.send_directly(readings, deadline)
        if result.error is not None:
            raise result.error
        with self._lock:
            for _ in range(min(len(readings), len(self._unsaved))):
                self._unsaved.popleft()
