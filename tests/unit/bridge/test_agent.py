"""The answers for a Zabbix agent: JSON objects, also where something is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.clocks import FixedClock
from tests.support.journal import START, A, reading, readings
from usbrh.bridge import agent
from usbrh.config import Config, JournalConfig, SensorConfig
from usbrh.errors import ConfigError
from usbrh.journal.store import Journal


@pytest.fixture(autouse=True)
def one_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "1")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(journal=JournalConfig(path=tmp_path / "journal.db"))


def wrong() -> NoReturn:
    raise ConfigError('unknown key "hots"', remedy='did you mean "host"?')


def test_an_error_and_its_remedy_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {"error": 'unknown key "hots"', "remedy": 'did you mean "host"?'}
    assert agent.discovery(wrong) == expected
    assert agent.bridge(wrong) == {"v": 1, **expected}
    assert agent.get("attic", wrong).items() >= {"sensor": "attic", "state": "config", **expected}.items()
    monkeypatch.setenv("USBRH_SIMULATE", "nonsense")
    found = agent.discovery(Config)
    assert isinstance(found, dict)
    assert found["error"]
    assert agent.bridge(Config).items() >= found.items()


def test_discovery(config: Config) -> None:
    assert agent.discovery(lambda: config) == [{"{#SENSOR}": "sim-1", "{#PORT}": "sim-1", "{#MODEL}": "USB-RH"}]


def test_the_state_of_the_bridge(config: Config) -> None:
    with Journal(config.journal.path) as journal:
        journal.sync_destinations([A])
        journal.add(readings(3))
    state = agent.bridge(lambda: config)
    assert state.items() >= {"sensors": 1, "waiting": 3, "error": None, "remedy": None}.items()
    with Journal(config.journal.path) as journal:
        journal.sync_destinations([])
    nothing = {"waiting": 0, "rejected": 0, "expired": 0, "oldest_waiting_age": 0}
    assert agent.bridge(lambda: config).items() >= nothing.items(), "an agent fetches the readings"
    assert state.keys().isdisjoint({"uptime", "readings", "failed", "failures_by_kind"})  # of a service, maybe


@pytest.mark.parametrize(("name", "age"), [("living-room", 60.0), ("1-1", 94.9), ("living-room", 95.0)])
def test_a_fresh_reading_of_the_service_is_used(config: Config, name: str, age: float) -> None:
    config = Config(journal=config.journal, sensor={"1-1": SensorConfig(name="living-room")})
    with Journal(config.journal.path) as journal:
        journal.add([reading(1)])
    clock = FixedClock(reading(1).time_ns + int(age * 1e9))
    answer = agent.get(name, lambda: config, clock)
    if age < 95:  # the interval of 60 s and a half, and 5 s
        assert answer == {**reading(1).to_dict(), "age": age}
    else:  # no such sensor is plugged in
        assert (answer["state"], answer["temperature"]) == ("not_found", None)


def test_a_damaged_journal_does_not_keep_from_measuring(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "MEASURE_UNTIL", 1e9)  # from the start of the process
    with Journal(config.journal.path) as journal:
        journal.add([reading(1, "sim-1")])
    content = config.journal.path.read_bytes()
    body = reading(1, "sim-1").to_json().encode()
    config.journal.path.write_bytes(content.replace(body, body.replace(b"20.01", b"30.01")))
    answer = agent.get("sim-1", lambda: config, FixedClock(START))
    assert (answer["state"], answer["raw"] is not None) == ("ok", True)


def test_the_start_of_the_process_counts_as_time_for_the_measurement(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "MEASURE_UNTIL", 0.0)  # this process has run for longer
    assert agent.get("sim-1", lambda: config)["state"] == "timeout"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("{'a': 'é\\n'}", {"a": "é\n"}),
        ("wrong()", {"v": 1, "state": "config", "error": "unknown key", "remedy": "did you mean host?"}),
        ("1 / 0", {"v": 1, "state": "failed", "error": "ZeroDivisionError: division by zero", "remedy": None}),
        (
            "time.sleep(30)",
            {"v": 1, "state": "timeout", "error": "no answer within 2.5 s", "remedy": "see: usbrh doctor"},
        ),
    ],
)
def test_the_answer_is_one_line_in_time(question: str, expected: dict[str, Any]) -> None:
    code = (
        "import time; from usbrh.bridge import agent; from usbrh.errors import ConfigError\n"
        "def wrong(): raise ConfigError('unknown key', remedy='did you mean host?')\n"
        f"agent.answer(lambda: {question})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=25, check=True)
    assert json.loads(done.stdout) == expected
    assert (done.stdout.count(b"\n"), done.stderr) == (1, b"")
