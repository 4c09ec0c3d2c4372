"""``usbrh journal status`` and ``drop``: what they print about a journal; and what ``flush`` imports."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.command import usbrh
from tests.support.journal import A, B, reading, readings
from usbrh.journal.store import Journal
from usbrh.zabbix.fake_server import FakeServer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def run(path: Path, *words: str) -> CompletedProcess[str]:
    return usbrh("journal", *words, USBRH_JOURNAL_PATH=str(path))


def test_status_counts_the_rejected_readings_of_each_sensor(path: Path) -> None:
    with Journal(path) as journal:
        journal.sync_destinations([A])
        journal.add([reading(1, "attic"), reading(2, "attic"), reading(3, "cellar")])
        journal.acknowledge(A, [], {1: "no item", 2: "no item", 3: "no host"})
    (found,) = json.loads(run(path, "status", "--json").stdout)["destinations"]
    assert found["rejections"] == [
        {"sensor": "attic", "count": 2, "reason": "no item", "certain": False},
        {"sensor": "cellar", "count": 1, "reason": "no host", "certain": False},
    ]
    text = run(path, "status").stdout.splitlines()
    assert text[-2:] == ["  attic: 2 rejected: no item", "  cellar: 1 rejected: no host"]


def test_status_names_expired_readings_only_if_there_are_some(path: Path) -> None:
    with Journal(path, max_waiting=2) as journal:
        journal.sync_destinations([A, B])
        journal.add(readings(2))
        journal.acknowledge(B, [1, 2])
        journal.add(readings(1, first=3))
    lines = run(path, "status").stdout.splitlines()
    (a,) = (line for line in lines if line.startswith(A))
    (b,) = (line for line in lines if line.startswith(B))
    assert a.startswith(f"{A}: 0 delivered, 2 waiting since ")
    assert a.endswith("Z, 1 expired")
    assert "2 delivered, 1 waiting" in b
    assert "expired" not in b


def test_drop_without_a_destination_has_a_line_for_people_only(path: Path) -> None:
    with Journal(path) as journal:
        journal.add(readings(1))
    done = run(path, "drop", "--rejected")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nothing was rejected: the journal has no destination\n"
    done = run(path, "drop", "--rejected", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_flush_imports_no_driver(path: Path) -> None:
    with FakeServer() as server:
        with Journal(path) as journal:
            journal.sync_destinations([server.address])
            journal.add(readings(1))
        command = [sys.executable, "-X", "importtime", "-m", "usbrh", "journal", "flush"]
        settings = {"JOURNAL_PATH": str(path), "ZABBIX_SERVERS": server.address, "ZABBIX_HOST": "pc"}
        env = os.environ | {f"USBRH_{name}": value for name, value in settings.items()}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
        assert done.stdout == f"{server.address}: 1 delivered\n"
    imported = re.findall(r"\| +(\S+)$", done.stderr, re.MULTILINE)
    assert "usbrh.bridge.delivery" in imported
    assert not [name for name in imported if re.match(r"usbrh\.(poller|sensors|drivers)|usb\b", name)]
