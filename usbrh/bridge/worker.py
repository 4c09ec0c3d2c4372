"""One thread per destination of the service, so that a destination that is down does not delay the others."""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from usbrh.bridge.delivery import Delivery
from usbrh.bridge.unsaved import Unsaved
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.errors import JournalError, UsbrhError, of_destination
from usbrh.reading import Reading
from usbrh.zabbix.items import BRIDGE, DISCOVERY

log = logging.getLogger(__name__)

LONGEST_PAUSE = 15.0
"""Longest pause between two attempts, in seconds."""
RETRY_REJECTED = 60.0
"""Longest pause between two retries of rejected readings, in seconds."""
FIRST_RETRY = 5.0
"""Seconds until the first retry of rejected readings; each further pause is twice as long. A server knows a new host or
item only after it has read its configuration: within 10 s (Zabbix 7.0) or a minute (6.0)."""
STATE_INTERVAL = 60.0
"""Shortest time between two values of ``usbrh.bridge``, in seconds."""
WORK = 3600.0
"""Seconds for one delivery with everything that belongs to it."""
PORTION = 15.0
"""Seconds of a backlog at a time; after it, discovery or state may be due. Zabbix reports no data 5 minutes after the
last ``usbrh.bridge``, and one exchange may take as long as ``timeout``."""


class DestinationWorker:
    """Delivers to one destination whenever there is something to send, until it is stopped."""

    def __init__(
        self, delivery: Delivery, state: Callable[[], dict[str, Any]], unsaved: Unsaved, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Prepare the thread. ``state`` returns the value of ``usbrh.bridge``; ``unsaved`` is not in the journal."""
        self.destination = delivery.destination
        self.error: UsbrhError | None = None
        """Why the last attempt failed."""
        self.broken: Exception | None = None
        """The unexpected error that ended the thread."""
        self._delivery = delivery
        self._state = state
        self._unsaved = unsaved
        self._unsaved_sent = 0
        """Number of the first unsaved reading that is not sent yet."""
        self._clock = clock
        self._news: Sequence[Reading] = ()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._stop: Deadline | None = None
        self._deadline = Deadline(WORK, clock)
        self._discovery: list[dict[str, str]] | None = None
        self._discovery_sent: list[dict[str, str]] | None = None
        self._failures = 0
        """Failed attempts in a row."""
        self._rejections = 0
        """Retries in a row after which something was still rejected."""
        self._retry_at = self._state_at = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"to {self.destination}", daemon=True)

    def start(self) -> None:
        """Start the thread; it begins with what waits already."""
        self._thread.start()

    def wake(self, news: Sequence[Reading] = ()) -> None:
        """Deliver soon: the readings ``news`` are in the journal, and go before a backlog."""
        self._news = news
        self._delivery.interrupt()
        self._wake.set()

    def send_discovery(self, value: list[dict[str, str]]) -> None:
        """Send ``usbrh.discovery`` before the next delivery, and again as long as something is rejected.

        Until a server reads its configuration, it accepts and drops values for a host that was deleted and created
        again.
        """
        self._discovery = value
        self._wake.set()

    def stop(self, seconds: float) -> None:
        """Try once more to deliver everything, for ``seconds`` at most, and end."""
        with self._lock:
            self._stop = Deadline(seconds, self._clock)
            self._deadline.shorten(seconds)
        self._wake.set()

    def join(self, timeout: float) -> None:
        """Wait until the thread has ended, if it was started."""
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def deliver(self, deadline: Deadline) -> UsbrhError | None:
        """Send what is due: discovery, readings (a limited time for a backlog), and the state of the bridge.

        Returns why something could not be sent.
        """
        retry = self._stop is not None or self._clock.monotonic() >= self._retry_at
        retry_rejected = retry and self._rejections > 0
        try:
            rejected = not self._deliver_discovery(deadline, retry_rejected)
            rejected |= self._deliver_unsaved(deadline) > 0
            news = self._news
            result = self._delivery.deliver(deadline, news=news, retry=retry, seconds=PORTION)
            if news is self._news and result.error is None:
                self._news = ()
            rejected |= result.rejected > 0
            if result.error is not None:
                if retry:  # a retry may be the cause: the next attempts skip it, so that the state is delivered
                    self._retry_at = self._clock.monotonic() + RETRY_REJECTED
                if not isinstance(result.error, JournalError):
                    return result.error
            if retry_rejected or self._clock.monotonic() >= self._state_at:
                rejected |= not self._delivery.send_state(BRIDGE, self._state(), deadline)
                self._state_at = self._clock.monotonic() + STATE_INTERVAL
            if result.error is not None:
                return result.error
            if result.out_of_time:
                self._wake.set()
        except UsbrhError as error:
            return error
        if retry or (rejected and not self._rejections):
            self._rejections = self._rejections + 1 if rejected else 0
            doubled = FIRST_RETRY * 2.0 ** min(self._rejections - 1, 10)
            self._retry_at = self._clock.monotonic() + (min(RETRY_REJECTED, doubled) if rejected else RETRY_REJECTED)
        return None

    def _run(self) -> None:
        try:
            while True:
                self._wake.clear()
                with self._lock:
                    stopping = self._stop is not None
                    self._deadline = self._stop or Deadline(WORK, self._clock)
                self._note(self.deliver(self._deadline))
                if stopping:
                    return
                self._wait(self._pause())
        except Exception as error:
            log.exception("the delivery to %s broke", self.destination)
            self.broken = error

    def _note(self, error: UsbrhError | None) -> None:
        """Remember the result of an attempt; log it if it is another one than before."""
        if error is not None and str(error) != str(self.error):
            # The service reports an unusable journal itself, and delivers from memory.
            consequence = "" if isinstance(error, JournalError) else "; readings wait in the journal"
            log.warning("%s%s", of_destination(self.destination, error), consequence)
        elif error is None and self.error is not None:
            log.info("%s: delivered again", self.destination)
        self.error = error

    def _pause(self) -> float:
        """Seconds until the next attempt, unless new readings arrive."""
        if self.error is None:
            self._failures = 0
            return min(LONGEST_PAUSE, max(0.0, self._retry_at - self._clock.monotonic()))
        self._failures += 1
        return min(LONGEST_PAUSE, float(2 ** min(self._failures - 1, 10))) * random.uniform(0.5, 1.0)  # noqa: S311

    def _wait(self, pause: float) -> None:
        """Wait for something to do. After a failure only ``stop`` ends the pause early; new readings do not."""
        end = self._clock.monotonic() + pause
        while self._stop is None and (left := end - self._clock.monotonic()) > 0:
            if self._wake.wait(left) and self.error is None:
                return
            self._wake.clear()

    def _deliver_discovery(self, deadline: Deadline, again: bool) -> bool:
        """Send ``usbrh.discovery`` if it is due; False if it was rejected."""
        value = self._discovery
        if value is None or (value is self._discovery_sent and not again):
            return True
        accepted = self._delivery.send_state(DISCOVERY, value, deadline)
        self._discovery_sent = value
        return accepted

    def _deliver_unsaved(self, deadline: Deadline) -> int:
        """Send the unsaved readings that this destination has not received yet; return how many were rejected."""
        readings, number = self._unsaved.since(self._unsaved_sent)
        if not readings:
            return 0
        result = self._delivery.send_directly(readings, deadline)
        if result.error is not None:
            raise result.error
        if not result.out_of_time:
            self._unsaved_sent = number
        return result.rejected
