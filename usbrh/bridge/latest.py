"""The latest reading of each sensor as a file, from which the agent's file answers without a start of Python.

The units and the OpenRC service set ``RUNTIME_DIRECTORY`` (systemd.exec(5)). Its folder ``readings`` has one file per
sensor, with the name of the sensor. The file is one line: two times and the JSON object of the reading, without its
final brace. From the first time (the measurement) to before the second one, the reading is the answer, and the shell
command in zabbix/zabbix_agentd.d/usbrh.conf appends its age. Both are times of the boot clock, so setting the wall
clock makes no reading older or younger. Their unit is that of the start of a process in /proc/self/stat (proc(5)), the
only form of the boot clock that a shell can read inside every container.
"""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from usbrh.bridge.agent import fresh_seconds
from usbrh.clock import NS
from usbrh.reading import Reading

log = logging.getLogger(__name__)

VARIABLE = "RUNTIME_DIRECTORY"
FOLDER = "readings"
TICK_NS = NS // 100
"""The unit of time in /proc/self/stat."""
LONGEST_FILE_NAME = 255
"""Bytes, in the file systems of Linux."""
FOLDER_MODE = 0o750
"""For the group too: ``usbrh setup`` adds the agent's user to it."""


class LatestFiles:
    """The files of one service. Without ``RUNTIME_DIRECTORY`` there are none, and the agent starts ``usbrh``."""

    def __init__(self, interval: float, environ: Mapping[str, str] = os.environ) -> None:
        """``interval``: s from one round to the next; decides how long a reading is fresh."""
        runtime = environ.get(VARIABLE, "").partition(":")[0]
        self._folder = Path(runtime, FOLDER) if runtime else None
        self._fresh_ns = round(fresh_seconds(interval) * NS)
        self._problem: str | None = None

    def write(self, readings: Iterable[Reading]) -> None:
        """Replace the file of each of these sensors. A problem is logged when it begins: the agent works without."""
        if self._folder is None:
            return
        problem = None
        try:
            self._folder.mkdir(FOLDER_MODE, exist_ok=True)
            for reading in readings:
                name = reading.sensor.encode(errors="replace")  # as Zabbix does, whatever the locale
                if reading.boot_ns is not None and is_file_name(name):
                    self._replace(self._folder, name, reading, reading.boot_ns)
        except OSError as error:
            problem = f"can't write {self._folder} ({error.strerror}); the Zabbix agent starts usbrh for each answer"
        if problem and problem != self._problem:
            log.warning("%s", problem)
        self._problem = problem

    def _replace(self, folder: Path, name: bytes, reading: Reading, measured_ns: int) -> None:
        """Write a file beside the folder, and move it there: a shell never reads a part of it."""
        first, end = measured_ns // TICK_NS, (measured_ns + self._fresh_ns) // TICK_NS
        line = f"{first} {end} {reading.to_json().removesuffix('}')}\n"
        new = folder.with_name(f"{FOLDER}-{os.getpid()}")
        new.write_bytes(line.encode(errors="replace"))
        new.replace(folder / os.fsdecode(name))


def is_file_name(name: bytes) -> bool:
    """Return whether a file in a folder can have this name. A sensor's name can be anything that Zabbix accepts."""
    return b"/" not in name and name not in (b"", b".", b"..") and len(name) <= LONGEST_FILE_NAME
