"""Records every transfer between a driver and an instrument, with its time. docs/verify.md describes the records.

``Bus.recorder`` switches it on. Without a recorder the drivers use pyusb's backend and pyserial directly.
"""

import errno
import struct
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import serial

from usbrh.clock import Clock

if TYPE_CHECKING:
    from usb.backend import IBackend

Event = dict[str, Any]
"""One record, by JSON key."""

_LINE_GAP = 0.1
"""s without a character after which the characters from a serial port belong to another record."""
_STEPS = {
    "open_device": "open",
    "close_device": "close",
    "claim_interface": "claim",
    "release_interface": "release",
    "detach_kernel_driver": "detach",
    "attach_kernel_driver": "attach",
    "set_configuration": "set_configuration",
    "set_interface_altsetting": "set_interface",
    "clear_halt": "clear_halt",
    "reset_device": "reset",
}
"""What is recorded by its name only, by the method of pyusb's backend."""


class Recorder:
    """Passes records to ``write``. Their times are in seconds since the start of the recording."""

    def __init__(self, clock: Clock, write: Callable[[Event], None]) -> None:
        """Start the recording now. ``write`` must not fail: a heater may have to be switched off after it."""
        self._clock = clock
        self.write = write
        self._start = clock.monotonic()

    def now(self) -> float:
        """Return the seconds since the start."""
        return round(self._clock.monotonic() - self._start, 6)

    def note(self, **what: Any) -> None:
        """Record something that happens now."""
        self.write({"t": self.now(), **what})

    @contextmanager
    def transfer(self, kind: str, **what: Any) -> Iterator[Event]:
        """Record the body as one transfer; it can add ``data``. An OSError is recorded by the name of its errno."""
        event: Event = {"t": self.now(), "transfer": kind, **what}
        try:
            yield event
        except OSError as error:  # USBError is one
            event["error"] = errno.errorcode.get(error.errno or 0, "EOTHER")
            raise
        finally:
            event["end"] = self.now()
            self.write(event)


def recording_backend(backend: "IBackend", recorder: Recorder) -> "IBackend":
    """Return a pyusb backend that does as ``backend`` and records."""
    return cast("IBackend", _RecordingBackend(backend, recorder))  # pyusb only calls its methods


class _RecordingBackend:
    """Records transfers and steps; the rest, such as the search for devices, goes to the real backend directly."""

    def __init__(self, backend: "IBackend", recorder: Recorder) -> None:
        self._backend = backend
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._backend, name)
        if name not in _STEPS:
            return function

        def recorded(*arguments: Any) -> Any:
            with self._recorder.transfer(_STEPS[name]):
                return function(*arguments)

        return recorded

    def ctrl_transfer(  # noqa: PLR0917 (pyusb's signature)
        self,
        handle: Any,
        request_type: int,
        request: int,
        value: int,
        index: int,
        data: "array[int]",
        timeout: int,
    ) -> int:
        setup = struct.pack("<BBHHH", request_type, request, value, index, len(data))
        incoming = bool(request_type & 0x80)
        with self._recorder.transfer("control", setup=setup.hex()) as event:
            if not incoming:
                event["data"] = data.tobytes().hex()
            count: int = self._backend.ctrl_transfer(handle, request_type, request, value, index, data, timeout)
            if incoming:
                event["data"] = data[:count].tobytes().hex()
        return count

    def intr_read(self, handle: Any, endpoint: int, interface: int, buffer: "array[int]", timeout: int) -> int:
        with self._recorder.transfer("interrupt", endpoint=f"{endpoint:02x}", length=len(buffer)) as event:
            count: int = self._backend.intr_read(handle, endpoint, interface, buffer, timeout)
            event["data"] = buffer[:count].tobytes().hex()
        return count


class RecordingSerial(serial.Serial):
    """A serial port that records. What the device sends is recorded line by line, with the prompt after the line."""

    def __init__(self, recorder: Recorder, *arguments: Any, **options: Any) -> None:
        """Open the port, as pyserial does."""
        self._recorder = recorder
        self._received = b""
        self._first = self._last = 0.0
        with recorder.transfer("open"):
            super().__init__(*arguments, **options)

    def read(self, size: int = 1) -> bytes:
        """Read as pyserial does."""
        data = bytes(super().read(size))
        if data:
            now = self._recorder.now()
            if self._received.endswith(b"\n") or now > self._last + _LINE_GAP:
                self._flush()
            self._first = self._first if self._received else now
            self._received, self._last = self._received + data, now
        return data

    def write(self, data: Any, /) -> int | None:
        """Write as pyserial does."""
        self._flush()
        with self._recorder.transfer("write", text=bytes(data).decode("latin-1")):
            return super().write(data)

    def close(self) -> None:
        """Close the port."""
        self._flush()
        if self.is_open:
            with self._recorder.transfer("close"):
                super().close()

    def _flush(self) -> None:
        if self._received:
            text = self._received.decode("latin-1")
            self._recorder.write({"t": self._first, "transfer": "read", "text": text, "end": self._last})
        self._received = b""
