"""What all tests share: the same circumstances wherever they are started, a limit for each, and nothing left behind.

What is skipped is reported once per reason, and in CI nothing is.
"""

import faulthandler
import os
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

from tests.support import processes
from tests.support.circumstances import Circumstances, catch_what_is_ignored

LIMITS = {"kernel": 600, "zabbix": 600}
"""s for each test of these folders: the first one waits for a virtual machine or a server. pyproject.toml has the
limit of all others."""
AGAIN_SECONDS = 60
"""s after which a test is interrupted again, because it also hangs in what it does after the first time."""
EXIT_SECONDS = 60
"""s that the interpreter has to exit after the last test, for which it waits for all threads."""
LIMIT = pytest.StashKey[Any]()

catch_what_is_ignored()
# Ended by `timeout` or a CI, a run stops everything that it started, as on Ctrl-C.
signal.signal(signal.SIGTERM, signal.default_int_handler)
# A busy machine is no failure. In CI the profile is Hypothesis' own, which always draws the same examples.
settings.register_profile("usbrh", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usbrh")


class ByRoom(LoadScopeScheduling):
    """One process has the virtual machine, one the Zabbix servers; of the rest each has a file at a time."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return room(file) or file


def room(nodeid: str) -> str | None:
    """The folder below tests/ whose tests share a virtual machine or servers; None if they share none."""
    parts = Path(nodeid).parts
    return parts[1] if len(parts) > 1 and parts[1] in LIMITS else None


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByRoom:
    return ByRoom(config, log)


def pytest_configure() -> None:
    processes.adopt_orphans()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if limit := LIMITS.get(room(item.nodeid) or ""):
            item.add_marker(pytest.mark.timeout(limit), append=False)


class HangsError(OutcomeException):
    """A test has reached its limit. Hypothesis does not take it for a failure that depends on the example."""


@pytest.hookimpl(wrapper=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: Any):  # type: ignore[no-untyped-def]
    """Limit what a test does after its first interruption, too."""
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
    """Limit the end of a test that has failed, too; with its failure the plugin cancels its limit."""
    if LIMIT in item.stash:
        item.ihook.pytest_timeout_set_timer(item=item, settings=item.stash[LIMIT])
    return (yield)


@pytest.fixture(scope="session", autouse=True)
def neutral() -> Iterator[None]:
    """The same environment and umask wherever the tests are started."""
    inherited = Circumstances.current()
    inherited.neutral().restore()
    yield
    inherited.restore()


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """End the processes that a test has left, and let it fail; likewise if it leaves other circumstances."""
    before = Circumstances.current()
    yield
    running = processes.end_what_is_left()
    changed = before.restore()
    assert not running, f"processes left running: {running}"
    assert not changed, f"left changed: {changed}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """With CI set, a skipped test has failed: CI installs everything that a test may need."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = (
            f"skipped in CI: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}"
        )
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a reason, not one a test, as -rs has it."""
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped"))
    if reasons:
        terminalreporter.section("skipped")
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count:4} {reason}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what is left of tests that could not do it, such as those of a process of xdist that was killed."""
    processes.LASTING.clear()
    processes.end_what_is_left()
    if not hasattr(config, "workerinput"):  # xdist itself ends its processes
        faulthandler.dump_traceback_later(EXIT_SECONDS, exit=True, file=2)
