"""The times of the readings: readings wait while the wall clock is in doubt, and get their right time when it is set.

Each function runs inside one transaction.
"""

import sqlite3
from dataclasses import dataclass, replace

from usbrh import walltime
from usbrh.clock import Moment
from usbrh.journal.clockstate import ClockState, load, save
from usbrh.journal.queries import entries
from usbrh.journal.rows import OPEN, STEP_NS, Entry, State, Timing, active_cursors, last_id
from usbrh.journal.updates import close, resume
from usbrh.walltime import Doubt

_UNCONFIRMED = "timing != 0 AND timing = 1"
"""SQL: the time is not confirmed. Only with the first part does SQLite use the index."""
_UNDATED = "the clock was not set until the machine was restarted, or it was set later than now"


@dataclass(frozen=True, slots=True)
class Observed:
    """What ``observe`` found and changed."""

    state: ClockState | None
    """None if this machine has no boot id: readings keep their times."""
    step_ns: int = 0
    """By how much the clock was set forward since the last observation in this boot."""
    changed: bool = False
    """The clock came into doubt, or is trusted again, or the doubt has another reason."""
    corrected: int = 0
    """Number of readings that got another time."""
    undated: int = 0
    """Number of readings whose time is not known, found now."""


def observe(db: sqlite3.Connection, moment: Moment, *, trust: bool = False) -> Observed:
    """Compare ``moment``, which is now, with what is known about the clock, and correct the readings if it was set.

    ``trust``: the administrator trusts the clock. That does not help against a clock before ``BUILT``.
    """
    if not moment.boot:
        return Observed(None)
    before = load(db)
    if before is None or before.boot != moment.boot:
        return _first_of_boot(db, moment, before, trust)
    step_ns = moment.offset_ns - before.offset_ns
    if abs(step_ns) <= STEP_NS:
        step_ns = 0
    state = replace(
        before,
        offset_ns=before.offset_ns + step_ns,
        synchronised=moment.synchronised is True,
        # A machine that was paused finds its clock late. What it measured before that has the right time.
        certain=last_id(db) if before.synchronised and (step_ns or not moment.synchronised) else before.certain,
        trusted=trust or (before.trusted and not step_ns),
    )
    newest = before.newest_ns
    if step_ns and not before.doubt:  # without the step, it would be this time now
        newest = max(newest or 0, moment.boot_ns + before.offset_ns)
    # Who sets the clock while the machine starts does not wait for a time service.
    starting = before.doubt is Doubt.STARTING and not step_ns
    known = walltime.Known(newest, starting, None if step_ns else before.doubt)
    doubt = _doubt(moment, known, trusted=state.trusted)
    if doubt is Doubt.BEHIND and newest != before.newest_ns:  # the clock was fast, and was set back
        doubt = _doubt(moment, replace(known, newest_ns=before.newest_ns), trusted=state.trusted)
    elif doubt is Doubt.AHEAD:
        state = replace(state, newest_ns=newest)
    changed = bool(step_ns or before.doubt or trust)
    return _settle(db, moment, before, replace(state, doubt=doubt), step_ns=step_ns, changed=changed)


def timed(state: ClockState | None, entry: Entry) -> Entry:
    """The new ``entry`` of this boot with its right time, if it is known."""
    if state is None or not entry.boot:
        return entry
    return entry.at(entry.time_ns, Timing.UNCONFIRMED) if state.doubt else entry.corrected(state.offset_ns)


def close_undated(db: sqlite3.Connection) -> None:
    """Remove readings without a known time from the queues of all destinations."""
    ids = [int(row[0]) for row in db.execute("SELECT id FROM reading WHERE timing != 0 AND timing = 2")]
    for cursor in active_cursors(db) if ids else ():
        rows = db.execute(f"SELECT reading FROM exceptions WHERE cursor = ? AND {OPEN}", (cursor.id,))  # noqa: S608
        waiting = {int(row[0]) for row in rows}
        found = [number for number in ids if number > cursor.offset or number in waiting]
        close(db, cursor, dict.fromkeys(found, _UNDATED), State.UNDATED)


def _doubt(moment: Moment, known: walltime.Known, *, trusted: bool) -> Doubt | None:
    found = walltime.doubt(moment, known)
    return None if trusted and found is not Doubt.BEFORE_BUILD else found


def _first_of_boot(db: sqlite3.Connection, moment: Moment, before: ClockState | None, trust: bool) -> Observed:
    ever = before is not None and before.ever_synchronised
    newest = _newest(db)
    doubt = _doubt(moment, walltime.Known(newest, ever), trusted=trust)
    synchronised = moment.synchronised is True
    state = ClockState(moment.boot, moment.offset_ns, newest, ever, synchronised, 0, trust, doubt)
    return _settle(db, moment, before, state, step_ns=0, changed=True)


def _settle(
    db: sqlite3.Connection, moment: Moment, before: ClockState | None, state: ClockState, *, step_ns: int, changed: bool
) -> Observed:
    """Apply the new ``state`` to the readings: correct those of this boot, and find those whose time is not known.

    ``changed``: what is known has changed since the last observation.
    """
    state = replace(state, ever_synchronised=state.ever_synchronised or state.synchronised)
    corrected = undated = 0
    if before is None or before.boot != moment.boot:
        undated += _set_unknown(db, f"{_UNCONFIRMED} AND boot != ?", moment.boot)
    if changed and state.doubt is None:
        corrected = _correct(db, state)
        if found := _set_unknown(db, "boot != 0 AND timing = 0 AND time_ns > ?", moment.time_ns + walltime.LATE_NS):
            undated += found
            state = replace(state, newest_ns=_newest(db, not_boot=state.boot))
    if undated:
        close_undated(db)
    if state != before:
        save(db, state)
    return Observed(state, step_ns, state.doubt is not (before.doubt if before else None), corrected, undated)


def _newest(db: sqlite3.Connection, not_boot: int = 0) -> int | None:
    """The newest time that is known, of another boot than ``not_boot``."""
    query = "SELECT time_ns FROM reading WHERE boot NOT IN (0, ?) AND timing = 0 ORDER BY time_ns DESC LIMIT 1"
    row = db.execute(query, (not_boot,)).fetchone()
    return int(row[0]) if row else None


def _set_unknown(db: sqlite3.Connection, where: str, value: int) -> int:
    """Record that the times of the readings ``where`` are not known; return their number."""
    ids = [row[0] for row in db.execute(f"SELECT id FROM reading WHERE {where}", (value,))]  # noqa: S608
    for entry in entries(db, ids):
        rewrite(db, entry.at(entry.time_ns, Timing.UNKNOWN))
    return len(ids)


def _correct(db: sqlite3.Connection, state: ClockState) -> int:
    """Give the readings of this boot their right time, unless it is certain, or all destinations have received them."""
    first = min((cursor.offset for cursor in active_cursors(db)), default=0)
    rows = db.execute(
        f"SELECT id FROM reading WHERE id IN (SELECT id FROM reading WHERE {_UNCONFIRMED}"  # noqa: S608
        " UNION SELECT id FROM reading WHERE id > ? UNION SELECT reading FROM exceptions"
        f"  JOIN cursor ON cursor.id = exceptions.cursor WHERE active AND {OPEN})"
        " AND boot = ? AND (timing = 1 OR id > ? AND abs(time_ns - boot_ns - ?) > ?) ORDER BY id",
        (first, state.boot, state.certain, state.offset_ns, STEP_NS),
    )
    moved = []
    for number in [int(row[0]) for row in rows]:
        for entry in entries(db, [number]):
            right = entry.corrected(state.offset_ns)
            rewrite(db, right)
            if right.time_ns != entry.time_ns:
                moved.append(number)
    resume(db, moved)
    return len(moved)


def rewrite(db: sqlite3.Connection, entry: Entry) -> None:
    """Update the row of ``entry``, unless its sensor has another reading with this time."""
    db.execute(
        "UPDATE reading SET time_ns = ?2, body = ?5, omitted = ?6, timing = ?9, crc = ?10 WHERE id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM reading AS other WHERE time_ns = ?2 AND sensor = ?3 AND id != ?1)",
        entry.row,
    )
