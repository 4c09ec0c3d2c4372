"""What is read from the journal's tables; each function runs inside one transaction."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from usbrh.errors import ClockError, JournalError
from usbrh.journal import sensors
from usbrh.journal.clockstate import load as load_clock
from usbrh.journal.rows import (
    ALL_SENSORS,
    ENTRY,
    OPEN,
    SOUND,
    Cursor,
    Damaged,
    Entry,
    State,
    active_cursors,
    add_crc32,
    check_exceptions,
    cursors,
    last_id,
    open_exceptions,
    verified,
)
from usbrh.reading import Reading, format_time
from usbrh.system.paths import stat_or_none

PAGE = 1000
"""Rows that one transaction reads on a walk through the whole journal, so that other programs wait only shortly."""


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """The state of one reading at one destination, and the reason for it."""

    state: State
    reason: str | None = None


Exported = tuple[Entry, dict[str, DeliveryState]]
"""A reading, and its state at each destination."""


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
    """The likely reason, of the newest."""


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """What waits for one destination, and what was done."""

    destination: str
    waiting: int
    oldest_ns: int | None
    """Time of the first reading that waits, in ns since 1970."""
    delivered: int
    """Since the destination came into the configuration."""
    expired: int
    """Since the destination came into the configuration."""
    rejected: Sequence[Rejection]

    @property
    def rejected_count(self) -> int:
        """Number of rejected readings."""
        return sum(rejection.count for rejection in self.rejected)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "destination": self.destination,
            "waiting": self.waiting,
            "oldest_waiting": None if self.oldest_ns is None else format_time(self.oldest_ns),
            "delivered": self.delivered,
            "rejected": self.rejected_count,
            "expired": self.expired,
        }


@dataclass(frozen=True, slots=True)
class Status:
    """What the journal contains."""

    path: Path
    readings: int
    oldest_ns: int | None
    newest_ns: int | None
    """Times of the oldest and the newest reading, in ns since 1970."""
    bytes: int
    unconfirmed: int
    """Readings that wait until the system clock is set."""
    undated: int
    """Readings whose time is not known any more."""
    clock: ClockError | None
    """Why the system clock is in doubt."""
    destinations: Sequence[DestinationStatus]


@dataclass(frozen=True, slots=True)
class Overview:
    """The newest readings, and the deliveries. However many readings there are, it is read quickly."""

    newest: Sequence[Reading]
    """The reading that was added last of each sensor, by name."""
    destinations: Sequence[DestinationStatus]
    delivered_ns: Mapping[str, int]
    """By destination, the time of the newest delivered reading in ns since 1970; nothing if there is none."""


def cursor_for(db: sqlite3.Connection, destination: str) -> Cursor:
    """The cursor of ``destination``, verified.

    Raises:
        JournalError: the destination is not in the configuration that the journal knows.
        Damaged: the cursor or its exceptions are damaged.
    """
    for cursor in active_cursors(db):
        if cursor.destination == destination:
            return verified(db, cursor)
    raise JournalError(
        f"{destination} is not a destination of the journal",
        remedy="another usbrh uses the journal with other servers; see: usbrh journal status",
    )


def count_open(db: sqlite3.Connection, cursor: Cursor) -> int:
    """The number of readings that wait for the destination of ``cursor`` or were rejected there."""
    return last_id(db) - cursor.offset + open_exceptions(db, cursor)[1]


def waiting(db: sqlite3.Connection, destination: str, limit: int, simulated: bool, after: int = 0) -> list[Entry]:
    """At most ``limit`` readings that can be sent to ``destination``, oldest first; simulated ones if ``simulated``.

    Only those with an id above ``after``.
    """
    cursor = cursor_for(db, destination)
    rows = db.execute(
        f"SELECT {ENTRY} FROM exceptions JOIN reading ON reading.id = exceptions.reading WHERE cursor = ?"  # noqa: S608
        " AND state = 'waiting' AND exceptions.reading > ? AND simulated <= ? AND timing = 0"
        " ORDER BY exceptions.reading LIMIT ?",
        (cursor.id, after, simulated, limit),
    ).fetchall()
    rows += db.execute(
        f"SELECT {ENTRY} FROM reading WHERE id > ? AND simulated <= ? AND timing = 0 ORDER BY id LIMIT ?",  # noqa: S608
        (max(after, cursor.offset), simulated, limit - len(rows)),
    ).fetchall()
    return [Entry.from_row(row) for row in rows]


def has_simulated(db: sqlite3.Connection, destination: str) -> bool:
    """Whether a simulated reading waits for ``destination`` or was rejected there."""
    cursor = cursor_for(db, destination)
    query = (
        "SELECT EXISTS (SELECT 1 FROM reading WHERE simulated AND id > ?) OR EXISTS (SELECT 1 FROM exceptions"  # noqa: S608
        f" JOIN reading ON reading.id = exceptions.reading WHERE simulated AND cursor = ? AND {OPEN})"
    )
    return bool(db.execute(query, (cursor.offset, cursor.id)).fetchone()[0])


def rejections(db: sqlite3.Connection, cursor: Cursor) -> list[Rejection]:
    """The rejected readings of ``cursor``, by sensor."""

    def extreme(function: str) -> str:
        chosen = "cursor = ?1 AND state = 'rejected' AND sensor = counted.sensor"
        return f"SELECT {function}(reading) FROM exceptions WHERE {chosen}"  # noqa: S608

    rows = db.execute(
        "SELECT found.sensor, found.readings, found.first, found.last, exceptions.reason FROM ("  # noqa: S608
        f" SELECT sensor, readings, ({extreme('min')}) AS first, ({extreme('max')}) AS last"
        "  FROM open_exceptions AS counted WHERE cursor = ?1 AND state = 'rejected' AND readings > 0) AS found"
        " JOIN exceptions ON exceptions.reading = found.last AND exceptions.cursor = ?1 ORDER BY found.sensor",
        (cursor.id,),
    )
    return [Rejection(*row) for row in rows]


def entries(db: sqlite3.Connection, ids: Iterable[int]) -> list[Entry]:
    """The readings with these ids, in their order, without those that are deleted."""
    query = f"SELECT {ENTRY} FROM reading WHERE id = ?"  # noqa: S608
    return [Entry.from_row(row) for number in ids for row in db.execute(query, (number,))]


def newest(db: sqlite3.Connection) -> list[Reading]:
    """The reading that was added last of each sensor, by name."""
    found = (sensors.latest(db, sensor.name) for sensor in sensors.load_all(db))
    return [entry.reading for entry in found if entry]


def overview(db: sqlite3.Connection) -> Overview:
    """The newest readings, and the deliveries."""
    found = {cursor.destination: _newest_delivered(db, cursor) for cursor in active_cursors(db)}
    delivered = {destination: time_ns for destination, time_ns in found.items() if time_ns is not None}
    return Overview(newest(db), standings(db), delivered)


def _newest_delivered(db: sqlite3.Connection, cursor: Cursor) -> int | None:
    row = db.execute(
        "SELECT time_ns FROM reading WHERE id > ?1 AND id <= ?2 AND NOT EXISTS (SELECT 1 FROM exceptions"
        " WHERE reading = reading.id AND cursor = ?3 AND state != 'delivered') ORDER BY id DESC LIMIT 1",
        (cursor.start, cursor.offset, cursor.id),
    ).fetchone()
    return int(row[0]) if row else None


def history(
    run: "Callable[[Callable[[sqlite3.Connection], list[Entry]]], list[Entry] | None]",
    since_ns: int | None,
    until_ns: int | None,
    sensors: Sequence[str],
) -> Iterator[Entry]:
    """All of ``history_page``; ``run`` reads each page in a separate transaction. None is no limit."""
    after = (-(2**63) if since_ns is None else since_ns, "")
    until = 2**63 - 1 if until_ns is None else until_ns
    while page := run(partial(history_page, after=after, until_ns=until, sensors=sensors)):
        yield from page
        after = (page[-1].time_ns, page[-1].sensor)


def export(
    run: "Callable[[Callable[[sqlite3.Connection], list[Exported]]], list[Exported] | None]",
) -> Iterator[Exported]:
    """All of ``export_page``; ``run`` reads each page in a separate transaction."""
    after = 0
    while page := run(partial(export_page, after=after)):
        yield from page
        after = page[-1][0].id


def export_part(
    run: "Callable[[Callable[[sqlite3.Connection], list[Exported]]], list[Exported] | None]",
    since_ns: int | None,
    until_ns: int | None,
    sensors: Sequence[str],
) -> Iterator[Exported]:
    """The readings of ``history`` with their states; without a limit of time also those without a known time."""
    dated = since_ns is not None or until_ns is not None
    after = (-(2**63) if since_ns is None else since_ns, "")
    until = 2**63 - 1 if until_ns is None else until_ns
    while page := run(partial(_part_page, after=after, until_ns=until, sensors=sensors, dated=dated)):
        yield from page
        after = (page[-1][0].time_ns, page[-1][0].sensor)


def undated(db: sqlite3.Connection, sensors: Sequence[str]) -> int:
    """The number of readings without a known time; only those of ``sensors``, unless it is empty."""
    chosen = f" AND sensor IN ({', '.join('?' * len(sensors))})" if sensors else ""
    query = f"SELECT count(*) FROM reading WHERE timing = 2{chosen}"  # noqa: S608
    return int(db.execute(query, tuple(sensors)).fetchone()[0])


def history_page(
    db: sqlite3.Connection, after: tuple[int, str], until_ns: int, sensors: Sequence[str], *, dated: bool = True
) -> list[Entry]:
    """At most ``PAGE`` readings after the time and sensor ``after`` and before ``until_ns``, in the order of time.

    Only those of ``sensors``, unless it is empty. With ``dated``, readings without a known time are left out.
    """
    # The "+" keeps SQLite from the index on the sensor: it would sort all readings for each page.
    chosen = f" AND +sensor IN ({', '.join('?' * len(sensors))})" if sensors else ""
    known = " AND timing != 2" if dated else ""
    query = (
        f"SELECT {ENTRY} FROM reading WHERE (time_ns, sensor) > (?, ?) AND time_ns < ?{chosen}{known}"  # noqa: S608
        " ORDER BY time_ns, sensor LIMIT ?"
    )
    return [Entry.from_row(row) for row in db.execute(query, (*after, until_ns, *sensors, PAGE))]


def _part_page(
    db: sqlite3.Connection, after: tuple[int, str], until_ns: int, sensors: Sequence[str], *, dated: bool
) -> list[Exported]:
    return with_states(db, history_page(db, after, until_ns, sensors, dated=dated))


def export_page(db: sqlite3.Connection, after: int) -> list[Exported]:
    """At most ``PAGE`` readings after the id ``after``, each with its state at each destination."""
    query = f"SELECT {ENTRY} FROM reading WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
    return with_states(db, [Entry.from_row(row) for row in db.execute(query, (after, PAGE))])


def with_states(db: sqlite3.Connection, page: Sequence[Entry]) -> list[Exported]:
    """The readings of ``page``, each with its state at each destination."""
    if not page:
        return []
    ids = [entry.id for entry in page]
    exceptions = {
        (reading, cursor): DeliveryState(_state(state), reason)
        for reading, cursor, state, reason in db.execute(
            "SELECT reading, cursor, state, reason FROM exceptions WHERE reading BETWEEN ? AND ?",
            (min(ids), max(ids)),
        )
    }
    stays: dict[str, list[Cursor]] = {}
    for cursor in cursors(db):
        stays.setdefault(cursor.destination, []).insert(0, verified(db, cursor))
    return [
        (entry, {destination: _state_at(stays[destination], exceptions, entry.id) for destination in stays})
        for entry in page
    ]


def _state(text: str) -> State:
    try:
        return State(text)
    except ValueError:
        raise Damaged(f"{text!r} is not a state") from None


def _state_at(
    stays: Sequence[Cursor], exceptions: Mapping[tuple[int, int], DeliveryState], number: int
) -> DeliveryState:
    """The state of the reading ``number`` at a destination; ``stays``: the destination's cursors, newest first."""
    for cursor in stays:
        if state := exceptions.get((number, cursor.id)):
            return state
        if number > cursor.offset:
            # A stay that is over may have ended while the reading waited, or before it was added.
            return DeliveryState(State.WAITING if cursor.active or cursor.paused else State.DROPPED)
        if number > cursor.start:
            return DeliveryState(State.DELIVERED)
    return DeliveryState(State.DROPPED)


def standings(db: sqlite3.Connection) -> list[DestinationStatus]:
    """The status of each destination in the configuration."""
    return [_standing(db, verified(db, cursor)) for cursor in active_cursors(db)]


def _standing(db: sqlite3.Connection, cursor: Cursor) -> DestinationStatus:
    rejected = rejections(db, cursor)
    waiting = count_open(db, cursor) - sum(rejection.count for rejection in rejected)
    oldest = db.execute(
        "SELECT time_ns FROM reading WHERE id = (SELECT min(id) FROM ("
        " SELECT min(reading) AS id FROM exceptions WHERE cursor = ? AND state = 'waiting'"
        " UNION ALL SELECT min(id) FROM reading WHERE id > ?))",
        (cursor.id, cursor.offset),
    ).fetchone()
    oldest_ns = int(oldest[0]) if oldest else None
    return DestinationStatus(cursor.destination, waiting, oldest_ns, cursor.delivered, cursor.expired, rejected)


def clock_problem(db: sqlite3.Connection) -> ClockError | None:
    """Why the system clock is in doubt, as of the last use of the journal; None if it is not."""
    state = load_clock(db)
    return state.problem if state else None


def check(db: sqlite3.Connection, waiting: bool) -> None:
    """Check the checksums of the readings after the first offset, or (not ``waiting``) the others and all counters.

    Raises Damaged if one is wrong.
    """
    add_crc32(db)
    offset = min((cursor.offset for cursor in active_cursors(db)), default=0)
    query = f"SELECT id FROM reading WHERE id {'>' if waiting else '<='} ? AND ({SOUND}) IS NOT TRUE LIMIT 1"  # noqa: S608
    if row := db.execute(query, (offset,)).fetchone():
        raise Damaged(f"the checksum of reading {row[0]} is wrong")
    if not waiting:
        sensors.check(db)
        check_exceptions(db)


def status(db: sqlite3.Connection, path: Path) -> Status:
    """The status of the journal at ``path``, which is no link."""
    # SQLite uses the index for one minimum or maximum, and reads all rows for two.
    query = "SELECT (SELECT min(time_ns) FROM reading), (SELECT max(time_ns) FROM reading)"
    oldest, newest = db.execute(query).fetchone()
    if not {type(oldest), type(newest)} <= {int, type(None)}:
        raise Damaged("the time of a reading is not a number")
    count = sensors.load(db, ALL_SENSORS).readings
    unconfirmed, undated = db.execute(
        "SELECT coalesce(sum(timing = 1), 0), coalesce(sum(timing = 2), 0) FROM reading WHERE timing != 0"
    ).fetchone()
    sizes = [found.st_size for found in map(stat_or_none, (path, path.with_name(path.name + "-wal"))) if found]
    return Status(path, count, oldest, newest, sum(sizes), unconfirmed, undated, clock_problem(db), standings(db))
