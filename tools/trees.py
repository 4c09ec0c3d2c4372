"""Copies of the work tree in which tests run, one per process."""

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).parents[1]
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
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # each process would compile everything again
        process = subprocess.Popen(
            [
                *[sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "sitecustomize"],
                *["--hypothesis-seed=0", *words],
            ],
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        run = Run(None)
        try:
            run.status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for line in reports:
            test, duration, outcome = line.rstrip("\n").split("\t")
            run.seconds[test] = run.seconds.get(test, 0.0) + float(duration)
            if run.outcomes.get(test) != "failed":
                run.outcomes[test] = outcome
        return run
