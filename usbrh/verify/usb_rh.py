"""The steps for a USB-RH. docs/device.md says what is known of it, and what is only assumed."""

import errno
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import usb.core

from usbrh.clock import Deadline
from usbrh.drivers.usb import UsbDevice
from usbrh.drivers.usbrh1 import ANSWER_WINDOW, FASTEST_ANSWER
from usbrh.errors import SensorError, SensorNotFound
from usbrh.verify.bench import Bench
from usbrh.verify.common import HEATER, led_step, take_readings, warming
from usbrh.verify.steps import UNUSABLE, Seen, Step

KNOWN: dict[str, object] = {
    "vendor:product": "1774:1001",
    "speed": "low",
    "interfaces": 1,
    "interface class": 3,
    "endpoints": "81",
    "endpoint type": "interrupt",
    "serial number text": 0,
}
"""Facts on the bus that the driver depends on, or that several programs agree on."""
GUESSED: dict[str, object] = {
    "USB": "1.10",
    "bcdDevice": "1.00",
    "configurations": 1,
    "subclass:protocol": "0:0",
    "packets": "8, 8",
    "poll interval": "10 ms",
    "current": "100 mA",
    "report descriptor": "0600ff0901a101150026ff007508950709028102090391020904b102c0",
}
"""Facts that nobody has published. The values are those of the virtual sensor."""
TEXTS = {"manufacturer": "Strawberry Linux Co.,Ltd.", "product": "USBRH"}
"""As above: the texts of the virtual sensor."""
RESERVED = "000241"
"""The last three bytes of the only published report."""

_DEVICE, _CONFIGURATION, _STRING, _ENDPOINT, _REPORT = 1, 2, 3, 5, 0x22
_REQUEST = bytes.fromhex("21090002")
"""How the setup packet of a request for a measurement begins."""
_SPEEDS = {1: "low", 2: "full", 3: "high"}  # libusb.h, enum libusb_speed
_TYPES = ("control", "isochronous", "bulk", "interrupt")
_SESSION_SECONDS = 15.0
_LISTEN_SECONDS = 2.0
_WAIT_SECONDS = 1.0
"""s after which an answer that nobody read is surely there."""
_BACK_SECONDS = 5.0
_POLL_MARGIN = 0.02
"""s more than the poll interval in which the host fetches a report that waits."""


@contextmanager
def _session(bench: Bench) -> Iterator[tuple[UsbDevice, usb.core.Device, Deadline]]:
    """Open the device directly, without the driver, and exclude other processes until the end of the block."""
    deadline = bench.deadline(_SESSION_SECONDS)
    shared = UsbDevice(bench.sensor.info.port, bench.sensor.info.identity, bench.bus, (0x1774, 0x1001))
    with shared.session(deadline) as (device, _):
        yield shared, device, deadline


def _descriptor(device: usb.core.Device, kind: int, index: int = 0, *, interface: bool = False) -> bytes | None:
    """Ask for a descriptor; None if the device does not give it. Raises USBError if it is gone."""
    language = 0x0409 if kind == _STRING and index else 0
    try:
        return bytes(device.ctrl_transfer(0x81 if interface else 0x80, 6, kind << 8 | index, language, 255, 1000))
    except usb.core.USBError as error:
        if error.errno in (errno.ENODEV, errno.ENOENT, errno.EIO):
            raise
        return None


def _facts(bench: Bench) -> dict[str, object]:
    """Ask the device for its descriptors, and return what they say."""
    with _session(bench) as (_, device, _deadline):
        descriptor = _descriptor(device, _DEVICE) or b""
        configuration = _descriptor(device, _CONFIGURATION) or b""
        report = _descriptor(device, _REPORT, interface=True)
        speed = _SPEEDS.get(getattr(device, "speed", None) or 0, "unknown")
    return {"speed": speed, "report descriptor": report.hex() if report else None, **_parse(descriptor, configuration)}


def _parse(descriptor: bytes, configuration: bytes) -> dict[str, object]:
    """Return the facts in a device descriptor and a configuration descriptor (USB 2.0, chapter 9.6)."""
    if len(descriptor) < 18 or len(configuration) < 18:
        return {"descriptors": f"{descriptor.hex()} {configuration.hex()}"}
    usb_version, packet0, vendor, product, version, _, _, serial, configurations = struct.unpack_from(
        "<H3xBHHHBBBB", descriptor, 2
    )
    parts = _split(configuration)
    interface = next((part for part in parts if part[1] == 4), bytes(9))
    endpoints = [part for part in parts if part[1] == _ENDPOINT]
    packets = [packet0, *(int.from_bytes(part[4:6], "little") for part in endpoints)]
    return {
        "vendor:product": f"{vendor:04x}:{product:04x}",
        "USB": f"{usb_version >> 8:x}.{usb_version & 0xFF:02x}",
        "bcdDevice": f"{version >> 8:x}.{version & 0xFF:02x}",
        "serial number text": serial,
        "configurations": configurations,
        "interfaces": configuration[4],
        "current": f"{configuration[8] * 2} mA",
        "interface class": interface[5],
        "subclass:protocol": f"{interface[6]}:{interface[7]}",
        "endpoints": " ".join(f"{part[2]:02x}" for part in endpoints),
        "endpoint type": " ".join(_TYPES[part[3] & 3] for part in endpoints),
        "packets": ", ".join(map(str, packets)),
        "poll interval": " ".join(f"{part[6]} ms" for part in endpoints),
    }


def _split(configuration: bytes) -> list[bytes]:
    """Return the descriptors in a configuration descriptor; what is too short to be one is left out."""
    parts = []
    while len(configuration) >= 2 and configuration[0] >= 2:
        part, configuration = configuration[: configuration[0]], configuration[configuration[0] :]
        if len(part) >= {4: 9, _ENDPOINT: 7}.get(part[1], 2):
            parts.append(part)
    return parts


def _descriptors(bench: Bench) -> Seen:
    facts = _facts(bench)
    text = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "report descriptor")
    differs = [f"{name} {facts.get(name)}" for name, known in KNOWN.items() if facts.get(name) != known]
    new = [f"{name} {facts.get(name)}" for name, guess in GUESSED.items() if facts.get(name) != guess]
    return Seen(text, differs, new)


def _texts(bench: Bench) -> Seen:
    with _session(bench) as (_, device, _deadline):
        descriptor = _descriptor(device, _DEVICE) or bytes(18)
        indexes = {"manufacturer": descriptor[14], "product": descriptor[15]}
        if any(indexes.values()):
            _descriptor(device, _STRING)  # the languages, for the file
        texts = {name: _text(device, index) for name, index in indexes.items()}
    return Seen(
        ", ".join(f"{name} {text}" for name, text in texts.items()),
        new=[f"{name} {text}" for name, text in texts.items() if text != repr(TEXTS[name])],
    )


def _text(device: usb.core.Device, index: int) -> str:
    """Return a text in quotes, or why there is none."""
    if not index:
        return "without a text"
    descriptor = _descriptor(device, _STRING, index)
    if descriptor is None:
        return "with a text that it does not give"
    try:
        return repr(descriptor[2:].decode("utf-16-le"))
    except UnicodeDecodeError:
        return f"with a text that is not UTF-16: {descriptor.hex()}"


def _firmware(bench: Bench) -> Seen:
    version = bench.firmware()
    try:
        time.strptime(version, "%y/%m/%d")
    except ValueError:
        return Seen(version, new=[f"{version} is not a date"])
    return Seen(version)


def _timing(bench: Bench) -> Seen:
    mark = bench.mark
    readings, failures = take_readings(bench)
    requests = sum(event["setup"].startswith(_REQUEST.hex()) for event in bench.transfers(mark, "control"))
    times = _answer_times(bench, mark)
    differs = [f"{len(failures)} failed: {failures[0]}"] if failures else []
    if requests > len(readings) + len(failures):
        differs.append(f"{requests} requests for {len(readings) + len(failures)} readings")
    text = f"{len(readings)} readings"
    if times:
        text += f", answers after {min(times):.3f} to {max(times):.3f} s, median {median(times):.3f} s"
    return Seen(f"{text}; {warming(readings)}" if readings else text, differs)


def _answer_times(bench: Bench, since: int) -> list[float]:
    """Return the seconds from each request to the last report before the next request."""
    times: list[float] = []
    asked: float | None = None
    last: float | None = None
    for record in bench.capture.records[since:]:
        if record.get("setup", "").startswith(_REQUEST.hex()):
            times += [last - asked] if asked is not None and last is not None else []
            asked, last = record["end"], None
        elif record.get("transfer") == "interrupt" and "data" in record:
            last = record["end"]
    return times + ([last - asked] if asked is not None and last is not None else [])


def _request(device: usb.core.Device, deadline: Deadline) -> None:
    device.ctrl_transfer(0x21, 0x09, 0x0200, 0, bytes(7), deadline.milliseconds(_WAIT_SECONDS))


def _listen(bench: Bench, device: usb.core.Device, deadline: Deadline) -> tuple[list[float], list[float]]:
    """Read every report for 2 s. Return the times, in s, of those that waited in the device, and of the others.

    The host fetches one report per poll interval, so each that waits delays the next one.
    """
    endpoint = device.get_active_configuration()[(0, 0)][0]
    polling = endpoint.bInterval / 1000 + _POLL_MARGIN
    earliest = max(FASTEST_ANSWER, polling)
    begin = bench.clock.monotonic()
    window = deadline.within(_LISTEN_SECONDS)
    waited, answers = [], []
    while not window.passed:
        try:
            device.read(0x81, endpoint.wMaxPacketSize, window.milliseconds(_LISTEN_SECONDS))
        except usb.core.USBTimeoutError:
            break
        seconds = bench.clock.monotonic() - begin
        if seconds < earliest:
            waited.append(seconds)
            earliest = max(earliest, seconds + polling)
        else:
            answers.append(seconds)
    return waited, answers


def _after(
    bench: Bench, prepare: Callable[[UsbDevice, usb.core.Device, Deadline], None]
) -> tuple[list[float], list[float]]:
    """Ask after ``prepare``; return as ``_listen``."""
    with _session(bench) as (shared, device, deadline):
        prepare(shared, device, deadline)
        _request(device, deadline)
        return _listen(bench, device, deadline)


def _answers(late: list[float]) -> list[str]:
    """Return what differs from one answer to one request."""
    return [] if len(late) == 1 else [f"{len(late)} answers to the request after it"]


def _unread(bench: Bench) -> Seen:
    def leave_two(_: UsbDevice, device: usb.core.Device, deadline: Deadline) -> None:
        for _number in (1, 2):
            _request(device, deadline)
            bench.clock.sleep(_WAIT_SECONDS)

    early, late = _after(bench, leave_two)
    text = f"of two unread reports, {len(early)} came at once with the next request"
    return Seen(f"{text}; the answer after {_seconds(late)}", _answers(late), [] if early else ["none is kept"])


def _overlap(bench: Bench) -> Seen:
    def ask_before(_: UsbDevice, device: usb.core.Device, deadline: Deadline) -> None:
        _request(device, deadline)
        bench.clock.sleep(0.1)

    early, late = _after(bench, ask_before)
    came = [*early, *late]
    text = f"{len(came)} answers, {_seconds(came)} after the second request"
    return Seen(text, [] if came else ["no answer at all"], [] if len(came) == 2 else [text])


def _second_run(bench: Bench) -> Seen:
    """Give the device to the kernel's driver and open it again, as after another program."""
    mark = bench.mark
    kernel = "the kernel's HID driver had it in between"
    for _ in range(3):
        try:
            bench.sensor.release()
        except UNUSABLE:
            raise
        except SensorError as error:  # a kernel without that driver
            kernel = error.message
        bench.read()
    requests = sum(event["setup"].startswith(_REQUEST.hex()) for event in bench.transfers(mark, "control"))
    lost = requests - 3
    differs = [f"{lost} requests after an opening got no answer"] if lost > 0 else []
    return Seen(f"3 openings, {requests} requests, 3 answers; {kernel}", differs)


def _reset(bench: Bench) -> Seen:
    def reset(shared: UsbDevice, device: usb.core.Device, deadline: Deadline) -> None:
        _request(device, deadline)
        bench.clock.sleep(_WAIT_SECONDS)
        device.reset()
        shared.claim(device, deadline)

    try:
        early, late = _after(bench, reset)
    except SensorNotFound:
        _wait_for_it(bench)
        return Seen("the device was gone after the reset, and came back", ["the device leaves the bus at a reset"])
    differs = _answers(late) + (["an unread report is still there after the reset"] if early else [])
    bench.read()
    return Seen(f"an unread report is {'kept' if early else 'discarded'}; the answer after {_seconds(late)}", differs)


def _wait_for_it(bench: Bench) -> None:
    """Read until it works. Raises SensorError if it does not within 5 s."""
    until = bench.deadline(_BACK_SECONDS)
    while True:
        try:
            bench.read()
        except SensorError:
            if until.passed:
                raise
            bench.clock.sleep(0.1)
        else:
            return


def _reserved(bench: Bench) -> Seen:
    """Compare the reserved bytes of all readings until now, by what was switched on."""
    found: dict[str, set[str]] = {}
    for while_on, reading in bench.readings:
        if reading.raw:
            found.setdefault(while_on or "nothing", set()).add(reading.raw.reserved.hex())
    text = "; ".join(f"{' '.join(sorted(each))} with {name} on" for name, each in found.items())
    everything = set[Any]().union(*found.values())
    return Seen(text, new=[] if everything == {RESERVED} else [text])


def _seconds(times: list[float]) -> str:
    return " and ".join(f"{each:.3f}" for each in times) + " s" if times else "no time"


STEPS = (
    Step("descriptors", "as several programs agree, and as the virtual sensor guesses", _descriptors),
    Step("texts", f"{TEXTS['manufacturer']!r} and {TEXTS['product']!r} (guessed)", _texts),
    Step("firmware", "a date", _firmware),
    Step("timing", f"each request is answered within {FASTEST_ANSWER} to {ANSWER_WINDOW} s", _timing),
    Step("unread report", "it comes at once with the next request, and the answer after it", _unread),
    Step("second request", "one during a measurement is served after it", _overlap),
    Step("second run", "the first request after each opening is answered", _second_run),
    led_step("on"),
    Step("USB reset", "it discards an unread report; the next request is answered", _reset),
    HEATER,
    Step("reserved bytes", f"always {RESERVED}", _reserved),
)
