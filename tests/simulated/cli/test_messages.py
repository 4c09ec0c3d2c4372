"""The messages that docs/troubleshooting.md quotes are what the program prints."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.bench import Bench
from tests.support.command import usbrh
from tests.support.documents import TOP, blocks

PAGES = [TOP / "docs" / "troubleshooting.md", TOP / "docs" / "troubleshooting.ja.md"]
FAULTS = {
    "access_denied": "then plug it in again",
    "no_answer": "did not answer within",
    "short": "a report of 3 bytes",
    "all_ff": "every byte is 0xff",
    "request_stalls": "USB transfer with",
}
"""Faults of the virtual sensor, and by which words the message for them is known on the page."""
COMMANDS = {
    ("led", "1", "on"): "there are several sensors",
    ("send",): "no Zabbix server is configured",
}
"""The same for what needs no fault, with two sensors."""


def quoted(page: Path) -> list[str]:
    return [
        line
        for block in blocks(page)
        if block.language == "text"
        for line in block.text.splitlines()
        if line.startswith("usbrh: ")
    ]


def the_one(words: str) -> str:
    (line,) = (line for line in quoted(PAGES[0]) if words in line)
    return line


@pytest.mark.parametrize("fault", FAULTS)
def test_message_of_a_failing_sensor(fault: str, bench: Bench) -> None:
    bench.model.fault(fault)
    reported = bench.run("read").stderr.strip()
    assert reported.replace("sim-1", "1-1.4").replace("/000/001", "/001/007") == the_one(FAULTS[fault])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_message_of_a_command(command: tuple[str, ...]) -> None:
    reported = usbrh(*command, USBRH_SIMULATE="2").stderr.strip()
    assert reported.replace("sim-1", "1-1.3").replace("sim-2", "1-1.4") == the_one(COMMANDS[command])


def test_message_of_a_server_that_is_away(tmp_path: Path) -> None:
    sent = usbrh(
        "send",
        USBRH_SIMULATE="1",
        USBRH_ALLOW_SIMULATED="1",
        USBRH_ZABBIX_SERVERS="127.0.0.1:1",
        USBRH_ZABBIX_HOST="pc",
        USBRH_JOURNAL_PATH=str(tmp_path / "journal.db"),
    )
    assert sent.stderr.strip().replace("127.0.0.1:1", "zabbix.example") == the_one("connection refused")


@cache
def patterns() -> list["re.Pattern[str]"]:
    """What the package's texts can become, each part of a message for itself; what is filled in is anything."""
    found = set()
    for path in TOP.joinpath("usbrh").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = _pattern(node)
            found |= {part for part in text.split("; ") if len(part.replace("\0", "")) >= 10}
    return [re.compile(re.escape(part).replace("\0", ".*") + r"\Z") for part in found]


def _pattern(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_pattern(part) if isinstance(part, ast.Constant) else "\0" for part in node.values)
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_quoted_message_is_in_the_source(page: Path) -> None:
    known = patterns()
    parts = [part for line in quoted(page) for part in line.split("; ")]
    assert [part for part in parts if not any(pattern.search(part) for pattern in known)] == []
    assert len(parts) > 30


def test_a_message_that_is_nowhere_is_found() -> None:
    assert not any(pattern.search("the sensor has caught a cold") for pattern in patterns())


def test_both_pages_quote_the_same() -> None:
    assert quoted(PAGES[0]) == quoted(PAGES[1])
