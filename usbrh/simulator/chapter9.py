"""What every USB device answers: the standard requests of chapter 9 of the USB specification."""

import errno
import struct
from collections.abc import Mapping

DEVICE_TYPE, CONFIGURATION_TYPE, STRING_TYPE, INTERFACE_TYPE, ENDPOINT_TYPE = 1, 2, 3, 4, 5
CONFIGURATION = 1
"""The number of the only configuration."""
_ENGLISH = struct.pack("<H", 0x0409)


class TransferError(Exception):
    """A transfer that failed, with the errno that a Linux host gets for it."""

    def __init__(self, number: int) -> None:
        """Fail with this errno."""
        super().__init__(errno.errorcode[number])
        self.errno = number


class StandardRequests:
    """The part of the device's state that belongs to USB itself."""

    def __init__(
        self, descriptors: Mapping[int, bytes], texts: Mapping[int, bytes], endpoints: tuple[int, ...]
    ) -> None:
        """Start configured. ``descriptors`` by type, ``texts`` in UTF-16 by string number, ``endpoints`` without 0."""
        self._descriptors = descriptors
        self._texts = texts
        self._addresses = (0x00, 0x80, *endpoints)
        self._interfaces = descriptors[CONFIGURATION_TYPE][4]  # bNumInterfaces
        self.halted: set[int] = set()
        """The endpoints that answer with STALL."""
        self.configuration = CONFIGURATION

    def answer(self, request: tuple[int, int], value: int, index: int) -> bytes:
        """Answer (bmRequestType, bRequest), wValue, wIndex. Raises TransferError (EPIPE) for an unknown request."""
        match request:
            case ((0x80 | 0x81), 0x06):  # GET_DESCRIPTOR
                return self._descriptor(value >> 8, value & 0xFF)
            case ((0x80 | 0x81), 0x00):  # GET_STATUS of the device: bus-powered, no remote wake-up; of an interface
                return bytes(2)
            case 0x82, 0x00 if index in self._addresses:
                return bytes([int(index in self.halted), 0])
            case 0x80, 0x08:  # GET_CONFIGURATION
                return bytes([self.configuration])
            case 0x81, 0x0A if index < self._interfaces:  # GET_INTERFACE
                return bytes(1)
            case 0x02, 0x01 if value == 0 and index in self._addresses:  # CLEAR_FEATURE, ENDPOINT_HALT
                self.halted.discard(index)
                return b""
            case 0x02, 0x03 if value == 0 and index in self._addresses:  # SET_FEATURE; endpoint 0 can't halt
                self.halted |= {index} - {0x00, 0x80}
                return b""
            case 0x00, 0x09 if value in (0, CONFIGURATION):  # SET_CONFIGURATION
                self.configuration = value
                self.halted.clear()
                return b""
            case 0x01, 0x0B if value == 0 and index < self._interfaces:  # SET_INTERFACE
                self.halted.clear()
                return b""
        raise TransferError(errno.EPIPE)

    def _descriptor(self, kind: int, index: int) -> bytes:
        if kind == STRING_TYPE and (index == 0 or index in self._texts):
            text = self._texts[index] if index else _ENGLISH
            return bytes([2 + len(text), STRING_TYPE]) + text
        if index or kind not in self._descriptors:
            raise TransferError(errno.EPIPE)
        return self._descriptors[kind]
