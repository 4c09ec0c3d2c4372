"""The tables of the journal's file, and the check that a file has them."""

import os
import sqlite3
from pathlib import Path

from usbrh.errors import JournalError
from usbrh.journal.rows import Damaged, Outdated
from usbrh.system.paths import stat_or_none

APPLICATION_ID = 0x75736272
"""``usbr``, in the header of the file. A database without it belongs to another program."""
SCHEMA = 4
"""Number of this shape of the tables, in the header as ``user_version``."""
FIRST_SCHEMA = 2
"""That of version 0.1.0, which is converted. No other version wrote a lower number than ``SCHEMA``."""
TABLES = """
    CREATE TABLE reading (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time_ns INTEGER NOT NULL,
        sensor TEXT NOT NULL,
        simulated INTEGER NOT NULL,
        body TEXT NOT NULL,
        boot INTEGER NOT NULL,
        boot_ns INTEGER NOT NULL,
        timing INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        UNIQUE (time_ns, sensor)
    );
    CREATE INDEX reading_sensor ON reading (sensor);
    CREATE INDEX reading_timing ON reading (timing) WHERE timing != 0;
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
        active_count INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        crc INTEGER NOT NULL
    );
    CREATE TABLE exceptions (
        reading INTEGER NOT NULL REFERENCES reading ON DELETE CASCADE,
        cursor INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'rejected', 'expired', 'dropped', 'undated')),
        reason TEXT,
        PRIMARY KEY (reading, cursor)
    ) WITHOUT ROWID;
    CREATE INDEX exceptions_state ON exceptions (cursor, state, reading);
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
        return ours
    raise JournalError(f"the journal {path} can't be used: {found}", remedy=remedy)


def check_size(path: Path, size: int) -> None:
    """Check a file of ``size`` bytes before SQLite opens it.

    Raises:
        Damaged: SQLite would treat the file as an empty database, and delete the log beside it.
    """
    log = stat_or_none(Path(os.path.realpath(path) + "-wal"))
    if size < 512 and (size or (log and log.st_size)):
        raise Damaged("the file is too short for a database")
