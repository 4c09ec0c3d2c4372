"""What is written to the journal's tables; each function runs inside one transaction."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from usbrh.journal import sensors
from usbrh.journal.queries import count_open, cursor_for
from usbrh.journal.rows import ENTRY, OPEN, Cursor, Entry, State, active_cursors, last_id, verified, write_cursor

INSERT = "INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
"""SQL: add ``Entry.row``."""
ADD_EXCEPTION = (
    "INSERT INTO exceptions (reading, cursor, state, reason, sensor)"
    " SELECT id, ?, ?, ?, sensor FROM reading WHERE id = ?"
)
"""SQL: add an exception; the values are its cursor, state and reason, and the id of the reading."""
_DATED = "SELECT 1 FROM reading WHERE id = ? AND timing != 2"
"""SQL: whether there is a reading with this id and a known time."""
PRUNE = 500
"""Old readings that one call deletes at most. So it is short, and a clock that is years ahead for a minute deletes
little."""


def insert(db: sqlite3.Connection, entry: Entry) -> int:
    """Add ``entry`` and return its new id; of one that is there already (same sensor and time), the id it has.

    A clock that is set back can give two readings the same time: the second one becomes a nanosecond later.
    """
    query = f"SELECT {ENTRY} FROM reading WHERE time_ns = ? AND sensor = ?"  # noqa: S608
    for row in db.execute(query, (entry.time_ns, entry.sensor)):
        known = Entry.from_row(row)
        if entry.boot and known.boot and (entry.boot, entry.boot_ns) != (known.boot, known.boot_ns):
            return insert(db, entry.at(entry.time_ns + 1, entry.timing))
        return known.id
    new = entry._replace(id=last_id(db) + 1)
    db.execute(INSERT, new.row)
    sensors.add(db, entry.sensor, 1, new.id)
    return new.id


def expire(db: sqlite3.Connection, max_waiting: int) -> dict[str, int]:
    """Let the oldest open readings expire where more than ``max_waiting`` are open; their number by destination."""
    expired = {}
    for cursor in active_cursors(db):
        too_many = count_open(db, verified(db, cursor)) - max_waiting
        if too_many <= 0:
            continue
        rows = db.execute(
            f"SELECT reading FROM exceptions WHERE cursor = ?1 AND {OPEN}"  # noqa: S608
            " UNION ALL SELECT id FROM reading WHERE id > ?2 ORDER BY 1 LIMIT ?3",
            (cursor.id, cursor.offset, too_many),
        )
        ids = [int(row[0]) for row in rows]
        set_state(db, cursor, dict.fromkeys(ids, f"more than {max_waiting} waited"), State.EXPIRED)
        write_cursor(db, replace(cursor, offset=max([cursor.offset, *ids]), expired=cursor.expired + len(ids)))
        expired[cursor.destination] = len(ids)
    return expired


def prune(db: sqlite3.Connection, before_ns: int) -> None:
    """Delete some readings from before ``before_ns`` that are open nowhere; to be called after ``expire``.

    A reading without a known time is as old as the one after it.
    """
    done = min((cursor.offset for cursor in active_cursors(db)), default=last_id(db))
    deleted = db.execute(
        "DELETE FROM reading WHERE timing != 0 AND timing = 2 AND id <= ?"
        " AND id < (SELECT max(id) FROM reading WHERE time_ns < ? AND timing = 0) RETURNING sensor",
        (done, before_ns),
    ).fetchall()
    deleted += db.execute(
        "DELETE FROM reading WHERE id IN (SELECT id FROM reading WHERE time_ns < ? AND timing = 0 AND id <= ?"  # noqa: S608
        f" AND NOT EXISTS (SELECT 1 FROM exceptions WHERE exceptions.reading = reading.id AND {OPEN})"
        " ORDER BY time_ns LIMIT ?) RETURNING sensor",
        (before_ns, done, PRUNE),
    ).fetchall()
    for sensor, count in Counter(row[0] for row in deleted).items():
        sensors.add(db, sensor, -count)


def acknowledge(
    db: sqlite3.Connection, destination: str, delivered: Iterable[int], rejected: Mapping[int, str]
) -> None:
    """Record what ``destination`` answered: the ids it accepted, and those it rejected, with the likely reasons.

    An id that is not open there is ignored: another process was faster, or it is from before a repair.
    """
    cursor = cursor_for(db, destination)

    def undelivered(number: int) -> bool:
        query = "SELECT 1 FROM exceptions WHERE reading = ? AND cursor = ? AND state != 'delivered'"
        return number > cursor.offset or db.execute(query, (number, cursor.id)).fetchone() is not None

    accepted = sorted(filter(undelivered, set(delivered)))
    reasons = {number: rejected[number] for number in rejected.keys() - accepted if undelivered(number)}
    # Without a row, a reading up to the offset is delivered, but one up to the start is not for this destination.
    db.executemany(
        "DELETE FROM exceptions WHERE reading = ? AND cursor = ?",
        [(number, cursor.id) for number in accepted if cursor.start < number <= cursor.offset],
    )
    set_state(db, cursor, {number: None for number in accepted if number <= cursor.start}, State.DELIVERED)
    close(db, replace(cursor, delivered=cursor.delivered + len(accepted)), reasons, State.REJECTED, accepted)


def close(
    db: sqlite3.Connection,
    cursor: Cursor,
    reasons: Mapping[int, str | None],
    state: State,
    accepted: Collection[int] = (),
) -> None:
    """Give the readings in ``reasons`` the ``state``. Move the offset after them and after the ``accepted`` ones."""
    ahead = {number for number in (*accepted, *reasons) if number > cursor.offset}
    offset = max(ahead, default=cursor.offset)
    skipped: set[int] = set()
    if len(ahead) < offset - cursor.offset:  # ids have no gaps
        rows = db.execute("SELECT id FROM reading WHERE id > ? AND id <= ?", (cursor.offset, offset))
        skipped = {int(row[0]) for row in rows} - ahead
    set_state(db, cursor, reasons, state)
    set_state(db, cursor, dict.fromkeys(sorted(skipped)), State.WAITING)
    write_cursor(db, replace(cursor, offset=offset))


def resume(db: sqlite3.Connection, ids: Iterable[int]) -> None:
    """Let the rejected readings among ``ids`` wait again, at all destinations."""
    active = [verified(db, cursor) for cursor in active_cursors(db)]
    db.executemany(
        "UPDATE exceptions SET state = 'waiting', reason = NULL"
        " WHERE reading = ? AND cursor = ? AND state = 'rejected'",
        [(number, cursor.id) for number in ids for cursor in active],
    )


def drop_rejected(db: sqlite3.Connection, sensor: str | None, reason: str) -> dict[str, int]:
    """Let no rejected reading wait any more (of ``sensor``, or of all); their number by destination."""
    dropped = {}
    for cursor in active_cursors(db):
        count = db.execute(
            "UPDATE exceptions SET state = 'dropped', reason = ?1 WHERE cursor = ?2 AND state = 'rejected'"
            " AND (?3 IS NULL OR sensor = ?3)",
            (reason, verified(db, cursor).id, sensor),
        ).rowcount
        write_cursor(db, cursor)
        dropped[cursor.destination] = count
    return dropped


def keep_size(db: sqlite3.Connection, destination: str, size: int) -> None:
    """Keep the number of values in the next request to ``destination``."""
    write_cursor(db, replace(cursor_for(db, destination), size=size))


def send_again(db: sqlite3.Connection, destination: str, ids: Iterable[int]) -> None:
    """Let the readings ``ids`` wait for ``destination`` again, whatever their states are."""
    cursor = cursor_for(db, destination)
    kept = [number for number in ids if db.execute(_DATED, (number,)).fetchone()]
    set_state(db, cursor, {number: None for number in kept if number <= cursor.offset}, State.WAITING)
    write_cursor(db, cursor)


def retry_rejected(db: sqlite3.Connection, destination: str, sensor: str) -> int:
    """Let the rejected readings of ``sensor`` wait for ``destination`` again, and return their number."""
    return db.execute(
        "UPDATE exceptions SET state = 'waiting', reason = NULL WHERE cursor = ? AND state = 'rejected' AND sensor = ?",
        (cursor_for(db, destination).id, sensor),
    ).rowcount


def set_state(db: sqlite3.Connection, cursor: Cursor, reasons: Mapping[int, str | None], state: State) -> None:
    """Write exceptions: the readings in ``reasons`` have ``state`` at the destination of ``cursor``."""
    db.executemany(
        f"{ADD_EXCEPTION} ON CONFLICT DO UPDATE SET state = excluded.state, reason = excluded.reason",
        [(cursor.id, state, reason, number) for number, reason in reasons.items()],
    )
