"""Replays the files of ``usbrh verify`` through the real drivers: a virtual device answers as the recorded one did.

Each recorded call of a driver is replayed for itself, because a later version of the driver may send other transfers
around the requests. docs/verify.md describes the format.
"""

import errno
import json
import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.drivers.nodelock import HEATER, NodeLock
from usbrh.errors import SensorError
from usbrh.sensors import Sensor, find
from usbrh.simulator import SimulatorBackend, VirtualClock, VirtualUsbRh, VirtualUsbrh2
from usbrh.simulator.chapter9 import TransferError
from usbrh.simulator.device import VirtualInstrument
from usbrh.simulator.usbrh1 import FEATURE_REPORT, OUTPUT_REPORT, SET_REPORT
from usbrh.verify.capture import values

Record = dict[str, Any]
_REQUEST = "21090002"
"""How the setup packet of a request for a measurement begins."""
CALLS: dict[str, Callable[[Sensor], Record]] = {
    "measure": lambda sensor: values(sensor.read()),
    "firmware": lambda sensor: {"firmware": sensor.firmware()},
}
"""The calls that a replay does again, and what each returns."""


@dataclass
class Call:
    """One recorded call of the driver, with its transfers, and what it returned or which kind of error it raised."""

    model: str
    name: str
    while_on: str = ""
    transfers: list[Record] = field(default_factory=list)
    returns: Record | None = None
    raises: str | None = None


def records(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def calls(path: Path) -> Iterator[Call]:
    """Yield the complete calls in a file."""
    first, *rest = records(path)
    assert first["usbrh_capture"] == 1
    call: Call | None = None
    for record in rest:
        if "call" in record:
            call = Call(first["model"], record["call"], record.get("while_on", ""))
        elif call and ("returns" in record or "raises" in record):
            call.returns, call.raises = record.get("returns"), record.get("raises")
            yield call
            call = None
        elif call and "transfer" in record:
            call.transfers.append(record)


def replay(call: Call) -> None:
    """Do the call again. Fail if it returns another value, or raises another error, than the recorded one."""
    replayed: VirtualInstrument
    clock: Clock
    if call.model == "USBRH2":
        clock = SYSTEM_CLOCK  # pseudo-terminals need real time
        replayed = ReplayedUsbrh2(call.transfers)
    else:
        clock = VirtualClock()
        replayed = ReplayedUsbRh(call.transfers, clock)
    with closing(SimulatorBackend([replayed], clock)) as bus, ExitStack() as stack:
        (sensor,) = find(backend=bus, clock=clock)
        for _, _, node in bus.serial_ports() if call.while_on == "heater" else ():
            # As another process that has the heater on; otherwise the driver would switch it off first.
            assert stack.enter_context(NodeLock(node)).acquire(HEATER, Deadline(0))
        returns, raises = None, None
        try:
            returns = CALLS[call.name](sensor)
        except SensorError as error:
            raises = error.kind
    assert (returns, raises) == (call.returns, call.raises)


class ReplayedUsbRh(VirtualUsbRh):
    """Answers each request with the reports that followed the same request in the capture, after the same time."""

    def __init__(self, transfers: list[Record], clock: Clock) -> None:
        super().__init__(clock=clock)
        self._requests: deque[tuple[Record, list[Record]]] = deque()
        self._features: list[Record] = []
        for record in transfers:
            if record["transfer"] == "control" and record["setup"].startswith(_REQUEST):
                self._requests.append((record, []))
            elif record["transfer"] == "control":
                self._features.append(record)
            elif record["transfer"] == "interrupt" and self._requests:
                self._requests[-1][1].append(record)

    def _hid(self, request: tuple[int, int], value: int, data: bytes) -> bytes | None:
        if request == SET_REPORT and value == OUTPUT_REPORT:
            return self._replay_request()
        for record in self._features if value == FEATURE_REPORT else ():
            setup = bytes.fromhex(record["setup"])
            if ((setup[0], setup[1]) == request and request != SET_REPORT) or record.get("data") == data.hex():
                return _outcome(record, b"" if request == SET_REPORT else bytes.fromhex(record.get("data", "")))
        return b""

    def _replay_request(self) -> bytes | None:
        if not self._requests:
            return b""  # the driver asks more often than it did; nothing more was recorded
        request, reports = self._requests.popleft()
        now = self.clock.monotonic()
        for record in reports:
            if record.get("error") != "ETIMEDOUT":
                self._at(now + record["end"] - request["end"], self._report_of(record))
        return _outcome(request, b"")

    def _report_of(self, record: Record) -> Callable[[float], None]:
        error = record.get("error")
        report = TransferError(_number(error)) if error else bytes.fromhex(record["data"])
        return lambda _: self._reports.append(report)


class ReplayedUsbrh2(VirtualUsbrh2):
    """Answers each command with the characters that followed the same command in the recording."""

    def __init__(self, transfers: list[Record]) -> None:
        super().__init__(serial="E000")
        self._commands: list[tuple[str, list[tuple[float, bytes]]]] = []
        written = math.inf
        for record in transfers:
            if record["transfer"] == "write":
                written = record["end"]
                self._commands.append((record["text"].strip(), []))
            elif record["transfer"] == "read" and self._commands:
                after = max(0.0, record["end"] - written)
                self._commands[-1][1].append((after, record["text"].encode("latin-1")))

    def _command(self, command: str, at: float) -> None:
        for number, (recorded, answers) in enumerate(self._commands):
            if recorded == command:
                del self._commands[: number + 1]
                for after, text in answers:
                    self._at(at + after, self._sends(text))
                return

    def _sends(self, text: bytes) -> Callable[[float], None]:
        return lambda _: self._send(text)


def _outcome(record: Record, answer: bytes) -> bytes | None:
    """Return the answer to a control transfer; None if the device did not answer. Raises TransferError."""
    error = record.get("error")
    if error == "ETIMEDOUT":
        return None
    if error:
        raise TransferError(_number(error))
    return answer


def _number(name: str) -> int:
    number: int = getattr(errno, name, errno.EIO)
    return number
