"""A virtual USBRH2 as a USB device: CDC-ACM, as the kernel's cdc_acm driver wants it.

Known of the real one: that it is CDC-ACM, and the texts from which udev makes its by-id name. Everything else is
inferred or, the product number, made up: it is published nowhere (docs/device.md).
"""

import errno
import struct
import threading

from usbrh.simulator import descriptors as d
from usbrh.simulator.chapter9 import TransferError
from usbrh.simulator.usbrh2 import VirtualUsbrh2

VENDOR_ID, PRODUCT_ID = 0x1774, 0x1002
DATA, NOTICES = 1, 2
"""Endpoint numbers: 1 IN and OUT carry the characters, 2 IN never says anything."""
PACKET_SIZE = 64
_INTERFACE_WITH_CLASS = 0x24

DEVICE = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0200, 2, 0, 0, PACKET_SIZE, VENDOR_ID, PRODUCT_ID, 0x0100, 1, 2, 3, 1)
INTERFACES = ((2, 2, 1), (10, 0, 0))
"""Class, subclass, protocol: communication (abstract control model), data."""
_PARTS = b"".join(
    (
        struct.pack("<BBBBBBBBB", 9, d.INTERFACE_TYPE, 0, 0, 1, *INTERFACES[0], 0),
        struct.pack("<BBBH", 5, _INTERFACE_WITH_CLASS, 0, 0x0110),  # header
        struct.pack("<BBBBB", 5, _INTERFACE_WITH_CLASS, 1, 0, 1),  # call management: none
        struct.pack("<BBBB", 4, _INTERFACE_WITH_CLASS, 2, 2),  # line coding and control line state
        struct.pack("<BBBBB", 5, _INTERFACE_WITH_CLASS, 6, 0, 1),  # union of interfaces 0 and 1
        struct.pack("<BBBBHB", 7, d.ENDPOINT_TYPE, 0x80 | NOTICES, 3, 8, 16),
        struct.pack("<BBBBBBBBB", 9, d.INTERFACE_TYPE, 1, 0, 2, *INTERFACES[1], 0),
        struct.pack("<BBBBHB", 7, d.ENDPOINT_TYPE, 0x80 | DATA, 2, PACKET_SIZE, 0),
        struct.pack("<BBBBHB", 7, d.ENDPOINT_TYPE, DATA, 2, PACKET_SIZE, 0),
    )
)
CONFIGURATION = struct.pack("<BBHBBBBB", 9, d.CONFIGURATION_TYPE, 9 + len(_PARTS), 2, 1, 0, 0x80, 50) + _PARTS

_DTR = 0x01


class UsbSerial:
    """The wire of one USBRH2: control requests, and characters on two bulk endpoints."""

    def __init__(self, model: VirtualUsbrh2) -> None:
        self.model = model
        self._texts = {1: "Strawberry Linux", 2: "USBRH2", 3: model.serial}
        self._line_coding = struct.pack("<IBBB", 9600, 0, 0, 8)
        self._said = b""
        self._lock = threading.Lock()

    def control(self, request: tuple[int, int], value: int, index: int, data: bytes = b"", length: int = 0) -> bytes:
        """A control transfer, as VirtualUsbRh.control.

        Raises:
            TransferError: EPIPE, it knows no such request; ENODEV.
        """
        self._check_present()
        answer = self._answer(request, value, data)
        if answer is None:
            raise TransferError(errno.EPIPE)
        return answer[:length] if request[0] & 0x80 else b""

    def _answer(self, request: tuple[int, int], value: int, data: bytes) -> bytes | None:
        match request:
            case ((0x80 | 0x81), 0x06):  # GET_DESCRIPTOR
                return self._descriptor(value >> 8, value & 0xFF)
            case ((0x80 | 0x81 | 0x82), 0x00):  # GET_STATUS
                return bytes(2)
            case 0x80, 0x08:  # GET_CONFIGURATION
                return b"\1"
            case (0x00, 0x09) | (0x01, 0x0B) | (0x02, 0x01):  # SET_CONFIGURATION, SET_INTERFACE, CLEAR_FEATURE
                return b""
            case 0xA1, 0x21:  # GET_LINE_CODING
                return self._line_coding
            case 0x21, 0x20:  # SET_LINE_CODING
                self._line_coding = data
                return b""
            case 0x21, 0x22:  # SET_CONTROL_LINE_STATE: whether somebody has the port open
                if value & _DTR:
                    self.model.open()
                else:
                    self.model.close()
                return b""
            case 0x21, 0x23:  # SEND_BREAK
                return b""
        return None

    def _descriptor(self, kind: int, index: int) -> bytes | None:
        if kind == d.STRING_TYPE:
            if index == 0:
                return bytes([4, d.STRING_TYPE]) + struct.pack("<H", 0x0409)
            text = self._texts.get(index, "").encode("utf-16-le")
            return bytes([2 + len(text), d.STRING_TYPE]) + text if text else None
        return {d.DEVICE_TYPE: DEVICE, d.CONFIGURATION_TYPE: CONFIGURATION}.get(kind) if index == 0 else None

    def endpoint_in(self, endpoint: int, length: int) -> bytes | None:
        """What it sends on this endpoint; None while there is nothing."""
        self._check_present()
        if endpoint == NOTICES:
            return None
        if endpoint != DATA:
            raise TransferError(errno.EPIPE)
        with self._lock:
            self._said += self.model.read()
            answer, self._said = self._said[:length], self._said[length:]
        return answer or None

    def endpoint_out(self, endpoint: int, data: bytes) -> None:
        """Characters for it."""
        self._check_present()
        if endpoint != DATA:
            raise TransferError(errno.EPIPE)
        self.model.write(data)

    def _check_present(self) -> None:
        if not self.model.plugged:
            self._said = b""
            raise TransferError(errno.ENODEV)
