"""The durable queue and local history: one SQLite file, safe for several processes at once.

Each destination has its place: every reading up to it is settled there, except the few that are ``held`` (refused,
given up, skipped so far). So a reading costs one row however many destinations there are, and a delivered batch one
update.

A reading is on the disk when ``add`` returns (WAL, synchronous=FULL). That a reading was delivered is not synced: when
the power fails, the last batch goes to Zabbix again with the same clock and ns, which overwrites itself there.

A damaged file is set aside, and what is sound in it goes into a new one (``salvage``). Each row has a checksum, because
SQLite has none and a flipped bit would be a temperature.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from usbrh import salvage
from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.errors import JournalError
from usbrh.journal_file import (
    ENTRY,
    Damaged,
    Entry,
    JournalFile,
    NotOurs,
    Place,
    companions,
    entry,
    explained,
    last_id,
    places,
    write_place,
)
from usbrh.reading import Reading

T = TypeVar("T")
log = logging.getLogger(__name__)

PAGE = 1000
"""Rows read in one go by what walks through the whole journal, so that nobody waits long for it."""
PRUNE = 500
"""Old readings deleted by one ``add``: it stays short, and a clock that is years ahead for a minute costs little."""
NS = 1_000_000_000


class State(StrEnum):
    """What became of a reading at a destination."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    REFUSED = "refused"
    """Zabbix did not take it; tried again now and then."""
    GIVEN_UP = "given-up"
    """More waited than ``max_waiting``: kept as history only."""
    DROPPED = "dropped"
    """It still waited when the destination left the configuration."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one reading at one destination, and why."""

    state: State
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What ``sync_destinations`` did: destinations, each with the number of readings that wait or waited for it."""

    added: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The refused readings of one sensor at one destination, summed up."""

    sensor: str
    count: int
    first: int
    """Id of the oldest."""
    last: int
    """Id of the newest."""
    reason: str
    """Why, most likely: of the newest."""


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """How one destination stands."""

    destination: str
    waiting: int
    oldest_ns: int | None
    """Time of the first that waits."""
    delivered: int
    """Since it came into the configuration."""
    given_up: int
    refused: Sequence[Refusal]

    @property
    def refused_count(self) -> int:
        return sum(refusal.count for refusal in self.refused)


@dataclass(frozen=True, slots=True)
class Status:
    """How the journal stands."""

    path: Path
    readings: int
    oldest_ns: int | None
    newest_ns: int | None
    bytes: int
    destinations: Sequence[DestinationStatus]


class Journal:
    """The journal at ``path``, made when it is not there; for any thread.

    Every method raises JournalError when the file can't be used: no permission, read-only, disk full, held by another
    program for ``BUSY_SECONDS``, of a newer version.
    """

    def __init__(
        self,
        path: Path,
        keep: float = 400 * 86400.0,
        max_waiting: int = 1_000_000,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """``keep``: seconds that settled readings stay; ``max_waiting``: readings that may wait for one destination."""
        self.path = path
        self.keep = keep
        self.max_waiting = max_waiting
        self._clock = clock
        self._file = JournalFile(path)
        self._mutex = threading.RLock()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; the next call opens it again."""
        with self._mutex:
            self._file.close()

    def _run(self, work: Callable[[sqlite3.Connection], T], *, write: bool = False, durable: bool = True) -> T:
        """``work`` in one transaction; when the file turns out to be damaged, once more with a new one."""
        with self._mutex:
            try:
                try:
                    return self._file.transaction(work, write=write, durable=durable)
                except (sqlite3.DatabaseError, Damaged) as error:
                    if not salvage.is_damage(error):
                        raise
                    self._start_anew(error)
                    return self._file.transaction(work, write=write, durable=durable)
            except (sqlite3.Error, OSError, Damaged, NotOurs) as error:
                raise explained(error, self.path) from error

    def _start_anew(self, damage: Exception) -> None:
        saved = self._file.replace(lambda: salvage.rebuild(self.path, self._clock.time_ns()))
        if saved is not None:
            log.error(
                "the journal %s was damaged (%s): it is kept as %s; %d readings were saved from it, %s",
                self.path,
                damage,
                saved.aside,
                saved.readings,
                "with their places" if saved.places_known else "and all of them are sent again",
            )

    # Readings in

    def add(self, readings: Sequence[Reading]) -> list[int]:
        """Put ``readings`` on the disk, and give their ids.

        One that is there already (same sensor, same time) is not stored twice. When too many wait for a destination,
        the oldest are given up and that is logged.
        """

        def work(db: sqlite3.Connection) -> tuple[list[int], dict[str, int]]:
            ids = [_insert(db, reading) for reading in readings]
            given_up = _give_up(db, self.max_waiting)
            _prune(db, self._clock.time_ns() - int(self.keep * NS))
            return ids, given_up

        ids, given_up = self._run(work, write=True)
        for reading in readings:
            log.debug("in the journal: %s at %d", reading.sensor, reading.time_ns)
        for text, count in given_up.items():
            log.warning(
                "%d readings for %s are given up, the oldest ones: more than %d wait for it",
                count,
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
        changes = self._run(lambda db: _sync(db, destinations), write=True)
        for text, count in changes.added.items():
            log.info("new destination %s: %d readings wait for it", text, count)
        for text, count in changes.dropped.items():
            log.warning("%s left the configuration: %d readings that waited for it are dropped", text, count)
        return changes

    def waiting(self, destination: str, limit: int, *, simulated: bool = True) -> list[Entry]:
        """At most ``limit`` readings that wait for ``destination``, oldest first; virtual ones if ``simulated``."""

        def work(db: sqlite3.Connection) -> list[Entry]:
            here = _place(db, destination)
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
        """Whether a virtual reading waits for ``destination``, or was refused there."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM reading WHERE simulated AND id > ?1) OR EXISTS (SELECT 1 FROM held"
            " JOIN reading ON reading.id = held.reading WHERE simulated AND destination = ?2"
            " AND state IN ('waiting', 'refused'))"
        )

        def work(db: sqlite3.Connection) -> bool:
            here = _place(db, destination)
            return bool(db.execute(query, (here.position, here.id)).fetchone()[0])

        return self._run(work)

    def mark(self, destination: str, delivered: Iterable[int], refused: Mapping[int, str] | None = None) -> None:
        """Settle readings at ``destination``: ``delivered`` ids, and ``refused`` ids with the likely reason.

        What another process has delivered meanwhile stays delivered.
        """
        taken = set(delivered)
        self._run(lambda db: _mark(db, _place(db, destination), taken, refused or {}), write=True, durable=False)

    def send_again(self, destination: str, ids: Iterable[int]) -> None:
        """Let these readings wait for ``destination`` again, whatever became of them there."""

        def work(db: sqlite3.Connection) -> None:
            here = _place(db, destination)
            kept = [n for n in ids if db.execute("SELECT 1 FROM reading WHERE id = ?", (n,)).fetchone()]
            _hold(db, here, {number: None for number in kept if number <= here.position}, State.WAITING)
            write_place(db, here)

        self._run(work, write=True)

    def refused(self, destination: str) -> list[Refusal]:
        """What ``destination`` refused, by sensor."""
        return self._run(lambda db: _refusals(db, _place(db, destination)))

    def retry_refused(self, destination: str, sensor: str) -> int:
        """Let the refused readings of ``sensor`` wait again, and say how many they are."""
        return self._run(
            lambda db: (
                db.execute(
                    "UPDATE held SET state = 'waiting', reason = NULL WHERE destination = ? AND state = 'refused'"
                    " AND reading IN (SELECT id FROM reading WHERE sensor = ?)",
                    (_place(db, destination).id, sensor),
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

    def export(self) -> Iterator[tuple[Entry, dict[str, Fate]]]:
        """Every reading kept, oldest first, with what became of it at each destination."""
        after = 0
        while True:
            page = self._run(lambda db, after=after: _page(db, after))  # type: ignore[misc]
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1][0].id

    def status(self) -> Status:
        """How much is kept, and how each destination stands."""

        def work(db: sqlite3.Connection) -> Status:
            count, oldest, newest = db.execute("SELECT count(*), min(time_ns), max(time_ns) FROM reading").fetchone()
            size = sum(file.stat().st_size for file in (self.path, companions(self.path)[0]) if file.exists())
            return Status(self.path, count, oldest, newest, size, _standings(db))

        return self._run(work)

    def standings(self) -> list[DestinationStatus]:
        """How each destination stands; quick, whatever is kept."""
        return self._run(_standings)


def _place(db: sqlite3.Connection, text: str) -> Place:
    for place in places(db):
        if place.text == text and not place.gone:
            return place
    raise JournalError(f"{text} is not a destination of the journal; the configuration changed: usbrh journal status")


def _held(db: sqlite3.Connection, place: Place) -> int:
    """How many readings up to the place's position are open there."""
    query = "SELECT count(*) FROM held WHERE destination = ? AND state IN ('waiting', 'refused')"
    return int(db.execute(query, (place.id,)).fetchone()[0])


def _hold(db: sqlite3.Connection, place: Place, readings: Mapping[int, str | None], state: State) -> None:
    db.executemany(
        "INSERT INTO held (reading, destination, state, reason) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET state = excluded.state, reason = excluded.reason",
        [(number, place.id, state, reason) for number, reason in readings.items()],
    )


def _insert(db: sqlite3.Connection, reading: Reading) -> int:
    query = f"SELECT {ENTRY} FROM reading WHERE time_ns = ? AND sensor = ?"  # noqa: S608
    for row in db.execute(query, (reading.time_ns, reading.sensor)):
        return entry(row).id
    new = Entry(last_id(db) + 1, reading.time_ns, reading.sensor, reading.simulated, reading.to_json())
    db.execute("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?)", new.row)
    return new.id


def _give_up(db: sqlite3.Connection, max_waiting: int) -> dict[str, int]:
    given_up = {}
    for place in places(db):
        too_many = last_id(db) - place.position + _held(db, place) - max_waiting
        if place.gone or too_many <= 0:
            continue
        rows = db.execute(
            "SELECT reading FROM held WHERE destination = ?1 AND state IN ('waiting', 'refused')"
            " UNION ALL SELECT id FROM reading WHERE id > ?2 ORDER BY 1 LIMIT ?3",
            (place.id, place.position, too_many),
        )
        ids = [int(row[0]) for row in rows]
        _hold(db, place, dict.fromkeys(ids, f"more than {max_waiting} waited"), State.GIVEN_UP)
        position = max(place.position, *ids)
        write_place(db, replace(place, position=position, given_up=place.given_up + len(ids)))
        given_up[place.text] = len(ids)
    return given_up


def _prune(db: sqlite3.Connection, before_ns: int) -> None:
    """Delete some readings of before ``before_ns`` that are settled everywhere."""
    here = [place for place in places(db) if not place.gone]
    settled = min((place.position for place in here), default=last_id(db))
    db.execute(
        "DELETE FROM reading WHERE id IN (SELECT id FROM reading WHERE time_ns < ? AND id <= ? AND NOT EXISTS ("
        " SELECT 1 FROM held JOIN destination ON destination.id = held.destination WHERE held.reading = reading.id"
        " AND held.state IN ('waiting', 'refused') AND NOT destination.gone) ORDER BY time_ns LIMIT ?)",
        (before_ns, settled, PRUNE),
    )


def _sync(db: sqlite3.Connection, texts: Sequence[str]) -> Changes:
    known = {place.text: place for place in places(db)}
    last = last_id(db)
    position, untaken = _untaken(db, list(known.values()))
    added, dropped = {}, {}
    for text, place in known.items():
        if not place.gone and text not in texts:
            dropped[text] = last - place.position + _held(db, place)
            write_place(db, replace(place, gone=True))
    for text in dict.fromkeys(texts):
        old = known.get(text)
        if old is None or old.gone:
            new = Place(old.id if old else 1 + len(places(db)), text, position, serial=old.serial if old else 0)
            db.execute("DELETE FROM held WHERE destination = ?", (new.id,))
            _hold(db, new, dict.fromkeys(untaken), State.WAITING)
            write_place(db, new)
            added[text] = last - position + len(untaken)
    for place in places(db):
        write_place(db, place)  # each knows how many there are
    return Changes(added, dropped)


def _untaken(db: sqlite3.Connection, known: Sequence[Place]) -> tuple[int, list[int]]:
    """What no destination has taken yet: all readings after a position, and these ids before it."""
    if not known:
        return 0, []
    furthest = max(known, key=lambda place: place.position)
    rows = db.execute(
        "SELECT reading FROM held AS own WHERE destination = ? AND state != 'given-up' AND NOT EXISTS ("
        " SELECT 1 FROM destination AS other WHERE own.reading <= other.position AND NOT EXISTS ("
        "  SELECT 1 FROM held WHERE held.reading = own.reading AND held.destination = other.id)) ORDER BY reading",
        (furthest.id,),
    )
    return furthest.position, [int(row[0]) for row in rows]


def _mark(db: sqlite3.Connection, here: Place, taken: set[int], refused: Mapping[int, str]) -> None:
    def is_open(number: int) -> bool:
        query = "SELECT 1 FROM held WHERE reading = ? AND destination = ?"
        return number > here.position or db.execute(query, (number, here.id)).fetchone() is not None

    newly = sum(is_open(number) for number in taken)
    reasons = {number: reason for number, reason in refused.items() if number not in taken and is_open(number)}
    reached = max((here.position, *taken, *reasons))
    fresh = {number for number in (*taken, *reasons) if number > here.position}
    skipped: set[int] = set()
    if len(fresh) < reached - here.position:  # ids have no gaps
        passed = db.execute("SELECT id FROM reading WHERE id > ? AND id <= ?", (here.position, reached))
        skipped = {int(row[0]) for row in passed} - fresh
    db.executemany(
        "DELETE FROM held WHERE reading = ? AND destination = ?", [(n, here.id) for n in sorted(taken - fresh)]
    )
    _hold(db, here, reasons, State.REFUSED)
    _hold(db, here, dict.fromkeys(sorted(skipped)), State.WAITING)
    write_place(db, replace(here, position=reached, delivered=here.delivered + newly))


def _refusals(db: sqlite3.Connection, place: Place) -> list[Refusal]:
    rows = db.execute(
        "SELECT sensor, count, first, last, reason FROM (SELECT sensor, count(*) AS count, min(held.reading) AS first,"
        " max(held.reading) AS last FROM held JOIN reading ON reading.id = held.reading"
        " WHERE destination = ?1 AND state = 'refused' GROUP BY sensor)"
        " JOIN held ON held.reading = last AND held.destination = ?1 ORDER BY sensor",
        (place.id,),
    )
    return [Refusal(*row) for row in rows]


def _standings(db: sqlite3.Connection) -> list[DestinationStatus]:
    return [_standing(db, place) for place in places(db) if not place.gone]


def _standing(db: sqlite3.Connection, place: Place) -> DestinationStatus:
    refusals = _refusals(db, place)
    waiting = last_id(db) - place.position + _held(db, place) - sum(refusal.count for refusal in refusals)
    oldest = db.execute(
        "SELECT time_ns FROM reading WHERE id = (SELECT min(id) FROM ("
        " SELECT min(reading) AS id FROM held WHERE destination = ?1 AND state = 'waiting'"
        " UNION ALL SELECT min(id) FROM reading WHERE id > ?2))",
        (place.id, place.position),
    ).fetchone()
    oldest_ns = int(oldest[0]) if oldest else None
    return DestinationStatus(place.text, waiting, oldest_ns, place.delivered, place.given_up, refusals)


def _page(db: sqlite3.Connection, after: int) -> list[tuple[Entry, dict[str, Fate]]]:
    query = f"SELECT {ENTRY} FROM reading WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
    entries = [entry(row) for row in db.execute(query, (after, PAGE))]
    if not entries:
        return []
    held = {
        (reading, destination): Fate(_state(state), reason)
        for reading, destination, state, reason in db.execute(
            "SELECT reading, destination, state, reason FROM held WHERE reading BETWEEN ? AND ?",
            (entries[0].id, entries[-1].id),
        )
    }
    here = places(db)
    return [(each, {place.text: _fate(held, place, each.id) for place in here}) for each in entries]


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise Damaged(f"{text!r} is not a state") from None


def _fate(held: Mapping[tuple[int, int], Fate], place: Place, number: int) -> Fate:
    after = Fate(State.WAITING if number > place.position else State.DELIVERED)
    fate = held.get((number, place.id), after)
    if place.gone and fate.state in {State.WAITING, State.REFUSED}:
        return Fate(State.DROPPED)
    return fate
