"""``usbrh send`` and ``usbrh journal`` as processes, with virtual sensors and the fake server."""

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import start
from tests.support.daemon import wait_for
from tests.support.journal import readings
from tests.support.network import closed_port
from tests.support.send import House, keys
from usbrh.bridge.batches import BATCH
from usbrh.journal.store import Journal
from usbrh.zabbix.fake_server import FakeServer


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, server: FakeServer) -> House:
    return House(tmp_path, server.address)


NOTHING_WRONG = {"rejected": 0, "waiting": 0, "lost": 0, "out_of_time": False, "error": None, "remedy": None}
"""In the JSON object for a destination."""


def test_send_brings_every_reading_to_the_server(house: House, server: FakeServer) -> None:
    done = house.usbrh("send", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    *printed, delivered = [json.loads(line) for line in done.stdout.splitlines()]
    assert [reading["sensor"] for reading in printed] == ["sim-1", "sim-2"]
    assert delivered == {"destination": server.address, "delivered": 2, **NOTHING_WRONG}
    # Sent in the order of their times, which is either's: they are measured side by side.
    sent = sorted(printed, key=lambda reading: str(reading["time"]))
    assert keys(server) == [
        "usbrh.discovery",
        *(f"usbrh.get[{reading['sensor']}]" for reading in sent),
        "usbrh.bridge",
    ]
    assert [json.loads(value.value) for value in server.values[1:3]] == sent
    assert json.loads(server.values[0].value) == [
        {"{#SENSOR}": f"sim-{number}", "{#PORT}": f"sim-{number}", "{#MODEL}": "USB-RH"} for number in (1, 2)
    ]
    state = json.loads(server.values[3].value)
    assert (state["sensors"], state["readings"], state["failed"], state["waiting"]) == (2, 2, 0, 0)
    assert {value.host for value in server.values} == {"pc"}


def test_what_could_not_be_delivered_waits(tmp_path: Path) -> None:
    house = House(tmp_path, closed_port())
    done = house.usbrh("send")
    assert done.returncode == 6
    assert "no connection: connection refused; readings wait in the journal" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    house.usbrh("send")
    status = json.loads(house.usbrh("journal", "status", "--json").stdout)
    assert status["destinations"][0]["waiting"] == 4
    with FakeServer() as server:  # the right address this time: a new destination
        done = house.usbrh("journal", "flush", USBRH_ZABBIX_SERVERS=server.address)
        assert (done.returncode, done.stdout) == (0, f"{server.address}: 4 delivered\n")
        assert f"left the configuration: 4 readings moved to the queue of {server.address}" in done.stderr
        assert [json.loads(value.value)["time"] for value in server.values] == [
            each["time"] for each in house.exported()
        ]


def test_a_flush_for_programs(tmp_path: Path, server: FakeServer) -> None:
    down = closed_port()
    house = House(tmp_path, f"{down},{server.address}", sensors="1")
    house.usbrh("send")
    done = house.usbrh("journal", "flush", "--json")
    assert done.returncode == 6
    refused = {"waiting": 1, "error": f"{down}: no connection: connection refused"}
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"destination": down, "delivered": 0, **NOTHING_WRONG, **refused},
        {"destination": server.address, "delivered": 0, **NOTHING_WRONG},
    ]


def test_one_destination_that_is_down_does_not_hold_up_another(tmp_path: Path, server: FakeServer) -> None:
    down = closed_port()
    house = House(tmp_path, f"{down},{server.address}")
    assert house.usbrh("send").returncode == 6
    assert keys(server).count("usbrh.get[sim-1]") == 1
    for each in house.exported():
        assert each["destinations"] == [
            {"destination": down, "state": "waiting", "reason": None},
            {"destination": server.address, "state": "delivered", "reason": None},
        ]


def test_rejected_values_are_seven_and_have_a_reason(house: House, server: FakeServer) -> None:
    server.reject = lambda value: value.key == "usbrh.get[sim-2]"
    done = house.usbrh("send")
    assert done.returncode == 7
    assert "rejected 1 reading; usbrh journal status" in done.stderr
    status = house.usbrh("journal", "status").stdout
    assert 'sim-2: 1 rejected: probably the host "pc" has no item usbrh.get[sim-2] of the type Zabbix trapper' in status
    assert house.states() == [("sim-1", server.address, "delivered"), ("sim-2", server.address, "rejected")]
    [(rejected,)] = [each["destinations"] for each in house.exported() if each["sensor"] == "sim-2"]
    assert rejected["reason"].startswith(
        'probably the host "pc" has no item usbrh.get[sim-2] of the type Zabbix trapper'
    )
    server.reject = lambda value: False
    assert house.usbrh("journal", "flush").returncode == 0
    assert {state for _, _, state in house.states()} == {"delivered"}


def test_rejected_states_are_only_a_warning(house: House, server: FakeServer) -> None:
    server.reject = lambda value: not value.key.startswith("usbrh.get")
    done = house.usbrh("send")
    assert done.returncode == 0
    assert "rejected usbrh.discovery" in done.stderr
    assert "rejected usbrh.bridge" in done.stderr


@pytest.mark.parametrize("command", [("send",), ("run",), ("journal", "flush")])
def test_virtual_readings_leave_only_when_allowed(house: House, server: FakeServer, command: tuple[str, ...]) -> None:
    if command[-1] == "flush":
        house.usbrh("send", USBRH_ZABBIX_SERVERS=closed_port())
    done = house.usbrh(*command, USBRH_ALLOW_SIMULATED="")
    assert done.returncode == 2
    assert "--allow-simulated" in done.stderr
    assert server.requests == []
    if command[-1] != "run":
        assert house.usbrh(*command, "--allow-simulated", USBRH_ALLOW_SIMULATED="").returncode == 0


def test_no_server_is_an_error(house: House) -> None:
    done = house.usbrh("send", USBRH_ZABBIX_SERVERS="")
    assert done.returncode == 2
    assert "USBRH_ZABBIX_SERVERS" in done.stderr


def test_the_agents_configuration_says_where(house: House, server: FakeServer, tmp_path: Path) -> None:
    agent = tmp_path / "zabbix_agentd.conf"
    agent.write_text(f"Server=192.0.2.1\nServerActive={server.address}\nHostname=attic-pc\n")
    house.environment |= {"USBRH_ZABBIX_SERVERS": "", "USBRH_ZABBIX_HOST": "", "USBRH_ZABBIX_AGENT_CONFIG": str(agent)}
    assert house.usbrh("send").returncode == 0
    assert {value.host for value in server.values} == {"attic-pc"}


def test_an_empty_list_of_servers_keeps_the_readings_for_the_agent(
    house: House, server: FakeServer, tmp_path: Path
) -> None:
    agent = tmp_path / "zabbix_agentd.conf"
    agent.write_text(f"ServerActive={server.address}\n")
    (tmp_path / "usbrh.toml").write_text('[zabbix]\nagent_config = "zabbix_agentd.conf"\nservers = []\n')
    house.environment |= {"USBRH_ZABBIX_SERVERS": "", "USBRH_CONFIG": str(tmp_path / "usbrh.toml")}
    sent = house.usbrh("send", "--json")
    assert (sent.returncode, sent.stderr) == (0, "")
    (_, reading) = map(json.loads, sent.stdout.splitlines())  # and no destination
    assert json.loads(house.usbrh("agent", "get", "sim-2").stdout)["time"] == reading["time"]
    checked = house.usbrh("zabbix", "check")
    assert (checked.returncode, checked.stderr.count("\n")) == (2, 1)
    assert "servers is empty" in checked.stderr
    assert server.requests == []


def test_no_sensor_is_three_and_the_rest_is_delivered(house: House, server: FakeServer) -> None:
    house.usbrh("send", USBRH_ZABBIX_SERVERS=closed_port())
    done = house.usbrh("send", USBRH_SIMULATE="0")
    assert done.returncode == 3
    assert "no sensor" in done.stderr
    assert keys(server).count("usbrh.get[sim-1]") == 1


def test_a_configured_sensor_that_is_not_there_is_a_failed_reading(
    house: House, server: FakeServer, tmp_path: Path
) -> None:
    config = tmp_path / "usbrh.toml"
    config.write_text('[sensor."sim-1"]\nname = "attic"\n[sensor."sim-9"]\nname = "cellar"\n[sensor."1-1.4"]\n')
    done = house.usbrh("send", "--json", "--config", str(config))
    assert done.returncode == 3
    printed = [json.loads(line) for line in done.stdout.splitlines()][:-1]
    assert [(each["sensor"], each["state"]) for each in printed] == [
        ("attic", "ok"),
        ("sim-2", "ok"),
        ("cellar", "not_found"),
    ]
    assert sorted(keys(server)[1:4]) == ["usbrh.get[attic]", "usbrh.get[cellar]", "usbrh.get[sim-2]"]
    assert "cellar" in server.values[0].value


@pytest.mark.parametrize("spoil", ["directory", "file"])
def test_with_an_unusable_journal_the_reading_is_delivered(house: House, server: FakeServer, spoil: str) -> None:
    if spoil == "directory":
        house.journal.mkdir()
    else:
        house.environment["USBRH_JOURNAL_PATH"] = "/proc/nowhere/journal.db"
    done = house.usbrh("send")
    assert done.returncode == 1
    assert "can't be used" in done.stderr
    assert done.stderr.endswith("; delivered without it\n")
    assert "Traceback" not in done.stderr
    assert keys(server) == ["usbrh.discovery", "usbrh.get[sim-1]", "usbrh.get[sim-2]", "usbrh.bridge"]


def test_readings_that_reach_neither_journal_nor_server_are_reported_as_lost(
    tmp_path: Path, server: FakeServer
) -> None:
    down = closed_port()
    house = House(tmp_path, f"{down},{server.address}")
    house.journal.mkdir()
    server.reject = lambda value: value.key == "usbrh.get[sim-2]"
    done = house.usbrh("send")
    assert done.returncode == 6
    journal, away, rejected = done.stderr.splitlines()
    assert journal.endswith("; what is not delivered now is lost")
    assert away == f"usbrh: {down}: no connection: connection refused; 2 readings lost"
    assert rejected == f"usbrh: {server.address} rejected 1 reading; lost, there is no journal"
    done = house.usbrh("send", USBRH_ZABBIX_SERVERS=server.address)
    assert "delivered without it" not in done.stderr


def test_lost_readings_are_reported_to_programs(tmp_path: Path, server: FakeServer) -> None:
    down = closed_port()
    house = House(tmp_path, f"{down},{server.address}")
    house.journal.mkdir()
    server.reject = lambda value: value.key == "usbrh.get[sim-2]"
    done = house.usbrh("send", "--json")
    assert done.returncode == 6
    unreached = {"lost": 2, "error": f"{down}: no connection: connection refused"}
    assert [json.loads(line) for line in done.stdout.splitlines()][2:] == [
        {"destination": down, "delivered": 0, **NOTHING_WRONG, "waiting": None, **unreached},
        {"destination": server.address, "delivered": 1, **NOTHING_WRONG, "waiting": None, "rejected": 1, "lost": 1},
    ]


def test_what_was_delivered_before_the_server_went_away_is_counted(tmp_path: Path) -> None:
    states, readings = (
        {"response": "success", "info": f"processed: {number}; failed: 0; total: {number}; seconds spent: 0.0"}
        for number in (1, 2)
    )
    with FakeServer(answers=[states, readings, None]) as server:
        done = House(tmp_path, server.address).usbrh("send")
    assert done.returncode == 6
    assert done.stdout.endswith(f"{server.address}: 2 delivered\n")


def test_looking_at_a_journal_does_not_make_one(house: House) -> None:
    for command in ("status", "export"):
        done = house.usbrh("journal", command)
        assert done.returncode == 1
        assert "there is no journal at" in done.stderr
    assert not house.journal.exists()


def test_export_as_csv(house: House, server: FakeServer) -> None:
    house.usbrh("send")
    header, *lines = house.usbrh("journal", "export").stdout.splitlines()
    assert header.startswith("time,sensor,port")
    assert header.endswith(f",{server.address}")
    assert sorted(line.split(",", 1)[1].split(",USB-RH,")[0] for line in lines) == ["sim-1,sim-1", "sim-2,sim-2"]
    assert all(line.endswith(",ok,,delivered") for line in lines)


def test_send_ends_in_time_when_nobody_answers(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        house = House(tmp_path, f"127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert house.usbrh("send", USBRH_ZABBIX_TIMEOUT="1s").returncode == 6
        assert time.monotonic() - started < 10


class Slow(FakeServer):
    """Takes its time over each request."""

    def respond(self, request: dict[str, Any], packet: bytes) -> dict[str, Any] | bytes | None:
        time.sleep(0.3)
        return super().respond(request, packet)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_flush_ends_soon_and_records_what_was_accepted(tmp_path: Path, end: signal.Signals) -> None:
    with Slow() as server:
        house = House(tmp_path, server.address)
        with Journal(house.journal) as journal:
            journal.sync_destinations([server.address])
            journal.add(readings(8 * BATCH))
            flush = house.start("journal", "flush")
            wait_for(
                "more than a batch is taken", lambda: len(server.values) > BATCH, 20
            )  # the answer to the first batch was read
            flush.send_signal(end)
            _, errors = flush.communicate(timeout=15)
            assert (flush.returncode, "Traceback" in errors) == (128 + end, False)
            assert BATCH <= journal.standings()[0].delivered < 8 * BATCH


def test_run_measures_delivers_and_ends_with_sigterm(house: House, server: FakeServer) -> None:
    service = house.start("run", USBRH_BRIDGE_INTERVAL="5s")
    wait_for("the state of the bridge", lambda: "usbrh.bridge" in keys(server), 20)
    wait_for("the second reading", lambda: keys(server).count("usbrh.get[sim-2]") >= 2, 20)
    service.send_signal(signal.SIGTERM)
    _, errors = service.communicate(timeout=20)
    assert service.returncode == 0
    assert "Traceback" not in errors
    delivered = [value for value in server.values if value.key.startswith("usbrh.get")]
    assert [json.loads(value.value)["time"] for value in delivered] == [each["time"] for each in house.exported()]
    moments = sorted({value.clock for value in delivered if value.key == "usbrh.get[sim-1]"})
    assert moments[1] % 5 <= 1  # aligned; the first is not


def test_run_goes_on_when_the_server_comes_back(tmp_path: Path) -> None:
    address = closed_port()
    house = House(tmp_path, address)
    service = house.start("run", USBRH_BRIDGE_INTERVAL="5s")
    wait_for("two readings in the journal", lambda: house.journal.exists() and len(house.exported()) >= 2, 20)
    with FakeServer(port=int(address.rpartition(":")[2])) as server:
        wait_for("a reading of sim-2", lambda: "usbrh.get[sim-2]" in keys(server), 20)
        service.send_signal(signal.SIGTERM)
        _, errors = service.communicate(timeout=20)
    assert service.returncode == 0
    assert "readings wait in the journal" in errors
    assert f"{address}: delivered again" in errors


def test_run_ends_with_sigterm_though_the_server_is_down(tmp_path: Path) -> None:
    house = House(tmp_path, closed_port())
    service = house.start("run", USBRH_BRIDGE_INTERVAL="5s")
    wait_for("two readings in the journal", lambda: house.journal.exists() and len(house.exported()) >= 2, 20)
    service.send_signal(signal.SIGTERM)
    started = time.monotonic()
    service.communicate(timeout=20)
    assert service.returncode == 0
    assert time.monotonic() - started < 12


def test_sighup_reads_the_configuration_again(house: House, server: FakeServer, tmp_path: Path) -> None:
    config = tmp_path / "usbrh.toml"
    config.write_text('[bridge]\ninterval = "5s"\n')
    notify = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(notify))
        received: list[str] = []
        listener = threading.Thread(target=lambda: received.extend(iter(lambda: manager.recv(1000).decode(), "end")))
        listener.start()
        service = house.start("run", "--config", str(config), NOTIFY_SOCKET=str(notify), WATCHDOG_USEC="6000000")
        wait_for("a reading of sim-1", lambda: "usbrh.get[sim-1]" in keys(server), 20)
        config.write_text('[bridge]\ninterval = "5s"\n[sensor."sim-1"]\nname = "attic"\n')
        service.send_signal(signal.SIGHUP)
        wait_for("a reading of the attic", lambda: "usbrh.get[attic]" in keys(server), 20)
        config.write_text("nonsense")
        service.send_signal(signal.SIGHUP)
        count = len(server.values)
        wait_for("the next reading of the attic", lambda: "usbrh.get[attic]" in keys(server)[count:], 20)
        service.send_signal(signal.SIGTERM)
        _, errors = service.communicate(timeout=20)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"end", str(notify))
        listener.join()
    assert service.returncode == 0
    assert "the old configuration stays" in errors
    assert received[0] == "READY=1"
    assert any(each.startswith("RELOADING=1\nMONOTONIC_USEC=") for each in received)
    assert received.count("READY=1") == 3
    assert any("WATCHDOG=1" in each for each in received)
    assert "STATUS=2 of 2 sensors measured\nWATCHDOG=1" in received
    assert [number for number, each in enumerate(received) if "STOPPING=1" in each] == [len(received) - 1]


def test_a_reload_with_another_journal_saves_what_the_first_could_not_take(
    house: House, server: FakeServer, tmp_path: Path
) -> None:
    config, other = tmp_path / "usbrh.toml", tmp_path / "other.db"
    house.journal.mkdir()
    config.write_text(f'[bridge]\ninterval = "1h"\n[journal]\npath = "{house.journal}"\n')
    service = house.start("run", "--config", str(config), USBRH_JOURNAL_PATH="")
    wait_for("a reading of sim-2", lambda: "usbrh.get[sim-2]" in keys(server), 20)
    config.write_text(f'[bridge]\ninterval = "1h"\n[journal]\npath = "{other}"\n')
    service.send_signal(signal.SIGHUP)
    house.journal = other
    house.environment["USBRH_JOURNAL_PATH"] = str(other)
    wait_for("four readings in the other journal", lambda: other.exists() and len(house.exported()) == 4, 20)
    service.send_signal(signal.SIGTERM)
    assert service.wait(20) == 0
    delivered = {json.loads(value.value)["time"] for value in server.values if value.key.startswith("usbrh.get")}
    assert delivered == {each["time"] for each in house.exported()}
    service.communicate()


@pytest.mark.parametrize("sensors", [1, 2])
def test_a_full_disk_behind_stdout_does_not_keep_from_delivering(
    house: House, server: FakeServer, sensors: int
) -> None:
    house.environment["USBRH_SIMULATE"] = str(sensors)
    with Path("/dev/full").open("w") as full:
        process = start(["send"], house.environment, stdout=full, stderr=subprocess.PIPE)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "usbrh: can't write to standard output: no space left on device; free disk space, see: df -h\n"
    assert keys(server).count("usbrh.get[sim-1]") == 1
    assert house.states() == [(f"sim-{number + 1}", server.address, "delivered") for number in range(sensors)]


def test_a_failure_is_reported_once(house: House, server: FakeServer, tmp_path: Path) -> None:
    script = tmp_path / "sensors.toml"
    script.write_text('[sensor.sim-1]\n[[sensor.sim-1.fault]]\nname = "access_denied"\n[sensor.sim-2]\n')
    done = house.usbrh("send", USBRH_SIMULATE=str(script))
    assert done.returncode == 4
    assert done.stderr.count("no permission for sim-1") == 1
    measured, delivered = done.stdout.splitlines()  # stdout has no line of sim-1
    assert measured.startswith("sim-2: ")
    assert delivered == f"{server.address}: 2 delivered"


def test_what_is_exported_is_oldest_first_although_one_sensor_is_slow(house: House, tmp_path: Path) -> None:
    script = tmp_path / "sensors.toml"
    script.write_text("[sensor.sim-1]\ndelay = 0.6\n[sensor.sim-2]\n")
    house.usbrh("send", USBRH_SIMULATE=str(script))
    assert [each["sensor"] for each in house.exported()] == ["sim-2", "sim-1"]


@pytest.mark.parametrize("command", ["send", "flush"])
def test_another_spelling_of_an_address_keeps_its_queue(house: House, command: str) -> None:
    one, port = closed_port(), closed_port().rpartition(":")[2]
    house.usbrh("send", USBRH_ZABBIX_SERVERS=f"{one},localhost:{port};other.invalid:10051")
    arguments = ("journal", "flush") if command == "flush" else ("send",)
    for respelt in (f"OTHER.invalid;LOCALHOST:{port}", f"localhost:{port};other.invalid.;127.0.0.2:1"):
        done = house.usbrh(*arguments, USBRH_ZABBIX_SERVERS=f"{one},{respelt}")
        assert ("dropped" in done.stderr, "Traceback" in done.stderr) == (False, False)
        assert {state for _, _, state in house.states()} == {"waiting"}
    assert {destination for _, destination, _ in house.states()} == {one, f"127.0.0.2:1;localhost:{port};other.invalid"}


def test_no_server_for_a_while_drops_nothing(house: House, server: FakeServer, tmp_path: Path) -> None:
    old = closed_port()
    house.usbrh("send", USBRH_ZABBIX_SERVERS=old)
    file = tmp_path / "usbrh.toml"
    file.write_text("[zabbix]\nservers = []\n")
    del house.environment["USBRH_ZABBIX_SERVERS"]
    done = house.usbrh("--config", str(file), "send")
    assert done.stderr == f"usbrh: no destination is configured: the queue of {old} stays: 2 readings\n"
    assert {state for _, _, state in house.states()} == {"waiting"}
    done = house.usbrh("send", USBRH_ZABBIX_SERVERS=server.address)
    assert done.stdout.endswith(f"{server.address}: 6 delivered\n")


def test_a_flush_delivers_real_readings_and_reports_that_simulated_ones_wait(house: House, server: FakeServer) -> None:
    with Journal(house.journal) as journal:
        journal.sync_destinations([server.address])
        first, virtual, last = readings(3)
        journal.add([first, replace(virtual, simulated=True), last])
    done = house.usbrh("journal", "flush", USBRH_ALLOW_SIMULATED="0")
    assert (done.returncode, done.stdout) == (2, f"{server.address}: 2 delivered\n")
    wait = "simulated readings wait; usbrh journal flush --allow-simulated sends them"
    assert done.stderr == f"usbrh: {server.address}: {wait}\n"
    assert [json.loads(value.value)["time"] for value in server.values] == [
        first.to_dict()["time"],
        last.to_dict()["time"],
    ]
    done = house.usbrh("journal", "flush")
    assert (done.returncode, done.stdout) == (0, f"{server.address}: 1 delivered\n")
