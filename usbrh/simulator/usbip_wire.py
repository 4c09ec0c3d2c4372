"""The bytes of USB/IP, version 1.1.1, as Linux documents them in Documentation/usb/usbip_protocol.rst.

All numbers are big-endian, except within the setup packet, which is passed on as it is on the wire of USB.
"""

import struct
from dataclasses import dataclass

from usbrh.simulator import cdc_acm, descriptors

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
COMMAND = struct.Struct(">IIIII28x")  # command, seqnum, devid, direction, ep; then 28 bytes of each command's own
SUBMIT = struct.Struct(">20xIiiii8s")  # flags, length, start frame, packets, interval, setup
UNLINK = struct.Struct(">20xI24x")  # seqnum of the one to be unlinked
SETUP = struct.Struct("<BBHHH")
_RETURN = struct.Struct(">IIIIIiiiii8x")
_RETURN_UNLINK = struct.Struct(">IIIIIi24x")

MOST_DATA = 4096
"""Bytes in one control transfer, as the kernel limits it."""


def busid(number: int) -> str:
    """The bus id of sensor ``number``: ``1-1`` for the first."""
    return f"{BUS}-{number}"


@dataclass(frozen=True, slots=True)
class Looks:
    """What the list says of a kind of device."""

    speed: int
    device: bytes
    """The device descriptor."""
    interfaces: tuple[tuple[int, int, int], ...]
    """Class, subclass and protocol of each."""


USBRH1 = Looks(LOW_SPEED, descriptors.DEVICE, (tuple(descriptors.INTERFACE[5:8]),))  # type: ignore[arg-type]
USBRH2 = Looks(FULL_SPEED, cdc_acm.DEVICE, cdc_acm.INTERFACES)


def device(number: int, looks: Looks = USBRH1) -> bytes:
    """What the list and the import say of sensor ``number``."""
    vendor, product, release = struct.unpack_from("<HHH", looks.device, 8)
    path = f"/sys/devices/platform/usbrh-simulator/usb{BUS}/{busid(number)}"
    return DEVICE.pack(
        path.encode(),
        busid(number).encode(),
        BUS,
        number,
        looks.speed,
        vendor,
        product,
        release,
        *looks.device[4:7],  # class, subclass, protocol
        descriptors.CONFIGURATION,
        1,  # configurations
        len(looks.interfaces),
    )


def operation(code: int, status: int, body: bytes = b"") -> bytes:
    return OPERATION.pack(VERSION, code, status) + body


def device_list(there: list[tuple[int, Looks]]) -> bytes:
    """The answer to OP_REQ_DEVLIST."""
    body = struct.pack(">I", len(there))
    for number, looks in there:
        body += device(number, looks) + b"".join(INTERFACE.pack(*interface) for interface in looks.interfaces)
    return operation(OP_REP_DEVLIST, OK, body)


@dataclass(frozen=True, slots=True)
class Submit:
    """CMD_SUBMIT: one URB."""

    seqnum: int
    direction: int
    endpoint: int
    flags: int
    length: int
    """Bytes to be sent, or at most to be received."""
    packets: int
    setup: bytes

    @classmethod
    def parse(cls, header: bytes) -> "Submit":
        _, seqnum, _, direction, endpoint = COMMAND.unpack(header)
        flags, length, _, packets, _, setup = SUBMIT.unpack(header)
        return cls(seqnum, direction, endpoint, flags, length, packets, setup)


def ret_submit(seqnum: int, status: int, length: int, data: bytes = b"") -> bytes:
    """RET_SUBMIT: ``status`` is 0 or a negative errno, ``length`` what was transferred, ``data`` what came in."""
    return _RETURN.pack(RET_SUBMIT, seqnum, 0, 0, 0, status, length, 0, 0, 0) + data


def ret_unlink(seqnum: int, status: int) -> bytes:
    """RET_UNLINK: ``-ECONNRESET`` if the URB was taken back, 0 if it was done already."""
    return _RETURN_UNLINK.pack(RET_UNLINK, seqnum, 0, 0, 0, status)
