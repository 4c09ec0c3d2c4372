"""`usbrh history` of the last seven days, from a journal of ten million readings and from one that has only that week.

python -m benchmarks.history [--readings 10000000] [--times 5]      needs 6 GB of disk, and five minutes for the journal
"""

import argparse
import json
import math
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.document import put
from usbrh.clock import NS
from usbrh.journal import sensors
from usbrh.journal.file import connect
from usbrh.journal.rows import Entry
from usbrh.journal.updates import INSERT
from usbrh.psychrometry import derived
from usbrh.reading import Reading, Ticks, format_time

SENSORS = 17
"""With one reading per minute, they make ten million readings in the 400 days that the journal keeps by default."""
WEEK = 7 * 1440 * SENSORS
MINUTE = 60 * NS


def rows(count: int) -> Iterator[tuple[Any, ...]]:
    """Yield ``count`` rows, the last one of now. The JSON has its usual length, and only some values differ."""
    start = time.time_ns() - (count // SENSORS) * MINUTE
    example = Reading("SENSOR", "1-1.4", "USB-RH", start, 20.0, 50.0, **derived(20.0, 50.0))
    example = replace(example, raw=Ticks(6000, 1246, b"\0\2A"), conversion="sht1x-v3@5V")
    body = json.dumps(example.to_dict() | {"time": "TIME", "temperature": "T", "humidity": "RH"}, separators=(",", ":"))
    for text, place in (("SENSOR", "%s"), ("TIME", "%s"), ('"T"', "%.2f"), ('"RH"', "%.2f")):
        body = body.replace(text, place)  # dumps for each row takes much longer
    names = [f"sensor-{sensor}" for sensor in range(SENSORS)]
    for number in range(count):
        minute, sensor = divmod(number, SENSORS)
        time_ns = start + minute * MINUTE + sensor * 1_234_567
        values = (20 + 8 * math.sin(minute / 229) + sensor / 10, 50 + 20 * math.sin(minute / 300))
        text = body % (names[sensor], format_time(time_ns), *values)
        yield Entry(number + 1, time_ns, names[sensor], False, text).row


def make(path: Path, count: int) -> None:
    """Write a journal of ``count`` readings, in one transaction: ``Journal.add`` would sync each round."""
    db = connect(path, "OFF")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    db.executemany(INSERT, rows(count))
    sensors.count(db, count)
    db.execute("COMMIT")
    db.execute("PRAGMA journal_mode = WAL")
    db.close()


def run(path: Path, *words: str) -> tuple[float, float]:
    """Return elapsed and processor seconds of one `usbrh history`, from the start of its process to its end.

    Other programs on the machine make the first figure longer, but hardly the second one.
    """
    environment = os.environ | {"USBRH_JOURNAL_PATH": str(path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # without .pyc files, each start would compile the modules
    before, began = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "usbrh", "history", *words], env=environment, capture_output=True, check=True)
    elapsed, after = time.perf_counter() - began, os.times()
    used = after.children_user - before.children_user + after.children_system - before.children_system
    return elapsed, used


def main() -> None:
    """Measure, print and document the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readings", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        large, small = Path(directory, "large.db"), Path(directory, "small.db")
        make(large, options.readings)
        make(small, WEEK)
        cases = [
            (f"{options.readings:,} readings", "all 17", large, ()),
            (f"{options.readings:,} readings", "one", large, ("sensor-3",)),
            (f"{WEEK:,} readings", "all 17", small, ()),
        ]
        measured: list[list[tuple[float, float]]] = [[] for _ in cases]
        for _ in range(options.times + 1):  # the first run fills the file cache
            for results, (_, _, path, words) in zip(measured, cases, strict=True):
                results.append(run(path, "--since", "6d", "--by", "day", *words))
        start = median(run(small, "--help")[1] for _ in range(options.times))
        size = large.stat().st_size
    table = [
        "| journal | sensors | processor, s | elapsed, s |",
        "| --- | --- | ---: | ---: |",
    ]
    for results, (journal, chosen, _, _) in zip(measured, cases, strict=True):
        elapsed, used = (median(column) for column in zip(*results[1:], strict=True))
        table.append(f"| {journal} | {chosen} | {used:.2f} | {elapsed:.2f} |")
    table += [
        "",
        f"Medians of {options.times} runs in turn, each with the start of the process (processor: {start:.2f} s).",
        f"The large journal has {size / 1e9:.1f} GB. SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}.",
    ]
    print("\n".join(table))
    if options.readings == parser.get_default("readings"):
        put("docs/reliability.md", "history", "\n".join(table))


if __name__ == "__main__":
    main()
