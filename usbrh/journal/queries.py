"""What is read from the journal's tables and written to them, each function inside one transaction."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from usbrh.errors import JournalError
from usbrh.journal.rows import ENTRY, Damaged, Entry, Place, checked, entry, last_id, places, write_place
from usbrh.reading import Reading

PAGE = 1000
"""Rows read in one go by what walks through the whole journal, so that nobody waits long for it."""
PRUNE = 500
"""Old readings deleted by one ``add``: it stays short, and a clock that is years ahead for a minute costs little."""
NS = 1_000_000_000


class State(StrEnum):
    """What became of a reading at a destination."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    """Zabbix did not take it; tried again now and then."""
    GIVEN_UP = "expired"
    """More waited than ``max_waiting``: kept as history only."""
    DROPPED = "dropped"
    """It came before the destination was in the configuration, or still waited when that left it."""


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """What became of one reading at one destination, and why."""

    state: State
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What ``sync_destinations`` did: destinations, each with the number of readings that wait or waited for it."""

    added: Mapping[str, int] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejection:
    """The rejected readings of one sensor at one destination, summed up."""

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
    expired: int
    rejected: Sequence[Rejection]

    @property
    def rejected_count(self) -> int:
        return sum(rejection.count for rejection in self.rejected)


@dataclass(frozen=True, slots=True)
class Status:
    """How the journal stands."""

    path: Path
    readings: int
    oldest_ns: int | None
    newest_ns: int | None
    bytes: int
    destinations: Sequence[DestinationStatus]


def place_for(db: sqlite3.Connection, text: str) -> Place:
    for place in places(db):
        if place.text == text and not place.gone:
            return checked(db, place)
    raise JournalError(f"{text} is not a destination of the journal; the configuration changed: usbrh journal status")


def _held(db: sqlite3.Connection, place: Place) -> int:
    """How many readings up to the place's position are open there."""
    query = "SELECT count(*) FROM held WHERE destination = ? AND state IN ('waiting', 'rejected')"
    return int(db.execute(query, (place.id,)).fetchone()[0])


def hold(db: sqlite3.Connection, place: Place, readings: Mapping[int, str | None], state: State) -> None:
    db.executemany(
        "INSERT INTO held (reading, destination, state, reason) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET state = excluded.state, reason = excluded.reason",
        [(number, place.id, state, reason) for number, reason in readings.items()],
    )


def insert(db: sqlite3.Connection, reading: Reading) -> int:
    query = f"SELECT {ENTRY} FROM reading WHERE time_ns = ? AND sensor = ?"  # noqa: S608
    for row in db.execute(query, (reading.time_ns, reading.sensor)):
        return entry(row).id
    new = Entry(last_id(db) + 1, reading.time_ns, reading.sensor, reading.simulated, reading.to_json())
    db.execute("INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?)", new.row)
    return new.id


def give_up(db: sqlite3.Connection, max_waiting: int) -> dict[str, int]:
    expired = {}
    for place in places(db):
        if place.gone:
            continue
        too_many = last_id(db) - place.position + _held(db, checked(db, place)) - max_waiting
        if too_many <= 0:
            continue
        rows = db.execute(
            "SELECT reading FROM held WHERE destination = ?1 AND state IN ('waiting', 'rejected')"
            " UNION ALL SELECT id FROM reading WHERE id > ?2 ORDER BY 1 LIMIT ?3",
            (place.id, place.position, too_many),
        )
        ids = [int(row[0]) for row in rows]
        hold(db, place, dict.fromkeys(ids, f"more than {max_waiting} waited"), State.GIVEN_UP)
        position = max(place.position, *ids)
        write_place(db, replace(place, position=position, expired=place.expired + len(ids)))
        expired[place.text] = len(ids)
    return expired


def prune(db: sqlite3.Connection, before_ns: int) -> None:
    """Delete some readings of before ``before_ns`` that are settled everywhere, by what ``give_up`` has checked."""
    here = [place for place in places(db) if not place.gone]
    settled = min((place.position for place in here), default=last_id(db))
    db.execute(
        "DELETE FROM reading WHERE id IN (SELECT id FROM reading WHERE time_ns < ? AND id <= ? AND NOT EXISTS ("
        " SELECT 1 FROM held WHERE held.reading = reading.id AND held.state IN ('waiting', 'rejected'))"
        " ORDER BY time_ns LIMIT ?)",
        (before_ns, settled, PRUNE),
    )


def set_destinations(db: sqlite3.Connection, texts: Sequence[str]) -> Changes:
    known = {place.text: checked(db, place) for place in places(db)}
    last = last_id(db)
    position, untaken = _untaken(db, list(known.values()))
    added, dropped = {}, {}
    for text, place in known.items():
        if place.gone or text not in texts:
            if not place.gone:
                dropped[text] = last - place.position + _held(db, place)
            _drop(db, place)
    for text in dict.fromkeys(texts):
        old = known.get(text)
        if old is None or old.gone:
            new = _returning(old, position) if old else Place(1 + len(places(db)), text, position)
            new = replace(new, absent_until=position)
            hold(db, new, dict.fromkeys(untaken), State.WAITING)
            write_place(db, new)
            added[text] = last - position + len(untaken)
    for place in places(db):
        write_place(db, place)  # each knows how many there are
    return Changes(added, dropped)


def _drop(db: sqlite3.Connection, place: Place) -> None:
    """Let nothing wait any more at a destination that left.

    ``checked`` counts what waits or was rejected, so ``prune`` has to leave that alone for ever; in files that are older
    than this function such readings are held for destinations that left long ago.
    """
    db.execute(
        "UPDATE held SET state = 'dropped', reason = NULL WHERE destination = ? AND state IN ('waiting', 'rejected')",
        (place.id,),
    )
    write_place(db, replace(place, gone=True))


def _returning(old: Place, position: int) -> Place:
    """The place of a destination that comes back; what it had not taken when it left stays dropped."""
    absent_before = old.absent_after < old.absent_until
    absent_after = old.absent_after if absent_before else old.position
    return Place(old.id, old.text, position, serial=old.serial, absent_after=absent_after)


def _untaken(db: sqlite3.Connection, known: Sequence[Place]) -> tuple[int, list[int]]:
    """What no destination has taken yet: all readings after a position, and these ids before it."""
    first = db.execute("SELECT min(id) FROM reading").fetchone()[0]
    start = last_id(db) if first is None else first - 1
    if not known:
        return start, []
    furthest = max(known, key=lambda place: place.position)
    rows = db.execute(
        "SELECT reading FROM held AS own WHERE destination = ? AND state IN ('waiting', 'rejected', 'dropped')"
        " AND NOT EXISTS (SELECT 1 FROM destination AS other WHERE own.reading <= other.position AND NOT EXISTS ("
        "  SELECT 1 FROM held WHERE held.reading = own.reading AND held.destination = other.id"
        "  AND state != 'delivered')) ORDER BY reading",
        (furthest.id,),
    )
    # Where no destination is configured, what is old goes although nobody has taken it.
    return max(furthest.position, start), [int(row[0]) for row in rows]


def settle(db: sqlite3.Connection, here: Place, taken: set[int], rejected: Mapping[int, str]) -> None:
    def is_open(number: int) -> bool:
        query = "SELECT 1 FROM held WHERE reading = ? AND destination = ? AND state != 'delivered'"
        return number > here.position or db.execute(query, (number, here.id)).fetchone() is not None

    # Of these, having no row would mean that they were never for it.
    absent = {n for n in taken if here.absent_after < n <= here.absent_until and is_open(n)}
    newly = sum(is_open(number) for number in taken)
    reasons = {number: reason for number, reason in rejected.items() if number not in taken and is_open(number)}
    reached = max((here.position, *taken, *reasons))
    fresh = {number for number in (*taken, *reasons) if number > here.position}
    skipped: set[int] = set()
    if len(fresh) < reached - here.position:  # ids have no gaps
        passed = db.execute("SELECT id FROM reading WHERE id > ? AND id <= ?", (here.position, reached))
        skipped = {int(row[0]) for row in passed} - fresh
    db.executemany(
        "DELETE FROM held WHERE reading = ? AND destination = ? AND state != 'delivered'",
        [(n, here.id) for n in sorted(taken - fresh)],
    )
    hold(db, here, dict.fromkeys(absent), State.DELIVERED)
    hold(db, here, reasons, State.REJECTED)
    hold(db, here, dict.fromkeys(sorted(skipped)), State.WAITING)
    write_place(db, replace(here, position=reached, delivered=here.delivered + newly))


def rejections_of(db: sqlite3.Connection, place: Place) -> list[Rejection]:
    rows = db.execute(
        "SELECT sensor, count, first, last, reason FROM (SELECT sensor, count(*) AS count, min(held.reading) AS first,"
        " max(held.reading) AS last FROM held JOIN reading ON reading.id = held.reading"
        " WHERE destination = ?1 AND state = 'rejected' GROUP BY sensor)"
        " JOIN held ON held.reading = last AND held.destination = ?1 ORDER BY sensor",
        (place.id,),
    )
    return [Rejection(*row) for row in rows]


def standings_of(db: sqlite3.Connection) -> list[DestinationStatus]:
    return [_standing(db, checked(db, place)) for place in places(db) if not place.gone]


def _standing(db: sqlite3.Connection, place: Place) -> DestinationStatus:
    rejections = rejections_of(db, place)
    waiting = last_id(db) - place.position + _held(db, place) - sum(rejection.count for rejection in rejections)
    oldest = db.execute(
        "SELECT time_ns FROM reading WHERE id = (SELECT min(id) FROM ("
        " SELECT min(reading) AS id FROM held WHERE destination = ?1 AND state = 'waiting'"
        " UNION ALL SELECT min(id) FROM reading WHERE id > ?2))",
        (place.id, place.position),
    ).fetchone()
    oldest_ns = int(oldest[0]) if oldest else None
    return DestinationStatus(place.text, waiting, oldest_ns, place.delivered, place.expired, rejections)


def exported(db: sqlite3.Connection, after: int) -> list[tuple[Entry, dict[str, DeliveryState]]]:
    query = f"SELECT {ENTRY} FROM reading WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
    entries = [entry(row) for row in db.execute(query, (after, PAGE))]
    if not entries:
        return []
    held = {
        (reading, destination): DeliveryState(_state(state), reason)
        for reading, destination, state, reason in db.execute(
            "SELECT reading, destination, state, reason FROM held WHERE reading BETWEEN ? AND ?",
            (entries[0].id, entries[-1].id),
        )
    }
    here = [checked(db, place) for place in places(db)]
    return [(each, {place.text: _fate(held, place, each.id) for place in here}) for each in entries]


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise Damaged(f"{text!r} is not a state") from None


def _fate(held: Mapping[tuple[int, int], DeliveryState], place: Place, number: int) -> DeliveryState:
    if fate := held.get((number, place.id)):
        return DeliveryState(State.DROPPED) if place.gone and fate.state in {State.WAITING, State.REJECTED} else fate
    if number > place.position:
        return DeliveryState(State.DROPPED if place.gone else State.WAITING)
    return DeliveryState(State.DROPPED if place.absent_after < number <= place.absent_until else State.DELIVERED)
