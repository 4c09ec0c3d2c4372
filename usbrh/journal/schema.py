"""The tables of the journal's file, and the check that a file has them."""

import os
import sqlite3
from pathlib import Path

from usbrh.errors import JournalError
from usbrh.journal.rows import OPEN, Damaged, Outdated
from usbrh.reading import SUMMARISED
from usbrh.system.paths import stat_or_none

APPLICATION_ID = 0x75736272
"""``usbr``, in the header of the file. A database without it belongs to another program."""
SCHEMA = 5
"""Number of this shape of the tables, in the header as ``user_version``."""
FIRST_SCHEMA = 2
"""That of version 0.1.0, which is converted. No other version wrote a lower number than ``SCHEMA``."""
PAGE_SIZE = 1024
"""Of a new file, in bytes. Each transaction writes whole pages, and one reading needs half of such a page."""
INDEXED = ("timing", "simulated", "heater", *SUMMARISED)
"""Columns in the index of times, so that a summary reads only the index. Those from ``heater`` on are in ``body`` and
not in the file: SQLite computes them when it writes the index. The quantities are in hundredths."""
PARITY = f"(time_ns + {' + '.join(f'{31**n} * coalesce({name}, 40001)' for n, name in enumerate(INDEXED, 1))}) % 65521"
"""SQL: a checksum of the values in the index. It changes with each of them, as 65521 is a prime number."""
_COUNT = """
    INSERT INTO open_exceptions VALUES (new.cursor, new.state, new.sensor, 1, new.reading)
    ON CONFLICT DO UPDATE SET readings = readings + 1, ids = ids + excluded.ids;
"""
_UNCOUNT = """
    UPDATE open_exceptions SET readings = readings - 1, ids = ids - old.reading
    WHERE cursor = old.cursor AND state = old.state AND sensor = old.sensor;
"""


def _hundredths(name: str) -> str:
    return f"{name} INTEGER AS (CAST(round(json_extract(body, '$.{name}') * 100) AS INTEGER)) VIRTUAL"


TABLES = f"""
    CREATE TABLE reading (
        id INTEGER PRIMARY KEY,
        time_ns INTEGER NOT NULL,
        sensor TEXT NOT NULL,
        simulated INTEGER NOT NULL,
        body TEXT NOT NULL,
        omitted INTEGER NOT NULL,
        boot INTEGER NOT NULL,
        boot_ns INTEGER NOT NULL,
        timing INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        heater INTEGER AS (coalesce(json_extract(body, '$.heater'), 0)) VIRTUAL,
        {", ".join(map(_hundredths, SUMMARISED))},
        parity INTEGER AS ({PARITY}) VIRTUAL
    );
    CREATE INDEX reading_time ON reading (time_ns, sensor, {", ".join(INDEXED)}, parity);
    CREATE INDEX reading_timing ON reading (timing) WHERE timing != 0;
    CREATE TABLE sensor (
        name TEXT PRIMARY KEY,
        readings INTEGER NOT NULL,
        newest INTEGER NOT NULL,
        crc INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE clock (
        id INTEGER PRIMARY KEY,
        boot INTEGER NOT NULL,
        offset_ns INTEGER NOT NULL,
        newest_ns INTEGER,
        ever_synchronised INTEGER NOT NULL,
        synchronised INTEGER NOT NULL,
        certain INTEGER NOT NULL,
        trusted INTEGER NOT NULL,
        doubt TEXT,
        crc INTEGER NOT NULL
    );
    CREATE TABLE cursor (
        id INTEGER PRIMARY KEY,
        destination TEXT NOT NULL,
        active INTEGER NOT NULL,
        start INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        delivered INTEGER NOT NULL,
        expired INTEGER NOT NULL,
        size INTEGER NOT NULL,
        complete INTEGER NOT NULL,
        open_sum INTEGER NOT NULL,
        open_count INTEGER NOT NULL,
        active_count INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        crc INTEGER NOT NULL
    );
    CREATE TABLE exceptions (
        reading INTEGER NOT NULL REFERENCES reading ON DELETE CASCADE,
        cursor INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'rejected', 'expired', 'dropped', 'undated')),
        reason TEXT,
        sensor TEXT NOT NULL,
        PRIMARY KEY (reading, cursor)
    ) WITHOUT ROWID;
    CREATE INDEX exceptions_state ON exceptions (cursor, state, reading);
    CREATE INDEX exceptions_sensor ON exceptions (cursor, state, sensor, reading);
    CREATE TABLE open_exceptions (
        cursor INTEGER NOT NULL,
        state TEXT NOT NULL,
        sensor TEXT NOT NULL,
        readings INTEGER NOT NULL,
        ids INTEGER NOT NULL,
        PRIMARY KEY (cursor, state, sensor)
    ) WITHOUT ROWID;
    CREATE TRIGGER exception_added AFTER INSERT ON exceptions WHEN new.{OPEN} BEGIN {_COUNT} END;
    CREATE TRIGGER exception_removed AFTER DELETE ON exceptions WHEN old.{OPEN} BEGIN {_UNCOUNT} END;
    CREATE TRIGGER exception_closed AFTER UPDATE OF state ON exceptions WHEN old.{OPEN} BEGIN {_UNCOUNT} END;
    CREATE TRIGGER exception_opened AFTER UPDATE OF state ON exceptions WHEN new.{OPEN} BEGIN {_COUNT} END;
"""
CREATE = f"BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA}; COMMIT;"
"""The script that makes a new journal of an empty file."""


def not_a_journal(path: Path) -> JournalError:
    """The error for a file that is not ours, and so is never repaired."""
    return JournalError(
        f"the journal {path} can't be used: it is not a file of usbrh", remedy="set another file as path in [journal]"
    )


def move_away(path: Path) -> str:
    """The remedy for a journal at ``path`` that can't be used: start a new one."""
    # The write-ahead log is moved with the file: SQLite would apply it to the new one.
    return f"move it away: cd {path.parent} && mkdir -p old && mv {path.name}* old"


def has_tables(db: sqlite3.Connection, path: Path) -> bool:
    """Whether the file at ``path``, opened as ``db``, is a journal of this version; False if it is empty.

    Raises:
        JournalError: it belongs to another program, or to another version of usbrh.
        Outdated: version 0.1.0 wrote it.
        sqlite3.Error: it is no database.
        Damaged: the definitions of its tables are damaged.
    """
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    ours = int(db.execute("PRAGMA application_id").fetchone()[0]) == APPLICATION_ID
    if not ours and db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        found, remedy = "it is a database of another program", "set another file as path in [journal]"
    elif version > SCHEMA:
        found = f"a newer usbrh wrote it (schema {version}, this version knows {SCHEMA})"
        remedy = "install that version, or set another file as path in [journal]"
    elif ours and version == FIRST_SCHEMA:
        raise Outdated("version 0.1.0 wrote it")
    elif ours and version < SCHEMA:
        found = f"an unreleased usbrh wrote it (schema {version}, this version needs {SCHEMA})"
        remedy = move_away(path)
    else:
        if ours:
            _check_definitions(db)
        return ours
    raise JournalError(f"the journal {path} can't be used: {found}", remedy=remedy)


def _check_definitions(db: sqlite3.Connection) -> None:
    """Check that the file has our tables, indices and triggers: another expression would give other values.

    Raises:
        Damaged: it has others.
    """
    found = [row[0] for row in db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")]
    if len(found) != TABLES.count("    CREATE ") or any(f"    {each};" not in TABLES for each in found):
        raise Damaged("its tables have other definitions")


def check_size(path: Path, size: int) -> None:
    """Check a file of ``size`` bytes before SQLite opens it.

    Raises:
        Damaged: SQLite would treat the file as an empty database, and delete the log beside it.
    """
    log = stat_or_none(Path(os.path.realpath(path) + "-wal"))
    if size < 512 and (size or (log and log.st_size)):
        raise Damaged("the file is too short for a database")
