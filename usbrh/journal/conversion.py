"""Conversion of a journal that version 0.1.0 wrote (schema 2): its readings and queues go into a new file.

In that schema a destination has one row for all its stays in the configuration: readings after ``absent_after`` and up
to ``absent_until`` were not for it. Each stay becomes a cursor. ``held`` is now called ``exceptions``.
"""

import errno
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from usbrh.errors import JournalError
from usbrh.journal import file as journal_file
from usbrh.journal import sensors
from usbrh.journal.file import companions, connect, install_replacement, replacement, sync
from usbrh.journal.rows import Cursor, Damaged, Entry, checksum, compact, count_active, write_cursor
from usbrh.journal.schema import move_away
from usbrh.journal.updates import ADD_EXCEPTION, INSERT

STEP = 1000
"""Readings between two calls of ``progress``."""
STATES = {"refused": "rejected", "given-up": "expired"}
"""States with a new word."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A row of the table ``destination``: how far the delivery to it got."""

    id: int
    text: str
    position: int
    settled: int
    open: int
    gone: int
    delivered: int
    given_up: int
    total: int
    absent_after: int
    absent_until: int


def convert(path: Path, progress: Callable[[], object]) -> int:
    """Replace the journal of version 0.1.0 at ``path``. Returns the number of its readings.

    No other program of this version may use the file meanwhile. One of version 0.1.0 can't write into it meanwhile, and
    afterwards it reports that a newer version wrote the file. ``progress`` is called about once a second.

    Raises:
        OSError, sqlite3.Error: no space, no permission, or another program uses it. The file is as it was.
        JournalError: the file is damaged. It is as it was.
    """
    if shutil.disk_usage(path.parent).free < path.stat().st_size:
        raise OSError(errno.ENOSPC, "not enough space to convert it")
    new = path.with_name(f"{path.name}.new")
    _remove(new)
    try:
        with closing(sqlite3.connect(path, timeout=journal_file.BUSY_SECONDS, isolation_level=None)) as old:
            old.execute("BEGIN IMMEDIATE")  # until the new file has its place
            with closing(connect(new, "OFF")) as db:
                count = _copy(old, db, progress)
            sync(new)
            new.replace(replacement(path))
            install_replacement(path)
    except (Damaged, UnicodeDecodeError, sqlite3.DatabaseError) as error:
        _remove(new)
        if isinstance(error, sqlite3.OperationalError):
            raise
        problem = f"the journal {path} can't be used: version 0.1.0 wrote it, and it is damaged ({error})"
        raise JournalError(problem, remedy=move_away(path)) from error
    except BaseException:
        _remove(new)
        raise
    return count


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, progress: Callable[[], object]) -> int:
    new.execute("BEGIN IMMEDIATE")
    count = 0
    for count, entry in enumerate(_entries(old), 1):
        new.execute(INSERT, entry.row)
        if count % STEP == 0:
            progress()
    last = old.execute("SELECT seq FROM sqlite_sequence WHERE name = 'reading'").fetchone()
    sensors.count(new, last[0] if last else 0)
    _copy_queues(old, new)
    new.execute("COMMIT")
    new.execute("PRAGMA journal_mode = WAL")
    return count


def _entries(old: sqlite3.Connection) -> Iterator[Entry]:
    for *values, crc in old.execute("SELECT id, time_ns, sensor, simulated, body, crc FROM reading ORDER BY id"):
        if checksum(tuple(values)) != crc:
            raise Damaged(f"the checksum of reading {values[0]!r} is wrong")
        number, time_ns, sensor, simulated, body = values
        yield Entry(number, time_ns, sensor, bool(simulated), compact(json.loads(body)))


def _copy_queues(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Write the cursors and their exceptions. The earlier stays come first, as their ids show the order."""
    places = list(_places(old))
    earlier = [place for place in places if 0 < place.absent_after < place.absent_until]
    cursors = [
        Cursor(number, _name(place.text), False, 0, place.absent_after) for number, place in enumerate(earlier, 1)
    ]
    for number, place in enumerate(places, len(earlier) + 1):
        start = place.absent_until if place.absent_after < place.absent_until else 0
        counts = (place.delivered, place.given_up)
        cursors.append(Cursor(number, _name(place.text), not place.gone, start, place.position, *counts))
        first = earlier.index(place) + 1 if place in earlier else number
        held = old.execute("SELECT reading, state, reason FROM held WHERE destination = ?", (place.id,))
        for reading, state, reason in held:
            owner = first if reading <= place.absent_after else number
            over = (owner != number or place.gone) and state in {"waiting", "refused"}  # nothing waits there any more
            values = ("dropped", None) if over else (STATES.get(state, state), reason)
            new.execute(ADD_EXCEPTION, (owner, *values, reading))
    for cursor in sorted(cursors, key=lambda each: not each.active):  # one before them would be paused
        write_cursor(new, cursor)
    count_active(new)


def _places(old: sqlite3.Connection) -> Iterator[_Place]:
    """The destinations in the order they came.

    Raises:
        Damaged: a checksum is wrong, or a row is missing.
    """
    rows = old.execute(
        "SELECT id, text, position, settled, open, gone, delivered, given_up, total, serial,"
        " absent_after, absent_until, crc FROM destination ORDER BY id"
    ).fetchall()
    for *values, after, until, crc in rows:
        if checksum((*values, after, until) if until else tuple(values)) != crc:
            raise Damaged(f"the checksum of the destination {values[0]!r} is wrong")
        place = _Place(*(*values[:9], after, until))
        query = (
            "SELECT min(reading), total(reading) FROM held WHERE destination = ? AND state IN ('waiting', 'refused')"
        )
        first, total = old.execute(query, (place.id,)).fetchone()
        settled = place.position if first is None else min(place.position, first - 1)
        if place.total != len(rows) or (settled, int(total)) != (place.settled, place.open):
            raise Damaged(f"the queue of {place.text} is incomplete")
        yield place


def _name(text: str) -> str:
    """The name of a destination from ``text``, as the configuration had it: the shortest spelling of its nodes."""
    nodes = (node.strip().lower() for node in text.split(";"))
    whole = (f"[{node}]" if node.count(":") > 1 and not node.startswith("[") else node for node in nodes)
    return ";".join(sorted(node.removesuffix(":10051") for node in whole))


def _remove(path: Path) -> None:
    for file in (path, *companions(path)):
        file.unlink(missing_ok=True)
