"""Many sensors on one machine: a round of one USB bus, a service with 1,000 sensors, and their configuration."""

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks.figures import Figure, interleaved
from benchmarks.footprint import mebibytes, processor_seconds
from benchmarks.starting import MEASURING
from usbrh.config import Config, load
from usbrh.poller import Poller
from usbrh.simulator import backend_from_environment
from usbrh.zabbix.fake_server import FakeServer

BUS, MANY, FEW = 127, 1000, 100
INTERVAL = 10
START_UP = 20.0
"""s until the first rounds are over."""
SECONDS = 60.0


def processor(action: Callable[[], object]) -> float:
    """Return the processor time of this process for ``action``, in ms."""
    start = time.process_time()
    action()
    return 1000 * (time.process_time() - start)


def rounds() -> Iterator[Figure]:
    """Yield the processor time of one round on a full USB bus."""
    poller = Poller(Config(), backend=backend_from_environment(str(BUS)))

    def wait() -> None:
        with ThreadPoolExecutor(BUS) as pool:
            list(pool.map(time.sleep, [MEASURING] * BUS))

    ours, theirs = interleaved(9, lambda: processor(poller.measure), lambda: processor(wait))
    what = (f"one round of {BUS} sensors, processor", f"センサー {BUS} 台の測定 1 巡の CPU 時間")
    peer = (f"{BUS} threads that only wait", f"待つだけのスレッド {BUS} 個")
    yield Figure("round", what, "ms", ours, peer, theirs, own_aim=100)


class Served(NamedTuple):
    """What a service used while it ran."""

    percent: float
    """Of one core."""
    mebibytes: float
    late: float
    """Largest difference between two readings of a sensor and the interval, in s."""
    lost: int
    """Readings that are missing between others."""


@contextmanager
def service(folder: Path, sensors: int, server: FakeServer) -> Iterator[int]:
    """Run `usbrh run` with this many virtual sensors, and yield its process number."""
    folder.mkdir()
    environment = os.environ | {
        "USBRH_SIMULATE": str(sensors),
        "USBRH_ALLOW_SIMULATED": "1",
        "USBRH_ZABBIX_SERVERS": server.address,
        "USBRH_JOURNAL_PATH": str(folder / "journal.db"),
        "USBRH_BRIDGE_INTERVAL": f"{INTERVAL}s",
        "RUNTIME_DIRECTORY": str(folder),
    }
    process = subprocess.Popen([sys.executable, "-m", "usbrh", "run"], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def punctuality(journal: Path) -> tuple[float, int]:
    """Return by how much a reading was late at most, in s, and how many are missing, after the first round."""
    times: dict[str, list[float]] = {}
    with sqlite3.connect(journal) as db:
        for sensor, time_ns in db.execute("SELECT sensor, time_ns FROM reading ORDER BY time_ns"):
            times.setdefault(sensor, []).append(time_ns / 1e9)
    db.close()
    gaps = [after - before for each in times.values() for before, after in pairwise(each[1:])]
    return max(abs(gap - INTERVAL * round(gap / INTERVAL)) for gap in gaps), sum(
        max(0, round(gap / INTERVAL) - 1) for gap in gaps
    )


def services() -> dict[int, Served]:
    """Run two services side by side, with many sensors and with few; return what each used."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        pids = {}
        for sensors in (MANY, FEW):
            server = stack.enter_context(FakeServer())
            pids[sensors] = stack.enter_context(service(Path(name, str(sensors)), sensors, server))
        time.sleep(START_UP)
        before = {sensors: processor_seconds(pid) for sensors, pid in pids.items()}
        time.sleep(SECONDS)
        used = {sensors: processor_seconds(pid) - before[sensors] for sensors, pid in pids.items()}
        memory = {sensors: mebibytes(pid, "VmRSS") for sensors, pid in pids.items()}
        stack.close()
        late = {sensors: punctuality(Path(name, str(sensors), "journal.db")) for sensors in pids}
    return {sensors: Served(100 * used[sensors] / SECONDS, memory[sensors], *late[sensors]) for sensors in (MANY, FEW)}


def configuration() -> Iterator[Figure]:
    """Yield the time to load a configuration with a section for each sensor."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "usbrh.toml")
        section = '[sensor."{}-{}"]\nname = "room-{}"\ntemperature_offset = 0.3\nspike = 5\n'
        path.write_text("\n".join(section.format(n // BUS + 1, n % BUS + 1, n) for n in range(MANY)))
        ours, theirs = interleaved(
            9, lambda: processor(lambda: load(path, {})), lambda: processor(lambda: tomllib.loads(path.read_text()))
        )
    what = (f"configuration with {MANY:,} sensors, processor", f"センサー {MANY:,} 台の設定の読み込みの CPU 時間")
    yield Figure("configuration", what, "ms", ours, ("tomllib alone", "tomllib のみ"), theirs, own_aim=200)


def measure() -> Iterator[Figure]:
    """Yield each figure."""
    yield from rounds()
    yield from configuration()
    found = services()
    many, few = found[MANY], found[FEW]
    peer = (f"{FEW} sensors", f"{FEW} 台")
    run = (
        f"`usbrh run`, {MANY:,} sensors every {INTERVAL} s: ",
        f"`usbrh run`、センサー {MANY:,} 台を {INTERVAL} 秒ごと：",
    )

    for name, unit, aim, words in (
        ("percent", "%", 15, ("processor, of one core", "1 コアに対する CPU 使用率")),
        ("mebibytes", "MiB", 60, ("memory", "メモリ")),
        ("late", "s", 1, ("largest delay", "最大の遅れ")),
    ):
        what = (run[0] + words[0], run[1] + words[1])
        yield Figure(f"service-{name}", what, unit, [getattr(many, name)], peer, [getattr(few, name)], own_aim=aim)
    if many.lost or few.lost:
        raise AssertionError(f"lost readings: {many.lost} of {MANY} sensors, {few.lost} of {FEW}")
