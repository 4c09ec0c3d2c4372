"""Memory and processor time of `usbrh run` with one virtual sensor and an interval of 10 seconds.

python -m benchmarks.footprint [--minutes 10]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
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


def main() -> None:
    """Measure, print and document the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with FakeServer() as server, tempfile.TemporaryDirectory() as directory:
        environment = os.environ | {
            "USBRH_SIMULATE": "1",
            "USBRH_ALLOW_SIMULATED": "1",
            "USBRH_ZABBIX_SERVERS": server.address,
            "USBRH_JOURNAL_PATH": str(Path(directory, "journal.db")),
            "USBRH_BRIDGE_INTERVAL": "10s",
        }
        with subprocess.Popen([sys.executable, "-m", "usbrh", "run"], env=environment) as service:
            time.sleep(START_UP)
            at_start = processor_seconds(service.pid)
            time.sleep(options.minutes * 60)
            used = processor_seconds(service.pid) - at_start
            resident, peak = mebibytes(service.pid, "VmRSS"), mebibytes(service.pid, "VmHWM")
            service.terminate()
        delivered = sum(value.key.startswith("usbrh.get") for value in server.values)
    table = [
        "| | measured | limit |",
        "| --- | ---: | ---: |",
        f"| resident memory | {resident:.1f} MiB | 35 MiB |",
        f"| peak memory | {peak:.1f} MiB | |",
        f"| processor time | {100 * used / (options.minutes * 60):.2f} % of one core | 0.30 % |",
        f"| start-up, once | {at_start:.2f} s | |",
        "",
        f"{delivered} readings in {options.minutes:g} minutes, Python {sys.version.split()[0]}.",
    ]
    print("\n".join(table))
    if options.minutes >= parser.get_default("minutes"):
        put("docs/reliability.md", "footprint", "\n".join(table))


if __name__ == "__main__":
    main()
