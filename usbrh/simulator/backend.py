"""The host's side of virtual sensors in this process: a pyusb backend. All of ``usb.core`` runs as with libusb.

Errors are those of pyusb's libusb-1.0 backend on Linux, errno and backend_error_code. ``Device.port_numbers`` is
``(n,)`` on bus 0 for the sensor at port ``sim-n``: real buses count from 1.
"""

import errno
import struct
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import usb.backend
import usb.core

from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.simulator import descriptors
from usbrh.simulator.chapter9 import TransferError
from usbrh.simulator.faults import Step
from usbrh.simulator.model import VirtualUsbRh
from usbrh.simulator.pty import PtyPort
from usbrh.simulator.usbrh2 import VirtualUsbrh2

LOW_SPEED = 1
"""As libusb counts: LIBUSB_SPEED_LOW."""
_BUS = 0
_SLICE = 0.02
"""s; a wait looks this often for what another thread did to the sensor."""
_LAST_ADDRESS = 127

# libusb.h, enum libusb_error. Not from usb.backend.libusb1: that would load ctypes and more for each start.
_LIBUSB = {
    errno.EIO: (-1, "Input/Output Error"),
    errno.EACCES: (-3, "Access denied (insufficient permissions)"),
    errno.ENODEV: (-4, "No such device (it may have been disconnected)"),
    errno.ENOENT: (-5, "Entity not found"),
    errno.EBUSY: (-6, "Resource busy"),
    errno.ETIMEDOUT: (-7, "Operation timed out"),
    errno.EOVERFLOW: (-8, "Overflow"),
    errno.EPIPE: (-9, "Pipe error"),
    None: (-99, "Other error"),
}


def usb_error(number: int | None) -> usb.core.USBError:
    """The exception that pyusb's libusb-1.0 backend raises for this errno; None is libusb's "other error"."""
    code, text = _LIBUSB[number]
    if number == errno.ETIMEDOUT:
        return usb.core.USBTimeoutError(text, code, number)
    return usb.core.USBError(text, code, number)


class Transfer(NamedTuple):
    """One transfer that was asked of the backend."""

    port: str
    kind: str
    """``control`` or ``interrupt``."""
    timeout: int
    """ms as given to the backend; 0 is for ever."""


class _Node:
    """What the host's kernel keeps of one device from plug-in to unplug."""

    def __init__(self, model: VirtualUsbRh, address: int) -> None:
        self.model = model
        self.address = address
        self.plug_in = model.plug_ins
        self.kernel_driver = model.kernel_driver
        self.claimed_by: _Handle | None = None

    def check_present(self) -> None:
        self.model.check_present()
        if self.model.plug_ins != self.plug_in:
            raise TransferError(errno.ENODEV)


class _Handle:
    def __init__(self, node: _Node) -> None:
        self.node = node


class SimulatorBackend(usb.backend.IBackend):
    """Virtual sensors for ``usb.core.find(backend=…)``."""

    simulated = True
    """So that what is read can be marked as not real."""
    problem = None
    """Why USB can't be used: it always can."""

    def __init__(self, models: Iterable[VirtualUsbRh | VirtualUsbrh2], clock: Clock = SYSTEM_CLOCK) -> None:
        """Plug in ``models``, which live by the same ``clock`` as the transfers; a USBRH2 gets a pseudo-terminal."""
        models = list(models)
        self.models = {model.name: model for model in models if isinstance(model, VirtualUsbRh)}
        self.ports = [PtyPort(model) for model in models if isinstance(model, VirtualUsbrh2)]
        self.clock = clock
        self.transfers: deque[Transfer] = deque(maxlen=1000)
        """The last thousand, so that a test can see what time-outs were given."""
        self._nodes: dict[str, _Node] = {}
        self._address = 0
        self._lock = threading.RLock()

    @property
    def usb_backend(self) -> "SimulatorBackend":
        """Itself, as the driver finds its pyusb backend."""
        return self

    def serial_ports(self) -> list[tuple[str, str, Path]]:
        """Name in /dev/serial/by-id, port and device node of each USBRH2 that is plugged in."""
        found = [(port.model.serial, port.model.name, port.node) for port in self.ports]
        return [(f"usb-Strawberry_Linux_USBRH2_{serial}-if00", name, node) for serial, name, node in found if node]

    def close(self) -> None:
        """Take the serial ports away."""
        for port in self.ports:
            port.close()

    # ---------------------------------------------------------------- enumeration

    def enumerate_devices(self) -> Iterator[_Node]:
        with self._lock:
            for name, model in self.models.items():
                if not model.plugged:
                    self._nodes.pop(name, None)
                elif name not in self._nodes or self._nodes[name].plug_in != model.plug_ins:
                    # As Linux does: each device that is plugged in gets the next address.
                    self._address = self._address % _LAST_ADDRESS + 1
                    self._nodes[name] = _Node(model, self._address)
            return iter(list(self._nodes.values()))

    def get_parent(self, dev: _Node) -> None:
        return None

    def get_device_descriptor(self, dev: _Node) -> SimpleNamespace:
        return _fields(
            "bLength bDescriptorType bcdUSB bDeviceClass bDeviceSubClass bDeviceProtocol bMaxPacketSize0 idVendor"
            " idProduct bcdDevice iManufacturer iProduct iSerialNumber bNumConfigurations",
            "<BBHBBBBHHHBBBB",
            descriptors.DEVICE,
            bus=_BUS,
            address=dev.address,
            port_number=dev.model.number,
            port_numbers=(dev.model.number,),
            speed=LOW_SPEED,
        )

    def get_configuration_descriptor(self, dev: _Node, config: int) -> SimpleNamespace:
        _index(config, "configuration")
        return _fields(
            "bLength bDescriptorType wTotalLength bNumInterfaces bConfigurationValue iConfiguration bmAttributes"
            " bMaxPower",
            "<BBHBBBBB",
            descriptors.CONFIGURATION_HEAD,
        )

    def get_interface_descriptor(self, dev: _Node, intf: int, alt: int, config: int) -> SimpleNamespace:
        _index(intf, "interface")
        _index(alt, "alternate setting")
        _index(config, "configuration")
        return _fields(
            "bLength bDescriptorType bInterfaceNumber bAlternateSetting bNumEndpoints bInterfaceClass"
            " bInterfaceSubClass bInterfaceProtocol iInterface",
            "<BBBBBBBBB",
            descriptors.INTERFACE,
            extra_descriptors=list(descriptors.HID),
        )

    def get_endpoint_descriptor(self, dev: _Node, ep: int, intf: int, alt: int, config: int) -> SimpleNamespace:
        _index(ep, "endpoint")
        return _fields(
            "bLength bDescriptorType bEndpointAddress bmAttributes wMaxPacketSize bInterval",
            "<BBBBHB",
            descriptors.ENDPOINT_IN,
            bRefresh=0,
            bSynchAddress=0,
        )

    # ---------------------------------------------------------------- open, claim

    def open_device(self, dev: _Node) -> _Handle:
        with _usb_errors():
            dev.check_present()
        if dev.model.strike(Step.OPEN):
            raise usb_error(errno.EACCES)
        return _Handle(dev)

    def close_device(self, dev_handle: _Handle) -> None:
        self._let_go(dev_handle)

    def get_configuration(self, dev_handle: _Handle) -> int:
        with _usb_errors():
            answer = self._model(dev_handle).control((0x80, 0x08), 0, 0, length=1)
        return answer[0] if answer else 0

    def set_configuration(self, dev_handle: _Handle, config_value: int) -> None:
        if dev_handle.node.kernel_driver or dev_handle.node.claimed_by:
            raise usb_error(errno.EBUSY)
        with _usb_errors():
            self._model(dev_handle).control((0x00, 0x09), config_value, 0)

    def set_interface_altsetting(self, dev_handle: _Handle, intf: int, altsetting: int) -> None:
        with _usb_errors():
            self._model(dev_handle).control((0x01, 0x0B), altsetting, intf)

    def claim_interface(self, dev_handle: _Handle, intf: int) -> None:
        with _usb_errors():
            model = self._model(dev_handle)
        if intf != 0:
            raise usb_error(errno.ENOENT)
        with self._lock:
            node = dev_handle.node
            if node.kernel_driver or node.claimed_by not in (None, dev_handle) or model.strike(Step.CLAIM):
                raise usb_error(errno.EBUSY)
            node.claimed_by = dev_handle

    def release_interface(self, dev_handle: _Handle, intf: int) -> None:
        with _usb_errors():
            self._model(dev_handle)
        if not self._let_go(dev_handle):
            raise usb_error(errno.ENOENT)

    def is_kernel_driver_active(self, dev_handle: _Handle, intf: int) -> bool:
        with _usb_errors():
            self._model(dev_handle)
        return dev_handle.node.kernel_driver

    def detach_kernel_driver(self, dev_handle: _Handle, intf: int) -> None:
        with _usb_errors():
            model = self._model(dev_handle)
        if not dev_handle.node.kernel_driver:
            raise usb_error(errno.ENOENT)
        if model.strike(Step.DETACH):
            raise usb_error(None)
        dev_handle.node.kernel_driver = False

    def attach_kernel_driver(self, dev_handle: _Handle, intf: int) -> None:
        with _usb_errors():
            self._model(dev_handle)
        if dev_handle.node.kernel_driver or dev_handle.node.claimed_by:
            raise usb_error(errno.EBUSY)
        dev_handle.node.kernel_driver = True

    # ---------------------------------------------------------------- transfers

    def ctrl_transfer(  # noqa: PLR0917 (pyusb's signature)
        self,
        dev_handle: _Handle,
        bmRequestType: int,  # noqa: N803 (pyusb's name)
        bRequest: int,  # noqa: N803
        wValue: int,  # noqa: N803
        wIndex: int,  # noqa: N803
        data: "array[int]",
        timeout: int,
    ) -> int:
        self._note(dev_handle, "control", timeout)
        coming = bool(bmRequestType & 0x80)
        sent = b"" if coming else data.tobytes()
        with _usb_errors():
            model = self._model(dev_handle)
            answer = model.control((bmRequestType, bRequest), wValue, wIndex, sent, len(data) if coming else 0)
            if answer is None:
                self._wait(dev_handle, timeout, lambda: None)
        return _fill(data, answer or b"") if coming else len(sent)

    def intr_read(self, dev_handle: _Handle, ep: int, intf: int, buff: "array[int]", timeout: int) -> int:
        self._note(dev_handle, "interrupt", timeout)
        with _usb_errors():
            return _fill(buff, self._wait(dev_handle, timeout, dev_handle.node.model.interrupt_in))

    def clear_halt(self, dev_handle: _Handle, ep: int) -> None:
        with _usb_errors():
            self._model(dev_handle).control((0x02, 0x01), 0, ep)

    def reset_device(self, dev_handle: _Handle) -> None:
        with _usb_errors():
            self._model(dev_handle).reset()

    # ---------------------------------------------------------------- helpers

    def _model(self, handle: _Handle) -> VirtualUsbRh:
        """Raises TransferError (ENODEV) if what was opened is not there any more."""
        handle.node.check_present()
        return handle.node.model

    def _let_go(self, handle: _Handle) -> bool:
        with self._lock:
            mine = handle.node.claimed_by is handle
            if mine:
                handle.node.claimed_by = None
            return mine

    def _note(self, handle: _Handle, kind: str, timeout: int) -> None:
        self.transfers.append(Transfer(handle.node.model.name, kind, timeout))

    def _wait(self, handle: _Handle, timeout: int, attempt: Callable[[], bytes | None]) -> bytes:
        """What ``attempt`` gives, as soon as it gives something."""
        end = self.clock.monotonic() + timeout / 1000 if timeout else float("inf")
        while True:
            answer = attempt() if self._model(handle) else None
            if answer is not None:
                return answer
            now = self.clock.monotonic()
            if now >= end:
                raise TransferError(errno.ETIMEDOUT)
            event = handle.node.model.next_event()
            self.clock.sleep(max(0.0, min(end, now + _SLICE, event if event is not None else end) - now))


class _usb_errors:  # noqa: N801 (reads as the function it is; a class costs less than contextlib)
    """The model's errors leave as pyusb's."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, TransferError):
            raise usb_error(error.errno) from error


def _fields(names: str, layout: str, data: bytes, **more: object) -> SimpleNamespace:
    fields = dict(zip(names.split(), struct.unpack(layout, data), strict=True))
    return SimpleNamespace(**{"extra_descriptors": [], **fields, **more})


def _index(number: int, what: str) -> None:
    if number != 0:
        raise IndexError(f"invalid {what} index {number}")


def _fill(buffer: "array[int]", data: bytes) -> int:
    if len(data) > len(buffer):
        raise TransferError(errno.EOVERFLOW)
    buffer[: len(data)] = array("B", data)
    return len(data)
