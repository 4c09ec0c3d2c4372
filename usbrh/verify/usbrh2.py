"""The steps for a USBRH2. docs/device.md shows what its maker publishes, and what is only assumed."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from usbrh.clock import Clock, Deadline
from usbrh.drivers.serialport import SerialDevice
from usbrh.drivers.usbrh2 import PORT_NAME
from usbrh.drivers.usbrh2_protocol import ANSWER_WINDOW
from usbrh.errors import SensorNotFound
from usbrh.verify.bench import Bench
from usbrh.verify.common import HEATER, Answers, led_step, timing
from usbrh.verify.steps import Seen, Step

if TYPE_CHECKING:
    from serial import Serial

GUESSED = {
    "idVendor": "1774",
    "idProduct": "1002",
    "bcdDevice": "0100",
    "version": "2.00",
    "speed": "12",
    "bMaxPower": "100mA",
    "manufacturer": "Strawberry Linux",
    "product": "USBRH2",
}
"""Facts on the bus that nobody has published, by their names in /sys. The values are those of the virtual sensor."""
_SESSION_SECONDS = 15.0
_ANSWER_SECONDS = 0.3
"""s in which an answer is whole; a measurement takes 16 ms."""
_CLOSED_SECONDS = 0.5
"""s for the device to notice that its port was closed."""
_ECHO = {"echo": "yes", "prompt": "'>'", "end of line": "'\\r\\n'", "status": "0x8010", "unknown command": "'Error'"}
"""How the virtual sensor talks. The driver accepts other forms, too, except for the status."""
_STATUS = re.compile(r"0x[0-9A-Fa-f]{1,4}|\b[0-9A-Fa-f]{4}\b")
_LINE = re.compile(r":-?\d+\.?\d*,\d+\.?\d*,[0-9A-Fa-f]{2}")


@contextmanager
def _session(bench: Bench) -> Iterator["_Wire"]:
    """Open the port directly, without the driver, and exclude other processes until the end of the block."""
    info = bench.sensor.info
    deadline = bench.deadline(_SESSION_SECONDS)
    device = SerialDevice(PORT_NAME.format(info.serial), info.port, info.identity, bench.bus)
    with device.session(deadline) as (port, _):
        port.write_timeout = 1.0
        yield _Wire(port, bench.clock)


class _Wire:
    """An open port, without the driver."""

    def __init__(self, port: "Serial", clock: Clock) -> None:
        self._port = port
        self._clock = clock

    def say(self, command: str) -> None:
        """Send a command."""
        self._port.write(command.encode("ascii") + b"\r")

    def hear(self, seconds: float) -> str:
        """Return everything that comes within so many seconds."""
        deadline = Deadline(seconds, self._clock)
        heard = b""
        while not deadline.passed:
            self._port.timeout = deadline.remaining()
            heard += self._port.read(self._port.in_waiting or 1)
        return heard.decode("latin-1")

    def ask(self, command: str) -> str:
        """Send a command, and return what comes within the time that any answer needs."""
        self.say(command)
        return self.hear(_ANSWER_SECONDS)

    def quiet(self) -> None:
        """Stop automatic lines and the echo."""
        for command in ("", "auto off", "echo off"):
            self.ask(command)


def _on_the_bus(bench: Bench, sys: Path = Path("/sys")) -> Seen:
    node = next((node for _, port, node in bench.bus.serial_ports() if port == bench.sensor.info.port), None)
    if node is None:
        raise SensorNotFound(f"{bench.sensor.info.identity} was unplugged", remedy="plug it in again")
    # The node belongs to an interface; the folder above it is the device.
    device = (sys / "class/tty" / node.name / "device").resolve().parent
    if not (device / "idVendor").exists():
        return Seen("not on USB: a pseudo-terminal")
    facts = {name: _file(device / name) for name in GUESSED}
    new = [f"{name} {facts[name]}" for name, guess in GUESSED.items() if facts[name] != guess]
    bench.recorder.note(sysfs=facts)
    return Seen(", ".join(f"{name} {value}" for name, value in facts.items()), new=new)


def _file(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="backslashreplace").strip()
    except OSError:
        return None


def _dialogue(bench: Bench) -> Seen:
    with _session(bench) as wire:
        wire.quiet()
        wire.ask("echo on")
        echoed, upper, empty = wire.ask("status"), wire.ask("STATUS"), wire.ask("")
        for command in ("list", "help"):  # for the file
            wire.ask(command)
        wire.quiet()
        status, unknown = wire.ask("status"), wire.ask("xyzzy")
    facts = {
        "echo": "yes" if "status" in echoed else "no",
        "prompt": repr(re.sub(r"\s", "", empty)),
        "end of line": repr((re.search(r"[\r\n]+", status) or [""])[0]),
        "status": (_STATUS.search(status) or [repr(status)])[0],
        "unknown command": repr(unknown.strip()),
    }
    differs = [] if _STATUS.search(status) else [f"status {status!r} is not understood"]
    if not _STATUS.search(upper.replace("STATUS", "")):
        differs.append("upper case is not understood")
    new = [f"{name}: {facts[name]}" for name, guess in _ECHO.items() if facts[name] != guess and not differs]
    return Seen(", ".join(f"{name}: {value}" for name, value in facts.items()), differs, new)


def _firmware(bench: Bench) -> Seen:
    return Seen(repr(bench.firmware()))


def _answers(bench: Bench, since: int) -> Answers:
    """Count ``getrh``, and return the seconds from each to the line of values after it."""
    requests = 0
    times = []
    asked: float | None = None
    for record in bench.capture.records[since:]:
        if record.get("transfer") == "write" and "getrh" in record["text"]:
            requests, asked = requests + 1, record["end"]
        elif record.get("transfer") == "read" and asked is not None and _LINE.search(record["text"]):
            times.append(record["end"] - asked)
            asked = None
    return Answers(requests, times)


def _automatic(bench: Bench) -> Seen:
    with _session(bench) as wire:
        wire.quiet()
        wire.say("auto 1")
        lines = wire.hear(2.5)
        wire.ask("auto off")
        after = wire.hear(1.5)
        wire.say("auto 1")
    bench.clock.sleep(_CLOSED_SECONDS)
    with _session(bench) as wire:
        reopened = wire.hear(1.5)
        wire.quiet()
    count = len(_LINE.findall(lines))
    differs = [f"{count} lines in 2.5 s at 'auto 1'"] if count != 2 else []
    differs += ["lines after 'auto off'"] if _LINE.search(after) else []
    differs += ["lines after the port was closed"] if _LINE.search(reopened) else []
    return Seen(f"{count} lines in 2.5 s at 'auto 1'; then {'lines' if differs[1:] else 'none'}", differs)


def _second_run(bench: Bench) -> Seen:
    """Ask and close without reading, as a program that is killed, and measure."""
    mark = bench.mark
    for _ in range(3):
        with _session(bench) as wire:
            wire.say("getrh")
        bench.read()
    requests = _answers(bench, mark).requests - 3
    differs = [f"{requests} requests for 3 readings"] if requests != 3 else []
    return Seen("3 readings after requests whose answer nobody read", differs)


STEPS = (
    Step("descriptors", "vendor, product and texts of the virtual sensor (invented)", _on_the_bus),
    Step("dialogue", "echo, prompt and lines as those of the virtual sensor (guessed)", _dialogue),
    Step("firmware", "any words", _firmware),
    Step("timing", f"each request is answered within {ANSWER_WINDOW} s", lambda bench: timing(bench, _answers)),
    Step("automatic lines", "one per interval, until 'auto off' or until the port is closed", _automatic),
    Step("second run", "the first request after each opening is answered", _second_run),
    led_step("blink", "on"),
    HEATER,
)
