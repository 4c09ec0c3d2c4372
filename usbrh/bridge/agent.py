"""Answers for the UserParameters of a Zabbix agent: one line of JSON each, whatever happens, with errors inside.

An agent takes stderr for a part of the value, ignores the exit status, runs several commands at once, and ends one that
takes longer than its time-out with SIGTERM. See https://www.zabbix.com/documentation/current/en/manual/config/items/userparameters
"""

import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.config import Config
from usbrh.errors import JournalError, UsbrhError
from usbrh.journal.rows import ENTRY, Damaged, entry
from usbrh.reading import Reading, SensorInfo

if TYPE_CHECKING:
    from usbrh.journal.store import DestinationStatus

ANSWER_SECONDS = 2.5
"""From the start of the process to its answer; an agent waits for 3 s unless it is told otherwise."""
MEASURE_UNTIL = 2.2
"""From the start of the process to the sensor's deadline."""
LONGEST_NAME = 128
NS = 1_000_000_000


def get(name: str, config: Callable[[], Config], clock: Clock = SYSTEM_CLOCK) -> dict[str, Any]:
    """A reading of one sensor, by name or port, as JSON object with its ``age`` in seconds.

    It is the service's latest if that is fresh, and the sensor is left alone; else it is measured now.
    """
    name = name[:LONGEST_NAME].encode(errors="replace").decode()
    try:
        settings = config()
        reading = _of_service(name, settings, clock) or _measured(name, settings, clock)
    except UsbrhError as error:
        reading = Reading.failed(SensorInfo(getattr(error, "port", ""), "", name), clock.time_ns(), error)
    age = max(0, clock.time_ns() - reading.time_ns) / NS
    return {**reading.to_dict(), "age": round(age, 1)}


def discovery(config: Callable[[], Config]) -> list[dict[str, str]] | dict[str, str]:
    """The sensors for low-level discovery. An error is an object, which Zabbix shows and which loses no sensor."""
    from usbrh.poller import Poller  # noqa: PLC0415 - it brings all of USB

    try:
        poller = Poller(config())
        poller.refresh()
    except UsbrhError as error:
        return {"error": str(error)}
    if poller.problem:
        return {"error": str(poller.problem)}
    return poller.discovery()


def bridge(config: Callable[[], Config]) -> dict[str, Any]:
    """The state of usbrh on this machine, as the service itself sends it; what only the service knows is null."""
    from usbrh.bridge.state import bridge_state  # noqa: PLC0415 - it brings all of USB
    from usbrh.poller import Poller  # noqa: PLC0415

    try:
        settings = config()
    except UsbrhError as error:
        return {"v": 1, "error": str(error)}
    poller = Poller(settings)
    poller.refresh()
    standings, problem = None, poller.problem
    try:
        standings = _standings(settings.journal.path)
    except JournalError as error:  # the rest is true all the same, and Zabbix hears that we live
        problem = problem or error
    state = bridge_state(poller, standings, problem)
    return {**state, "uptime": None, "readings": None, "failed": None, "failures_by_kind": None}


def _standings(path: Path) -> "list[DestinationStatus] | None":
    """How each destination stands in the journal; None without one.

    Read only: who asks has no business in there, and a damaged one is the service's to replace.

    Raises:
        JournalError: it can't be read.
    """
    from usbrh.journal.errors import explained, is_there  # noqa: PLC0415
    from usbrh.journal.queries import standings_of  # noqa: PLC0415

    if not is_there(path):
        return None
    try:
        with closing(_read_only(path)) as db:
            return standings_of(db)
    except (sqlite3.Error, OSError, Damaged) as error:
        if not os.access(path, os.R_OK):
            raise explained(error, path) from error
        raise JournalError(f"the journal {path} can't be read: {error}; see: usbrh journal status") from error


def _read_only(path: Path) -> sqlite3.Connection:
    """A connection that sees the file as it is at one moment; one that others write has its log beside it.

    Where there is none, who asks may often not make one, and reads the file alone.
    """
    real = path.resolve()
    quiet = not real.with_name(real.name + "-wal").exists()
    how = "ro&immutable=1" if quiet else "ro"
    db = sqlite3.connect(f"file:{quote(str(real))}?mode={how}", uri=True, timeout=0.3, isolation_level=None)
    db.execute("BEGIN")
    return db


def answer(question: Callable[[], Any]) -> None:
    """Write the answer to ``question`` to stdout, in one line; within ``ANSWER_SECONDS``, and nothing to stderr."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libusb writes there too
    lock = threading.Lock()

    def write(value: Any) -> None:
        line = json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n"
        if lock.acquire(blocking=False):
            os.write(1, line)

    def too_late() -> None:
        write({"v": 1, "state": "timeout", "error": f"no answer within {ANSWER_SECONDS:g} s; see: usbrh doctor"})
        os._exit(0)

    timer = threading.Timer(max(0.05, ANSWER_SECONDS - 0.1 - _running_for()), too_late)
    timer.daemon = True
    timer.start()
    try:
        write(question())
    except Exception as error:  # noqa: BLE001 - Zabbix has to be told, whatever it is
        ours = isinstance(error, UsbrhError)
        words = str(error) if ours else f"{type(error).__name__}: {error}"
        write({"v": 1, "state": getattr(error, "kind", "failed"), "error": words})
    timer.cancel()


def _of_service(name: str, config: Config, clock: Clock) -> Reading | None:
    """The latest reading in the journal, if it is as new as a running service's."""
    settings = config.sensor.get(name)
    sensor = (settings and settings.name) or name
    try:
        reading = _latest(config.journal.path, sensor)
    except (sqlite3.Error, Damaged, OSError, ValueError, KeyError):
        return None  # measuring still goes; what is wrong with the journal is the service's to say
    if reading is None:
        return None
    age = clock.time_ns() - reading.time_ns
    return reading if -NS < age < (config.bridge.interval * 1.5 + 5) * NS else None


def _latest(path: Path, sensor: str) -> Reading | None:
    """Read only, and without making anything: the agent's user has no business in there."""
    if not path.is_file():
        return None
    with closing(_read_only(path)) as db:
        query = f"SELECT {ENTRY} FROM reading WHERE sensor = ? ORDER BY id DESC LIMIT 1"  # noqa: S608
        row = db.execute(query, (sensor,)).fetchone()
    return entry(row).reading if row else None


def _measured(name: str, config: Config, clock: Clock) -> Reading:
    from usbrh.sensors import find, named  # noqa: PLC0415 - not needed, and slow, when the service has measured

    sensor = named(find(config, clock=clock), name)
    try:
        return sensor.read(max(0.1, MEASURE_UNTIL - _running_for()))
    except UsbrhError as error:
        return Reading.failed(sensor.info, clock.time_ns(), error)


def _running_for() -> float:
    """Seconds since this process was started: starting Python counts for who waits."""
    if not sys.platform.startswith("linux"):
        return 0.2
    started = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK"))
