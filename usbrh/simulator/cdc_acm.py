"""A virtual USBRH2 as a USB device: CDC-ACM, as the kernel's cdc_acm driver expects it.

Known of the real one: that it is CDC-ACM, and the texts from which udev makes its by-id name. Everything else is
inferred. The product number is invented: it is published nowhere (docs/device.md).
"""

import errno
import struct
import threading

from usbrh.simulator.chapter9 import (
    CONFIGURATION,
    CONFIGURATION_TYPE,
    DEVICE_TYPE,
    ENDPOINT_TYPE,
    INTERFACE_TYPE,
    StandardRequests,
    TransferError,
)
from usbrh.simulator.usbrh2 import VirtualUsbrh2

VENDOR_ID, PRODUCT_ID = 0x1774, 0x1002
DATA, NOTICES = 1, 2
"""Endpoint numbers: 1 IN and OUT carry the characters, 2 IN never sends anything."""
PACKET_SIZE = 64
_INTERFACE_WITH_CLASS = 0x24

DEVICE = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0200, 2, 0, 0, PACKET_SIZE, VENDOR_ID, PRODUCT_ID, 0x0100, 1, 2, 3, 1)
INTERFACES = ((2, 2, 1), (10, 0, 0))
"""Class, subclass, protocol: communication (abstract control model), data."""
_PARTS = b"".join(
    (
        struct.pack("<BBBBBBBBB", 9, INTERFACE_TYPE, 0, 0, 1, *INTERFACES[0], 0),
        struct.pack("<BBBH", 5, _INTERFACE_WITH_CLASS, 0, 0x0110),  # header
        struct.pack("<BBBBB", 5, _INTERFACE_WITH_CLASS, 1, 0, 1),  # call management: none
        struct.pack("<BBBB", 4, _INTERFACE_WITH_CLASS, 2, 2),  # line coding and control line state
        struct.pack("<BBBBB", 5, _INTERFACE_WITH_CLASS, 6, 0, 1),  # union of interfaces 0 and 1
        struct.pack("<BBBBHB", 7, ENDPOINT_TYPE, 0x80 | NOTICES, 3, 8, 16),
        struct.pack("<BBBBBBBBB", 9, INTERFACE_TYPE, 1, 0, 2, *INTERFACES[1], 0),
        struct.pack("<BBBBHB", 7, ENDPOINT_TYPE, 0x80 | DATA, 2, PACKET_SIZE, 0),
        struct.pack("<BBBBHB", 7, ENDPOINT_TYPE, DATA, 2, PACKET_SIZE, 0),
    )
)
_HEAD = struct.pack("<BBHBBBBB", 9, CONFIGURATION_TYPE, 9 + len(_PARTS), 2, CONFIGURATION, 0, 0x80, 50)
DESCRIPTORS = {DEVICE_TYPE: DEVICE, CONFIGURATION_TYPE: _HEAD + _PARTS}

_DTR = 0x01


class UsbSerial:
    """The wire of one USBRH2: control requests, and characters on two bulk endpoints."""

    def __init__(self, model: VirtualUsbrh2) -> None:
        """Connect to ``model``."""
        self.model = model
        words = {1: "Strawberry Linux", 2: "USBRH2", 3: model.serial}
        texts = {number: word.encode("utf-16-le") for number, word in words.items()}
        self._usb = StandardRequests(DESCRIPTORS, texts, (0x80 | NOTICES, 0x80 | DATA, DATA))
        self._line_coding = struct.pack("<IBBB", 9600, 0, 0, 8)
        self._unsent = b""
        self._lock = threading.Lock()

    def control(self, request: tuple[int, int], value: int, index: int, data: bytes = b"", length: int = 0) -> bytes:
        """Answer a control transfer. Raises TransferError: EPIPE (unknown request), ENODEV."""
        self._check_present()
        answer = b""
        match request:
            case 0xA1, 0x21:  # GET_LINE_CODING
                answer = self._line_coding
            case 0x21, 0x20:  # SET_LINE_CODING
                self._line_coding = data
            case 0x21, 0x22:  # SET_CONTROL_LINE_STATE: DTR falls when the host closes the port
                if not value & _DTR:
                    self.model.close()
            case 0x21, 0x23:  # SEND_BREAK
                pass
            case _:
                answer = self._usb.answer(request, value, index)
        return answer[:length] if request[0] & 0x80 else b""

    def endpoint_in(self, endpoint: int, length: int) -> bytes | None:
        """Return what it sends; None while there is nothing. Raises TransferError: EPIPE (no such endpoint), ENODEV."""
        self._check_present()
        if endpoint == NOTICES:
            return None
        if endpoint != DATA:
            raise TransferError(errno.EPIPE)
        with self._lock:
            self._unsent += self.model.read()
            answer, self._unsent = self._unsent[:length], self._unsent[length:]
        return answer or None

    def endpoint_out(self, endpoint: int, data: bytes) -> None:
        """Pass characters on to it. Raises TransferError: EPIPE (no such endpoint), ENODEV."""
        self._check_present()
        if endpoint != DATA:
            raise TransferError(errno.EPIPE)
        self.model.write(data)

    def _check_present(self) -> None:
        if not self.model.plugged:
            self._unsent = b""
            raise TransferError(errno.ENODEV)
