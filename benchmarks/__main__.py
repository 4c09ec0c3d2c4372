"""Print the speed figures. Each is a ratio or a difference within this run, because machines are noisy."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import polling
from tests.support.zabbix.machine import ZABBIX_70, why_not
from usbrh.journal.store import Journal
from usbrh.sensors import find, measure_all
from usbrh.simulator import SimulatorBackend, VirtualUsbRh, backend_from_environment

MEASURING = 0.302
UNPLUGGED = 1.0
POLLED = 180.0
_USBRH = str(Path(sys.executable).parent / "usbrh")


@dataclass(frozen=True)
class Figure:
    """One measured value with its limit."""

    what: str
    value: float
    limit: float
    unit: str


def seconds(action: Callable[[], object]) -> float:
    """Run ``action`` and return how long it took."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def command(*words: str, **environment: str) -> Callable[[], object]:
    """Return an action that runs a command."""
    environment = os.environ | environment
    # pip compiles the modules of an installed usbrh and of click. Without .pyc files each start of this checkout would
    # include its compilation, but that of click would not.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return lambda: subprocess.run(words, check=True, capture_output=True, env=environment)


def interleaved(times: int, *actions: Callable[[], object]) -> list[float]:
    """Return the median seconds of each action. They run in turn, so that a slow moment of the machine affects all."""
    for action in actions:
        action()  # fill file caches, write .pyc files
    rounds = [[seconds(action) for action in actions] for _ in range(times)]
    return [median(column) for column in zip(*rounds, strict=True)]


def start_up() -> list[Figure]:
    """Measure the start of the command line."""
    version, click = interleaved(15, command(_USBRH, "--version"), command(sys.executable, "-c", "import click"))
    return [Figure("usbrh --version ÷ python -c 'import click'", version / click, 1.5, "×")]


def one_read() -> list[Figure]:
    """Measure one read: minimum and median of many, because no ratio removes the load of other processes."""
    read = command(_USBRH, "read", USBRH_SIMULATE="1")
    read()
    over = sorted((seconds(read) - MEASURING) * 1000 for _ in range(15))
    what = f"usbrh read, beyond the measuring time, minimum (median {median(over):.0f})"
    return [Figure(what, over[0], 150, "ms")]


def in_process() -> list[Figure]:
    """Measure readings through the Python API."""
    (sensor,) = find(backend=backend_from_environment("1"))
    sixteen = find(backend=backend_from_environment("16"))
    one, all_of_them = interleaved(9, sensor.read, lambda: measure_all(sixteen))
    return [
        Figure("one reading in process, beyond the measuring time", (one - MEASURING) * 1000, 5, "ms"),
        Figure("16 sensors ÷ one sensor", all_of_them / one, 1.2, "×"),
    ]


def recovery() -> list[Figure]:
    """Measure a reading during which the sensor is unplugged."""
    model = VirtualUsbRh()
    (sensor,) = find(backend=SimulatorBackend([model]))
    model.fault("unplug_while_measuring", 1, seconds=UNPLUGGED)
    elapsed = seconds(sensor.read)
    return [
        Figure("a reading with an unplug of one second, after the replug", elapsed - MEASURING / 2 - UNPLUGGED, 2, "s")
    ]


def agent() -> list[Figure]:
    """Measure an answer for a Zabbix agent."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        (sensor,) = find(backend=backend_from_environment("1"))
        with Journal(path) as journal:
            journal.add([sensor.read()])
            answer = command(_USBRH, "agent", "get", "--", "sim-1", USBRH_JOURNAL_PATH=str(path))
            got, click = interleaved(15, answer, command(sys.executable, "-c", "import click"))
    return [Figure("usbrh agent get, from the service's reading ÷ import click", got / click, 2, "×")]


def polled() -> list[Figure]:
    """Measure polls by a real server; nothing without one."""
    case = next(case for case in polling.CASES if case.release == ZABBIX_70)
    what = f"16 sensors, each polled every 10 s by Zabbix {case.release.name}"
    reason = why_not(case.release)
    if reason:
        print(f"{what}: not measured: {reason}")
        return []
    with polling.running(case) as server:
        found = polling.poll(server, case, POLLED)
    trouble = found.unsupported + len(found.trouble)
    return [
        Figure(f"{what}: no answer, of {found.due}", found.missed, 0, ""),
        Figure(f"{what}: time-outs", trouble, 0, ""),
    ]


def main() -> None:
    """Print all figures; exit with status 1 if one misses its limit."""
    missed = 0
    print(f"{'figure':<75} {'measured':>10} {'limit':>10}")
    for measure in (start_up, one_read, in_process, recovery, agent, polled):
        for figure in measure():
            missed += figure.value > figure.limit
            verdict = "" if figure.value <= figure.limit else "   missed"
            print(
                f"{figure.what:<75} {figure.value:>7.2f} {figure.unit:<2} {figure.limit:>7.2f} {figure.unit}{verdict}"
            )
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
