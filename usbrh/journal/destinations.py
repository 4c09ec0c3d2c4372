"""Which destinations the readings wait for, and what happens to a queue when the configuration changes.

The name of a destination is the addresses of its nodes, separated by ";". The rules, in this order:

- A destination stays while one of its nodes stays. It keeps its queue, under its new name.
- If exactly one destination leaves and one is new, the new one gets the queue of the other.
- Any other new destination gets the readings that no destination has received.
- The queue of any other destination that leaves is dropped.
- While there is no destination, the queues stay as they are.
"""

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from usbrh.journal.queries import count_open
from usbrh.journal.rows import (
    OPEN,
    Cursor,
    State,
    active_cursors,
    count_active,
    cursors,
    last_id,
    verified,
    write_cursor,
)
from usbrh.journal.updates import set_state
from usbrh.reading import counted

Notice = tuple[int, str]
"""A line for the log: level and text."""


def same(one: str, other: str) -> bool:
    """Whether two names belong to one destination: they have a node in common."""
    return not set(one.split(";")).isdisjoint(other.split(";"))


def set_destinations(db: sqlite3.Connection, names: Sequence[str]) -> list[Notice]:
    """Make ``names`` the destinations that readings wait for; returns what is to be logged."""
    everyone = cursors(db)
    here = [verified(db, each) for each in active_cursors(db) or everyone if each.active or each.paused]
    if not names:
        return _pause(db, here)
    stays = _matches(here, names)
    came = [name for name in dict.fromkeys(names) if name not in stays]
    left = [cursor for cursor in here if cursor not in stays.values()]
    notices = [notice for name, cursor in stays.items() for notice in _stay(db, cursor, name)]
    start, undelivered = _undelivered(db, everyone)
    if len(came) == len(left) == 1:
        start, undelivered = _queue(db, left[0], undelivered)
    start, more = _after(db, start)
    undelivered += more
    highest = max((cursor.id for cursor in everyone), default=0)
    for number, name in enumerate(came, highest + 1):
        notices.append(_arrive(db, Cursor(number, name, True, start, start), undelivered))
    # After the others, because a cursor that is written while none is active is paused.
    for cursor in left:
        moved = last_id(db) - start + sum(_is_open(db, cursor, reading) for reading in undelivered) if came else 0
        notices.append(_leave(db, cursor, moved, came))
    count_active(db)
    return notices


def _matches(here: Sequence[Cursor], names: Sequence[str]) -> dict[str, Cursor]:
    """The cursors of the destinations that stay, by new name: the one of the same name, or else with a common node."""
    found: dict[str, Cursor] = {}
    for belongs in (str.__eq__, same):
        for name in names:
            free = (cursor for cursor in here if cursor not in found.values())
            if name not in found and (cursor := next((each for each in free if belongs(each.destination, name)), None)):
                found[name] = cursor
    return found


def _stay(db: sqlite3.Connection, cursor: Cursor, name: str) -> list[Notice]:
    """Continue the queue of ``cursor`` under ``name``. The destination's earlier stays get the new name too."""
    notices = []
    if not cursor.active:
        offset, waiting = _after(db, cursor.offset)
        set_state(db, cursor, dict.fromkeys(waiting), State.WAITING)
        cursor = replace(cursor, active=True, offset=offset)
        write_cursor(db, cursor)
        notices.append(
            (logging.INFO, f"{name} is a destination again: {counted(count_open(db, cursor))} waiting for it")
        )
    if cursor.destination != name:
        for each in cursors(db):
            if each.destination == cursor.destination:
                write_cursor(db, replace(each, destination=name))
        notices.append((logging.INFO, f"the destination {cursor.destination} is now {name}: its queue stays"))
    return notices


def _pause(db: sqlite3.Connection, here: Sequence[Cursor]) -> list[Notice]:
    """Keep all queues as they are, until there is a destination again."""
    db.execute("UPDATE cursor SET active = 0")
    notices = []
    for cursor in here:
        write_cursor(db, replace(cursor, active=False))
        count = count_open(db, cursor)
        text = f"no destination is configured: the queue of {cursor.destination} stays: {counted(count)}"
        notices.append((logging.WARNING if count else logging.INFO, text))
    return notices


def _arrive(db: sqlite3.Connection, cursor: Cursor, waiting: Sequence[int]) -> Notice:
    """Start the queue of a new destination with the ids in ``waiting`` and all readings after ``cursor.offset``."""
    set_state(db, cursor, dict.fromkeys(waiting), State.WAITING)
    write_cursor(db, cursor)
    count = count_open(db, cursor)
    text = f"new destination {cursor.destination}"
    return logging.INFO, f"{text}: {counted(count)} waiting for it" if count else text


def _leave(db: sqlite3.Connection, cursor: Cursor, moved: int, came: Sequence[str]) -> Notice:
    """Close the queue of a destination that left; ``moved`` of its readings wait for those in ``came``.

    What is open is marked as dropped there, so that ``prune`` can delete it one day.
    """
    dropped = count_open(db, cursor) - moved
    db.execute(
        f"UPDATE exceptions SET state = 'dropped', reason = NULL WHERE cursor = ? AND {OPEN}",  # noqa: S608
        (cursor.id,),
    )
    write_cursor(db, replace(cursor, active=False))
    words = [f"{counted(moved)} moved to the queue of {' and '.join(came)}"] if moved else []
    words += [f"{counted(dropped)} dropped from its queue"] if dropped else []
    text = f"{cursor.destination} left the configuration" + (": " + ", ".join(words) if words else "")
    return logging.WARNING if words else logging.INFO, text


def _queue(db: sqlite3.Connection, cursor: Cursor, undelivered: Sequence[int]) -> tuple[int, list[int]]:
    """What waits for the destination of ``cursor`` or was rejected there, and what no destination has received.

    ``undelivered`` and the result are as ``_undelivered`` returns them.
    """
    rows = db.execute(f"SELECT reading FROM exceptions WHERE cursor = ? AND {OPEN}", (cursor.id,))  # noqa: S608
    ids = {int(row[0]) for row in rows}.union(undelivered)
    return cursor.offset, sorted(number for number in ids if number <= cursor.offset)


def _undelivered(db: sqlite3.Connection, everyone: Sequence[Cursor]) -> tuple[int, list[int]]:
    """What no destination has received: all readings after the id returned first, and the ids in the list.

    ``everyone``: all cursors.
    """
    if not everyone:
        return 0, []
    furthest = max(everyone, key=lambda cursor: cursor.offset)
    rows = db.execute(
        "SELECT reading FROM exceptions AS open WHERE cursor = ? AND state IN ('waiting', 'rejected', 'dropped')"
        " AND NOT EXISTS (SELECT 1 FROM cursor AS other WHERE open.reading <= other.offset AND NOT EXISTS ("
        "  SELECT 1 FROM exceptions WHERE exceptions.reading = open.reading AND exceptions.cursor = other.id"
        "  AND state != 'delivered')) ORDER BY reading",
        (furthest.id,),
    )
    return furthest.offset, [int(row[0]) for row in rows]


def _after(db: sqlite3.Connection, offset: int) -> tuple[int, list[int]]:
    """All readings after ``offset``, as ``_undelivered`` returns them.

    While no destination is configured, old readings are deleted although nobody has received them. What waits after an
    offset is counted by ids, so none may be missing there.
    """
    last = last_id(db)
    first, count = db.execute("SELECT min(id), count(*) FROM reading WHERE id > ?", (offset,)).fetchone()
    if count == 0:
        return last, []
    if count == last + 1 - first:
        return first - 1, []
    return last, [int(row[0]) for row in db.execute("SELECT id FROM reading WHERE id > ? ORDER BY id", (offset,))]


def _is_open(db: sqlite3.Connection, cursor: Cursor, reading: int) -> bool:
    query = f"SELECT 1 FROM exceptions WHERE cursor = ? AND reading = ? AND {OPEN}"  # noqa: S608
    return reading > cursor.offset or db.execute(query, (cursor.id, reading)).fetchone() is not None
