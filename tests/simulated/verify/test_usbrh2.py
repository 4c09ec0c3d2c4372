"""The steps of usbrh verify for a USBRH2. Pseudo-terminals need real time, so each test runs single steps."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from usbrh.clock import SYSTEM_CLOCK
from usbrh.drivers.recording import Recorder
from usbrh.sensors import find
from usbrh.simulator import SimulatorBackend, VirtualUsbrh2
from usbrh.verify.bench import Bench
from usbrh.verify.capture import Capture
from usbrh.verify.steps import Result, Verdict, run
from usbrh.verify.usbrh2 import STEPS, _on_the_bus

AS_ASSUMED, NEW, DIFFERS = Verdict.AS_ASSUMED, Verdict.NEW, Verdict.DIFFERS
Judge = Callable[..., Result]


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    buses = []

    def make(model: type[VirtualUsbrh2] = VirtualUsbrh2, **how: Any) -> Bench:
        buses.append(SimulatorBackend([model(serial="E02A", **how)]))
        capture = Capture()
        buses[-1].recorder = Recorder(SYSTEM_CLOCK, capture.write)
        (sensor,) = find(backend=buses[-1])
        return Bench.of(sensor.info, buses[-1], SYSTEM_CLOCK, capture)

    yield make
    for bus in buses:
        bus.close()


@pytest.fixture
def judge(bench: Callable[..., Bench]) -> Judge:
    def judge(name: str, model: type[VirtualUsbrh2] = VirtualUsbrh2, **how: Any) -> Result:
        (result,) = run(bench(model, **how), [step for step in STEPS if step.name == name])
        return result

    return judge


def test_the_dialogue(judge: Judge) -> None:
    result = judge("dialogue")
    assert (result.verdict, result.detail) == (AS_ASSUMED, None)


class Unix(VirtualUsbrh2):
    """Ends its lines with LF."""

    def _send(self, data: bytes) -> None:
        super()._send(data.replace(b"\r\n", b"\n"))


def test_lines_that_end_otherwise_are_new(judge: Judge) -> None:
    result = judge("dialogue", Unix)
    assert (result.verdict, result.detail) == (NEW, "end of line: '\\n'")


class Wordy(VirtualUsbrh2):
    """Answers status in words."""

    def _send_line(self, words: str) -> None:
        super()._send_line("heater off" if words.startswith("0x") else words)


def test_a_status_in_another_form_differs(judge: Judge) -> None:
    result = judge("dialogue", Wordy)
    assert result.verdict is DIFFERS
    assert "is not understood" in (result.detail or "")


def test_automatic_lines(judge: Judge) -> None:
    assert judge("automatic lines").verdict is AS_ASSUMED


class Endless(VirtualUsbrh2):
    """Goes on with automatic lines when its port is closed."""

    def close(self) -> None:
        pass


def test_automatic_lines_that_do_not_end_differ(judge: Judge) -> None:
    result = judge("automatic lines", Endless)
    assert (result.verdict, result.detail) == (DIFFERS, "lines after the port was closed")


def test_an_answer_that_nobody_read(judge: Judge) -> None:
    assert judge("second run").verdict is AS_ASSUMED


def test_the_facts_on_the_bus(bench: Callable[..., Bench], tmp_path: Path) -> None:
    port = bench()
    ((_, _, node),) = port.bus.serial_ports()
    device = tmp_path / "devices/1-1"
    (device / "1-1:1.0").mkdir(parents=True)
    (tmp_path / "class/tty").mkdir(parents=True)
    (tmp_path / "class/tty" / node.name).mkdir()
    (tmp_path / "class/tty" / node.name / "device").symlink_to(device / "1-1:1.0")
    assert _on_the_bus(port, tmp_path).text == "not on USB: a pseudo-terminal"
    facts = {"idVendor": "1774", "idProduct": "5203", "bcdDevice": "0100", "serial": "E02A", "product": "USBRH2"}
    for name, value in facts.items():
        (device / name).write_text(f"{value}\n")
    seen = _on_the_bus(port, tmp_path)
    assert "idProduct 5203" in seen.new
    assert "idVendor 1774" not in seen.new
    assert "E02A" not in str(port.capture.records[-1])
