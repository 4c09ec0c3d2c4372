"""Answers for a Zabbix agent: from the latest readings of the service, and without a service."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.figures import Figure, interleaved, seconds, spend
from usbrh.bridge.latest import LatestFiles
from usbrh.sensors import find
from usbrh.simulator import backend_from_environment
from usbrh.system.resources import resource

TIMES = 31
AT_ONCE = 64
CAT = ("`sh -c 'cat FILE'`", "`sh -c 'cat FILE'`")


def question(name: str, folder: Path) -> str:
    """Return the shell command of the agent file for this sensor; it fails where it would start usbrh."""
    text = resource("zabbix/zabbix_agentd.d/usbrh.conf").read_text(encoding="utf-8")
    command = text.partition("UserParameter=usbrh.get[*],")[2].partition("\n")[0]
    command = command.replace("/run/usbrh", str(folder)).replace("$1", name)
    return command.replace("exec usbrh", "false")


def slowest(command: str) -> float:
    """Run ``AT_ONCE`` shells with this command at the same time; return the time of the slowest, in ms."""

    def run(_: int) -> float:
        return seconds(lambda: subprocess.run(["/bin/sh", "-c", command], stdout=subprocess.DEVNULL, check=True))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return 1000 * max(pool.map(run, range(AT_ONCE)))


def with_service(folder: Path) -> Iterator[Figure]:
    """Yield the figures of an agent beside a service that measures."""
    (sensor,) = find(backend=backend_from_environment("1"))
    LatestFiles(3600, {"RUNTIME_DIRECTORY": str(folder)}).write([sensor.read()])
    ask, cat = question("sim-1", folder), f"cat {folder}/readings/sim-1"

    def processor(command: str) -> Callable[[], float]:
        return lambda: 1000 * spend("/bin/sh", "-c", command).processor

    def elapsed(command: str) -> Callable[[], float]:
        return lambda: 1000 * spend("/bin/sh", "-c", command).elapsed

    ours, theirs = interleaved(TIMES, processor(ask), processor(cat))
    what = ("one answer beside the service, processor", "サービスがある場合の応答 1 回の CPU 時間")
    yield Figure("agent-processor", what, "ms", ours, CAT, theirs, own_aim=3)
    ours, theirs = interleaved(TIMES, elapsed(ask), elapsed(cat))
    what = ("one answer beside the service", "サービスがある場合の応答 1 回")
    yield Figure("agent-elapsed", what, "ms", ours, CAT, theirs, own_aim=5)
    ours, theirs = interleaved(9, lambda: slowest(ask), lambda: slowest(cat))
    what = (f"the slowest of {AT_ONCE} answers at once", f"同時の応答 {AT_ONCE} 回のうち最も遅いもの")
    yield Figure("agent-64", what, "ms", ours, CAT, theirs, own_aim=300)


def measure() -> Iterator[Figure]:
    """Yield each figure."""
    with TemporaryDirectory() as name:
        yield from with_service(Path(name))
        environment = {"USBRH_SIMULATE": "1", "USBRH_JOURNAL_PATH": str(Path(name, "none", "journal.db"))}
        ours, click = interleaved(
            15,
            lambda: 1000 * spend(sys.executable, "-m", "usbrh", "agent", "get", "--", "sim-1", **environment).processor,
            lambda: 1000 * spend(sys.executable, "-c", "import click").processor,
        )
    what = ("one answer without a service, processor", "サービスがない場合の応答 1 回の CPU 時間")
    peer = ("`python -c 'import click'`",) * 2
    yield Figure("agent-alone", what, "ms", ours, peer, click, ratio_aim=2, own_aim=45)
