"""The bytes of USB/IP, version 1.1.1, as Linux documents them in Documentation/usb/usbip_protocol.rst.

All numbers are big-endian, except in the setup packet, which has the byte order of USB.
"""

import struct
from typing import NamedTuple

from usbrh.simulator import cdc_acm
from usbrh.simulator.chapter9 import CONFIGURATION
from usbrh.simulator.descriptors import Descriptors
from usbrh.simulator.unknowns import UsbRhUnknowns

VERSION = 0x0111
OP_REQ_DEVLIST, OP_REP_DEVLIST = 0x8005, 0x0005
OP_REQ_IMPORT, OP_REP_IMPORT = 0x8003, 0x0003
OK, BUSY, NO_DEVICE = 0, 2, 4
"""Status of an answer, as in the kernel's tools/usb/usbip (ST_OK, ST_DEV_BUSY, ST_NODEV)."""
CMD_SUBMIT, CMD_UNLINK, RET_SUBMIT, RET_UNLINK = 1, 2, 3, 4
OUT, IN = 0, 1
LOW_SPEED, FULL_SPEED = 1, 2
"""USB_SPEED_LOW and USB_SPEED_FULL of the kernel's enum usb_device_speed."""
BUS = 1
URB_SHORT_NOT_OK = 0x0001

OPERATION = struct.Struct(">HHI")  # version, code, status
BUSID = struct.Struct(">32s")
DEVICE = struct.Struct(">256s32sIIIHHHBBBBBB")
INTERFACE = struct.Struct(">BBBx")
COMMAND = struct.Struct(">IIIII28x")  # command, seqnum, devid, direction, ep; 28 bytes depend on the command
SUBMIT = struct.Struct(">20xIiiii8s")  # flags, length, start frame, packets, interval, setup
UNLINK = struct.Struct(">20xI24x")  # seqnum of the URB to unlink
SETUP = struct.Struct("<BBHHH")
_RETURN = struct.Struct(">IIIIIiiiii8x")
_RETURN_UNLINK = struct.Struct(">IIIIIi24x")

MAX_DATA = 4096
"""Bytes in one control transfer; the kernel's limit."""


def busid(number: int) -> str:
    """Return the bus id of sensor ``number``: ``1-1`` for the first."""
    return f"{BUS}-{number}"


class Profile(NamedTuple):
    """Speed and device descriptor of one kind, and the class, subclass and protocol of each of its interfaces."""

    speed: int
    device: bytes
    interfaces: tuple[tuple[int, int, int], ...]


def usbrh1(descriptors: Descriptors, speed: int = LOW_SPEED) -> Profile:
    """Return the profile of a USB-RH."""
    return Profile(speed, descriptors.device, (tuple(descriptors.interface[5:8]),))  # type: ignore[arg-type]


USBRH1 = usbrh1(Descriptors(UsbRhUnknowns()))
USBRH2 = Profile(FULL_SPEED, cdc_acm.DEVICE, cdc_acm.INTERFACES)


def device(number: int, profile: Profile = USBRH1) -> bytes:
    """Return what the list and the import show of sensor ``number``."""
    vendor, product, release = struct.unpack_from("<HHH", profile.device, 8)
    path = f"/sys/devices/platform/usbrh-simulator/usb{BUS}/{busid(number)}"
    return DEVICE.pack(
        path.encode(),
        busid(number).encode(),
        BUS,
        number,
        profile.speed,
        vendor,
        product,
        release,
        *profile.device[4:7],  # class, subclass, protocol
        CONFIGURATION,
        1,  # configurations
        len(profile.interfaces),
    )


def operation(code: int, status: int, body: bytes = b"") -> bytes:
    """Return the answer to an operation."""
    return OPERATION.pack(VERSION, code, status) + body


def device_list(devices: list[tuple[int, Profile]]) -> bytes:
    """Return the answer to OP_REQ_DEVLIST."""
    body = struct.pack(">I", len(devices))
    for number, profile in devices:
        body += device(number, profile) + b"".join(INTERFACE.pack(*interface) for interface in profile.interfaces)
    return operation(OP_REP_DEVLIST, OK, body)


class Submit(NamedTuple):
    """CMD_SUBMIT: one URB, with ``length`` bytes to send, or to receive at most."""

    seqnum: int
    direction: int
    endpoint: int
    flags: int
    length: int
    packets: int
    setup: bytes

    @classmethod
    def parse(cls, header: bytes) -> "Submit":
        """Return the URB of a header."""
        _, seqnum, _, direction, endpoint = COMMAND.unpack(header)
        flags, length, _, packets, _, setup = SUBMIT.unpack(header)
        return cls(seqnum, direction, endpoint, flags, length, packets, setup)


def ret_submit(seqnum: int, status: int, length: int, data: bytes = b"") -> bytes:
    """Return RET_SUBMIT. ``status``: 0 or a negative errno; ``length``: bytes transferred; ``data``: bytes received."""
    return _RETURN.pack(RET_SUBMIT, seqnum, 0, 0, 0, status, length, 0, 0, 0) + data


def ret_unlink(seqnum: int, status: int) -> bytes:
    """Return RET_UNLINK: ``status`` is ``-ECONNRESET`` if the URB was cancelled, 0 if it was complete already."""
    return _RETURN_UNLINK.pack(RET_UNLINK, seqnum, 0, 0, 0, status)
