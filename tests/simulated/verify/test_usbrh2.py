"""The steps of usbrh verify for a USBRH2. Pseudo-terminals need real time, so single steps are run, side by side."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

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


class Unix(VirtualUsbrh2):
    """Ends its lines with LF."""

    def _send(self, data: bytes) -> None:
        super()._send(data.replace(b"\r\n", b"\n"))


class Wordy(VirtualUsbrh2):
    """Answers status in words."""

    def _send_line(self, words: str) -> None:
        super()._send_line("heater off" if words.startswith("0x") else words)


class Endless(VirtualUsbrh2):
    """Goes on with automatic lines when its port is closed."""

    def close(self) -> None:
        pass


CASES = (
    ("dialogue", VirtualUsbrh2),
    ("dialogue", Unix),
    ("dialogue", Wordy),
    ("automatic lines", VirtualUsbrh2),
    ("automatic lines", Endless),
    ("second run", VirtualUsbrh2),
)
"""The steps that are run, and with which device."""
Results = dict[tuple[str, type[VirtualUsbrh2]], Result]


@contextmanager
def bench(model: type[VirtualUsbrh2] = VirtualUsbrh2) -> Iterator[Bench]:
    capture = Capture()
    with closing(SimulatorBackend([model(serial="E02A")])) as bus:
        bus.recorder = Recorder(SYSTEM_CLOCK, capture.write)
        (sensor,) = find(backend=bus)
        yield Bench.of(sensor.info, bus, SYSTEM_CLOCK, capture)


def judged(name: str, model: type[VirtualUsbrh2]) -> Result:
    with bench(model) as port:
        (result,) = run(port, [step for step in STEPS if step.name == name])
        return result


@pytest.fixture(scope="module")
def results() -> Results:
    """All at the same time, because they wait for most of it."""
    with ThreadPoolExecutor(max_workers=len(CASES)) as pool:
        return dict(zip(CASES, pool.map(lambda case: judged(*case), CASES), strict=True))


def test_the_dialogue(results: Results) -> None:
    result = results["dialogue", VirtualUsbrh2]
    assert (result.verdict, result.detail) == (AS_ASSUMED, None)


def test_lines_that_end_otherwise_are_new(results: Results) -> None:
    result = results["dialogue", Unix]
    assert (result.verdict, result.detail) == (NEW, "end of line: '\\n'")


def test_a_status_in_another_form_differs(results: Results) -> None:
    result = results["dialogue", Wordy]
    assert result.verdict is DIFFERS
    assert "is not understood" in (result.detail or "")


def test_automatic_lines(results: Results) -> None:
    assert results["automatic lines", VirtualUsbrh2].verdict is AS_ASSUMED


def test_automatic_lines_that_do_not_end_differ(results: Results) -> None:
    result = results["automatic lines", Endless]
    assert (result.verdict, result.detail) == (DIFFERS, "lines after the port was closed")


def test_an_answer_that_nobody_read(results: Results) -> None:
    assert results["second run", VirtualUsbrh2].verdict is AS_ASSUMED


@pytest.fixture
def port() -> Iterator[Bench]:
    with bench() as port:
        yield port


def test_the_facts_on_the_bus(port: Bench, tmp_path: Path) -> None:
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
