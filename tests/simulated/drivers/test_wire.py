"""What reaches the sensor: never SET_CONFIGURATION or SET_INTERFACE, and CLEAR_FEATURE only after a stall.

Programs that send the first two at each start work once and then fail (docs/device.md).
"""

import _thread
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import usbrh.simulator
from usbrh.cli import COMMANDS, cli
from usbrh.cli.context import Context
from usbrh.config import Config, SensorConfig
from usbrh.drivers.recording import Recorder
from usbrh.errors import SensorError
from usbrh.sensors import Sensor, find
from usbrh.simulator import FAULTS, SimulatorBackend, VirtualClock, VirtualUsbRh
from usbrh.zabbix.fake_server import FakeServer

FORBIDDEN = {"set_configuration", "set_interface", "clear_halt"}
OPERATIONS: dict[str, Callable[[Sensor], object]] = {
    "measure": lambda sensor: sensor.read(),
    "firmware": lambda sensor: sensor.firmware(),
    "led": lambda sensor: sensor.set_led(1, True),
    "heater on": lambda sensor: sensor.set_heater(True),
    "heater off": lambda sensor: sensor.set_heater(False),
    "release": lambda sensor: sensor.release(),
}


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.model = VirtualUsbRh(clock=self.clock)
        (self.sensor,) = find(backend=SimulatorBackend([self.model], self.clock), clock=self.clock)

    def operate(self, operation: str = "measure") -> list[str]:
        """The requests of one operation, which may fail, without those of LEDs, heater and firmware date."""
        self.model.wire.clear()
        try:
            OPERATIONS[operation](self.sensor)
        except SensorError as error:
            self.model.wire.append(error.kind)
        return [request for request in self.model.wire if request != "feature"]


@pytest.mark.parametrize(
    ("operate", "expected"),
    [  # docs/device.md; each operation first switches a heater off that a killed process may have left on
        (lambda sensor: sensor.set_led(1, True), ["0100", "0301"]),
        (lambda sensor: sensor.set_led(1, False), ["0100", "0300"]),
        (lambda sensor: sensor.set_led(2, True), ["0100", "0401"]),
        (lambda sensor: sensor.set_led(2, False), ["0100", "0400"]),
        (lambda sensor: sensor.set_heater(True), ["0100", "0104"]),
        (lambda sensor: sensor.set_heater(False), ["0100", "0100"]),
        (lambda sensor: sensor.read(), ["0100", "0301", "0000", "0300"]),
    ],
)
def test_the_bytes_of_each_request(operate: Callable[[Sensor], object], expected: list[str]) -> None:
    clock = VirtualClock()
    backend = SimulatorBackend([VirtualUsbRh(clock=clock)], clock)
    records: list[dict[str, Any]] = []
    backend.recorder = Recorder(clock, records.append)
    settings = Config(sensor={"sim-1": SensorConfig(led="measuring")})
    (sensor,) = find(settings, backend=backend, clock=clock)
    operate(sensor)
    sent = [record["data"] for record in records if record["transfer"] == "control" and record["setup"][:2] == "21"]
    assert sent == [f"{start}{'00' * 5}" for start in expected]


@pytest.mark.parametrize("times", [1, 2, 3, None])
@pytest.mark.parametrize("fault", FAULTS)
def test_no_operation_and_no_recovery_sends_what_confuses_firmware(fault: str, times: int | None) -> None:
    bench = Bench()
    for operation in OPERATIONS:
        bench.model.plug()
        bench.model.fault(fault, times, 0.5 if fault.startswith("unplug") else None)
        wire = bench.operate(operation)
        stalls = {"clear_halt"} if fault == "endpoint_halts" else set()
        assert FORBIDDEN & set(wire) <= stalls, operation


def test_recovery_asks_again_re_opens_and_only_then_resets() -> None:
    bench = Bench()
    bench.model.fault("no_answer")
    assert bench.operate() == ["measure", "measure", "reset", "measure", "reset", "timeout"]
    bench.model.clear_faults()
    assert bench.operate() == ["measure"]
    bench.model.fault("read_io_error")
    assert bench.operate() == ["measure", "measure", "reset", "measure", "measure", "reset", "transfer_failed"]


def test_a_stall_is_cleared_once_and_where_it_is_seen() -> None:
    bench = Bench()
    bench.model.fault("endpoint_halts", 1)
    assert bench.operate() == ["measure", "clear_halt", "measure", "reset"]
    bench.model.fault("request_stalls", 1)  # a stall of the control pipe ends by itself
    assert bench.operate() == ["measure", "measure"]


@pytest.mark.parametrize("request_", [(0x00, 0x09), (0x01, 0x0B), (0x02, 0x01)])
def test_the_watch_sees_each_of_them(request_: tuple[int, int]) -> None:
    model = VirtualUsbRh(clock=VirtualClock())
    model.control(request_, int(request_ == (0x00, 0x09)), 0x81 if request_[0] == 2 else 0)
    assert set(model.wire) < FORBIDDEN
    model.control((0x80, 0x06), 0x0200, 0, length=255)
    model.control((0x00, 0x09), 1, 0)
    assert model.wire[-1] == "reset", "the kernel ends a reset with it"


# ---------------------------------------------------------------- every command

WORDS: dict[str, list[str]] = {
    "list": ["list --json"],
    "read": ["read", "read --all --json"],
    "led": ["led 1 on", "led 2 off"],
    "heater": ["heater on --seconds 1", "heater off", "heater test --seconds 1"],
    "release": ["release"],
    "watch": ["watch --interval 1s"],
    "log": ["log --interval 1s --json"],
    "calibrate": ["calibrate --temperature 0 --readings 1"],
    "doctor": ["doctor"],
    "send": ["send"],
}
"""How each command that opens a sensor is called. The first line of a loop ends it."""
LOOPS = ("watch", "log")
OTHERS = {"run", "agent", "plot", "history", "journal", "zabbix", "config", "status", "setup", "demo", "simulate"}
"""``run`` and ``agent`` measure as ``send`` does; ``demo`` and ``simulate`` have their own sensors."""
OTHERS |= {"identify", "verify", "help"}  # the first two use the operations above; verify asks a person


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[VirtualUsbRh]]:
    """The virtual sensors of the command that is called."""
    made: list[VirtualUsbRh] = []
    make = usbrh.simulator.backend_from_environment

    def observed(text: str) -> SimulatorBackend:
        backend = make(text)
        made.extend(backend.models.values())
        return backend

    script = tmp_path / "sensors.toml"
    script.write_text("[sensor.sim-1]\ndelay = 0.21\n")
    with FakeServer() as server:
        monkeypatch.setattr(usbrh.simulator, "backend_from_environment", observed)
        monkeypatch.setenv("USBRH_SIMULATE", str(script))
        monkeypatch.setenv("USBRH_CONFIG", str(tmp_path / "usbrh.toml"))
        (tmp_path / "usbrh.toml").write_text("")
        monkeypatch.setenv("USBRH_ZABBIX_SERVERS", server.address)
        monkeypatch.setenv("USBRH_ZABBIX_HOST", "pc")
        monkeypatch.setenv("USBRH_JOURNAL_PATH", str(tmp_path / "journal.db"))
        monkeypatch.setenv("USBRH_ALLOW_SIMULATED", "1")
        yield made


@pytest.mark.parametrize("words", [words for lines in WORDS.values() for words in lines])
def test_no_command_sends_what_confuses_firmware(models: list[VirtualUsbRh], words: str) -> None:
    end = threading.Timer(0.6, _thread.interrupt_main)
    root, poller = logging.getLogger(), logging.getLogger("usbrh.poller")
    before = root.handlers[:], root.level, poller.level
    if words.startswith(LOOPS):
        end.start()
    done = CliRunner().invoke(cli, words.split(), obj=Context())
    if words.startswith(LOOPS):
        end.join()
    root.handlers[:] = before[0]  # a command sets them up for the rest of its process
    root.setLevel(before[1])
    poller.setLevel(before[2])
    (model,) = models
    assert model.wire or words == "release", done.output
    assert not FORBIDDEN & set(model.wire)


def test_every_command_is_watched() -> None:
    assert set(COMMANDS) <= set(WORDS) | OTHERS
