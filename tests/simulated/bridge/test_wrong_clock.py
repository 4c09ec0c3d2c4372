"""``usbrh`` as processes on a machine whose clock is not set: the real service, with another wall clock."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import wait_for
from tests.support.send import SHORT_INTERVALS, House, keys
from usbrh.clock import NS
from usbrh.reading import parse_time
from usbrh.zabbix.fake_server import FakeServer

BEFORE = """
import os, time
from pathlib import Path
from usbrh.clock import SystemClock

offset = Path(os.environ["WRONG_BY"])
SystemClock.time_ns = lambda self: time.time_ns() + int(offset.read_text())
"""
"""Makes the wall clock of a command wrong by the nanoseconds in a file."""


class WrongHouse(House):
    """A house whose wall clock can be set."""

    def __init__(self, directory: Path, servers: str) -> None:
        super().__init__(directory, servers, sensors="1", before=BEFORE + SHORT_INTERVALS)
        self.offset = directory / "offset"
        self.environment |= {"WRONG_BY": str(self.offset), "USBRH_BRIDGE_INTERVAL": "1s"}

    def set(self, time_ns: int) -> None:
        """Set the wall clock of all processes."""
        new = self.offset.with_name("new")
        new.write_text(str(time_ns - time.time_ns()))
        new.replace(self.offset)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, server: FakeServer) -> WrongHouse:
    house = WrongHouse(tmp_path, server.address)
    house.set(100 * NS)
    return house


def measured(server: FakeServer) -> list[int]:
    """Return the clocks of the readings that the server accepted, each checked against its JSON."""
    found = [value for value in server.values if value.key.startswith("usbrh.get")]
    for value in found:
        assert parse_time(json.loads(value.value)["time"]) == value.clock * NS + value.ns
    return [value.clock for value in found]


def test_two_sends_of_one_boot(house: WrongHouse, server: FakeServer) -> None:
    start = time.time()
    first = house.usbrh("send", "--json")
    result = json.loads(first.stdout.splitlines()[-1])
    assert (first.returncode, result["delivered"], result["waiting"], result["rejected"]) == (1, 0, 1, 0)
    assert result["error"].startswith("the system clock is not set (it is before ")
    assert "sudo date -s " in result["remedy"]
    assert len(first.stderr.splitlines()) == 1
    assert keys(server) == ["usbrh.discovery", "usbrh.bridge"]
    state = server.values[-1]
    assert (state.clock, state.ns) == (0, 0), "the server uses its own time"
    assert json.loads(state.value)["error"] == result["error"]
    status = json.loads(house.usbrh("journal", "status", "--json").stdout)
    assert (status["unconfirmed"], status["undated"], status["error"]) == (1, 0, result["error"])
    assert "1 reading waiting until the system clock is set" in house.usbrh("journal", "status").stdout
    assert [each["time_known"] for each in house.exported()] == [False]

    house.set(time.time_ns())
    second = house.usbrh("send")
    assert second.returncode == 0
    assert "the system clock was set from 1970-01-01T" in second.stderr
    assert "corrected the time of 1 reading" in second.stderr
    clocks = measured(server)
    assert len(clocks) == 2
    assert start - 1 <= clocks[0] <= clocks[1] <= time.time()
    assert [each["time_known"] for each in house.exported()] == [True, True]
    assert house.usbrh("send").stderr == ""


def test_a_flush_corrects_too(house: WrongHouse, server: FakeServer) -> None:
    house.usbrh("send")
    house.set(time.time_ns())
    assert house.usbrh("journal", "flush").stdout == f"{server.address}: 1 delivered\n"
    assert abs(measured(server)[0] - time.time()) < 60


def test_the_clock_is_set_while_the_service_runs(house: WrongHouse, server: FakeServer) -> None:
    start = time.time()
    with house.start("run") as service:
        wait_for("the state", lambda: "usbrh.bridge" in keys(server))
        wait_for("two readings", lambda: len(house.exported()) >= 2)
        assert measured(server) == []
        house.set(time.time_ns())
        wait_for("three readings", lambda: len(measured(server)) >= 3)
        service.send_signal(signal.SIGTERM)
        log = service.communicate(timeout=30)[1]
    clocks = measured(server)
    assert clocks == sorted(clocks)
    assert start - 1 <= clocks[0]
    assert clocks[-1] <= time.time() + 1
    assert {each["destinations"][0]["state"] for each in house.exported()} == {"delivered"}
    assert len(clocks) == len(house.exported())
    assert log.count("the system clock is not set") == 1
    assert log.count("the system clock was set from 1970") == 1


def test_a_person_trusts_the_clock(house: WrongHouse) -> None:
    house.usbrh("send")
    refused = house.usbrh("journal", "trust-clock")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "sudo date -s " in refused.stderr
    house.set(time.time_ns())
    done = house.usbrh("journal", "trust-clock", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"waiting": 1})


def test_the_time_is_the_reason_of_a_rejection_and_drop_ends_it(house: WrongHouse, server: FakeServer) -> None:
    house.set(2_220_000_000 * NS)  # nothing speaks against it: the journal is empty
    server.reject = lambda value: value.clock > 2**31 - 1
    assert house.usbrh("send").returncode == 7
    (rejection,) = json.loads(house.usbrh("journal", "status", "--json").stdout)["destinations"][0]["rejections"]
    assert "the time of the reading is 2040-05-" in rejection["reason"]
    assert rejection["reason"].endswith("usbrh journal drop --rejected sim-1")
    asked = house.usbrh("journal", "drop", "--rejected", "sim-1")
    assert asked.returncode == 1
    assert "nothing was dropped; --force drops without a question" in asked.stderr
    other = house.usbrh("journal", "drop", "--rejected", "attic", "--json")
    assert (other.returncode, other.stdout) == (3, "")
    assert "the journal has no readings of 'attic'; choose one of: sim-1" in other.stderr
    done = house.usbrh("journal", "drop", "--rejected", "sim-1", "--force")
    assert (done.returncode, done.stdout) == (0, f"{server.address}: 1 dropped\n")
    assert house.states() == [("sim-1", server.address, "dropped")]
    again = house.usbrh("journal", "drop", "--rejected", "1", "--json")
    assert json.loads(again.stdout) == {"destination": server.address, "dropped": 0}
    assert house.usbrh("journal", "drop").returncode == 2
    assert house.usbrh("journal", "flush").returncode == 0
