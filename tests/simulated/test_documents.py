"""Every command and every Python example in the documents runs, with a virtual sensor and a fake server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.documents import DOCUMENTS, ELSEWHERE, Block, blocks, commands, is_usbrh
from usbrh.zabbix.fake_server import FakeServer

ENDLESS = ("usbrh run", "usbrh watch", "usbrh log", "usbrh simulate")
"""Ended by SIGTERM as soon as they have said or written something."""
STATUS = {"usbrh doctor": set(range(8))}
"""Other exit statuses than 0 that are right: what doctor finds depends on the machine."""
CONFIG = '[sensor.sim-1]\nname = "living-room"\n'


@cache
def every_command() -> dict[str, str]:
    """What can be run, each with the places where it stands."""
    found: dict[str, list[str]] = {}
    for document in DOCUMENTS:
        for command in commands(document):
            if is_usbrh(command.text) and command.text not in ELSEWHERE:
                found.setdefault(command.text, []).append(f"{command.document}:{command.line}")
    return {text: ", ".join(places) for text, places in found.items()}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def environment(tmp_path: Path, server: FakeServer) -> dict[str, str]:
    """One virtual sensor with a name, and whatever files the examples speak of."""
    (tmp_path / "usbrh.toml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "sensors.toml").write_text("[sensor.sim-1]\n", encoding="utf-8")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("USBRH_")}
    return inherited | {
        "PATH": f"{Path(sys.executable).parent}:{inherited['PATH']}",
        "USBRH_SIMULATE": "1",
        "USBRH_ALLOW_SIMULATED": "1",
        "USBRH_CONFIG": str(tmp_path / "usbrh.toml"),
        "USBRH_ZABBIX_SERVERS": server.address,
        "USBRH_ZABBIX_HOST": "pc",
        "USBRH_JOURNAL_PATH": str(tmp_path / "journal.db"),
    }


@pytest.mark.parametrize("text", every_command())
def test_command(text: str, environment: dict[str, str], tmp_path: Path) -> None:
    place = every_command()[text]
    if "usbrh journal" in text or "usbrh history" in text:  # there is something in it
        assert run(["send"], environment).returncode == 0
    endless = any(command in text for command in ENDLESS)
    before = size(tmp_path)
    with (tmp_path / "output").open("wb") as output, (tmp_path / "errors").open("wb") as errors:
        process = subprocess.Popen(
            ["sh", "-c", f"exec {text}" if endless and "=" not in text.split(maxsplit=1)[0] else text],
            env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
            start_new_session=True,
        )  # fmt: skip
        try:
            if endless:
                wait_for_words(process, tmp_path, before)
                os.killpg(process.pid, signal.SIGTERM)
            status = process.wait(timeout=60)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    said = (tmp_path / "errors").read_text(encoding="utf-8")
    right = {0, 128 + signal.SIGTERM, -signal.SIGTERM} if endless else STATUS.get(text, {0})
    assert status in right, f"{place}: {text}\nexit status {status}\n{said}"
    assert "Traceback" not in said, f"{place}: {text}\n{said}"


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def wait_for_words(process: "subprocess.Popen[bytes]", folder: Path, before: int) -> None:
    until = time.monotonic() + 60
    while size(folder) == before and process.poll() is None:
        assert time.monotonic() < until, "it says nothing"
        time.sleep(0.05)


EXAMPLES = [block for document in DOCUMENTS for block in blocks(document) if block.language == "python"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda block: f"{block.document}:{block.line}")
def test_python_example(example: Block, environment: dict[str, str], tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", example.text],
        env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def test_there_is_something_to_run() -> None:
    assert len(every_command()) > 10
    assert any(block.document == "README.md" for block in EXAMPLES)
