"""Memory, processor time and disk writes of `usbrh run` with one virtual sensor and an interval of 10 seconds.

A second service with the default interval of 60 seconds shows how the writes depend on the interval.

python -m benchmarks.footprint [--minutes 10]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.document import put
from usbrh.zabbix.fake_server import FakeServer

TICKS = os.sysconf("SC_CLK_TCK")
START_UP = 15.0
"""Seconds until the first reading has been delivered and all initialisation is done."""


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def mebibytes(pid: int, what: str) -> float:
    """Return a memory figure of a process, such as VmRSS."""
    found = re.search(rf"^{what}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) / 1024


def written(pid: int) -> int:
    """Return how many bytes a process has caused to be written to the disk so far. On a tmpfs it is nothing."""
    found = re.search(r"^write_bytes: (\d+)$", Path(f"/proc/{pid}/io").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


@contextmanager
def service(server: FakeServer, directory: str, interval: int) -> Iterator[int]:
    """Run `usbrh run` with one virtual sensor, and yield its process number."""
    environment = os.environ | {
        "USBRH_SIMULATE": "1",
        "USBRH_ALLOW_SIMULATED": "1",
        "USBRH_ZABBIX_SERVERS": server.address,
        "USBRH_JOURNAL_PATH": str(Path(directory, f"journal-{interval}.db")),
        "USBRH_BRIDGE_INTERVAL": f"{interval}s",
    }
    with subprocess.Popen([sys.executable, "-m", "usbrh", "run"], env=environment) as process:
        yield process.pid
        process.terminate()


def wear(per_interval: dict[int, float], words: tuple[str, str]) -> str:
    """Return the table of what is written, in MiB per day."""
    lines = [f"| {words[0]} | {words[1]} |", "| ---: | ---: |"]
    return "\n".join([*lines, *(f"| {interval} s | {mib:.1f} MiB |" for interval, mib in per_interval.items())])


def main() -> None:
    """Measure, print and document the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    seconds = options.minutes * 60
    with FakeServer() as server, FakeServer() as slow_server, tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        with service(server, directory, 10) as pid, service(slow_server, directory, 60) as slow:
            time.sleep(START_UP)
            at_start = processor_seconds(pid)
            before = {10: written(pid), 60: written(slow)}
            time.sleep(seconds)
            used = processor_seconds(pid) - at_start
            resident, peak = mebibytes(pid, "VmRSS"), mebibytes(pid, "VmHWM")
            after = {10: written(pid), 60: written(slow)}
        delivered = sum(value.key.startswith("usbrh.get") for value in server.values)
    table = [
        "| | measured | limit |",
        "| --- | ---: | ---: |",
        f"| resident memory | {resident:.1f} MiB | 35 MiB |",
        f"| peak memory | {peak:.1f} MiB | |",
        f"| processor time | {100 * used / seconds:.2f} % of one core | 0.30 % |",
        f"| start-up, once | {at_start:.2f} s | |",
        "",
        f"{delivered} readings in {options.minutes:g} minutes, Python {sys.version.split()[0]}.",
    ]
    daily = {each: (after[each] - before[each]) / 2**20 * 86400 / seconds for each in before}
    print("\n".join([*table, "", wear(daily, ("interval", "written per day"))]))
    if options.minutes >= parser.get_default("minutes"):
        put("docs/reliability.md", "footprint", "\n".join(table))
        put("docs/raspberry-pi.md", "wear", wear(daily, ("interval", "written per day")))
        put("docs/raspberry-pi.ja.md", "wear", wear(daily, ("間隔", "1 日の書き込み量")))


if __name__ == "__main__":
    main()
