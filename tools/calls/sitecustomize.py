"""What ``tools.test_map`` and ``tools.mutants`` record of a run of pytest. They put this folder into PYTHONPATH.

Python imports this module at each start, so the calls in processes that a test starts are recorded, too. pytest also
loads it as a plugin, with ``-p sitecustomize`` (PYTEST_DONT_REWRITE: it is there before pytest). It imports little,
because some tests interrupt usbrh while it imports a module.
"""

import os
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

PACKAGE = os.environ.get("RECORDED_PACKAGE")
"""The folder whose functions are recorded; None to record no calls."""
CALLS, REPORTS = os.environ.get("RECORDED_CALLS", os.devnull), os.environ.get("RECORDED_REPORTS", os.devnull)
"""Files to append to: the test, the module and the function of each call; the duration and the outcome of each test."""
_seen: set[tuple[str, str, str]] = set()


def append(file: str, *values: object) -> None:
    """Append a line."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        os.write(descriptor, ("\t".join(map(str, values)) + "\n").encode())
        os.close(descriptor)
    except (OSError, MemoryError):
        pass


def record(frame: "FrameType", event: str, argument: object) -> None:
    """Record the call of a function, once per test and process."""
    code = frame.f_code
    if PACKAGE and code.co_filename.startswith(PACKAGE):
        call = os.environ.get("PYTEST_CURRENT_TEST", ""), code.co_filename, code.co_qualname
        if call not in _seen:
            _seen.add(call)
            append(CALLS, *call)


def pytest_runtest_setup() -> None:
    """Record again: Python stops that when a signal's handler raises an error during ``record``."""
    if PACKAGE:
        sys.settrace(record)


def pytest_runtest_logreport(report: "Any") -> None:
    """Record a part of a test: its setup, the test itself or its teardown."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        append(REPORTS, report.nodeid, report.duration, report.outcome)


if PACKAGE:
    threading.settrace(record)
    sys.settrace(record)
