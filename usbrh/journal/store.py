"""The durable queue and local history: one SQLite file, safe for several processes at once.

Each destination has its place: every reading up to it is settled there, except the few that are ``held`` (rejected,
given up, skipped so far). So a reading costs one row however many destinations there are, and a delivered batch one
update.

A reading is on the disk when ``add`` returns (WAL, synchronous=FULL). That a reading was delivered is not synced: when
the power fails, the last batch goes to Zabbix again with the same clock and ns, which overwrites itself there.

A damaged file is set aside, and what is sound in it goes into a new one (``salvage``). Each row has a checksum, because
SQLite has none and a flipped bit would be a temperature.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.journal import file as journal_file
from usbrh.journal import recovery as salvage
from usbrh.journal.errors import explained
from usbrh.journal.file import JournalFile, NotOurs, companions
from usbrh.journal.queries import (
    NS,
    PAGE,
    Changes,
    DeliveryState,
    DestinationStatus,
    Rejection,
    State,
    Status,
    exported,
    give_up,
    hold,
    insert,
    place_for,
    prune,
    rejections_of,
    set_destinations,
    settle,
    standings_of,
)
from usbrh.journal.rows import ENTRY, Damaged, Entry, entry, places, write_place
from usbrh.reading import Reading, counted

__all__ = ["NS", "Changes", "DeliveryState", "DestinationStatus", "Journal", "Rejection", "State", "Status"]

T = TypeVar("T")
log = logging.getLogger(__name__)


class Journal:
    """The journal at ``path``, made when it is not there; for any thread.

    Every method raises JournalError when the file can't be used: no permission, read-only, disk full, held by another
    program for ``BUSY_SECONDS``, of a newer version, more to mend than there is memory for.
    """

    def __init__(
        self,
        path: Path,
        keep: float = 400 * 86400.0,
        max_waiting: int = 1_000_000,
        clock: Clock = SYSTEM_CLOCK,
        progress: Callable[[], object] = lambda: None,
    ) -> None:
        """``keep``: seconds that settled readings stay; ``max_waiting``: readings that may wait for one destination.

        ``progress`` is called about every second, by the thread that does it, while a damaged file is replaced: with
        millions of readings that takes minutes, and every other thread that needs the journal waits.
        """
        self.path = Path(os.path.realpath(path))  # or a replacement would come into the place of a link
        self.keep = keep
        self.max_waiting = max_waiting
        self._clock = clock
        self._progress = progress
        self._file = JournalFile(self.path)
        self._mutex = threading.RLock()
        self._rebuilding = False

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; the next call opens it again.

        Not when another thread still uses it, which nobody waits for here; SQLite stands that a process just ends.
        """
        if self._mutex.acquire(blocking=False):
            try:
                self._file.close()
            finally:
                self._mutex.release()

    def _run(self, work: Callable[[sqlite3.Connection], T], *, write: bool = False, durable: bool = True) -> T:
        """``work`` in one transaction; when the file turns out to be damaged, once more with a new one."""
        try:
            with self._turn() as until:
                try:
                    return self._file.transaction(work, until, write=write, durable=durable)
                except (sqlite3.DatabaseError, Damaged) as error:
                    if not salvage.is_damage(error):
                        raise
                    self._start_anew(error, until)
                    again = Deadline(journal_file.BUSY_SECONDS)
                    return self._file.transaction(work, again, write=write, durable=durable)
        except (sqlite3.Error, OSError, Damaged, NotOurs) as error:
            raise explained(error, self.path) from error
        except MemoryError as error:
            problem = explained(error, self.path)
        raise problem  # not from the error, which holds on to all that there was too little memory for

    @contextmanager
    def _turn(self) -> Iterator[Deadline]:
        """Alone among the threads; until when other programs are waited for, the wait for the turn included.

        So threads wait for another program side by side, not each after those before it.
        """
        until = Deadline(journal_file.BUSY_SECONDS)
        while not self._mutex.acquire(timeout=until.remaining()):
            if not self._rebuilding:
                raise BlockingIOError("another thread has it")
            until = Deadline(journal_file.BUSY_SECONDS)
        try:
            yield until
        finally:
            self._mutex.release()

    def _start_anew(self, damage: Exception, until: Deadline) -> None:
        self._rebuilding = True
        try:
            saved = self._file.replace(lambda: salvage.rebuild(self.path, self._clock.time_ns(), self._progress), until)
        finally:
            self._rebuilding = False
        if saved is not None:
            log.error(
                "the journal %s was damaged (%s): it is kept as %s; saved from it: %s, %s",
                self.path,
                damage,
                saved.aside,
                counted(saved.readings),
                "with their places" if saved.places_known else "all to be sent again",
            )

    # Readings in

    def add(self, readings: Sequence[Reading]) -> list[int]:
        """Put ``readings`` on the disk, and give their ids.

        One that is there already (same sensor, same time) is not stored twice. When too many wait for a destination,
        the oldest are given up and that is logged.
        """

        def work(db: sqlite3.Connection) -> tuple[list[int], dict[str, int]]:
            ids = [insert(db, reading) for reading in readings]
            expired = give_up(db, self.max_waiting)
            prune(db, self._clock.time_ns() - int(self.keep * NS))
            return ids, expired

        ids, expired = self._run(work, write=True)
        for reading in readings:
            log.debug("in the journal: %s at %d", reading.sensor, reading.time_ns)
        for text, count in expired.items():
            log.warning(
                "%s for %s given up, the oldest: more than %d wait for it",
                counted(count),
                text,
                self.max_waiting,
            )
        return ids

    # Destinations

    def sync_destinations(self, destinations: Sequence[str]) -> Changes:
        """Make ``destinations`` (their texts in the configuration) the ones that readings wait for.

        A new one starts with the readings that no destination has taken yet. The queue of one that is not named any
        more is dropped. Both are logged.
        """
        if self._run(lambda db: {place.text for place in places(db) if not place.gone}) == set(destinations):
            return Changes()
        changes = self._run(lambda db: set_destinations(db, destinations), write=True)
        for text, count in changes.added.items():
            log.info("new destination %s%s", text, f": {counted(count)} waiting for it" if count else "")
        for text, count in changes.dropped.items():
            dropped = f": {counted(count)} dropped that waited for it" if count else ""
            log.log(logging.WARNING if count else logging.INFO, "%s left the configuration%s", text, dropped)
        return changes

    def waiting(self, destination: str, limit: int, *, simulated: bool = True) -> list[Entry]:
        """At most ``limit`` readings that wait for ``destination``, oldest first; virtual ones if ``simulated``."""

        def work(db: sqlite3.Connection) -> list[Entry]:
            here = place_for(db, destination)
            rows = db.execute(
                f"SELECT {ENTRY} FROM held JOIN reading ON reading.id = held.reading WHERE destination = ?"  # noqa: S608
                " AND state = 'waiting' AND simulated <= ? ORDER BY held.reading LIMIT ?",
                (here.id, simulated, limit),
            ).fetchall()
            rows += db.execute(
                f"SELECT {ENTRY} FROM reading WHERE id > ? AND simulated <= ? ORDER BY id LIMIT ?",  # noqa: S608
                (here.position, simulated, limit - len(rows)),
            ).fetchall()
            return [entry(row) for row in rows]

        return self._run(work)

    def virtual_waits(self, destination: str) -> bool:
        """Whether a virtual reading waits for ``destination``, or was rejected there."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM reading WHERE simulated AND id > ?1) OR EXISTS (SELECT 1 FROM held"
            " JOIN reading ON reading.id = held.reading WHERE simulated AND destination = ?2"
            " AND state IN ('waiting', 'rejected'))"
        )

        def work(db: sqlite3.Connection) -> bool:
            here = place_for(db, destination)
            return bool(db.execute(query, (here.position, here.id)).fetchone()[0])

        return self._run(work)

    def mark(self, destination: str, delivered: Iterable[int], rejected: Mapping[int, str] | None = None) -> None:
        """Settle readings at ``destination``: ``delivered`` ids, and ``rejected`` ids with the likely reason.

        What another process has delivered meanwhile stays delivered. Numbers from before a damaged file was replaced
        mean nothing: those readings are sent again, with the same clock and ns.
        """
        taken = set(delivered)
        self._run(lambda db: settle(db, place_for(db, destination), taken, rejected or {}), write=True, durable=False)

    def send_again(self, destination: str, ids: Iterable[int]) -> None:
        """Let these readings wait for ``destination`` again, whatever became of them there."""

        def work(db: sqlite3.Connection) -> None:
            here = place_for(db, destination)
            kept = [n for n in ids if db.execute("SELECT 1 FROM reading WHERE id = ?", (n,)).fetchone()]
            hold(db, here, {number: None for number in kept if number <= here.position}, State.WAITING)
            write_place(db, here)

        self._run(work, write=True)

    def rejected(self, destination: str) -> list[Rejection]:
        """What ``destination`` rejected, by sensor."""
        return self._run(lambda db: rejections_of(db, place_for(db, destination)))

    def retry_rejected(self, destination: str, sensor: str) -> int:
        """Let the rejected readings of ``sensor`` wait again, and say how many they are."""
        return self._run(
            lambda db: (
                db.execute(
                    "UPDATE held SET state = 'waiting', reason = NULL WHERE destination = ? AND state = 'rejected'"
                    " AND reading IN (SELECT id FROM reading WHERE sensor = ?)",
                    (place_for(db, destination).id, sensor),
                ).rowcount
            ),
            write=True,
        )

    # History

    def entries(self, ids: Iterable[int]) -> list[Entry]:
        """The readings with these ids, oldest first; what is not kept any more is left out."""
        query = f"SELECT {ENTRY} FROM reading WHERE id = ?"  # noqa: S608
        return self._run(lambda db: [entry(row) for n in sorted(set(ids)) for row in db.execute(query, (n,))])

    def latest(self, sensor: str) -> Reading | None:
        """The reading of ``sensor`` that was added last."""
        query = f"SELECT {ENTRY} FROM reading WHERE sensor = ? ORDER BY id DESC LIMIT 1"  # noqa: S608
        found = self._run(lambda db: [entry(row) for row in db.execute(query, (sensor,))])
        return found[0].reading if found else None

    def history(
        self, since_ns: int | None = None, until_ns: int | None = None, sensor: str | None = None
    ) -> Iterator[Entry]:
        """What was measured from ``since_ns`` to before ``until_ns``, in the order of time."""
        query = (
            f"SELECT {ENTRY} FROM reading WHERE (time_ns, sensor) > (?1, ?2) AND time_ns < ?3"  # noqa: S608
            " AND (?4 IS NULL OR sensor = ?4) ORDER BY time_ns, sensor LIMIT ?5"
        )
        after = (-(2**63) if since_ns is None else since_ns, "")
        until = 2**63 - 1 if until_ns is None else until_ns
        while True:
            values = (*after, until, sensor, PAGE)
            found = self._run(lambda db, values=values: [entry(row) for row in db.execute(query, values)])  # type: ignore[misc]
            yield from found
            if len(found) < PAGE:
                return
            after = (found[-1].time_ns, found[-1].sensor)

    def export(self) -> Iterator[tuple[Entry, dict[str, DeliveryState]]]:
        """Every reading kept, oldest first, with what became of it at each destination."""
        after = 0
        while True:
            page = self._run(lambda db, after=after: exported(db, after))  # type: ignore[misc]
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1][0].id

    def status(self) -> Status:
        """How much is kept, and how each destination stands."""

        def work(db: sqlite3.Connection) -> Status:
            count, oldest, newest = db.execute("SELECT count(*), min(time_ns), max(time_ns) FROM reading").fetchone()
            size = sum(file.stat().st_size for file in (self.path, companions(self.path)[0]) if file.exists())
            return Status(self.path, count, oldest, newest, size, standings_of(db))

        return self._run(work)

    def standings(self) -> list[DestinationStatus]:
        """How each destination stands; quick, whatever is kept."""
        return self._run(standings_of)
