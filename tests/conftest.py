"""Rules for all tests.

The environment is the same wherever the tests are started. Each test has a time limit, and leaves neither processes nor
a changed environment. Skipped tests are reported once per reason; in CI they fail.
"""

import faulthandler
import gc
import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from _pytest.outcomes import OutcomeException
from hypothesis import HealthCheck, settings
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests.support import command, processes
from tests.support.circumstances import Circumstances, catch_what_is_ignored

LIMITS = {"kernel": 600, "zabbix": 600, "debian13": 1200, "openrc": 600}
"""Time limit in s for each test of a folder whose first test starts a virtual machine or a server, or whose only test
runs many others. The limit of all other tests is in pyproject.toml. These folders take longest, and run first, in this
order: with the longest last, one process would wait for the other."""
SECOND_HALF = {"kernel": "test_u", "zabbix": "test_l"}
"""The tests of these folders are divided between two processes, each with its own virtual machine or server: one has
the files before this name, the other one the files after it."""
AGAIN_SECONDS = 60
"""s after which a test that hangs is interrupted again, because its cleanup can hang, too."""
EXIT_SECONDS = 60
"""s in which the interpreter must exit after the last test. It waits for all threads that are not daemons."""
LIMIT = pytest.StashKey[Any]()

catch_what_is_ignored()
# A run that gets SIGTERM, for example from `timeout`, stops everything that it started, as after Ctrl-C.
signal.signal(signal.SIGTERM, signal.default_int_handler)
# No deadline per example: it would fail on a machine with high load. In CI, Hypothesis' own profile also fixes the
# examples.
settings.register_profile("usbrh", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usbrh")


class FileScheduling(LoadScopeScheduling):
    """Give each process one file at a time. A folder in ``LIMITS``, or a half of it, counts as one file, because its
    tests share the virtual machine or the server; the tests with another release of Zabbix count as another file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = limited_folder(file)
        if not folder:
            return file
        half = 2 if Path(file).name >= SECOND_HALF.get(folder, "~") else 1
        release = "6.0" if folder == "zabbix" and re.search(r"[\[-]6\.0\b", nodeid) else ""
        return f"{folder} {release} {half}"


def limited_folder(nodeid: str) -> str | None:
    """Return the folder in ``LIMITS`` that a test belongs to; None if it belongs to another one."""
    parts = Path(nodeid).parts
    return parts[1] if len(parts) > 1 and parts[1] in LIMITS else None


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileScheduling:
    return FileScheduling(config, log)


def pytest_configure() -> None:
    processes.adopt_orphans()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if limit := LIMITS.get(limited_folder(item.nodeid) or ""):
            item.add_marker(pytest.mark.timeout(limit), append=False)
    order = list(LIMITS)
    items.sort(key=lambda item: order.index(folder) if (folder := limited_folder(item.nodeid)) else len(order))


def pytest_collection_finish() -> None:
    gc.freeze()  # what is collected stays, so no garbage collection needs to look at it


class HangsError(OutcomeException):
    """A test has reached its time limit. Hypothesis does not try to reproduce this, unlike pytest's own exception."""


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any):  # type: ignore[no-untyped-def]
    """Interrupt a test again if it hangs again after its first interruption."""
    item.stash[LIMIT] = settings
    result = yield
    if signal.getitimer(signal.ITIMER_REAL)[0]:
        report = signal.getsignal(signal.SIGALRM)
        assert callable(report)

        def interrupt(number: int, frame: FrameType | None) -> None:
            try:
                report(number, frame)  # prints the stacks of all threads
            except pytest.fail.Exception as error:
                raise HangsError(str(error)) from None

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, settings.timeout, AGAIN_SECONDS)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item):  # type: ignore[no-untyped-def]
    """Limit the teardown, too: the plugin cancels the limit of a test when it fails."""
    if LIMIT in item.stash:
        item.ihook.pytest_timeout_set_timer(item=item, settings=item.stash[LIMIT])
    return (yield)


@pytest.fixture(scope="session", autouse=True)
def neutral() -> Iterator[None]:
    """Set the same environment and umask wherever the tests are started."""
    inherited = Circumstances.current()
    inherited.neutral().restore()
    yield
    inherited.restore()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """End the processes that a test leaves running, and undo what it changes for other tests. Both fail the test."""
    before = Circumstances.current()
    yield
    running = processes.end_what_is_left()
    changed = before.restore()
    assert not running, f"processes left running: {running}"
    assert not changed, f"left changed: {changed}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Fail skipped tests if CI is set. CI installs everything that a test may need."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"skipped in CI: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}"
        )
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line per reason of skipped tests. The option -rs prints one line per test."""
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped"))
    if reasons:
        terminalreporter.section("skipped")
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count:4} {reason}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the processes of tests without a teardown, for example those of a worker of xdist that crashed."""
    command.stop_server()
    processes.LASTING.clear()
    processes.end_what_is_left()
    if not hasattr(config, "workerinput"):  # xdist ends its workers
        faulthandler.dump_traceback_later(EXIT_SECONDS, exit=True, file=2)
