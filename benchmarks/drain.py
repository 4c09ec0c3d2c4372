"""Delivery of a week's readings to a real Zabbix, compared with zabbix_sender and the same values.

python -m benchmarks.drain [--readings 10080] [--times 3]     as root, with the packages of `make test-zabbix-deps`
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.document import put
from tests.support.zabbix.machine import ZABBIX_60, why_not
from tests.support.zabbix.server import TEXT, Value, ZabbixServer
from usbrh.clock import NS
from usbrh.journal.store import Journal
from usbrh.reading import Reading, Ticks

SENSORS = [f"sim-{number}" for number in range(1, 9)]
USBRH = [sys.executable, "-m", "usbrh"]


def week(count: int) -> list[Reading]:
    """Return ``count`` readings per sensor, one per minute, the last one now."""
    start = time.time_ns() - count * 60 * NS
    return [
        Reading(
            *(sensor, sensor, "USB-RH", start + minute * 60 * NS + number * 1_234_567),
            temperature=20 + minute % 1000 / 100,
            humidity=40 + minute % 700 / 100,
            dew_point=8.5,
            absolute_humidity=7.25,
            raw=Ticks(6000 + minute % 1000, 1200, b"\0\2A"),
            conversion="sht1x-v3@5V",
            simulated=True,
        )
        for minute in range(count)
        for number, sensor in enumerate(SENSORS)
    ]


def make_host(server: ZabbixServer, name: str) -> None:
    """Create a host with an item per sensor."""
    server.make_host(name, {f"usbrh.get[{sensor}]": TEXT for sensor in SENSORS})
    server.sync()


def drain(server: ZabbixServer, host: str, readings: list[Reading], scratch: Path) -> float:
    """Run ``usbrh journal flush`` and return its seconds."""
    journal = Journal(scratch / f"{host}.db")
    journal.sync_destinations([server.trapper])
    for start in range(0, len(readings), 5000):
        journal.add(readings[start : start + 5000])
    journal.close()
    environment = os.environ | {
        "USBRH_ZABBIX_SERVERS": server.trapper,
        "USBRH_ZABBIX_HOST": host,
        "USBRH_JOURNAL_PATH": str(journal.path),
        "USBRH_ALLOW_SIMULATED": "1",
    }
    began = time.monotonic()
    done = subprocess.run([*USBRH, "journal", "flush"], env=environment, capture_output=True, text=True, check=True)
    seconds = time.monotonic() - began
    assert done.stdout == f"{server.trapper}: {len(readings)} delivered\n", done
    return seconds


def zabbix_sender(server: ZabbixServer, host: str, readings: list[Reading], scratch: Path) -> float:
    """Run ``zabbix_sender -T -N -i`` and return its seconds."""
    quoted = (reading.to_json().replace("\\", "\\\\").replace('"', '\\"') for reading in readings)
    lines = (
        f'{host} usbrh.get[{reading.sensor}] {reading.time_ns // NS} {reading.time_ns % NS} "{value}"\n'
        for reading, value in zip(readings, quoted, strict=True)
    )
    values = scratch / f"{host}.txt"
    values.write_text("".join(lines))
    address, port = server.trapper.split(":")
    command = ["zabbix_sender", "-z", address, "-p", port, "-T", "-N", "-i", str(values)]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.monotonic() - began
    assert f"sent: {len(readings)};" in done.stdout, done.stdout
    assert "failed: 0;" in done.stdout.splitlines()[-2], done.stdout
    return seconds


def check(server: ZabbixServer, host: str, readings: list[Reading]) -> None:
    """Check that Zabbix has each reading once, with its own clock, ns and text."""
    for sensor in SENSORS:
        expected = [
            Value(reading.time_ns // NS, reading.time_ns % NS, reading.to_json())
            for reading in readings
            if reading.sensor == sensor
        ]
        found = server.wait_history(host, f"usbrh.get[{sensor}]", len(expected), 120)
        assert found == expected, f"{host} {sensor}: {len(found)} rows for {len(expected)} readings"


def main() -> None:
    """Measure, print and document the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=10080, help="readings of each of the 8 sensors")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    reason = why_not(ZABBIX_60)
    if reason:
        sys.exit(reason)
    server = ZabbixServer(ZABBIX_60)
    try:
        with tempfile.TemporaryDirectory() as directory:
            ours: list[float] = []
            theirs: list[float] = []
            readings = week(options.readings)
            for turn in range(options.times):
                for name, action, seconds in (("usbrh", drain, ours), ("sender", zabbix_sender, theirs)):
                    make_host(server, f"{name}-{turn}")
                    seconds.append(action(server, f"{name}-{turn}", readings, Path(directory)))
                    print(f"{name}: {len(readings) / seconds[-1]:,.0f} values/s", flush=True)
                    check(server, f"{name}-{turn}", readings)
    finally:
        server.close()
    rates = [len(readings) / median(seconds) for seconds in (ours, theirs)]
    table = [
        "| | values/s |",
        "| --- | ---: |",
        f"| `usbrh journal flush` | {rates[0]:,.0f} |",
        f"| `zabbix_sender -T -N -i` | {rates[1]:,.0f} |",
        f"| ratio | {rates[0] / rates[1]:.2f} |",
        "",
        f"{len(readings):,} readings of {len(readings[0].to_json())} bytes, median of {options.times} runs in turn,",
        "including the start of the process. Afterwards the history had each reading once, with its own clock and ns.",
    ]
    print("\n".join(table))
    if options.readings == parser.get_default("readings"):
        put("docs/reliability.md", "drain", "\n".join(table))


if __name__ == "__main__":
    main()
