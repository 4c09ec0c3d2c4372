"""The steps for what a USB-RH reports about itself: its descriptors and texts."""

import errno
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import usb.core

from usbrh.clock import Deadline
from usbrh.drivers.usb import UsbDevice
from usbrh.verify.bench import Bench
from usbrh.verify.steps import Seen, Step

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

_DEVICE, _CONFIGURATION, _STRING, _ENDPOINT, _HID, _REPORT = 1, 2, 3, 5, 0x21, 0x22
_SPEEDS = {1: "low", 2: "full", 3: "high"}  # libusb.h, enum libusb_speed
_TYPES = ("control", "isochronous", "bulk", "interrupt")
_SESSION_SECONDS = 15.0


@contextmanager
def session(bench: Bench) -> Iterator[tuple[UsbDevice, usb.core.Device, Deadline]]:
    """Open the device directly, without the driver, and exclude other processes until the end of the block."""
    deadline = bench.deadline(_SESSION_SECONDS)
    shared = UsbDevice(bench.sensor.info.port, bench.sensor.info.identity, bench.bus, (0x1774, 0x1001))
    with shared.session(deadline) as (device, _):
        yield shared, device, deadline


def _descriptor(device: usb.core.Device, kind: int, length: int, index: int = 0) -> bytes:
    """Ask for up to ``length`` bytes of a descriptor; empty if the device does not give it.

    Linux asks for the same lengths, so the firmware knows these requests. Raises USBError if the device is gone.
    """
    recipient = 0x81 if kind == _REPORT else 0x80  # the interface, or the device
    language = 0x0409 if kind == _STRING and index else 0
    try:
        return bytes(device.ctrl_transfer(recipient, 6, kind << 8 | index, language, length, 1000))
    except usb.core.USBError as error:
        if error.errno in (errno.ENODEV, errno.ENOENT, errno.EIO):
            raise
        return b""


def _facts(bench: Bench) -> dict[str, object]:
    """Ask the device for its descriptors, and return their facts."""
    with session(bench) as (_, device, _deadline):
        descriptor = _descriptor(device, _DEVICE, 18)
        head = _descriptor(device, _CONFIGURATION, 9)
        configuration = _descriptor(device, _CONFIGURATION, int.from_bytes(head[2:4], "little"))
        length = next((part[7] | part[8] << 8 for part in _split(configuration) if part[1] == _HID), 255)
        report = _descriptor(device, _REPORT, length)
        speed = _SPEEDS.get(getattr(device, "speed", None) or 0, "unknown")
    return {"speed": speed, "report descriptor": report.hex() or None, **_parse(descriptor, configuration)}


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
        if len(part) >= {4: 9, _ENDPOINT: 7, _HID: 9}.get(part[1], 2):
            parts.append(part)
    return parts


def _descriptors(bench: Bench) -> Seen:
    facts = _facts(bench)
    text = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "report descriptor")
    differs = [f"{name} {facts.get(name)}" for name, known in KNOWN.items() if facts.get(name) != known]
    new = [f"{name} {facts.get(name)}" for name, guess in GUESSED.items() if facts.get(name) != guess]
    return Seen(text, differs, new)


def _texts(bench: Bench) -> Seen:
    with session(bench) as (_, device, _deadline):
        descriptor = _descriptor(device, _DEVICE, 18).ljust(18, b"\0")
        indexes = {"manufacturer": descriptor[14], "product": descriptor[15]}
        if any(indexes.values()):
            _descriptor(device, _STRING, 255)  # the languages, for the file
        texts = {name: _text(device, index) for name, index in indexes.items()}
    return Seen(
        ", ".join(f"{name} {text}" for name, text in texts.items()),
        new=[f"{name} {text}" for name, text in texts.items() if text != repr(TEXTS[name])],
    )


def _text(device: usb.core.Device, index: int) -> str:
    """Return a text in quotes, or why there is none."""
    if not index:
        return "without a text"
    descriptor = _descriptor(device, _STRING, 255, index)
    if not descriptor:
        return "with a text that it does not give"
    try:
        return repr(descriptor[2:].decode("utf-16-le"))
    except UnicodeDecodeError:
        return f"with a text that is not UTF-16: {descriptor.hex()}"


DESCRIPTORS = Step("descriptors", "as several programs agree, and as the virtual sensor guesses", _descriptors)
TEXT_STEP = Step("texts", f"{TEXTS['manufacturer']!r} and {TEXTS['product']!r} (guessed)", _texts)
