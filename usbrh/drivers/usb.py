"""A USB device with one interface: found by its port, claimed for one operation, and closed again."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import usb.core
import usb.util
from usb.backend import IBackend

from usbrh.clock import Deadline
from usbrh.drivers.base import Bus
from usbrh.drivers.holders import hidraw_nodes, holders
from usbrh.drivers.nodelock import NodeLock
from usbrh.drivers.shared import REPLUG, WORK, SharedDevice
from usbrh.errors import SensorError, SensorNotFound, SensorTimeout

_INTERFACE = 0
_RECENT = 5.0
"""s after a listing of the bus in which each sensor can be opened without another one. In that time, no device gets the
address of one that was unplugged: Linux first assigns all other addresses of the bus."""


class _Listing(NamedTuple):
    """The devices of one kind on the bus, by their port path. Each is taken out when it is used."""

    backend: IBackend
    moment: float
    """When it began, in s by the monotonic clock."""
    devices: dict[str, usb.core.Device]


_listed: dict[tuple[int, int], _Listing] = {}
"""The last listing by vendor and product. A listing reads the descriptors of all devices on all buses. In a round with
many sensors, one for each of them would cost more than the measurements."""
_lock = threading.Lock()
"""For the sensor that lists the bus."""


def devices(bus: Bus, vendor: int, product: int) -> dict[str, usb.core.Device]:
    """Find the devices of this kind on ``bus``, by their port path; none without libusb."""
    backend = bus.usb_backend
    if backend is None:
        return {}
    if bus.recorder:
        from usbrh.drivers.recording import recording_backend  # noqa: PLC0415  # only for usbrh verify

        backend = recording_backend(backend, bus.recorder)
    moment = time.monotonic()
    listed = usb.core.find(find_all=True, backend=backend, idVendor=vendor, idProduct=product)
    found = {_port_path(device, bus.simulated): device for device in listed}
    _listed[vendor, product] = _Listing(backend, moment, dict(found))
    return found


def _port_path(device: usb.core.Device, simulated: bool) -> str:
    """``1-1.4``: the bus, then the port numbers from hub to hub, as in /sys/bus/usb/devices."""
    ports = ".".join(str(number) for number in device.port_numbers or ())  # type: ignore[attr-defined]
    return f"sim-{ports}" if simulated else f"{device.bus}-{ports}"


class UsbDevice(SharedDevice):
    """The device that is plugged in at ``port``, whatever its address."""

    def __init__(self, port: str, label: str, bus: Bus, kind: tuple[int, int]) -> None:
        """Open nothing. ``kind``: vendor id and product id."""
        super().__init__(port, label)
        self._bus = bus
        self._kind = kind

    @contextmanager
    def session(self, deadline: Deadline) -> Iterator[tuple[usb.core.Device, NodeLock | None]]:
        """Claim the device; yield it and the lock on its node, which a virtual device does not have.

        Raises SensorError, also for errors of libusb in the body.
        """
        queueing = deadline.within(max(0.0, deadline.remaining() - WORK))
        with ExitStack() as stack:
            yield self._open(stack, queueing)

    def _open(self, stack: ExitStack, queueing: Deadline) -> tuple[usb.core.Device, NodeLock | None]:
        """Open and claim the device until ``stack`` ends."""
        device = self._listed_since(time.monotonic() - _RECENT)
        if device:
            with suppress(SensorNotFound), ExitStack() as attempt:  # plugged in again since, it has another address
                opened = self._claimed(attempt, device, queueing)
                stack.enter_context(attempt.pop_all())
                return opened
        return self._claimed(stack, self._find(), queueing)

    def _claimed(
        self, stack: ExitStack, device: usb.core.Device, queueing: Deadline
    ) -> tuple[usb.core.Device, NodeLock | None]:
        lock = stack.enter_context(self._queue(device, queueing))
        stack.enter_context(self._errors_mapped(device))
        stack.callback(usb.util.dispose_resources, device)
        self.claim(device, queueing)
        return device, lock

    def claim(self, device: usb.core.Device, deadline: Deadline) -> None:
        """Detach the kernel's driver, if it is attached, and claim the interface, which another program may have.

        Raises SensorBusy if it still has it at the deadline, and USBError if libusb fails.
        """

        def attempt() -> None:
            if device.is_kernel_driver_active(_INTERFACE) and not holders(hidraw_nodes(self.port)):
                device.detach_kernel_driver(_INTERFACE)
            usb.util.claim_interface(device, _INTERFACE)

        self.when_free(attempt, _node(device), deadline)

    def release(self, deadline: Deadline) -> None:
        """Attach the kernel's driver again, so that programs find the sensor at /dev/hidraw*. Raises SensorError."""
        device = self._find()
        with self._queue(device, deadline), self._errors_mapped(device):
            try:
                if not device.is_kernel_driver_active(_INTERFACE):
                    device.attach_kernel_driver(_INTERFACE)
            finally:
                usb.util.dispose_resources(device)

    def busy(self, nodes: list[Path]) -> SensorError:
        """Return the error of a device that was busy until the deadline; it names programs at /dev/hidraw* too."""
        return super().busy([*hidraw_nodes(self.port), *nodes])

    def _listed_since(self, moment: float) -> usb.core.Device | None:
        """Take the device out of a listing that began at ``moment`` or later; None if there is no such listing."""
        listing = _listed.get(self._kind)
        if listing is None or listing.backend is not self._bus.usb_backend or listing.moment < moment:
            return None
        return listing.devices.pop(self.port, None)

    def _find(self) -> usb.core.Device:
        """List the bus: a device that was plugged in again has another address."""
        asked = time.monotonic()
        with _lock:
            # Sensors that fail at the same time share a listing.
            device = self._listed_since(asked) or devices(self._bus, *self._kind).get(self.port)
            if self._kind in _listed:
                _listed[self._kind].devices.pop(self.port, None)
        if device is None:
            raise self.not_plugged_in()
        return device

    @contextmanager
    def _queue(self, device: usb.core.Device, deadline: Deadline) -> Iterator[NodeLock | None]:
        """Wait for other processes that use the device; a virtual device is not shared between processes."""
        if self._bus.simulated:
            yield None
            return
        with self._errors_mapped(device):
            lock = self.lock(_node(device), deadline)
        with lock:
            yield lock

    @contextmanager
    def _errors_mapped(self, device: usb.core.Device) -> Iterator[None]:
        """Errors of the operating system and of libusb become ours."""
        try:
            yield
        except usb.core.USBTimeoutError as error:
            raise SensorTimeout(f"{self.label} did not accept a request in time", self.port, remedy=REPLUG) from error
        except OSError as error:  # USBError is one
            message = f"USB transfer with {self.label} failed: {error.strerror or error}"
            raise self.failure(error.errno, _node(device), message) from error


def _node(device: usb.core.Device) -> Path:
    return Path(f"/dev/bus/usb/{device.bus:03d}/{device.address:03d}")
