"""The processes that tests start: which of them are still there, and how they are ended."""

import ctypes
import gc
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 2.0
"""s that a process has to end by itself, such as one whose parent was just killed."""
PR_SET_CHILD_SUBREAPER = 36

LASTING: set[int] = set()
"""Processes of fixtures with a wider scope than one test, and sessions that they lead. Such a fixture ends its own."""


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent has ended, as init otherwise does.

    Raises:
        OSError: the kernel rejects it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def end_what_is_left() -> list[str]:
    """Kill all children but the lasting ones, with all that they started; the command lines of those that were alive.

    The calling process must have adopted its orphans.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := _children()) and time.monotonic() < deadline:
        time.sleep(0.01)
    found = [_command(pid) for pid in left]
    while left:  # the children of one that is killed become ours, and are killed in the next round
        for pid in left:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        left = _children()
    if found:
        for each in gc.get_objects():
            if isinstance(each, subprocess.Popen):
                each.poll()  # else it warns, in a later test, that its process is still running
    return found


def _children() -> list[int]:
    """The children that are alive and not lasting. Of the others those that have ended are forgotten."""
    alive: list[int] = []
    while not alive:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            break  # there are none: nearly always, and at the price of one system call
        found = [(pid, state) for pid, state in _all_children() if LASTING.isdisjoint({pid, _session(pid)})]
        alive = [pid for pid, state in found if state != "Z"]
        if not found:
            break
        for pid in {pid for pid, _ in found}.difference(alive):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # its own children are ours: they are found in the next round
    return alive


def _all_children() -> Iterator[tuple[int, str]]:
    """Each child and its state, as in proc_pid_stat(5)."""
    own = os.getpid()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(FileNotFoundError, ProcessLookupError):
                state, parent = (entry / "stat").read_text(errors="replace").rpartition(") ")[2].split()[:2]
                if int(parent) == own:
                    yield int(entry.name), state


def _session(pid: int) -> int:
    """The session that a process belongs to; 0 if it has ended."""
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


def _command(pid: int) -> str:
    with suppress(OSError):
        return f"{pid}: {Path(f'/proc/{pid}/cmdline').read_text(errors='replace').replace(chr(0), ' ').strip()}"
    return str(pid)
