"""What the virtual USB-RH says of itself: its USB descriptors, as bytes on the wire.

Known of the real one (several independent drivers agree, docs/device.md): vendor and product number, HID, one
interface, interrupt IN endpoint 0x81, reports of 7 bytes without report number, no serial number.
Inferred: low speed, 8-byte packets and a 10 ms interval (all that a low-speed device may have), the texts, the
current, and the report descriptor beyond its three reports of 7 bytes.
"""

import struct

VENDOR_ID, PRODUCT_ID = 0x1774, 0x1001
ENDPOINT = 0x81
REPORT_LENGTH = 7
PACKET_SIZE = 8
CONFIGURATION = 1

DEVICE_TYPE, CONFIGURATION_TYPE, STRING_TYPE, INTERFACE_TYPE, ENDPOINT_TYPE = 1, 2, 3, 4, 5
HID_TYPE, REPORT_TYPE = 0x21, 0x22

DEVICE = struct.pack(
    "<BBHBBBBHHHBBBB",
    18,
    DEVICE_TYPE,
    0x0110,  # USB 1.1
    0,  # the class is the interface's
    0,
    0,
    PACKET_SIZE,
    VENDOR_ID,
    PRODUCT_ID,
    0x0100,
    1,  # manufacturer
    2,  # product
    0,  # no serial number
    1,
)

# A vendor-defined page with one input, one output and one feature report of 7 bytes each.
REPORT = bytes.fromhex(
    "0600ff 0901 a101"  # usage page 0xff00, usage 1, application collection
    "1500 26ff00 7508 9507"  # values 0..255, 8 bits, 7 of them
    "0902 8102"  # input
    "0903 9102"  # output
    "0904 b102"  # feature
    "c0"
)

INTERFACE = struct.pack("<BBBBBBBBB", 9, INTERFACE_TYPE, 0, 0, 1, 3, 0, 0, 0)
HID = struct.pack("<BBHBBBH", 9, HID_TYPE, 0x0110, 0, 1, REPORT_TYPE, len(REPORT))
ENDPOINT_IN = struct.pack("<BBBBHB", 7, ENDPOINT_TYPE, ENDPOINT, 3, PACKET_SIZE, 10)
_PARTS = INTERFACE + HID + ENDPOINT_IN
CONFIGURATION_HEAD = struct.pack("<BBHBBBBB", 9, CONFIGURATION_TYPE, 9 + len(_PARTS), 1, CONFIGURATION, 0, 0x80, 50)

_TEXTS = {1: "Strawberry Linux Co.,Ltd.", 2: "USBRH"}


def _string(data: bytes) -> bytes:
    return bytes([2 + len(data), STRING_TYPE]) + data


def descriptor(kind: int, index: int) -> bytes | None:
    """The descriptor of that type and number; None if the device has no such one."""
    if kind == STRING_TYPE:
        if index == 0:
            return _string(struct.pack("<H", 0x0409))
        return _string(_TEXTS[index].encode("utf-16-le")) if index in _TEXTS else None
    only = {DEVICE_TYPE: DEVICE, CONFIGURATION_TYPE: CONFIGURATION_HEAD + _PARTS, HID_TYPE: HID, REPORT_TYPE: REPORT}
    return only.get(kind) if index == 0 else None
