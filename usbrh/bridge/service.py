"""The service: measure, put into the journal and deliver, for ever."""

import logging
import random
from collections.abc import Sequence

from usbrh.bridge.once import Route, bridge_state, delivery_of, enqueue, open_journal, reject_simulated
from usbrh.bridge.schedule import Schedule
from usbrh.bridge.systemd import Notifier
from usbrh.bridge.wakeup import WakeupPipe
from usbrh.bridge.worker import DestinationWorker
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.config import Config
from usbrh.errors import ConfigError, JournalError, of_destination
from usbrh.poller import Counts, Rounds, oldest_first
from usbrh.reading import Reading, counted

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""For what is still delivered after SIGTERM."""
DISCOVERY_INTERVAL = 600.0
"""s after which ``usbrh.discovery`` is sent again unchanged, lest Zabbix takes the sensors for lost."""
REBUILDING_SECONDS = 90.0
"""s that systemd waits for the next word."""
UNSAVED = 10_000
"""Readings kept in memory for the journal while it can't be used."""


class Bridge:
    """The service with one configuration; ``end`` may be called from signal handlers."""

    def __init__(
        self,
        config: Config,
        ways: Sequence[Route],
        bell: WakeupPipe,
        *,
        allow_simulated: bool,
        counts: Counts | None = None,
        unsaved: Sequence[Reading] = (),
        notifier: Notifier | None = None,
        clock: Clock = SYSTEM_CLOCK,
        chance: random.Random | None = None,
    ) -> None:
        """``ways``: where readings go; ``bell``: ends the wait for the next round.

        ``counts`` and ``unsaved``: those of the bridge before this one.
        """
        self.rounds = Rounds(config, clock, counts)
        self.unsaved = list(unsaved)
        """What could not be put into the journal yet, oldest first."""
        self._config = config
        self._allow_simulated = allow_simulated
        self._notifier = notifier or Notifier()
        self._clock = clock
        # While a damaged journal is rebuilt, which can take minutes, systemd hears that it goes on.
        told = "WATCHDOG=1", f"EXTEND_TIMEOUT_USEC={int(REBUILDING_SECONDS * 1e6)}"
        self._journal = open_journal(config, clock, lambda: self._notifier.send(*told))
        self._journal_problem = ""
        self._bell = bell
        self._ended = False
        self._for_good = True
        self._discovery = ""
        self._discovery_at = 0.0
        delay = (chance or random.Random()).uniform(0, config.bridge.jitter)  # noqa: S311
        self._schedule = Schedule(config.bridge.interval, clock, align=config.bridge.align, delay=delay)
        self._workers = [self._worker(way) for way in ways]

    def end(self, *, for_good: bool = True) -> None:
        """Let ``run`` come to its end soon; not ``for_good`` when another bridge takes over in this process."""
        self._for_good = for_good
        self._ended = True
        self._bell.wake()

    def run(self) -> None:
        """Measure and deliver until ``end`` is called; then deliver what can be delivered in ``STOP_SECONDS``.

        Raises:
            ConfigError: the sensors are virtual, and that is not allowed.
        """
        try:
            self.rounds.refresh()
            if isinstance(self.rounds.problem, ConfigError):
                raise self.rounds.problem
            reject_simulated(self.rounds.simulated, self._allow_simulated)
            self._save([])
            for worker in self._workers:
                worker.new_readings(self.unsaved)
                worker.start()
            self._notifier.send("READY=1")
            while not self._ended:
                self._round()
                self._wait(self._schedule.next())
            # At a reload, systemd would take the word for that of a service that ends, and end it.
            stopping = ["STOPPING=1"] if self._for_good else []
            self._notifier.send(*stopping, "STATUS=delivering what still waits")
        finally:
            self._stop()

    def _worker(self, way: Route) -> DestinationWorker:
        delivery = delivery_of(way, self._journal, self._allow_simulated, self._clock)
        return DestinationWorker(delivery, self._state, self._clock)

    def _state(self) -> str:
        problem = self._journal_problem
        if problem:
            problem += f"; {counted(len(self.unsaved))} in memory only"
        return bridge_state(self.rounds, self._journal, problem)

    def _round(self) -> None:
        readings = oldest_first(self.rounds.measure())
        reject_simulated(self.rounds.simulated, self._allow_simulated)
        unsaved = self._save(readings)
        discovery = self.rounds.discovery()
        now = self._clock.monotonic()
        renew = discovery != self._discovery or now - self._discovery_at >= DISCOVERY_INTERVAL
        if renew:
            self._discovery, self._discovery_at = discovery, now
        for worker in self._workers:
            if renew:
                worker.new_discovery(discovery)
            worker.new_readings(unsaved)
        self._tell(readings)

    def _save(self, readings: Sequence[Reading]) -> Sequence[Reading]:
        """Put them into the journal; the ones given back could not be, and are kept for the next time."""
        if self._in_journal([*self.unsaved, *readings]):
            self.unsaved.clear()
            return []
        self.unsaved += readings
        if len(self.unsaved) > UNSAVED:
            lost = len(self.unsaved) - UNSAVED
            del self.unsaved[:lost]
            log.error("%s in memory only, the oldest are given up", counted(UNSAVED))
        return readings

    def _in_journal(self, readings: Sequence[Reading]) -> bool:
        """Whether they could be put there; a problem is logged when it begins and when it ends."""
        try:
            enqueue(self._journal, [worker.destination for worker in self._workers], readings)
        except JournalError as error:
            if str(error) != self._journal_problem:
                log.error("%s; readings are delivered without it meanwhile", error)  # noqa: TRY400 - said in a line
            self._journal_problem = str(error)
            return False
        if self._journal_problem:
            log.warning("the journal can be used again; %s from memory went into it", counted(len(self.unsaved)))
            self._journal_problem = ""
        return True

    def _wait(self, moment: float) -> None:
        """Until ``moment`` or the end, petting the watchdog meanwhile."""
        pet = (self._notifier.watchdog or 60.0) / 3
        while not self._ended and (left := moment - self._clock.monotonic()) > 0:
            for worker in self._workers:
                if worker.broken:
                    raise worker.broken
            if self._notifier.watchdog:
                self._notifier.send("WATCHDOG=1")
            self._bell.wait(min(left, pet))

    def _tell(self, readings: Sequence[Reading]) -> None:
        good = sum(reading.error is None for reading in readings)
        trouble = [of_destination(each.destination, each.error) for each in self._workers if each.error]
        words = f"{good} of {len(readings)} sensors measured" + "".join(f"; {each}" for each in trouble)
        self._notifier.send(f"STATUS={words}", "WATCHDOG=1")

    def _stop(self) -> None:
        deadline = Deadline(STOP_SECONDS, self._clock)
        if self.unsaved:
            self._save([])
        for worker in self._workers:
            worker.stop(deadline.remaining())
        together = Deadline(deadline.remaining() + 1, self._clock)  # they end by the same moment, however many they are
        for worker in self._workers:
            worker.join(together.remaining())
        self._journal.close()
        if self.unsaved and self._for_good:
            log.error("%s in memory only, lost where not delivered", counted(len(self.unsaved)))
