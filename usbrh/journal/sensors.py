"""How many readings of each sensor the journal contains, and which is the newest: a row per sensor, and one for all.

The rows change in the transactions that add and delete readings, so the journal never counts its readings.
"""

import sqlite3
from typing import NamedTuple

from usbrh.journal.rows import ALL_SENSORS, ENTRY, Damaged, Entry, checksum


class SensorRow(NamedTuple):
    """What the journal contains of one sensor."""

    name: str
    readings: int = 0
    """Their number. A sensor without readings keeps its row."""
    newest: int = 0
    """Id of the reading that was added last; it can be deleted by now."""


def load(db: sqlite3.Connection, name: str) -> SensorRow:
    """The row of the sensor ``name``, or a new one.

    Raises:
        Damaged: the checksum is wrong.
    """
    row = db.execute("SELECT name, readings, newest, crc FROM sensor WHERE name = ?", (name,)).fetchone()
    return _sound(row) if row else SensorRow(name)


def load_all(db: sqlite3.Connection) -> list[SensorRow]:
    """The row of each sensor, by name.

    Raises:
        Damaged: a checksum is wrong.
    """
    query = "SELECT name, readings, newest, crc FROM sensor WHERE name != ? ORDER BY name"
    return [_sound(row) for row in db.execute(query, (ALL_SENSORS,))]


def add(db: sqlite3.Connection, name: str, readings: int, newest: int = 0) -> None:
    """Change the rows of the sensor ``name`` and of all sensors, after ``readings`` were added or deleted.

    ``newest``: the id of the reading that was added.
    """
    for each in (name, ALL_SENSORS):
        known = load(db, each)
        _save(db, SensorRow(each, known.readings + readings, newest or known.newest))


def latest(db: sqlite3.Connection, name: str) -> Entry | None:
    """The reading of the sensor ``name`` that was added last, without those that are deleted; None without one.

    Raises:
        Damaged: a checksum is wrong.
    """
    sensor = load(db, name)
    if not sensor.readings:
        return None
    row = db.execute(f"SELECT {ENTRY} FROM reading WHERE id = ?", (sensor.newest,)).fetchone()  # noqa: S608
    if row is None:
        # Readings are deleted in the order of their times. After a wrong clock, the newest can be the first to go.
        query = f"SELECT {ENTRY} FROM reading WHERE sensor = ? ORDER BY id DESC LIMIT 1"  # noqa: S608
        row = db.execute(query, (name,)).fetchone()
    found = Entry.from_row(row) if row else None
    if found is None or found.sensor != name:
        raise Damaged(f"the newest reading of {name} is missing")
    return found


def count(db: sqlite3.Connection, last: int) -> None:
    """Write the rows of all sensors again, from the readings. ``last``: the highest id that was used."""
    counted = _counted(db)
    db.execute("DELETE FROM sensor")
    for row in (*counted, SensorRow(ALL_SENSORS, sum(row.readings for row in counted), last)):
        _save(db, row)


def check(db: sqlite3.Connection) -> None:
    """Compare the rows with the readings. The time grows with the number of readings.

    Raises:
        Damaged: a number is wrong.
    """
    counted = {row.name: row for row in _counted(db)}
    total, highest = (
        sum(row.readings for row in counted.values()),
        max((row.newest for row in counted.values()), default=0),
    )
    counted[ALL_SENSORS] = SensorRow(ALL_SENSORS, total, highest)
    for row in (load(db, ALL_SENSORS), *load_all(db)):
        found = counted.pop(row.name, SensorRow(row.name))
        if row.readings != found.readings or row.newest < found.newest:
            raise Damaged(f"the number of readings of {row.name or 'all sensors'} is wrong")
    if counted:
        raise Damaged("the row of a sensor is missing")


def _counted(db: sqlite3.Connection) -> list[SensorRow]:
    rows = db.execute("SELECT sensor, count(*), max(id) FROM reading GROUP BY sensor").fetchall()
    return [SensorRow(*row) for row in rows]


def _save(db: sqlite3.Connection, sensor: SensorRow) -> None:
    db.execute("INSERT OR REPLACE INTO sensor VALUES (?, ?, ?, ?)", (*sensor, checksum(sensor)))


def _sound(row: tuple[str, int, int, int]) -> SensorRow:
    *values, found = row
    if checksum(tuple(values)) != found:
        raise Damaged(f"the checksum of the sensor {row[0]!r} is wrong")
    return SensorRow(*row[:-1])
