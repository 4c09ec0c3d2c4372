"""Processor time of a program with all its processes and threads."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.footprint import TICKS

_TITLE = re.compile(r"^(?:postgres|\S*zabbix_\w+): (.+?)(?: #\d+)? \[")
_CHILDREN = 0
"""Stands for the thread number of ended children, whose time their parent has."""

Snapshot = Mapping[tuple[int, int], tuple[str, float]]
"""The title of the process and the seconds so far, by process and thread."""


class Used(NamedTuple):
    """Processor time between two snapshots."""

    seconds: float
    """User and system time of all processes."""
    busiest: float
    """The same of the busiest thread. A thread can use one core at most."""
    title: str
    """What the process of this thread does, as it shows itself: ``history syncer``."""


def tree(root: int) -> Iterator[int]:
    """Yield a process and all its descendants."""
    children = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(path)
        if fields:
            children[int(fields[1])].append(int(path.parent.name))
    found = [root]
    while found:
        yield (pid := found.pop())
        found += children[pid]


def snapshot(root: int) -> Snapshot:
    """Return the processor time so far of every thread in the process tree of ``root``."""
    seconds = {}
    for pid in tree(root):
        process = Path(f"/proc/{pid}")
        named = _TITLE.match(_read(process / "cmdline").replace("\0", " "))
        title = named[1] if named else "main"
        for path in process.glob("task/[0-9]*/stat"):
            if fields := _fields(path):
                seconds[pid, int(path.parent.name)] = title, (int(fields[11]) + int(fields[12])) / TICKS
        if fields := _fields(process / "stat"):
            seconds[pid, _CHILDREN] = title, (int(fields[13]) + int(fields[14])) / TICKS
    return seconds


def used(before: Snapshot, after: Snapshot) -> Used:
    """Compare two snapshots of one process tree. A process counts as new if it is not in ``before``."""
    spent = {key: (seconds - before.get(key, (title, 0.0))[1], title) for key, (title, seconds) in after.items()}
    busiest, title = max((each for (_, thread), each in spent.items() if thread != _CHILDREN), default=(0.0, ""))
    return Used(sum(seconds for seconds, _ in spent.values()), busiest, title)


def _fields(path: Path) -> list[str]:
    """The fields of a ``stat`` file from the state on; none if the process has ended."""
    return _read(path).rpartition(")")[2].split()


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
