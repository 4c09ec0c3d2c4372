"""The USBRH2's driver against the virtual one, through pseudo-terminals, pyserial and the real locks."""

import fcntl
import json
import os
import re
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import serial

from tests.support.command import usbrh
from tests.support.usbrh2 import DEADLINE, LATE, Bench, stranger
from usbrh.clock import Deadline
from usbrh.config import Config, SensorConfig
from usbrh.drivers import usbrh2
from usbrh.drivers.base import SerialPort
from usbrh.drivers.nodelock import HEATER, MEASURE, NodeLock
from usbrh.drivers.serialport import close_both
from usbrh.drivers.shared import REPLUG
from usbrh.errors import (
    BadReport,
    ConfigError,
    LibusbMissing,
    SensorBusy,
    SensorError,
    SensorNotFound,
    SensorTimeout,
    TransferFailed,
)
from usbrh.poller import Poller
from usbrh.reading import Reading, SensorInfo
from usbrh.sensors import find
from usbrh.simulator.faults import USBRH2_FAULTS
from usbrh.simulator.unknowns import Usbrh2Unknowns
from usbrh.simulator.usbrh2 import HEATER_BIT


class Ports:
    """A bus with one USBRH2, at ``node``."""

    simulated = False
    usb_backend = None
    problem = None
    recorder = None

    def __init__(self, node: Path) -> None:
        self.node = node

    def serial_ports(self) -> list[SerialPort]:
        return [(usbrh2.PORT_NAME.format("E02A"), "1-1.4", self.node)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.backend.close()


def test_a_reading(bench: Bench) -> None:
    reading = bench.read()
    reported = reading.to_dict()
    expected = {
        "v": 1,
        "sensor": "E02A",
        "port": "sim-1",
        "model": "USBRH2",
        "serial": "E02A",
        "temperature": 20.0,
        "humidity": 50.0,
        "dew_point": 9.26,
        "absolute_humidity": 8.62,
        "raw": None,
        "conversion": "device",
        "heater": False,
        "status": "0x8010",
        "simulated": True,
        "state": "ok",
        "error": None,
    }
    assert {key: reported[key] for key in expected} == expected
    assert Reading.from_dict(reading.to_dict()).status == "0x8010"


def test_name_and_calibration_by_serial_number(bench: Bench) -> None:
    config = Config(sensor={"E02A": SensorConfig(name="attic", temperature_offset=-1.5), "sim-1": SensorConfig("no")})
    (sensor,) = find(config, backend=bench.backend)
    reading = sensor.read()
    assert (reading.sensor, reading.temperature, reading.port) == ("attic", 18.5, "sim-1")


def test_firmware_leds_and_release(bench: Bench) -> None:
    assert bench.sensor.firmware() == "USBRH2 Ver 1.00"
    bench.sensor.set_led(1, "blink")
    bench.sensor.set_led(2, True)
    assert bench.model.leds == ("blink", "on")
    bench.sensor.set_led(1, False)
    assert bench.model.leds == ("off", "on")
    with pytest.raises(ConfigError, match="has 1 and 2"):
        bench.sensor.set_led(3, True)
    bench.sensor.release()
    bench.read()


def test_ignorant_firmware_is_an_error(bench: Bench) -> None:
    bench.model.firmware = ""
    with pytest.raises(BadReport, match="no answer to 'ver'"):
        bench.sensor.firmware()


@pytest.mark.parametrize("newline", ["\r\n", "\r", "\n", "\n\r", "\r\r\n\n"])
def test_line_ends_echo_and_prompt_in_any_mix(newline: Any) -> None:
    bench = Bench(unknowns=Usbrh2Unknowns(newline=newline))
    bench.model.fault("ignores")  # the echo stays on
    try:
        for _ in range(3):
            bench.read()
        assert bench.sensor.firmware() == "USBRH2 Ver 1.00"
    finally:
        bench.backend.close()


# ---------------------------------------------------------------- what others have left


def test_automatic_lines_of_somebody_else_are_ended(bench: Bench) -> None:
    with stranger(bench.node, b"auto 1\r", 1.5):
        before = bench.model.automatic
        bench.read()
        assert (before, bench.model.automatic) == (1, None)
        assert bench.model.measured >= 2


def test_automatic_lines_that_do_not_end_are_never_older_than_the_request(bench: Bench) -> None:
    with stranger(bench.node, b"auto 1\r"):
        bench.model.fault("ignores")
        for _ in range(4):
            bench.read()
            time.sleep(0.35)
        assert bench.model.automatic == 1


def test_lines_that_nobody_read_are_not_taken(bench: Bench) -> None:
    stranger(bench.node, b"getrh\rgetrh\rgetrh\r", 0.2).close()
    assert bench.model.measured == 3
    bench.read()


def test_half_a_command_of_a_process_that_died(bench: Bench) -> None:
    stranger(bench.node, b"heater o").close()
    bench.read()
    assert not bench.model.heater


def test_half_a_line_that_another_left_unread(bench: Bench) -> None:
    with stranger(bench.node, b"getrh\r") as port:
        assert port.read(10)
    bench.read()


def test_an_answer_that_a_killed_process_is_owed(bench: Bench) -> None:
    """It comes while we talk, and is a whole, right line, but not the answer to our request."""
    bench.model.fault("late", 1, 0.5)
    stranger(bench.node, b"getrh\r", 0.05).close()
    bench.read()


def test_commands_that_pile_up_while_the_device_hangs(bench: Bench) -> None:
    bench.model.fault("late", 1, 1.5)
    with pytest.raises(SensorTimeout):
        bench.read(1.0)
    bench.read()
    bench.read()


# ---------------------------------------------------------------- faults


@dataclass
class Outcome:
    first: Reading | Exception
    then: Reading | Exception | None


# The result of one reading of 1.6 s when the fault occurs at each try.
ALWAYS: dict[str, type[SensorError] | None] = {
    "silent": SensorTimeout,
    "unplug_on_command": SensorNotFound,
    "hang": SensorTimeout,
    "ignores": None,
    "no_answer": SensorTimeout,
    "late": SensorTimeout,
    "half_line": SensorTimeout,
    "unplug_mid_line": SensorNotFound,
    "dropped_byte": BadReport,
    "flipped_bit": BadReport,
    "no_crc": BadReport,
    "disconnected_chip": BadReport,
    "shorted_chip": BadReport,
    "garbage": SensorTimeout,
    "endless": SensorTimeout,
    "duplicate": None,
    "byte_by_byte": None,
}
GOES_ON = {"hang", "late"}
"""Faults that last for a while after they have been cleared."""
ONCE_SECONDS = {"late": 0.5, "hang": 0.5, "unplug_on_command": 0.3, "unplug_mid_line": 0.3}


def outcome(name: str, times: int | None, timeout: float) -> Outcome:
    bench = Bench()
    try:
        bench.model.fault(name, times, ONCE_SECONDS.get(name) if times else None)
        first = attempt(bench, timeout)
        bench.model.clear_faults()
        bench.model.plug()
        return Outcome(first, None if times is None and name in GOES_ON else attempt(bench, DEADLINE))
    finally:
        bench.backend.close()


def attempt(bench: Bench, timeout: float) -> Reading | Exception:
    try:
        return bench.read(timeout)
    except (SensorError, AssertionError) as error:
        return error


@pytest.fixture(scope="module")
def outcomes() -> dict[tuple[str, str], Outcome]:
    """All at the same time, since each takes its own."""
    cases: dict[tuple[str, str], tuple[str, int | None, float]]
    cases = {(name, "once"): (name, 1, DEADLINE) for name in USBRH2_FAULTS}
    cases |= {(name, "always"): (name, None, 1.6) for name in USBRH2_FAULTS}
    with ThreadPoolExecutor(max_workers=len(cases)) as pool:
        return dict(zip(cases, pool.map(lambda case: outcome(*case), cases.values()), strict=True))


@pytest.mark.parametrize("name", USBRH2_FAULTS)
def test_what_occurs_once_is_recovered_from(outcomes: dict[tuple[str, str], Outcome], name: str) -> None:
    found = outcomes[name, "once"]
    assert isinstance(found.first, Reading), found.first
    assert isinstance(found.then, Reading), found.then


@pytest.mark.parametrize("name", USBRH2_FAULTS)
def test_what_lasts_is_an_error_by_the_deadline(outcomes: dict[tuple[str, str], Outcome], name: str) -> None:
    found, expected = outcomes[name, "always"], ALWAYS[name]
    if expected is None:
        assert isinstance(found.first, Reading), found.first
    else:
        assert type(found.first) is expected, found.first
        assert found.first.port == "sim-1"
        assert found.first.remedy
    if name not in GOES_ON:
        assert isinstance(found.then, Reading), found.then


def test_unplugged_and_plugged_in_again_elsewhere(bench: Bench) -> None:
    bench.read()
    bench.model.unplug()
    with pytest.raises(SensorNotFound, match="not plugged in"):
        bench.sensor.read(1.0)
    assert bench.find() == []
    bench.model.plug()
    bench.read()


def test_unplugged_while_a_line_is_awaited_and_back_within_the_deadline(bench: Bench) -> None:
    bench.model.fault("no_answer", 1)
    pull = threading.Timer(0.3, bench.model.unplug, (0.5,))
    pull.start()
    bench.read()
    pull.join()
    assert bench.model.plug_ins == 2


def test_a_device_that_is_not_a_sensor(tmp_path: Path) -> None:
    def read(node: Path) -> None:
        usbrh2.Usbrh2("E02A", "1-1.4", Ports(node)).measure(Deadline(0.5))

    with pytest.raises(TransferFailed, match="serial port of E02A failed") as raised:
        read(Path("/dev/null"))
    assert raised.value.remedy == REPLUG
    with pytest.raises(SensorNotFound, match="was unplugged"):
        read(tmp_path / "gone")


def test_a_device_that_takes_no_more_commands() -> None:
    master, slave = os.openpty()
    try:
        os.set_blocking(slave, False)
        while select.select([], [slave], [], 0.2)[1]:  # the kernel passes on what it took, and then takes more
            with suppress(BlockingIOError):
                os.write(slave, b"x" * 1000)
        node = Path(os.ttyname(slave))
        with pytest.raises(SensorTimeout, match="did not accept a command"):
            usbrh2.Usbrh2("E02A", "1-1.4", Ports(node)).measure(Deadline(0.7))
    finally:
        os.close(master)
        os.close(slave)


def test_no_permission(bench: Bench) -> None:
    bench.node.chmod(0o600)
    if os.geteuid() != 0:
        bench.node.chmod(0)
    # Root may everything, so it becomes nobody; only then, since nobody may not be able to read this checkout.
    become = "import os, serial, usbrh.system.access\nos.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\n"
    become = become if os.geteuid() == 0 else ""
    done = in_process(bench.node, f"{become}sensor.measure(Deadline(1.0))")
    assert f"AccessDenied: no permission for E02A ({bench.node}): " in done.stderr, done.stderr
    assert "sudo usbrh setup" in done.stderr


# ---------------------------------------------------------------- several at once


def program(node: Path, action: str) -> str:
    return (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from types import SimpleNamespace\n"
        "from usbrh.clock import Deadline\n"
        "from usbrh.drivers.usbrh2 import PORT_NAME, Usbrh2\n"
        f"ports = [(PORT_NAME.format('E02A'), 'sim-1', Path({str(node)!r}))]\n"
        "sensor = Usbrh2('E02A', 'sim-1', SimpleNamespace(serial_ports=lambda: ports, recorder=None))\n"
        f"{action}\n"
    )


def in_process(node: Path, action: str) -> "subprocess.CompletedProcess[str]":
    """What another process does with the sensor at ``node``."""
    command = [sys.executable, "-c", program(node, action)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_processes_queue_and_each_gets_an_answer_of_its_own(bench: Bench) -> None:
    action = "\n".join(["for _ in range(3):", "    print(sensor.measure(Deadline(20.0)).temperature)"])
    with ThreadPoolExecutor(max_workers=4) as pool:
        done = list(pool.map(lambda _: in_process(bench.node, action), range(4)))
    assert [process.stderr for process in done] == [""] * 4
    values = [float(word) for process in done for word in process.stdout.split()]
    assert len(set(values)) == 12, "no measurement was given to two"
    for process in done:
        own = [float(word) for word in process.stdout.split()]
        assert own == sorted(own)


def test_threads_queue_too(bench: Bench) -> None:
    sensors = [bench.find()[0] for _ in range(6)]
    with ThreadPoolExecutor(max_workers=6) as pool:
        values = list(pool.map(lambda sensor: sensor.read(10.0).temperature, sensors))
    assert len(set(values)) == 6


def test_one_that_waits_in_vain_says_who_holds_it(bench: Bench) -> None:
    with NodeLock(bench.node) as lock:
        assert lock.acquire(MEASURE, Deadline(0))
        started = time.monotonic()
        with pytest.raises(SensorBusy, match="in use by"):
            bench.sensor.read(1.0)
        assert 0.4 < time.monotonic() - started < 1.0 + LATE
    bench.read()


def test_a_program_that_locks_the_port_is_waited_for_and_named(bench: Bench) -> None:
    hold = f"import fcntl, time; f = open({str(bench.node)!r}, 'rb+', 0); fcntl.flock(f, 2); print(1, flush=True);"
    with subprocess.Popen([sys.executable, "-c", hold + "time.sleep(60)"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with pytest.raises(SensorBusy, match=f"in use by .*\\(PID {holder.pid}\\)"):
            bench.sensor.read(0.5)
        release = threading.Timer(0.5, holder.kill)
        release.start()
        bench.read()
        release.join()


def test_others_that_honour_locks_are_kept_out(bench: Bench) -> None:
    bench.model.measuring = 0.5
    reading = threading.Thread(target=bench.read)
    reading.start()
    time.sleep(0.3)
    with bench.node.open("rb+", 0) as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    reading.join()


# ---------------------------------------------------------------- heater


def test_heater_is_marked_and_goes_off(bench: Bench) -> None:
    bench.sensor.set_heater(True)
    (other,) = bench.find()
    reading = other.read()
    assert reading.heater
    assert reading.status == f"0x{0x8010 | HEATER_BIT:04x}"
    on = bench.model.heater
    with pytest.raises(SensorBusy, match="another process has its heater on"):
        other.set_heater(True)
    bench.sensor.set_heater(False)
    assert (on, bench.model.heater) == (True, False), "a reading by somebody else does not end it"
    assert bench.sensor.read().heater is False
    other.set_heater(True)
    other.set_heater(False)


def test_heater_of_a_process_that_was_killed_is_switched_off_by_the_next(bench: Bench) -> None:
    done = in_process(
        bench.node, "sensor.set_heater(True, Deadline(5.0)); sys.stdout.flush(); import os; os.kill(os.getpid(), 9)"
    )
    assert done.returncode == -9
    heater = [bench.model.heater, bench.sensor.read().heater, bench.model.heater, bench.sensor.read().heater]
    assert heater == [True, True, False, False], "the process had left it on"


def test_heater_that_does_not_switch_is_an_error(bench: Bench) -> None:
    bench.model.fault("ignores")
    with pytest.raises(TransferFailed, match="did not switch its heater on"):
        bench.sensor.set_heater(True, 1.0)
    with NodeLock(bench.node) as lock:
        assert lock.acquire(HEATER, Deadline(0)), "nobody has it on"


def test_a_port_that_takes_nothing_is_closed_without_waiting(bench: Bench) -> None:
    class Stuck:
        out_waiting = 5

        def close(self) -> None:
            time.sleep(1.5)
            closed.set()

    closed = threading.Event()
    lock = NodeLock(bench.node)
    assert lock.acquire(MEASURE, Deadline(0))
    started = time.monotonic()
    close_both(Stuck(), lock)  # type: ignore[arg-type]
    assert time.monotonic() - started < 1
    with NodeLock(bench.node) as other:
        assert not other.acquire(MEASURE, Deadline(0)), "held until the port is closed"
        assert closed.wait(5)
        assert other.acquire(MEASURE, Deadline(2))


def test_a_port_that_we_still_close_is_not_said_to_be_held_by_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real ports keep waiting in close for what the device does not take; a pseudo-terminal does not."""
    taken, close = threading.Event(), serial.Serial.close

    def write(port: serial.Serial, data: bytes) -> None:
        raise serial.SerialTimeoutException("Write timeout")

    def close_slowly(port: serial.Serial) -> None:
        taken.wait(20)
        close(port)

    with monkeypatch.context() as patch:
        patch.setattr(serial.Serial, "write", write)
        patch.setattr(serial.Serial, "out_waiting", 5)
        patch.setattr(serial.Serial, "close", close_slowly)
        for _ in range(2):
            with pytest.raises(SensorTimeout, match="E02A did not accept a command in time; unplug it") as raised:
                bench.read(1.0)
            assert raised.value.port == "sim-1"
    taken.set()
    bench.read()


# ---------------------------------------------------------------- a mixed fleet, through the command line

FLEET = """
[sensor.sim-1]
ticks = [[7169, 1246]]
[sensor.sim-2]
model = "USBRH2"
serial = "E02A"
values = [[23.77, 42.76]]
[sensor.sim-3]
model = "USBRH2"
[[sensor.sim-3.fault]]
name = "flipped_bit"
[sensor.sim-10]
model = "USBRH2"
serial = "0007"
plugged = false
"""
NAMES = '[sensor."E02A"]\nname = "attic"\nled = {green = 2}\n[sensor."sim-1"]\nname = "cellar"\n'


Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def fleet(tmp_path: Path) -> Command:
    """Runs the command line in front of it; FLEET as a word is the file's name."""
    script, config = tmp_path / "fleet.toml", tmp_path / "usbrh.toml"
    script.write_text(FLEET)
    config.write_text(NAMES)
    return lambda *words: usbrh(
        *(str(script) if word == "FLEET" else word for word in words),
        USBRH_SIMULATE=str(script),
        USBRH_CONFIG=str(config),
    )


def test_read_all(fleet: Command) -> None:
    done = fleet("read", "--all", "--json")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    cellar, attic, broken = (json.loads(line) for line in done.stdout.splitlines())
    assert (cellar["sensor"], cellar["model"], cellar["serial"], cellar["port"]) == ("cellar", "USB-RH", None, "sim-1")
    assert (cellar["temperature"], cellar["raw"]["temperature"], cellar["status"]) == (31.69, 7169, None)
    assert (attic["sensor"], attic["model"], attic["serial"], attic["port"]) == ("attic", "USBRH2", "E02A", "sim-2")
    assert (attic["temperature"], attic["humidity"], attic["raw"]) == (23.77, 42.76, None)
    assert (attic["conversion"], attic["status"]) == ("device", "0x8010")
    assert (broken["sensor"], broken["state"], broken["temperature"]) == ("E003", "bad_report", None)
    assert attic.keys() == cellar.keys() == broken.keys()


def test_list_shows_serial_numbers(fleet: Command) -> None:
    done = fleet("list")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["name", "port", "model", "serial", "firmware", "access"],
        ["1", "cellar", "sim-1", "USB-RH", "-", "06/01/09", "ok"],
        ["2", "attic", "sim-2", "USBRH2", "E02A", "USBRH2", "Ver", "1.00", "ok"],
        ["3", "E003", "sim-3", "USBRH2", "E003", "USBRH2", "Ver", "1.00", "ok"],
    ]


@pytest.mark.parametrize("selector", ["attic", "E02A", "sim-2", "2"])
def test_by_name_serial_port_and_number(fleet: Command, selector: str) -> None:
    done = fleet("read", selector, "--format", "{serial} {raw_temperature} {status}")
    assert (done.returncode, done.stdout) == (0, "E02A U 0x8010\n")


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ("led 1 blink attic", 0, ""),
        ("led green on attic", 0, ""),
        ("led 1 blink cellar", 2, "can't blink"),
        ("led 1 glow attic", 2, "'glow' is not one of"),
        ("heater off attic", 0, ""),
        ("release attic", 0, ""),
        ("read 0007", 3, "no sensor '0007'"),
    ],
)
def test_controls(fleet: Command, words: str, status: int, says: str) -> None:
    done = fleet(*words.split())
    assert (done.returncode, len(done.stderr.splitlines())) == (status, 1 if says else 0)
    assert says in done.stderr


def test_without_libusb_a_usbrh2_is_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    port = (usbrh2.PORT_NAME.format("E02A"), "1-1.4", Path("/dev/ttyACM7"))
    monkeypatch.setattr("usbrh.drivers.bus.serial_ports", lambda: [port])
    monkeypatch.setattr("usb.backend.libusb1.get_backend", lambda **_: None)
    monkeypatch.delenv("USBRH_SIMULATE", raising=False)
    (sensor,) = find()
    assert sensor.info == SensorInfo("1-1.4", "USBRH2", "E02A", serial="E02A")
    monkeypatch.setattr("usbrh.drivers.bus.serial_ports", list)
    with pytest.raises((LibusbMissing, SensorNotFound)):
        find()


def test_a_configured_usbrh2_that_is_not_plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.drivers.bus.serial_ports", list)
    monkeypatch.setattr("usb.backend.libusb1.get_backend", lambda **_: None)
    monkeypatch.delenv("USBRH_SIMULATE", raising=False)
    poller = Poller(Config(sensor={"E02A": SensorConfig("attic"), "1-1.4": SensorConfig("cellar")}))
    attic, cellar = poller.measure()
    assert (attic.sensor, attic.model, attic.serial, attic.state) == ("attic", "USBRH2", "E02A", "not_found")
    assert (cellar.sensor, cellar.model, cellar.serial, cellar.port) == ("cellar", "USB-RH", None, "1-1.4")
    assert poller.discovery()[0] == {"{#SENSOR}": "attic", "{#PORT}": "E02A", "{#MODEL}": "USBRH2"}


def test_one_that_is_lost_is_missed_once_and_found_again_at_another_port(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usbrh.sensors.default_bus", lambda: bench.backend)
    poller = Poller(Config(sensor={"E02A": SensorConfig("attic")}))
    assert [reading.state for reading in poller.measure()] == ["ok"]
    bench.model.unplug()
    assert [(reading.sensor, reading.state) for reading in poller.measure()] == [("attic", "not_found")]
    bench.model.plug()
    bench.model.number = 7
    assert [(reading.port, reading.state) for reading in poller.measure()] == [("sim-7", "ok")]


@pytest.mark.parametrize("name", ["device.md", "device.ja.md"])
def test_exit_statuses_in_the_document(name: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / name).read_text("utf-8")
    (row,) = re.findall(r"^\|(?: (?:error|エラー), \d \|){6}$", text, re.MULTILINE)
    columns = ("no_answer", "silent", "half_line", "flipped_bit", "disconnected_chip", "unplug_mid_line")
    errors = [ALWAYS[fault] for fault in columns]
    assert [int(number) for number in re.findall(r"\d", row)] == [error.exit_status for error in errors if error]
