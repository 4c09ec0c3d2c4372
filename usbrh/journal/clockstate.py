"""What the journal knows about the wall clock: one row, from the last use of the journal by any process."""

import sqlite3
from dataclasses import astuple, dataclass

from usbrh import walltime
from usbrh.errors import ClockError
from usbrh.journal.rows import checksum
from usbrh.reading import format_time
from usbrh.walltime import Doubt

_COLUMNS = "boot, offset_ns, newest_ns, ever_synchronised, synchronised, certain, trusted, doubt"


@dataclass(frozen=True, slots=True)
class ClockState:
    """What is known about the wall clock."""

    boot: int
    """As in ``Moment``."""
    offset_ns: int
    """Wall time minus boot time, as it was when the clock was set."""
    newest_ns: int | None
    """As in ``walltime.Known``."""
    ever_synchronised: bool
    """Whether the clock was synchronised at any time since the journal exists."""
    synchronised: bool
    """Whether it is synchronised."""
    certain: int
    """Readings up to this id were added before the clock was last not synchronised: later settings do not move them."""
    trusted: bool
    """The administrator trusts the clock, until it is set again or the machine restarts."""
    doubt: Doubt | None
    """Why the clock is in doubt."""

    @property
    def problem(self) -> ClockError | None:
        """The error for a clock in doubt."""
        newest = "" if self.newest_ns is None else f"{format_time(self.newest_ns)[:16].replace('T', ' ')} UTC"
        return walltime.problem(self.doubt, newest) if self.doubt else None


def load(db: sqlite3.Connection) -> ClockState | None:
    """What the journal knows about the clock; None if it knows nothing, or the row is damaged."""
    row = db.execute(f"SELECT {_COLUMNS}, crc FROM clock").fetchone()  # noqa: S608
    if row is None or checksum(row[:-1]) != row[-1]:
        return None
    boot, offset_ns, newest_ns, ever, synchronised, certain, trusted, doubt, _ = row
    known = Doubt(doubt) if doubt else None
    return ClockState(boot, offset_ns, newest_ns, bool(ever), bool(synchronised), certain, bool(trusted), known)


def save(db: sqlite3.Connection, state: ClockState) -> None:
    """Replace the row."""
    # The checksum is that of the values which SQLite returns: a bool is an integer there.
    values = tuple(int(value) if isinstance(value, bool) else value for value in astuple(state))
    db.execute(
        f"INSERT OR REPLACE INTO clock (id, {_COLUMNS}, crc) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (*values, checksum(values)),
    )
