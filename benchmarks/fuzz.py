"""Coverage-guided fuzzing of all external input: ``python -m benchmarks.fuzz [SECONDS [TARGET...]]``.

Needs ``.venv/bin/pip install atheris``. For any bytes as a server's answer, an agent's configuration, usbrh.toml or a
journal file, usbrh may only raise a UsbrhError with a printable message. Each target runs in its own process for
SECONDS (60). The result goes into docs/reliability.md. The unit tests do the same for a short time, with hypothesis.
"""

import importlib
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.document import TOP, put
from usbrh.errors import UsbrhError

ANSWER = b'{"response":"success","info":"processed: 1; failed: 0; total: 1; seconds spent: 0.000100"}'
REDIRECT = b'{"redirect":{"revision":28,"address":"127.0.0.1:11053"},"response":"failed"}'


def answer(directory: Path) -> tuple[Callable[[bytes], object], list[bytes]]:
    """Return the target and the seeds for answers of a server."""
    from usbrh.zabbix.protocol import decode_response, pack

    seeds = [pack(content, compress) for content in (ANSWER, REDIRECT) for compress in (False, True)]
    return decode_response, seeds


def agent(directory: Path) -> tuple[Callable[[bytes], object], list[bytes]]:
    """Return the target and the seeds for the configuration of an agent."""
    from usbrh.config import ZabbixConfig
    from usbrh.zabbix.agent_config import PARAMETERS, effective

    path = directory / "zabbix_agentd.conf"

    def read(content: bytes) -> object:
        path.write_bytes(content)
        return effective(ZabbixConfig(agent_config=path))

    seeds = [f"{name}=a" for name in PARAMETERS] + ["Include=*.conf", "Include=.", "# x\nServerActive=[::1]:1,a;b"]
    return read, [seed.encode() for seed in seeds]


def toml(directory: Path) -> tuple[Callable[[bytes], object], list[bytes]]:
    """Return the target and the seeds for usbrh.toml."""
    from usbrh.config import load

    path = directory / "usbrh.toml"

    def read(content: bytes) -> object:
        path.write_bytes(content)
        return load(path, {})

    tests = (TOP / "tests/unit/config/test_config.py").read_text(encoding="utf-8")
    return read, [tests.split('"""')[1].encode(), b'[zabbix]\nservers = ["a;b"]', b'[sensor."1-1"]\nled = {red = 1}']


def journal(directory: Path) -> tuple[Callable[[bytes], object], list[bytes]]:
    """Return the target and the seed for a journal file."""
    from usbrh.journal.store import Journal
    from usbrh.reading import Reading

    logging.disable()
    path = directory / "journal.db"
    reading = Reading("a", "1-1", "USB-RH", 1795334400_000000000, 21.5, 40.0)

    def use() -> None:
        with Journal(path) as opened:
            opened.sync_destinations(["a"])
            opened.add([reading])
            opened.waiting("a", 10)
            list(opened.export())
            opened.status()

    def read(content: bytes) -> None:
        for old in directory.glob("journal*"):
            old.unlink()
        path.write_bytes(content)
        use()

    use()
    return read, [path.read_bytes()]


TARGETS = {"answer": answer, "agent": agent, "toml": toml, "journal": journal}


def fuzz(name: str, seconds: int, directory: Path) -> None:
    """Fuzz one target in this process. Does not return."""
    atheris: Any = importlib.import_module("atheris")  # only this benchmark needs it
    with atheris.instrument_imports(include=["usbrh"]):
        check, seeds = TARGETS[name](directory)
    corpus = directory / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)

    def once(content: bytes) -> None:
        try:
            check(content)
        except UsbrhError as error:
            assert str(error).isprintable(), error  # noqa: PT017 - no test

    limits = [
        f"-max_total_time={seconds}",
        "-max_len=65536",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={directory}/", str(corpus)], once)
    atheris.Fuzz()


def run(name: str, seconds: int) -> tuple[int, int, bool]:
    """Fuzz one target in a new process; return inputs, branches of usbrh reached, and whether no error occurred."""
    shared = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112 - each input is written to a file
    with tempfile.TemporaryDirectory(prefix="usbrh-fuzz-", dir=shared) as directory:
        command = [sys.executable, "-m", "benchmarks.fuzz", "--target", name, str(seconds), directory]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    tried = re.findall(r"stat::number_of_executed_units: +(\d+)", done.stderr)
    reached = re.findall(r"\bcov: (\d+)", done.stderr)
    if done.returncode or not tried:
        print(done.stdout[-3000:], done.stderr[-3000:], sep="\n")
    return int(tried[-1]) if tried else 0, int(reached[-1]) if reached else 0, done.returncode == 0 and bool(tried)


def main() -> None:
    """Fuzz all targets, and print and document the result."""
    if sys.argv[1:2] == ["--target"]:
        fuzz(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    words = {"answer": "answers of a server", "agent": "an agent's configuration", "toml": "usbrh.toml",
             "journal": "a journal file"}  # fmt: skip
    lines = ["| | inputs | branches reached | tracebacks or hangs |", "| --- | ---: | ---: | ---: |"]
    well = True
    for name in sys.argv[2:] or TARGETS:
        tried, reached, good = run(name, seconds)
        well &= good
        lines.append(f"| {words[name]} | {tried:,} | {reached:,} | {'0' if good else '**1**'} |")
        print(lines[-1], flush=True)
    if not sys.argv[2:]:
        put("docs/reliability.md", "fuzz", "\n".join([*lines, "", f"{seconds} s each."]))
    sys.exit(not well)


if __name__ == "__main__":
    main()
