"""The host's side of virtual sensors in this process: a pyusb backend. All of ``usb.core`` runs as with libusb.

Errors are those of pyusb's libusb-1.0 backend on Linux, with errno and backend_error_code. The sensor at port ``sim-n``
is on bus 0, where real buses count from 1, and its ``Device.port_numbers`` is ``(n,)``.
"""

import errno
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import usb.backend

from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.simulator.chapter9 import TransferError
from usbrh.simulator.device import VirtualInstrument
from usbrh.simulator.faults import Step
from usbrh.simulator.libusb_errors import usb_error
from usbrh.simulator.pty import PtyPort
from usbrh.simulator.usbrh1 import VirtualUsbRh
from usbrh.simulator.usbrh2 import VirtualUsbrh2

LOW_SPEED, FULL_SPEED = 1, 2  # libusb.h: LIBUSB_SPEED_LOW, LIBUSB_SPEED_FULL
RESET_SECONDS = 0.2
"""How long a USB reset takes: Linux resets the port, waits, and enumerates the device again."""
_BUS = 0
_POLL_SECONDS = 0.1
"""A wait checks this often what another thread did to the sensor."""
_LAST_ADDRESS = 127
"""Of a real bus. The virtual one has an address for each sensor."""


class Transfer(NamedTuple):
    """One ``control`` or ``interrupt`` transfer; ``timeout`` in ms, 0 means no limit."""

    port: str
    kind: str
    timeout: int


class _Node:
    """What the host's kernel keeps of one device from plug-in to unplug."""

    def __init__(self, model: VirtualUsbRh, address: int) -> None:
        self.model = model
        self.address = address
        self.plug_in = model.plug_ins
        self.kernel_driver = model.kernel_driver
        self.claimed_by: _Handle | None = None


class _Handle:
    def __init__(self, node: _Node) -> None:
        self.node = node


class _PyusbBackend(usb.backend.IBackend):
    """What pyusb asks of a backend. pyusb documents the methods (usb/backend/__init__.py)."""

    def __init__(self, models: Iterable[VirtualUsbRh], clock: Clock) -> None:
        self.models = {model.name: model for model in models}
        self.clock = clock
        self.transfers: deque[Transfer] = deque(maxlen=1000)
        """The last thousand; a test can check their timeouts."""
        self._nodes: dict[str, _Node] = {}
        self._address = 0
        self._lock = threading.RLock()

    def enumerate_devices(self) -> Iterator[_Node]:
        with self._lock:
            for name, model in self.models.items():
                if not model.plugged:
                    self._nodes.pop(name, None)
                elif name not in self._nodes or self._nodes[name].plug_in != model.plug_ins:
                    # As Linux does: each device that is plugged in gets the next address.
                    self._address = self._address % max(_LAST_ADDRESS, len(self.models)) + 1
                    self._nodes[name] = _Node(model, self._address)
            return iter(list(self._nodes.values()))

    def get_parent(self, dev: _Node) -> None:
        return None

    def get_device_descriptor(self, dev: _Node) -> SimpleNamespace:
        number = dev.model.number
        place = {"bus": _BUS, "address": dev.address, "port_number": number, "port_numbers": (number,)}
        speed = FULL_SPEED if dev.model.full_speed else LOW_SPEED
        return SimpleNamespace(**dev.model.descriptors.device_fields, **place, speed=speed, extra_descriptors=[])

    def get_configuration_descriptor(self, dev: _Node, config: int) -> SimpleNamespace:
        _check_zero(configuration=config)
        return SimpleNamespace(**dev.model.descriptors.configuration_fields, extra_descriptors=[])

    def get_interface_descriptor(self, dev: _Node, intf: int, alt: int, config: int) -> SimpleNamespace:
        _check_zero(interface=intf, alternate=alt, configuration=config)
        fields, hid = dev.model.descriptors.interface_fields, list(dev.model.descriptors.hid)
        return SimpleNamespace(**fields, extra_descriptors=hid)

    def get_endpoint_descriptor(self, dev: _Node, ep: int, intf: int, alt: int, config: int) -> SimpleNamespace:
        _check_zero(endpoint=ep, interface=intf, alternate=alt, configuration=config)
        fields = dev.model.descriptors.endpoint_fields
        return SimpleNamespace(**fields, bRefresh=0, bSynchAddress=0, extra_descriptors=[])

    def open_device(self, dev: _Node) -> _Handle:
        handle = _Handle(dev)
        if self._model(handle).host_fault(Step.OPEN):
            raise usb_error(errno.EACCES)
        return handle

    def close_device(self, dev_handle: _Handle) -> None:
        self._release(dev_handle)

    def get_configuration(self, dev_handle: _Handle) -> int:
        answer = self._control(dev_handle, (0x80, 0x08), length=1)
        return answer[0] if answer else 0

    def set_configuration(self, dev_handle: _Handle, config_value: int) -> None:
        if dev_handle.node.kernel_driver or dev_handle.node.claimed_by:
            raise usb_error(errno.EBUSY)
        self._control(dev_handle, (0x00, 0x09), config_value)

    def set_interface_altsetting(self, dev_handle: _Handle, intf: int, altsetting: int) -> None:
        self._control(dev_handle, (0x01, 0x0B), altsetting, intf)

    def claim_interface(self, dev_handle: _Handle, intf: int) -> None:
        model = self._model(dev_handle)
        if intf != 0:
            raise usb_error(errno.ENOENT)
        with self._lock:
            node = dev_handle.node
            if node.kernel_driver or node.claimed_by not in (None, dev_handle) or model.host_fault(Step.CLAIM):
                raise usb_error(errno.EBUSY)
            node.claimed_by = dev_handle

    def release_interface(self, dev_handle: _Handle, intf: int) -> None:
        self._model(dev_handle)
        if not self._release(dev_handle):
            raise usb_error(errno.ENOENT)

    def is_kernel_driver_active(self, dev_handle: _Handle, intf: int) -> bool:
        self._model(dev_handle)
        return dev_handle.node.kernel_driver

    def detach_kernel_driver(self, dev_handle: _Handle, intf: int) -> None:
        model = self._model(dev_handle)
        if not dev_handle.node.kernel_driver:
            raise usb_error(errno.ENOENT)
        if model.host_fault(Step.DETACH):
            raise usb_error(None)
        dev_handle.node.kernel_driver = False

    def attach_kernel_driver(self, dev_handle: _Handle, intf: int) -> None:
        self._model(dev_handle)
        if dev_handle.node.kernel_driver or dev_handle.node.claimed_by:
            raise usb_error(errno.EBUSY)
        dev_handle.node.kernel_driver = True

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
        self.transfers.append(Transfer(dev_handle.node.model.name, "control", timeout))
        incoming = bool(bmRequestType & 0x80)
        sent = b"" if incoming else data.tobytes()
        length = len(data) if incoming else 0
        answer = self._control(dev_handle, (bmRequestType, bRequest), wValue, wIndex, sent, length)
        if answer is None:
            self._wait(dev_handle, timeout, lambda: None)
        return _fill(data, answer or b"") if incoming else len(sent)

    def intr_read(self, dev_handle: _Handle, ep: int, intf: int, buff: "array[int]", timeout: int) -> int:
        self.transfers.append(Transfer(dev_handle.node.model.name, "interrupt", timeout))
        return _fill(buff, self._wait(dev_handle, timeout, dev_handle.node.model.interrupt_in))

    def clear_halt(self, dev_handle: _Handle, ep: int) -> None:
        self._control(dev_handle, (0x02, 0x01), 0, ep)

    def reset_device(self, dev_handle: _Handle) -> None:
        self._model(dev_handle).reset()
        self.clock.sleep(RESET_SECONDS)

    def _model(self, handle: _Handle) -> VirtualUsbRh:
        """Return the device that was opened. Raises USBError (ENODEV) if it was unplugged since."""
        model = handle.node.model
        if not model.plugged or model.plug_ins != handle.node.plug_in:
            raise usb_error(errno.ENODEV)
        return model

    def _control(  # noqa: PLR0917 (the order of the setup packet)
        self,
        handle: _Handle,
        request: tuple[int, int],
        value: int = 0,
        index: int = 0,
        data: bytes = b"",
        length: int = 0,
    ) -> bytes | None:
        return _mapped(lambda: self._model(handle).control(request, value, index, data, length))

    def _release(self, handle: _Handle) -> bool:
        """Release the interface; False if this handle had not claimed it."""
        with self._lock:
            if handle.node.claimed_by is not handle:
                return False
            handle.node.claimed_by = None
            return True

    def _wait(self, handle: _Handle, timeout: int, attempt: Callable[[], bytes | None]) -> bytes:
        """Return the answer of ``attempt`` as soon as there is one. Raises USBTimeoutError after ``timeout`` ms."""
        end = self.clock.monotonic() + timeout / 1000 if timeout else float("inf")
        while True:
            model = self._model(handle)
            answer = _mapped(attempt)
            if answer is not None:
                return answer
            now = self.clock.monotonic()
            if now >= end:
                raise usb_error(errno.ETIMEDOUT)
            event = model.next_event()
            self.clock.sleep(max(0.0, min(end, now + _POLL_SECONDS, event if event is not None else end) - now))


class SimulatorBackend(_PyusbBackend):
    """Virtual sensors for ``usbrh.find(backend=…)`` and ``usb.core.find(backend=…)``."""

    simulated = True
    problem = None
    recorder: Any = None

    def __init__(self, models: Iterable[VirtualInstrument], clock: Clock = SYSTEM_CLOCK) -> None:
        """Plug in ``models``, which have the same ``clock`` as the transfers; a USBRH2 gets a pseudo-terminal."""
        models = list(models)
        super().__init__([model for model in models if isinstance(model, VirtualUsbRh)], clock)
        self.ports = [PtyPort(model) for model in models if isinstance(model, VirtualUsbrh2)]

    @property
    def usb_backend(self) -> "SimulatorBackend":
        """Itself: where the drivers find the pyusb backend."""
        return self

    def serial_ports(self) -> list[tuple[str, str, Path]]:
        """Return the name in /dev/serial/by-id, the port and the device node of each USBRH2 that is plugged in."""
        found = [(port.model.serial, port.model.name, port.node) for port in self.ports]
        return [(f"usb-Strawberry_Linux_USBRH2_{serial}-if00", name, node) for serial, name, node in found if node]

    def close(self) -> None:
        """Remove the serial ports."""
        for port in self.ports:
            port.close()


def _mapped(operation: Callable[[], bytes | None]) -> bytes | None:
    """Return the result of ``operation``; errors of the device become those of pyusb."""
    try:
        return operation()
    except TransferError as error:
        raise usb_error(error.errno) from error


def _check_zero(**indexes: int) -> None:
    for name, index in indexes.items():
        if index != 0:
            raise IndexError(f"invalid {name} index {index}")


def _fill(buffer: "array[int]", data: bytes) -> int:
    if len(data) > len(buffer):
        raise usb_error(errno.EOVERFLOW)
    buffer[: len(data)] = array("B", data)
    return len(data)
