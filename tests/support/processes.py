"""The processes that tests start: find those that are still running, and end them."""

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
"""s in which a process may end by itself, for example because its parent was just killed."""
PR_SET_CHILD_SUBREAPER = 36

LASTING: set[int] = set()
"""Processes that may outlive a test, because a session, package or module fixture owns and ends them. If one leads a
session, all processes of the session are lasting."""


def adopt_orphans() -> None:
    """Make this process the new parent of descendants whose parent ends, instead of init.

    Raises:
        OSError: the kernel rejects the request.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def end_what_is_left() -> list[str]:
    """Kill all child processes that are not lasting, and everything that they started.

    ``adopt_orphans`` must have been called. Return the command lines of the processes that had to be killed.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    while (left := _children()) and time.monotonic() < deadline:
        time.sleep(0.01)
    found = [_command(pid) for pid in left]
    while left:  # a killed process leaves its children to us; the next round kills them
        for pid in left:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        left = _children()
    if found:
        for each in gc.get_objects():
            if isinstance(each, subprocess.Popen):
                each.poll()  # otherwise it warns during a later test that its process is still running
    return found


def _children() -> list[int]:
    """Return the running children that are not lasting. Remove zombies."""
    alive: list[int] = []
    while not alive:
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            break  # no children: the usual case costs one system call
        found = [(pid, state) for pid, state in _all_children() if LASTING.isdisjoint({pid, _session(pid)})]
        alive = [pid for pid, state in found if state != "Z"]
        if not found:
            break
        for pid in {pid for pid, _ in found}.difference(alive):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # its children are ours now; the next round finds them
    return alive


def _all_children() -> Iterator[tuple[int, str]]:
    """Yield the number and the state (see proc_pid_stat(5)) of each child."""
    own = os.getpid()
    for pid in _candidates():
        with suppress(FileNotFoundError, ProcessLookupError):
            state, parent = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")[2].split()[:2]
            if int(parent) == own:
                yield pid, state


def _candidates() -> list[int]:
    """Return the children of each thread, or all processes on a kernel without that list (CONFIG_PROC_CHILDREN).

    The list is complete because no other thread removes zombies meanwhile (see proc_tid_children(5)).
    """
    lists = list(Path("/proc/self/task").glob("*/children"))
    if not lists:
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    found: list[int] = []
    for each in lists:
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            found += map(int, each.read_text().split())
    return found


def _session(pid: int) -> int:
    """Return the session of a process; 0 if the process has ended."""
    with suppress(ProcessLookupError):
        return os.getsid(pid)
    return 0


def _command(pid: int) -> str:
    with suppress(OSError):
        return f"{pid}: {Path(f'/proc/{pid}/cmdline').read_text(errors='replace').replace(chr(0), ' ').strip()}"
    return str(pid)
