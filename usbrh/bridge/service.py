"""The service with one configuration: measure, store in the journal and deliver, continuously."""

import logging
import random
from collections.abc import Sequence
from typing import Any

from usbrh.bridge.delivery import Delivery
from usbrh.bridge.latest import LatestFiles
from usbrh.bridge.once import enqueue, open_journal, reject_simulated
from usbrh.bridge.route import Route
from usbrh.bridge.state import journal_state
from usbrh.bridge.systemd import Notifier
from usbrh.bridge.unsaved import Unsaved
from usbrh.bridge.wakeup import Control
from usbrh.bridge.worker import DestinationWorker
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline, Schedule
from usbrh.config import Config
from usbrh.errors import ConfigError, JournalError, of_destination
from usbrh.poller import Counts, Poller, oldest_first
from usbrh.reading import Reading, counted

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""Time for a last delivery when the service stops."""
DISCOVERY_INTERVAL = 600.0
"""Seconds after which ``usbrh.discovery`` is sent again unchanged, so that Zabbix does not report lost sensors."""
REBUILDING_SECONDS = 90.0
"""Seconds that systemd waits for the next notification while a journal is rebuilt."""


class Bridge:
    """Measures on schedule, and has a worker for each destination."""

    def __init__(
        self,
        config: Config,
        routes: Sequence[Route],
        control: Control,
        *,
        allow_simulated: bool,
        counts: Counts | None = None,
        unsaved: Unsaved | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Prepare the service; nothing is measured yet. After a reload, pass the old ``counts`` and ``unsaved``."""
        self.poller = Poller(config, clock, counts=counts)
        self.unsaved = Unsaved() if unsaved is None else unsaved
        self.notifier = Notifier()
        self._latest = LatestFiles(config.bridge.interval)
        self._allow_simulated = allow_simulated
        self._control = control
        self._clock = clock
        # The repair of a damaged journal can take minutes: these lines tell systemd that it continues.
        alive = "WATCHDOG=1", f"EXTEND_TIMEOUT_USEC={int(REBUILDING_SECONDS * 1e6)}"
        self._journal = open_journal(config, clock, lambda: self.notifier.send(*alive))
        self._journal_error: JournalError | None = None
        self._discovery: list[dict[str, str]] = []
        self._discovery_due = clock.monotonic()
        delay = random.uniform(0, config.bridge.jitter)  # noqa: S311
        self._schedule = Schedule(config.bridge.interval, clock, align=config.bridge.align, delay=delay)
        self._workers = [
            DestinationWorker(
                Delivery(self._journal, route, allow_simulated=allow_simulated, clock=clock),
                self._state,
                self.unsaved,
                clock,
            )
            for route in routes
        ]

    def run(self) -> None:
        """Measure and deliver until ``control`` ends it; then deliver as much as possible in ``STOP_SECONDS``.

        Raises:
            ConfigError: the sensors are simulated, and that is not allowed.
        """
        try:
            self.poller.refresh()
            if isinstance(self.poller.problem, ConfigError):
                raise self.poller.problem
            reject_simulated(self.poller.simulated, self._allow_simulated)
            self._save([])
            for worker in self._workers:
                worker.start()
            self.notifier.send("READY=1")
            while not self._control.ending:
                self._round()
                self._wait(self._schedule.next())
            # At a reload, systemd would believe that the service ends, and would end it.
            stopping = ["STOPPING=1"] if self._control.stopping else []
            self.notifier.send(*stopping, "STATUS=delivering what still waits")
        finally:
            self._stop()

    def _state(self) -> dict[str, Any]:
        error = self._journal_error
        if error is not None:
            error = JournalError(f"{error.message} ({counted(len(self.unsaved))} in memory only)", remedy=error.remedy)
        return journal_state(self.poller, self._journal, error)

    def _round(self) -> None:
        readings = oldest_first(self.poller.measure())
        reject_simulated(self.poller.simulated, self._allow_simulated)
        self._latest.write(readings)
        news = self._save(readings)
        discovery = self.poller.discovery()
        now = self._clock.monotonic()
        if now >= self._discovery_due or discovery != self._discovery:
            self._discovery, self._discovery_due = discovery, now + DISCOVERY_INTERVAL
            for worker in self._workers:
                worker.send_discovery(discovery)
        for worker in self._workers:
            worker.wake(news)
        self._report(readings)

    def _save(self, readings: Sequence[Reading]) -> list[Reading]:
        """Store ``readings`` in the journal, and those in memory too; if that fails, keep all of them in memory.

        The result has those that are in the journal and can be sent. A problem is logged when it begins and when it
        ends.
        """
        waiting, _ = self.unsaved.since(0)
        try:
            news = enqueue(self._journal, [worker.destination for worker in self._workers], readings, waiting)
        except JournalError as error:
            if str(error) != str(self._journal_error):
                log.error("%s; readings are delivered without it meanwhile", error)  # noqa: TRY400 - one line is enough
            self._journal_error = error
            if self.unsaved.add(readings):
                log.error("%s in memory only, the oldest are dropped", counted(len(self.unsaved)))  # noqa: TRY400
            return []
        if self._journal_error is not None:
            log.warning("the journal can be used again; stored %s from memory", counted(len(waiting)))
            self._journal_error = None
        self.unsaved.clear()
        return news

    def _wait(self, moment: float) -> None:
        """Wait until ``moment`` or the end of the bridge; meanwhile notify the watchdog.

        Raises:
            Exception: the error that broke a worker.
        """
        longest = (self.notifier.watchdog or 60.0) / 3
        while not self._control.ending and (left := moment - self._clock.monotonic()) > 0:
            for worker in self._workers:
                if worker.broken:
                    raise worker.broken
            if self.notifier.watchdog:
                self.notifier.send("WATCHDOG=1")
            self._control.wait(min(left, longest))

    def _report(self, readings: Sequence[Reading]) -> None:
        """Show in ``systemctl status`` what works and what does not."""
        good = sum(reading.error is None for reading in readings)
        problems = [of_destination(each.destination, each.error) for each in self._workers if each.error]
        status = f"{good} of {len(readings)} sensors measured" + "".join(f"; {each}" for each in problems)
        self.notifier.send(f"STATUS={status}", "WATCHDOG=1")

    def _stop(self) -> None:
        deadline = Deadline(STOP_SECONDS, self._clock)
        if self.unsaved:
            self._save([])
        for worker in self._workers:
            worker.stop(deadline.remaining())
        shared = Deadline(deadline.remaining() + 1, self._clock)  # the workers stop in parallel, however many there are
        for worker in self._workers:
            worker.join(shared.remaining())
        self._journal.close()
        if self.unsaved and (self._control.stopping or not self._control.reloading):
            log.error("%s in memory only, lost where not delivered", counted(len(self.unsaved)))
