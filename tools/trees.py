"""Copies of the work tree in which tests run, one per process."""

import contextlib
import multiprocessing
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).parents[1]
PRELOADED = ["pytest", "hypothesis.stateful", "hypothesis.strategies", "xdist.scheduler.loadscope", "pytest_timeout"]
"""What most tests import."""
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(PRELOADED)
STARTED = 100
"""Added to pytest's exit status, so that no other end of its process counts as one."""
RECORDER = "tools/calls"
"""The folder with the module that records tests and calls."""


@dataclass
class Run:
    """A run of pytest."""

    status: int | None
    """Its exit status; None if it took too long."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By test, its duration."""
    outcomes: dict[str, str] = field(default_factory=dict)
    """By test: passed, failed or skipped."""


class Trees:
    """The copies. A thread takes one, and no other thread uses it meanwhile."""

    def __init__(self, folder: Path, count: int) -> None:
        self._free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(count):
            _copy(folder / str(number))
            (folder / f"{number}.tmp").mkdir()
            self._free.put(folder / str(number))

    @contextlib.contextmanager
    def one(self) -> Iterator[Path]:
        """Take a tree until the end of the ``with`` block."""
        tree = self._free.get()
        try:
            yield tree
        finally:
            self._free.put(tree)


def _copy(target: Path) -> None:
    """Copy the source files as they are now, without generated ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    for name in listed.stdout.split("\0"):
        if name and (TOP / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, target / name)


def run_tests(
    tree: Path, words: Sequence[str], seconds: float | None = None, record: dict[str, str] | None = None
) -> Run:
    """Run pytest in a copy of the tree, for at most ``seconds``. ``record``: variables for the recorder."""
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as reports:
        path = os.pathsep.join([str(tree), str(tree / RECORDER)])
        environment = os.environ | {"PYTHONPATH": path, "RECORDED_REPORTS": reports.name} | (record or {})
        # Two runs that remove old folders of temporary files at the same time would disturb each other.
        environment["PYTEST_DEBUG_TEMPROOT"] = str(tree.with_suffix(".tmp"))
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # each process would compile everything again
        process = _CONTEXT.Process(target=_pytest, args=(tree, words, environment))
        process.start()
        try:
            process.join(seconds)
        finally:
            if process.is_alive():
                process.terminate()
                process.join(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid or 0, signal.SIGKILL)
            process.join()
        code = process.exitcode or 0
        if code == 1:
            raise RuntimeError("pytest did not start")  # the traceback is on stderr
        run = Run(code - STARTED if code >= STARTED else None)
        for line in reports:
            if line.count("\t") != 2:  # a changed program wrote to the wrong file
                continue
            test, duration, outcome = line.rstrip("\n").split("\t")
            run.seconds[test] = run.seconds.get(test, 0.0) + float(duration)
            if run.outcomes.get(test) != "failed":
                run.outcomes[test] = outcome
        return run


def _pytest(tree: Path, words: Sequence[str], environment: dict[str, str]) -> None:
    """Run pytest in this process, which is a fork of one that has imported it: that saves most of a short run."""
    os.setsid()
    os.chdir(tree)
    os.environ.clear()
    os.environ.update(environment)
    null, stderr = os.open(os.devnull, os.O_RDWR), os.dup(2)
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        os.dup2(null, number)
        stream = open(number, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    for name in [name for name in sys.modules if name.partition(".")[0] in {"sitecustomize", "tools"}]:
        del sys.modules[name]
    sys.path[:0] = [str(tree), str(tree / RECORDER)]
    import pytest  # noqa: PLC0415

    words = ["-q", "-p", "no:cacheprovider", "-p", "sitecustomize", "--hypothesis-seed=0", *words]
    try:
        # The plugins are imported already.
        status = STARTED + pytest.main(["-W", "ignore::pytest.PytestAssertRewriteWarning", *words])
    except BaseException:  # noqa: BLE001 - a change can break pytest, for example if another user stays the user
        status = STARTED + pytest.ExitCode.INTERNAL_ERROR
        os.write(stderr, traceback.format_exc().encode())
    os._exit(status)
