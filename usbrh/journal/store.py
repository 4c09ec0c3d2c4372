"""The journal: usbrh's own send queue and history (not systemd's journal), for several threads and processes at once.

Each destination has a cursor: every reading up to its offset is delivered, except those in the table ``exceptions``
(waiting, rejected, expired, dropped). So a reading is one row however many destinations there are, and a delivered
batch is one update.

A reading is on the disk when ``add`` returns (WAL, synchronous=FULL). An acknowledgement is not synced: after a power
failure the last batch is sent again with the same clock and ns, and Zabbix overwrites the values with themselves.

A damaged file is kept under another name, and the sound part of it goes into a new file (``recovery``). A file of
version 0.1.0 is converted (``conversion``).
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from usbrh.clock import NS, SYSTEM_CLOCK, Clock, Deadline, Moment
from usbrh.errors import ClockError
from usbrh.journal import file as journal_file
from usbrh.journal import queries, recovery, timing, updates
from usbrh.journal.destinations import Notice, set_destinations
from usbrh.journal.errors import explained
from usbrh.journal.file import JournalFile
from usbrh.journal.queries import DeliveryState, DestinationStatus, Rejection, Status
from usbrh.journal.reader import JournalReader
from usbrh.journal.rows import Damaged, Entry, Outdated, State, active_cursors, check_exceptions
from usbrh.reading import Reading, counted, format_time

__all__ = ["DeliveryState", "DestinationStatus", "Entry", "Journal", "Rejection", "State", "Status"]

T = TypeVar("T")
log = logging.getLogger(__name__)

CHECK_SECONDS = 3600.0
"""Time between two counts of the exceptions. A million of them need a tenth of a second."""


class Journal:
    """The journal at ``path``, created if there is none. Any thread may use it.

    Every method raises JournalError if the file can't be used: no permission, read-only, full disk, locked by another
    program for ``BUSY_SECONDS``, written by another version of usbrh, not enough memory for a repair.
    """

    def __init__(
        self,
        path: Path,
        keep: float = 400 * 86400.0,
        max_waiting: int = 1_000_000,
        clock: Clock = SYSTEM_CLOCK,
        progress: Callable[[], object] = lambda: None,
    ) -> None:
        """``keep``: seconds that finished readings stay. ``max_waiting``: readings that may wait for one destination.

        ``progress`` is called about once a second while a damaged file is rebuilt or an older one upgraded, by the
        thread that does it. With millions of readings this takes minutes, and other threads that need the journal wait.
        """
        self.path = Path(os.path.realpath(path))  # a replacement would overwrite a link
        self.keep = keep
        self.max_waiting = max_waiting
        self._clock = clock
        self._progress = progress
        self._file = JournalFile(self.path)
        self._mutex = threading.RLock()
        self._rebuilding = False
        self._checked: tuple[int, float] | None = None
        """The opening of the file in which the exceptions were last counted, and when that was, by ``_clock``."""

    def __enter__(self) -> "Journal":
        """The journal, to be closed at the end of the ``with`` block."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file, unless another thread uses it. The next call opens it again.

        The method does not wait for that thread: SQLite survives a process that ends without closing.
        """
        if self._mutex.acquire(blocking=False):
            try:
                self._file.close()
            finally:
                self._mutex.release()

    def _run(self, query: Callable[[sqlite3.Connection], T], *, write: bool = False, durable: bool = True) -> T:
        """Call ``query`` in one transaction. If that finds damage, rebuild the file and call it once more."""

        def work(db: sqlite3.Connection) -> T:
            self._count_exceptions(db)
            return query(db)

        try:
            with self._locked() as deadline:
                try:
                    if not self._file.lock.exists():  # nothing is created beside a file that is not ours
                        JournalReader(self.path).check()
                    return self._file.transaction(work, deadline, write=write, durable=durable)
                except (sqlite3.DatabaseError, Damaged, UnicodeDecodeError) as error:
                    if not recovery.is_damage(error):
                        raise
                    self._replace(error, deadline)
                    again = Deadline(journal_file.BUSY_SECONDS)
                    return self._file.transaction(work, again, write=write, durable=durable)
        except (sqlite3.Error, OSError, Damaged, UnicodeDecodeError) as error:
            raise explained(error, self.path) from error
        except MemoryError as error:
            problem = explained(error, self.path)
        raise problem  # not inside the handler: the first error keeps alive what there is too little memory for

    def _count_exceptions(self, db: sqlite3.Connection) -> None:
        """Check the exceptions after each opening of the file, and every ``CHECK_SECONDS``."""
        now = self._clock.monotonic()
        if self._checked and self._checked[0] == self._file.openings and now - self._checked[1] < CHECK_SECONDS:
            return
        check_exceptions(db)
        self._checked = self._file.openings, now

    @contextmanager
    def _locked(self) -> Iterator[Deadline]:
        """Hold the mutex. The deadline, for other programs, includes the wait for it, so threads time out in parallel.

        While another thread rebuilds the file there is no deadline.
        """
        deadline = Deadline(journal_file.BUSY_SECONDS)
        while not self._mutex.acquire(timeout=deadline.remaining()):
            if not self._rebuilding:
                raise BlockingIOError("another thread holds the mutex")
            deadline = Deadline(journal_file.BUSY_SECONDS)
        try:
            yield deadline
        finally:
            self._mutex.release()

    def _replace(self, damage: Exception, deadline: Deadline) -> None:
        """Convert the file if version 0.1.0 wrote it, and otherwise rebuild it."""
        if isinstance(damage, Outdated):
            from usbrh.journal import conversion  # noqa: PLC0415

            count = self._alone(partial(conversion.convert, self.path, self._progress), deadline)
            if count is not None:
                log.warning("the journal %s of version 0.1.0 was converted: %s", self.path, counted(count))
            return
        saved = self._alone(partial(recovery.rebuild, self.path, self._clock.time_ns(), self._progress), deadline)
        if saved is not None:
            log.error(
                "the journal %s was damaged (%s): it is kept as %s; recovered: %s, %s",
                self.path,
                damage,
                saved.aside,
                counted(saved.readings),
                "with the state of each destination" if saved.cursors_known else "all are sent again",
            )

    def _alone(self, work: Callable[[], T], deadline: Deadline) -> T | None:
        """Call ``work``, which replaces the file. None if another process replaced it before."""
        self._rebuilding = True
        try:
            return self._file.replace(work, deadline)
        finally:
            self._rebuilding = False

    # Adding readings

    def add(self, readings: Sequence[Reading]) -> list[int]:
        """Write ``readings`` to the disk, and return their ids.

        A reading that is there already (same sensor, same time) is not stored twice. If too many readings wait for a
        destination, the oldest expire, with a line in the log.

        While the system clock is in doubt, the readings wait and nothing old is deleted. When the clock was set, the
        readings of this boot that wait get their right time. The log has a line for each.
        """
        moment = self._clock.moment()

        def work(db: sqlite3.Connection) -> tuple[list[int], dict[str, int], timing.Observed]:
            observed = timing.observe(db, moment)
            new = [timing.timed(observed.state, Entry.of(reading, boot=moment.boot)) for reading in readings]
            ids = [updates.insert(db, entry) for entry in new]
            expired = updates.expire(db, self.max_waiting)
            if observed.state is None or observed.state.doubt is None:
                updates.prune(db, max(-(2**63), moment.time_ns - int(self.keep * NS)))
            return ids, expired, observed

        ids, expired, observed = self._run(work, write=True)
        self._log_clock(moment, observed)
        for reading in readings:
            log.debug("in the journal: %s at %d", reading.sensor, reading.time_ns)
        for destination, count in expired.items():
            words = "%s for %s expired, the oldest: more than %d wait; they stay in the history"
            log.warning(words, counted(count), destination, self.max_waiting)
        return ids

    def trust_clock(self) -> ClockError | None:
        """Trust the system clock until it is set again or the machine restarts: readings no longer wait for it.

        The result is the error for a clock that can't be right: it is earlier than this version of usbrh.
        """
        moment = self._clock.moment()
        observed = self._run(lambda db: timing.observe(db, moment, trust=True), write=True)
        self._log_clock(moment, observed)
        return observed.state.problem if observed.state else None

    def clock_problem(self) -> ClockError | None:
        """Why the system clock is in doubt, as of the last ``add``; None if it is not."""
        return self._run(queries.clock_problem)

    def _log_clock(self, moment: Moment, observed: timing.Observed) -> None:
        state = observed.state
        if observed.step_ns:
            before = format_time(moment.time_ns - observed.step_ns)[:19]
            log.warning("the system clock was set from %sZ to %sZ", before, format_time(moment.time_ns)[:19])
        if observed.corrected:
            log.warning("corrected the time of %s", counted(observed.corrected))
        if observed.undated:
            words = "the system clock was wrong, and the right time of %s is not known; not sent: usbrh journal export"
            log.warning(words, counted(observed.undated))
        if observed.changed and state is not None:
            if state.problem:
                log.info("%s; readings wait in the journal", state.problem)  # ``send`` shows it each time
            else:
                log.info("the system clock is right now")

    # Delivery

    def sync_destinations(self, destinations: Sequence[str]) -> None:
        """Make ``destinations`` (their names) the ones that readings wait for. The log has a line for each change.

        What happens to the queues is in ``journal.destinations``.
        """
        known = self._run(lambda db: {cursor.destination for cursor in active_cursors(db)})
        if known == set(destinations):
            return

        def work(db: sqlite3.Connection) -> list[Notice]:
            notices = set_destinations(db, destinations)
            timing.close_undated(db)
            return notices

        for level, notice in self._run(work, write=True):
            log.log(level, "%s", notice)

    def waiting(self, destination: str, limit: int, *, simulated: bool = True, after: int = 0) -> list[Entry]:
        """At most ``limit`` readings that wait for ``destination``, oldest first; simulated ones if ``simulated``.

        Only those with an id above ``after``. Readings whose time is not known are left out.
        """
        return self._run(lambda db: queries.waiting(db, destination, limit, simulated, after))

    def virtual_waits(self, destination: str) -> bool:
        """Whether a simulated reading waits for ``destination``, or was rejected there."""
        return self._run(lambda db: queries.has_simulated(db, destination))

    def acknowledge(
        self, destination: str, delivered: Iterable[int], rejected: Mapping[int, str] | None = None
    ) -> None:
        """Record the answer of ``destination``: the ids it accepted, and those it rejected with the likely reasons.

        What another process has delivered meanwhile stays delivered. Ids from before a repair mean nothing: their
        readings are sent again, with the same clock and ns.
        """
        accepted = set(delivered)
        self._run(lambda db: updates.acknowledge(db, destination, accepted, rejected or {}), write=True, durable=False)

    def request_size(self, destination: str) -> int:
        """The number of values that was kept with ``keep_request_size``; 0 if none was."""
        return self._run(lambda db: queries.cursor_for(db, destination).size)

    def keep_request_size(self, destination: str, size: int) -> None:
        """Keep the number of values for the next request to ``destination``; 0 if larger requests did not fail."""
        self._run(lambda db: updates.keep_size(db, destination, size), write=True, durable=False)

    def send_again(self, destination: str, ids: Iterable[int]) -> None:
        """Let the readings ``ids`` wait for ``destination`` again, whatever their states are."""
        wanted = list(ids)
        self._run(lambda db: updates.send_again(db, destination, wanted), write=True)

    def rejected(self, destination: str) -> list[Rejection]:
        """The readings that ``destination`` rejected, by sensor."""
        return self._run(lambda db: queries.rejections(db, queries.cursor_for(db, destination)))

    def retry_rejected(self, destination: str, sensor: str) -> int:
        """Let the rejected readings of ``sensor`` wait again, and return their number."""
        return self._run(lambda db: updates.retry_rejected(db, destination, sensor), write=True)

    def drop_rejected(self, sensor: str | None = None) -> dict[str, int]:
        """Do not send rejected readings again (of ``sensor``, or all); their number by destination.

        They stay in the history.
        """
        reason = "removed from the queue by usbrh journal drop"
        return self._run(lambda db: updates.drop_rejected(db, sensor, reason), write=True)

    # History

    def entries(self, ids: Iterable[int]) -> list[Entry]:
        """The readings with these ids, oldest first, without those that are deleted."""
        wanted = sorted(set(ids))
        return self._run(lambda db: queries.entries(db, wanted))

    def history(
        self, since_ns: int | None = None, until_ns: int | None = None, sensor: str | None = None
    ) -> Iterator[Entry]:
        """The readings from ``since_ns`` to before ``until_ns`` (ns since 1970), in the order of time."""
        return queries.history(self._run, since_ns, until_ns, [sensor] if sensor else ())

    def export(self) -> Iterator[tuple[Entry, dict[str, DeliveryState]]]:
        """All readings, oldest first, each with its state at each destination."""
        return queries.export(self._run)

    def status(self) -> Status:
        """What the journal contains, and the status of each destination; quick, however many readings there are."""
        return self._run(lambda db: queries.status(db, self.path))

    def check(self, *, waiting: bool) -> None:
        """Check every reading that waits somewhere, or every other one and all counters; repair the file if need be.

        The time grows with the number of readings.
        """
        self._run(lambda db: queries.check(db, waiting))

    def standings(self) -> list[DestinationStatus]:
        """The status of each destination; quick, however many readings there are."""
        return self._run(queries.standings)
