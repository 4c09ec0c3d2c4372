"""Answers for the UserParameters of a Zabbix agent: always one line of JSON, with any error inside.

An agent treats stderr as a part of the value, ignores the exit status, and ends a command that exceeds its time-out.
See https://www.zabbix.com/documentation/current/en/manual/config/items/userparameters
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from usbrh.clock import NS, SYSTEM_CLOCK, Clock
from usbrh.config import Config
from usbrh.errors import JournalError, UsbrhError
from usbrh.reading import Reading, SensorInfo
from usbrh.system.paths import stat_or_none

ANSWER_SECONDS = 2.5
"""From the start of the process to its answer. An agent waits for 3 s by default."""
MEASURE_UNTIL = 2.2
"""From the start of the process to the deadline of a measurement, in seconds."""
LONGEST_NAME = 128
OF_SERVICE = {"uptime", "readings", "failed", "failures_by_kind"}
"""Keys of ``usbrh.bridge`` that describe the process that measures, which an agent does not ask."""


def fresh_seconds(interval: float) -> float:
    """How old a reading of a running service can be that measures every ``interval`` seconds."""
    return interval * 1.5 + 5


def get(name: str, config: Callable[[], Config], clock: Clock = SYSTEM_CLOCK) -> dict[str, Any]:
    """The JSON object of a reading, with its ``age`` in seconds; ``name``: the sensor's name or port.

    A fresh reading of the service is used if there is one. Otherwise the sensor is measured.
    """
    name = name[:LONGEST_NAME].encode(errors="replace").decode()
    try:
        settings = config()
        reading = _latest(name, settings, clock) or _measured(name, settings, clock)
    except UsbrhError as error:
        reading = Reading.failed(SensorInfo(getattr(error, "port", ""), "", name), clock.time_ns(), error)
    age = max(0, clock.time_ns() - reading.time_ns) / NS
    return {**reading.to_dict(), "age": round(age, 1)}


def discovery(config: Callable[[], Config]) -> list[dict[str, str]] | dict[str, str | None]:
    """The JSON array for low-level discovery. An error is an object: Zabbix shows it and keeps its sensors."""
    from usbrh.poller import Poller  # noqa: PLC0415 - it imports all of USB

    try:
        poller = Poller(config())
        poller.refresh()
    except UsbrhError as error:
        return _error(error)
    return _error(poller.problem) if poller.problem else poller.discovery()


def bridge(config: Callable[[], Config]) -> dict[str, Any]:
    """The JSON object of ``usbrh.bridge``, without the values that only the service knows."""
    from usbrh.bridge.state import journal_state  # noqa: PLC0415 - it imports all of USB
    from usbrh.journal.reader import JournalReader  # noqa: PLC0415
    from usbrh.poller import Poller  # noqa: PLC0415

    try:
        settings = config()
    except UsbrhError as error:
        return {"v": 1, **_error(error)}
    poller = Poller(settings)
    poller.refresh()
    state = journal_state(poller, JournalReader(settings.journal.path), poller.problem)
    return {key: value for key, value in state.items() if key not in OF_SERVICE}


def answer(question: Callable[[], Any]) -> None:
    """Write the answer to ``question`` to stdout as one line, within ``ANSWER_SECONDS``, and nothing to stderr."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libusb writes there too
    lock = threading.Lock()

    def write(value: Any) -> None:
        line = json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n"
        if lock.acquire(blocking=False):
            os.write(1, line)

    def time_out() -> None:
        error = UsbrhError(f"no answer within {ANSWER_SECONDS:g} s", remedy="see: usbrh doctor")
        write({"v": 1, "state": "timeout", **_error(error)})
        os._exit(0)

    timer = threading.Timer(max(0.05, ANSWER_SECONDS - 0.1 - _running_for()), time_out)
    timer.daemon = True
    timer.start()
    try:
        write(question())
    except UsbrhError as error:
        write({"v": 1, "state": error.kind, **_error(error)})
    except Exception as error:  # noqa: BLE001 - Zabbix must see it, whatever it is
        write({"v": 1, "state": "failed", **_error(UsbrhError(f"{type(error).__name__}: {error}"))})
    timer.cancel()


def _error(error: UsbrhError | None) -> dict[str, str | None]:
    return {"error": error.message if error else None, "remedy": error.remedy if error else None}


def _latest(name: str, config: Config, clock: Clock) -> Reading | None:
    """The newest reading in the journal, unless it is too old to be from a running service."""
    with suppress(OSError):
        if stat_or_none(config.journal.path) is None:
            return None
    from usbrh.journal.reader import JournalReader  # noqa: PLC0415 - it imports SQLite

    settings = config.sensor.get(name)
    try:
        reading = JournalReader(config.journal.path).latest((settings and settings.name) or name)
    except (JournalError, ValueError, KeyError):
        return None  # the sensor can be measured nevertheless, and the service reports the problem
    if reading is None:
        return None
    age = clock.time_ns() - reading.time_ns
    return reading if -NS < age < fresh_seconds(config.bridge.interval) * NS else None


def _measured(name: str, config: Config, clock: Clock) -> Reading:
    from usbrh.sensors import find, named  # noqa: PLC0415 - slow, and not needed if the service has measured

    sensor = named(find(config, clock=clock), name)
    try:
        return sensor.read(max(0.1, MEASURE_UNTIL - _running_for()))
    except UsbrhError as error:
        return Reading.failed(sensor.info, clock.time_ns(), error)


def _running_for() -> float:
    """Seconds since this process was started: the start of Python counts for the agent."""
    if not sys.platform.startswith("linux"):
        return 0.2
    started = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK"))
