"""What every USB device answers: the standard requests of chapter 9 of the USB specification."""

import errno

from usbrh.simulator import descriptors

_DIRECTION_IN = 0x80


class TransferError(Exception):
    """A transfer that failed, with the errno that a Linux host gets for it."""

    def __init__(self, number: int) -> None:
        super().__init__(errno.errorcode[number])
        self.errno = number


class StandardRequests:
    """The part of the device's state that belongs to USB itself."""

    def __init__(self) -> None:
        """As after power-on; the host's first act, choosing the only configuration, is taken as done."""
        self.halted = False
        """The interrupt endpoint answers with STALL."""
        self.configuration = descriptors.CONFIGURATION

    def answer(self, request: tuple[int, int], value: int, index: int) -> bytes:
        """Answer (bmRequestType, bRequest), wValue, wIndex.

        Raises:
            TransferError: EPIPE, there is no such request.
        """
        if request[0] & _DIRECTION_IN:
            return self._ask(request, value, index)
        self._tell(request, value, index)
        return b""

    def _ask(self, request: tuple[int, int], value: int, index: int) -> bytes:
        match request:
            case ((0x80 | 0x81), 0x06):  # GET_DESCRIPTOR
                answer = descriptors.descriptor(value >> 8, value & 0xFF)
                if answer is not None:
                    return answer
            case ((0x80 | 0x81), 0x00):  # GET_STATUS of the device: bus-powered, no remote wake-up; of the interface
                return bytes(2)
            case 0x82, 0x00 if index in _ENDPOINTS:
                return bytes([int(self.halted and index == descriptors.ENDPOINT), 0])
            case 0x80, 0x08:  # GET_CONFIGURATION
                return bytes([self.configuration])
            case 0x81, 0x0A if index == 0:  # GET_INTERFACE
                return bytes(1)
        raise TransferError(errno.EPIPE)

    def _tell(self, request: tuple[int, int], value: int, index: int) -> None:
        match request:
            case 0x02, (0x01 | 0x03) as feature if value == 0 and index in _ENDPOINTS:
                # CLEAR_FEATURE and SET_FEATURE, ENDPOINT_HALT
                if index == descriptors.ENDPOINT:
                    self.halted = feature == 0x03
            case 0x00, 0x09 if value in (0, descriptors.CONFIGURATION):  # SET_CONFIGURATION
                self.configuration = value
                self.halted = False
            case 0x01, 0x0B if value == index == 0:  # SET_INTERFACE
                self.halted = False
            case _:
                raise TransferError(errno.EPIPE)


_ENDPOINTS = (0x00, 0x80, descriptors.ENDPOINT)
