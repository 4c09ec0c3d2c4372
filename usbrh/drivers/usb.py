"""A USB device of one interface, at one port: found, queued for, claimed, and given back after each operation."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import usb.core
import usb.util

from usbrh.clock import Clock, Deadline
from usbrh.drivers.holders import hidraw_nodes, holders
from usbrh.drivers.nodelock import MEASURE, NodeLock
from usbrh.errors import AccessDenied, SensorBusy, SensorNotFound, SensorTimeout, TransferFailed

REPLUG = "; unplug it and plug it in again"
"""What a message ends with when nothing else helps."""
PAUSE = 0.1
"""s between tries to claim it."""
_INTERFACE = 0


def devices(backend: Any, vendor: int, product: int) -> dict[str, usb.core.Device]:
    """The devices of this kind on the bus by their port path.

    Raises:
        usb.core.NoBackendError: libusb can't be used.
    """
    found = usb.core.find(find_all=True, backend=backend, idVendor=vendor, idProduct=product)
    return {port_path(device): device for device in found}


def port_path(device: usb.core.Device) -> str:
    """``1-1.4``: the bus, then the port numbers on the way from it, as in /sys/bus/usb/devices."""
    ports = ".".join(str(number) for number in device.port_numbers or ())  # type: ignore[attr-defined]
    return f"sim-{ports}" if getattr(device.backend, "simulated", False) else f"{device.bus}-{ports}"


def node(device: usb.core.Device) -> Path:
    """The device node that libusb opens."""
    return Path(f"/dev/bus/usb/{device.bus:03d}/{device.address:03d}")


class UsbDevice:
    """What is plugged in at ``port``, whatever address it has."""

    def __init__(self, port: str, label: str, backend: Any, kind: tuple[int, int], clock: Clock) -> None:
        """``label``: what messages call it; ``kind``: vendor and product id."""
        self.port = port
        self.label = label
        self.simulated = bool(getattr(backend, "simulated", False))
        self._backend = backend
        self._kind = kind
        self._clock = clock

    @contextmanager
    def session(self, deadline: Deadline, work: float) -> Iterator[tuple[usb.core.Device, NodeLock | None]]:
        """The claimed device, and the lock on its node; errors of libusb leave as ours.

        ``work``: seconds that have to be left when it is ours at last; less, and it has been busy for too long.

        Raises:
            SensorError: one of its leaves, by the deadline.
        """
        device = self._find()
        queueing = Deadline(max(0.0, deadline.remaining() - work), deadline.clock)
        with self._queue(device, queueing) as lock, self._errors_named(device):
            try:
                self.claim(device, queueing)
                yield device, lock
            finally:
                usb.util.dispose_resources(device)

    def claim(self, device: usb.core.Device, deadline: Deadline) -> None:
        """Take the interface from the kernel's driver, once, and claim it; waits while another program has it.

        Raises:
            SensorBusy: another program still had it at the deadline.
            USBError: it can't be had.
        """
        while True:
            hidraw = hidraw_nodes(self.port)
            try:
                if device.is_kernel_driver_active(_INTERFACE) and not holders(hidraw):
                    device.detach_kernel_driver(_INTERFACE)
                usb.util.claim_interface(device, _INTERFACE)
            except usb.core.USBError as error:
                if error.errno != errno.EBUSY:
                    raise
                if deadline.passed:
                    raise self._busy([*hidraw, node(device)]) from error
            else:
                return
            self._clock.sleep(min(PAUSE, deadline.remaining()))

    def release(self, deadline: Deadline) -> None:
        """Give it back to the kernel's driver, so that /dev/hidraw programs find it again.

        Raises:
            SensorError: one of its leaves, by the deadline.
        """
        device = self._find()
        with self._queue(device, deadline), self._errors_named(device):
            try:
                if not device.is_kernel_driver_active(_INTERFACE):
                    device.attach_kernel_driver(_INTERFACE)
            finally:
                usb.util.dispose_resources(device)

    def _find(self) -> usb.core.Device:
        # Anew each time: what was plugged in again has another address.
        device = devices(self._backend, *self._kind).get(self.port)
        if device is None:
            raise SensorNotFound(f"{self.label} is not plugged in; usbrh list shows what is", self.port)
        return device

    @contextmanager
    def _queue(self, device: usb.core.Device, deadline: Deadline) -> Iterator[NodeLock | None]:
        """Hold its place in the queue of all processes; a virtual device has no node and no queue."""
        if self.simulated:
            yield None
            return
        with self._errors_named(device):
            lock = NodeLock(node(device))
        with lock:
            if not lock.acquire(MEASURE, deadline):
                raise self._busy([node(device)])
            yield lock

    def _busy(self, nodes: list[Path]) -> SensorBusy:
        who = ", ".join(holders(nodes)) or "another program"
        return SensorBusy(f"{self.label} is held by {who}; end it, or try again", self.port)

    @contextmanager
    def _errors_named(self, device: usb.core.Device) -> Iterator[None]:
        """Errors of the operating system and of libusb become ours."""
        try:
            yield
        except usb.core.USBTimeoutError as error:
            raise SensorTimeout(f"{self.label} did not take a request in time{REPLUG}", self.port) from error
        except OSError as error:  # USBError is one
            if error.errno in (errno.ENODEV, errno.ENOENT, errno.ENXIO):
                raise SensorNotFound(f"{self.label} was unplugged; plug it in again", self.port) from error
            if error.errno in (errno.EACCES, errno.EPERM):
                raise AccessDenied(
                    f"no permission for {self.label} ({node(device)}); sudo usbrh setup, then plug it in again",
                    self.port,
                ) from error
            raise TransferFailed(
                f"USB transfer with {self.label} failed: {error.strerror or error}{REPLUG}", self.port
            ) from error
