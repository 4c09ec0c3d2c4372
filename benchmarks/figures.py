"""What ``make bench`` measures: figures of usbrh, each beside a peer in the same run."""

import os
import platform
import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

Words = tuple[str, str]
"""A text in English and in Japanese."""
LANGUAGES = ("en", "ja")


class Unavailable(Exception):
    """This machine lacks something that a benchmark needs; the message says what, in one line."""


@dataclass(frozen=True)
class Figure:
    """One claim: the values of usbrh in several runs, and those of a peer in the same runs."""

    name: str
    """The key in ratios.json, which stays the same: ``drain-6.0-8-items``."""
    what: Words
    unit: str
    """Of ours and theirs: ``ms``, ``MB``, ``values/s``."""
    ours: Sequence[float]
    peer: Words
    theirs: Sequence[float]
    """One value for each of ours, measured just before or after it."""
    ratio_aim: float | None = None
    """For ours ÷ theirs: at most, or at least if more is better."""
    own_aim: float | None = None
    """For ours."""
    more_is_better: bool = False

    @property
    def ratios(self) -> list[float]:
        """Ours ÷ theirs, by run."""
        return [own / other for own, other in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return median(self.ratios)

    @property
    def missed(self) -> bool:
        """Whether a median misses its aim."""
        pairs = ((self.ratio, self.ratio_aim), (median(self.ours), self.own_aim))
        return any(aim is not None and self.is_worse(value, aim) for value, aim in pairs)

    def is_worse(self, value: float, limit: float) -> bool:
        """Whether ``value`` is worse than ``limit``."""
        return value < limit if self.more_is_better else value > limit

    def row(self, language: int) -> str:
        """The figure as a row of ``table``, in the language with this index in ``LANGUAGES``."""
        sign = "≥" if self.more_is_better else "≤"
        aims = [] if self.ratio_aim is None else [f"{sign} {self.ratio_aim:g}"]
        aims += [] if self.own_aim is None else [f"{sign} {self.own_aim:,g} {self.unit}"]
        missed = (" **missed**", " **未達**")[language] if self.missed else ""
        spread = f"{number(min(self.ratios))} – {number(max(self.ratios))}"
        ratio = number(self.ratio) + (f" ({spread})", f"（{spread}）")[language]
        own, other = (f"{number(median(values))} {self.unit}" for values in (self.ours, self.theirs))
        cells = [self.what[language], own, self.peer[language] + (": ", "：")[language] + other, ratio]
        return f"| {' | '.join(cells)} | {', '.join(aims)}{missed} |"


def table(figures: Sequence[Figure], language: int) -> str:
    """The figures as a table, with the machine and the date, in the language with this index in ``LANGUAGES``."""
    headings = ("| | usbrh | peer | ratio (spread) | aim |", "| | usbrh | 比較対象 | 比（範囲） | 目標 |")[language]
    rows = [figure.row(language) for figure in figures]
    runs = sorted({len(figure.ours) for figure in figures})
    times = f"{runs[0]}–{runs[-1]}" if len(runs) > 1 else f"{runs[0]}"
    about = (f"Medians of {times} runs in turn. {machine()}", f"交互に {times} 回実行した中央値。{machine()}")[language]
    return "\n".join([headings, "| --- | ---: | ---: | ---: | --- |", *rows, "", about, ""])


def number(value: float) -> str:
    """``value`` with three significant digits, and never with an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def machine() -> str:
    """This machine, its load, and the date, in one sentence without a verb."""
    models = [line.partition(":")[2].strip() for line in _read("/proc/cpuinfo").splitlines() if "model name" in line]
    memory = int(_read("/proc/meminfo").split()[1]) / 2**20
    kernel = ".".join(platform.release().split(".")[:2])  # the rest names a build
    system = f"Linux {kernel}, Python {platform.python_version()}"
    load = f"load {os.getloadavg()[0]:.1f}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} × {models[0]}, {memory:.0f} GiB, {load}, {system}."


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


class Used(NamedTuple):
    """What a command used, in seconds."""

    elapsed: float
    processor: float
    """User and system time of the process and of those it waited for."""
    output: str
    """What it printed to stdout."""


def spend(*command: str, **environment: str) -> Used:
    """Run a command to its end, with ``environment`` added to this process's own.

    Raises:
        subprocess.CalledProcessError: its exit status is not 0.
    """
    full = os.environ | environment
    # pip compiles the modules of an installed usbrh. Without .pyc files each start of this checkout would compile them.
    full.pop("PYTHONDONTWRITEBYTECODE", None)
    before, start = _processor_of_children(), time.perf_counter()
    done = subprocess.run(command, env=full, capture_output=True, text=True, check=True)
    return Used(time.perf_counter() - start, _processor_of_children() - before, done.stdout)


def _processor_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds(action: Callable[[], object]) -> float:
    """Run ``action`` and return how long it took."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def interleaved(times: int, *measures: Callable[[], float]) -> list[list[float]]:
    """The values of each measure in ``times`` rounds, after a round that only fills caches.

    In each round all measures run in turn, so that a slow moment of the machine affects all. Every other round has the
    reverse order.
    """
    for measure in measures:
        measure()
    values: list[list[float]] = [[] for _ in measures]
    for turn in range(times):
        order = range(len(measures)) if turn % 2 == 0 else reversed(range(len(measures)))
        for index in order:
            values[index].append(measures[index]())
    return values
