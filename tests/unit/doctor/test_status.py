"""``usbrh status``: what is well, and the exit status and the fix of what is not."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.clocks import FixedClock
from tests.support.closed import closed, reachable
from usbrh.clock import NS
from usbrh.config import BridgeConfig, Config, JournalConfig, SensorConfig
from usbrh.doctor.status import State, examine
from usbrh.errors import SensorTimeout
from usbrh.findings import Status
from usbrh.journal.store import Journal
from usbrh.reading import Reading, SensorInfo, format_time
from usbrh.setup.machine import Machine

NOW = 1_795_000_000 * NS
ZABBIX, OTHER = "zabbix.example:10051", "other.example"


def reading(age: float, sensor: str = "attic", *, heater: bool = False) -> Reading:
    return Reading(sensor, "1-1", "USB-RH", NOW - int(age * NS), 21.5, 40.0, 7.5, 7.6, heater=heater)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(journal=JournalConfig(path=tmp_path / "journal.db"))


@pytest.fixture
def journal(config: Config) -> Journal:
    """A journal with two destinations and a reading of 20 s ago, delivered to both."""
    journal = Journal(config.journal.path, keep=1e11)
    journal.sync_destinations([ZABBIX, OTHER])
    ids = journal.add([reading(20)])
    for destination in (ZABBIX, OTHER):
        journal.acknowledge(destination, ids)
    journal.close()
    return journal


def state(config: Config, machine: Machine | None = None) -> State:
    return examine(config, machine or Machine(Path("/nowhere")), FixedClock(NOW))


def problems(config: Config, machine: Machine | None = None) -> tuple[int, list[tuple[str, str, str | None]]]:
    found = state(config, machine)
    return found.exit_status, [(each.check, each.message, each.remedy) for each in found.problems]


def test_all_is_well(config: Config, journal: Journal) -> None:
    found = state(config)
    assert (found.exit_status, found.problems) == (0, [])
    data = json.loads(json.dumps(found.to_dict()))
    assert (data["ok"], data["last_round"]) == (True, format_time(NOW - 20 * NS))
    [sensor] = data["sensors"]
    assert (sensor["sensor"], sensor["temperature"], sensor["age"]) == ("attic", 21.5, 20.0)
    assert [(each["destination"], each["newest_delivered"]) for each in data["destinations"]] == [
        (ZABBIX, format_time(NOW - 20 * NS)),
        (OTHER, format_time(NOW - 20 * NS)),
    ]
    assert {each["check"] for each in data["findings"]} == {"units", "last round", "reading"}


@pytest.mark.parametrize(
    ("interval", "age", "well"),
    [(60, 299, True), (60, 301, False), (200, 599, True), (200, 601, False), (1, 299, True)],
)
def test_a_round_is_late_after_three_intervals_and_five_minutes(
    config: Config, interval: float, age: float, well: bool
) -> None:
    with Journal(config.journal.path, keep=1e11) as journal:
        journal.add([reading(age)])
    config = replace(config, bridge=BridgeConfig(interval=interval))
    assert (not state(config).problems) == well


def test_a_reading_of_the_future_is_of_now() -> None:
    found = State(NOW)
    assert [found.seconds_since(NOW + each * NS) for each in (5, 0, -5)] == [0, 0, 5]


def test_a_sensor_that_fails(config: Config, journal: Journal) -> None:
    error = SensorTimeout("cellar did not answer", remedy="replug it")
    with journal:
        ids = journal.add([Reading.failed(SensorInfo("1-2", "USB-RH", "cellar"), NOW - 10 * NS, error)])
        for destination in (ZABBIX, OTHER):
            journal.acknowledge(destination, ids)
    assert problems(config) == (5, [("reading", "cellar did not answer", "replug it")])


def test_a_heater_that_is_on(config: Config, journal: Journal) -> None:
    with journal:
        journal.add([reading(5, heater=True)])
    status, [(check, message, remedy)] = problems(config)
    assert (status, check, remedy) == (1, "reading", "usbrh heater off attic")
    assert "with the heater on" in message


def test_readings_that_wait_too_long(config: Config, journal: Journal) -> None:
    with journal:
        ids = journal.add([reading(121), reading(119)])
        journal.acknowledge(OTHER, ids)
        journal.acknowledge(ZABBIX, ids[:1])
    assert state(config).exit_status == 0
    with journal:
        journal.send_again(ZABBIX, ids)
    assert problems(config) == (6, [("journal", f"2 readings waiting for {ZABBIX}", "usbrh journal flush")])


def test_rejected_readings(config: Config, journal: Journal) -> None:
    with journal:
        ids = journal.add([reading(5)])
        journal.acknowledge(OTHER, ids)
        journal.acknowledge(ZABBIX, [], {ids[0]: "no item"})
    status, [(_, message, remedy)] = problems(config)
    assert (status, remedy) == (7, "see: usbrh journal status")
    assert "no item" in message
    assert state(config).delivered_ns == {ZABBIX: NOW - 20 * NS, OTHER: NOW - 5 * NS}


def test_nothing_was_ever_delivered(config: Config) -> None:
    with Journal(config.journal.path, keep=1e11) as journal:
        journal.sync_destinations([ZABBIX])
        journal.add([reading(5)])
    assert state(config).to_dict()["destinations"][0]["newest_delivered"] is None


@pytest.mark.parametrize(("interval", "age", "well"), [(60, 300, True), (60, 302, False), (600, 1799, True)])
def test_no_reading_for_some_rounds(config: Config, journal: Journal, interval: float, age: float, well: bool) -> None:
    config = replace(config, bridge=BridgeConfig(interval=interval))
    found = examine(config, Machine(Path("/nowhere")), FixedClock(NOW + int((age - 20) * NS)))
    assert found.exit_status == (0 if well else 1)
    if not well:
        [problem] = found.problems
        assert (problem.check, problem.message) == ("last round", "the last one was 5 min ago")


def test_a_sensor_that_is_not_in_use_any_more(config: Config, journal: Journal) -> None:
    with journal:
        for destination in (ZABBIX, OTHER):
            journal.acknowledge(destination, journal.add([reading(3600, "old"), reading(90_000, "older")]))
    found = state(config)
    assert [each.sensor for each in found.sensors] == ["attic", "old"]
    assert found.exit_status == 0
    named = replace(config, sensor={"1-1": SensorConfig("old"), "older": SensorConfig()})
    assert problems(named) == (
        1,
        [
            ("reading", f"{name}: the last reading was {age} ago", "usbrh list shows the sensors that are plugged in")
            for name, age in (("old", "60 min"), ("older", "25 h"))
        ],
    )


def test_the_clock_was_set_back(config: Config, journal: Journal) -> None:
    found = examine(config, Machine(Path("/nowhere")), FixedClock(NOW - 3600 * NS))
    assert (found.exit_status, found.to_dict()["sensors"][0]["age"]) == (0, 0)


def test_the_clock_was_never_set(config: Config, journal: Journal) -> None:
    found = examine(config, Machine(Path("/nowhere")), FixedClock(NS))
    assert (found.problems[0].check, found.problems[0].status, found.exit_status) == ("clock", Status.FAULT, 1)


def test_no_journal_and_an_empty_one(config: Config) -> None:
    status, [(check, message, remedy)] = problems(config)
    assert (status, check, remedy) == (1, "journal", "usbrh run or usbrh send creates it")
    assert "there is no journal" in message
    assert not config.journal.path.exists()
    with Journal(config.journal.path) as journal:
        journal.status()
    assert problems(config) == (
        1,
        [("last round", "the journal has no reading of the last day", "see why: usbrh doctor")],
    )


def test_a_journal_that_this_user_may_not_read() -> None:
    with reachable() as folder:
        path = folder / "state" / "journal.db"
        with Journal(path) as journal:
            journal.status()
        with closed(path.parent):
            found = problems(Config(journal=JournalConfig(path=path)))
    status, [(check, message, remedy)] = found
    assert (status, check, message) == (1, "journal", f"the journal {path} can't be read: no permission")
    assert str(remedy).startswith("run it with sudo")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root directory of a machine with systemd; its bin/ is in front of PATH."""
    (tmp_path / "root/run/systemd/system").mkdir(parents=True)
    (tmp_path / "root/bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/root/bin:{os.environ['PATH']}")
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("active", "age", "expected"),
    [
        ("active", 20, (Status.OK, "usbrh.service runs since Sat 2026-11-28 18:05:16 UTC", 0)),
        ("inactive", 20, (Status.OK, "none runs; readings arrive, so another program starts usbrh", 0)),
        ("inactive", 900, (Status.WARNING, "neither service nor timer runs: nothing is sent", 1)),
        ("failed", 20, (Status.FAULT, "usbrh.service failed (exit-code)", 1)),
    ],
)
def test_units(
    config: Config, journal: Journal, root: Path, *, active: str, age: int, expected: tuple[Status, str, int]
) -> None:
    program = root / "bin/systemctl"
    program.write_text(
        f"#!/bin/sh\necho Id=usbrh.service; echo LoadState=loaded; echo UnitFileState=enabled; echo Result=exit-code\n"
        f"echo ActiveState={active}; echo ActiveEnterTimestamp=Sat 2026-11-28 18:05:16 UTC\n"
    )
    program.chmod(0o755)
    found = examine(config, Machine(root), FixedClock(NOW + (age - 20) * NS))
    units = found.findings[0]
    assert (units.status, units.message, found.exit_status) == expected
