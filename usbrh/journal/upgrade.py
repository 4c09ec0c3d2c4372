"""The upgrade of a journal of an earlier version. It is one transaction: a file has the old tables or the new ones.

Schema 2 is that of the first edition, and 4 that of the checkouts after it.
"""

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from usbrh.errors import JournalError
from usbrh.journal import sensors
from usbrh.journal.rows import CURSOR, OPEN, Cursor, Damaged, Entry, State, Timing, checksum, compact, counted_open
from usbrh.journal.schema import PAGE_SIZE, SCHEMA, TABLES, move_away
from usbrh.journal.updates import INSERT

STEPS = 1_000_000
"""Instructions of SQLite between two calls of ``progress``: those for a few thousand readings."""
_Exception = tuple[int, int, str, str | None]
"""The reading, the cursor, the state and its reason."""


def upgrade(db: sqlite3.Connection, path: Path, version: int, progress: Callable[[], object]) -> None:
    """Upgrade the journal at ``path``, opened as ``db``, from schema ``version``. No other program may use it.

    It needs twice the space of the journal. A million readings take about a minute, and ``progress`` is called every
    second or more often.

    Raises:
        JournalError: the file is damaged. It is not changed.
        sqlite3.Error: no space, or another program uses it. The file is not changed.
    """

    def proceed() -> int:
        progress()
        return 0

    db.set_progress_handler(proceed, STEPS)
    db.execute("PRAGMA foreign_keys = OFF")  # so that DROP TABLE deletes no row in another table
    try:
        db.execute("BEGIN IMMEDIATE")
        if db.execute("PRAGMA user_version").fetchone()[0] == version:
            _OF[version](db)
            db.execute(f"PRAGMA user_version = {SCHEMA}")
        db.execute("COMMIT")
    except (Damaged, UnicodeDecodeError, ValueError) as error:
        db.execute("ROLLBACK")
        message = f"the journal {path} can't be upgraded from schema {version}: {error}"
        raise JournalError(message, remedy=move_away(path)) from error
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("PRAGMA foreign_keys = ON")
    with suppress(sqlite3.Error):  # another program reads; the file stays larger than it needs to be
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        db.execute("VACUUM")
    db.set_progress_handler(None, 0)


def _from_2(db: sqlite3.Connection) -> None:
    _put_aside(db, ("reading", "destination", "held"))
    last = _last(db)
    rows = db.execute("SELECT id, time_ns, sensor, simulated, body, crc FROM old_reading ORDER BY id")
    _add(db, (_entry((*row[:5], 0, 0, 0), row[:5], row[5]) for row in rows), last)
    places = db.execute(
        "SELECT id, text, position, settled, open, gone, delivered, expired, total, serial, absent_after, absent_until,"
        " crc FROM old_destination ORDER BY id"
    ).fetchall()
    cursors, exceptions = [], []
    active = sum(not place[5] for place in places)
    for number, (place_id, text, *place, after, until, crc) in enumerate(places, 1):
        position, _, open_sum, gone, delivered, expired, _, serial = place
        if checksum((place_id, text, *place, *((after, until) if until else ()))) != crc:
            raise Damaged(f"the checksum of destination {place_id} is wrong")
        held = db.execute("SELECT reading, state, reason FROM old_held WHERE destination = ?", (place_id,)).fetchall()
        if sum(reading for reading, state, _ in held if state in {State.WAITING, State.REJECTED}) != open_sum:
            raise Damaged(f"the exceptions of {text} are incomplete")
        name = ";".join(node.strip().lower().removesuffix(":10051") for node in text.split(";"))
        if after:  # what it received before it left the configuration and came back
            cursors.append(Cursor(len(places) + number, name, False, 0, after, active_count=max(1, active)))
        common = {"delivered": delivered, "expired": expired, "active_count": max(1, active), "revision": serial}
        cursors.append(Cursor(2 * len(places) + number, name, not gone, until, position, **common))
        for reading, state, reason in held:
            dropped = gone and state in {State.WAITING, State.REJECTED}
            exceptions.append((reading, cursors[-1].id, "dropped" if dropped else state, None if dropped else reason))
    _finish(db, last, cursors, exceptions)


def _from_4(db: sqlite3.Connection) -> None:
    _put_aside(db, ("reading", "clock", "cursor", "exceptions"))
    last = _last(db)
    columns = "id, time_ns, sensor, simulated, body, boot, boot_ns, timing"
    rows = db.execute(f"SELECT {columns}, crc FROM old_reading ORDER BY id")  # noqa: S608
    _add(db, (_entry(row[:8], row[:8], row[8]) for row in rows), last)
    db.execute("INSERT INTO clock SELECT * FROM old_clock")
    cursors = []
    columns = CURSOR.replace(" open_count,", "")
    for row in db.execute(f"SELECT {columns} FROM old_cursor ORDER BY id").fetchall():  # noqa: S608
        *values, crc = row
        if checksum(tuple(values)) != crc:
            raise Damaged(f"the checksum of the cursor {values[0]} is wrong")
        number, destination, active, *numbers = values
        numbers.insert(-2, 0)  # open_count
        cursors.append(Cursor(number, destination, bool(active), *numbers))
        query = f"SELECT total(reading) FROM old_exceptions WHERE cursor = ? AND {OPEN}"  # noqa: S608
        if db.execute(query, (number,)).fetchone()[0] != cursors[-1].open_sum:
            raise Damaged(f"the exceptions of {destination} are incomplete")
    exceptions = db.execute("SELECT reading, cursor, state, reason FROM old_exceptions")
    _finish(db, last, cursors, exceptions)


_OF: dict[int, Callable[[sqlite3.Connection], None]] = {2: _from_2, 4: _from_4}
"""The upgrade by the version of the old file."""


def _put_aside(db: sqlite3.Connection, tables: tuple[str, ...]) -> None:
    """Rename the old ``tables``, and create the new ones."""
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL").fetchall():
        db.execute(f"DROP INDEX {name}")
    for name in tables:
        db.execute(f"ALTER TABLE {name} RENAME TO old_{name}")
    statement = ""
    for line in TABLES.splitlines(keepends=True):  # executescript would commit
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


def _last(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'old_reading'").fetchone()
    return int(row[0]) if row else 0


def _entry(values: tuple[Any, ...], checked: tuple[Any, ...], crc: int) -> Entry:
    """The reading with these ``values``; ``checked`` are those that are in the checksum of the old row."""
    if zlib.crc32("\0".join(map(str, checked)).encode(errors="replace")) != crc:
        raise Damaged(f"the checksum of reading {values[0]} is wrong")
    number, time_ns, sensor, simulated, body, boot, boot_ns, timing = values
    text = compact(json.loads(body))
    return Entry(number, time_ns, sensor, bool(simulated), text, boot, boot_ns, Timing(timing))


def _add(db: sqlite3.Connection, entries: Iterator[Entry], last: int) -> None:
    db.executemany(INSERT, (entry.row for entry in entries))
    sensors.count(db, last)


def _finish(
    db: sqlite3.Connection, last: int, cursors: list[Cursor], exceptions: list[_Exception] | sqlite3.Cursor
) -> None:
    """Write the ``exceptions`` and the ``cursors``, and delete the old tables."""
    db.executemany(
        "INSERT INTO exceptions (reading, cursor, state, reason, sensor) SELECT id, ?2, ?3, ?4, sensor FROM reading"
        " WHERE id = ?1",
        exceptions,
    )
    for cursor in cursors:
        complete, open_sum, open_count = counted_open(db, cursor)
        if cursor.offset > last:
            raise Damaged(f"the cursor of {cursor.destination} is after the last reading")
        row = replace(cursor, complete=complete, open_sum=open_sum, open_count=open_count).row
        db.execute(f"INSERT INTO cursor ({CURSOR}) VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'old\\_%' ESCAPE '\\'").fetchall():
        db.execute(f"DROP TABLE {name}")
