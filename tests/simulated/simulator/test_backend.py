"""Virtual sensors through pyusb: all of usb.core is the real one."""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import usb.core
import usb.util
from usb.backend import libusb1

from usbrh.clock import Deadline
from usbrh.drivers import usb as usbdevice
from usbrh.drivers import usbrh1
from usbrh.simulator.backend import SimulatorBackend, Transfer
from usbrh.simulator.clock import VirtualClock
from usbrh.simulator.room import room
from usbrh.simulator.usbrh1 import VirtualUsbRh

CAPTURED = bytes.fromhex("04de1c01000241")
Device = Any


def ask(device: Device, timeout: int = 500) -> None:
    assert device.ctrl_transfer(0x21, 0x09, 0x0200, 0, bytes(7), timeout) == 7


def read(device: Device, size: int = 8, timeout: int = 1000) -> bytes:
    return bytes(device.read(0x81, size, timeout))


def opened(backend: SimulatorBackend) -> Device:
    device = usb.core.find(backend=backend, idVendor=0x1774, idProduct=0x1001)
    assert device is not None
    if device.is_kernel_driver_active(0):
        device.detach_kernel_driver(0)
    return device


@contextmanager
def fails(number: int | None) -> Iterator[None]:
    """As it would with libusb: errno and backend_error_code belong together."""
    with pytest.raises(usb.core.USBError) as raised:
        yield
    assert raised.value.errno == number
    assert libusb1._libusb_errno[raised.value.backend_error_code] == number
    assert isinstance(raised.value, usb.core.USBTimeoutError) == (number == errno.ETIMEDOUT)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def model(clock: VirtualClock) -> VirtualUsbRh:
    return VirtualUsbRh(clock=clock)


@pytest.fixture
def backend(model: VirtualUsbRh, clock: VirtualClock) -> SimulatorBackend:
    return SimulatorBackend([model], clock)


def test_descriptors_are_those_of_the_real_one(backend: SimulatorBackend) -> None:
    device: Device = usb.core.find(backend=backend)
    assert (device.idVendor, device.idProduct, device.speed) == (0x1774, 0x1001, 1)
    assert (device.bus, device.address, device.port_number, device.port_numbers) == (0, 1, 1, (1,))
    assert device.manufacturer == "Strawberry Linux Co.,Ltd."
    assert device.product == "USBRH"
    assert device.serial_number is None
    (configuration,) = device
    (interface,) = configuration
    (endpoint,) = interface
    assert device.get_active_configuration().bConfigurationValue == configuration.bConfigurationValue == 1
    assert configuration.wTotalLength == 34
    assert (interface.bInterfaceClass, interface.bNumEndpoints) == (3, 1)
    assert (endpoint.bEndpointAddress, endpoint.bmAttributes, endpoint.wMaxPacketSize) == (0x81, 3, 8)
    assert (endpoint.bRefresh, endpoint.bSynchAddress) == (0, 0), "as of all but audio devices"
    device.detach_kernel_driver(0)
    hid, report = bytes(interface.extra_descriptors), bytes(device.ctrl_transfer(0x81, 6, 0x2200, 0, 255))
    assert hid == bytes(device.ctrl_transfer(0x81, 6, 0x2100, 0, 255))
    assert int.from_bytes(hid[7:9], "little") == len(report) == 29
    assert "1774:1001" in str(device)


def test_a_setting_of_the_interface_ends_a_halt(backend: SimulatorBackend) -> None:
    device = opened(backend)
    device.ctrl_transfer(0x02, 0x03, 0, 0x81)
    with fails(errno.EPIPE):
        read(device)
    device.set_interface_altsetting(0, 0)
    assert bytes(device.ctrl_transfer(0x82, 0x00, 0, 0x81, 2)) == b"\0\0"


def test_measures(backend: SimulatorBackend, clock: VirtualClock) -> None:
    device = opened(backend)
    ask(device)
    assert read(device) == CAPTURED
    assert clock.monotonic() == pytest.approx(0.302)


def test_answer_outlives_the_process_that_asked(backend: SimulatorBackend) -> None:
    first = opened(backend)
    ask(first)
    usb.util.dispose_resources(first)
    assert read(opened(backend)) == CAPTURED


def test_timeouts_are_kept_and_recorded(backend: SimulatorBackend, clock: VirtualClock) -> None:
    device = opened(backend)
    with fails(errno.ETIMEDOUT):
        read(device, timeout=250)
    assert clock.monotonic() == pytest.approx(0.25)
    ask(device, 321)
    device.read(0x81, 8)
    assert list(backend.transfers) == [
        Transfer("sim-1", "interrupt", 250),
        Transfer("sim-1", "control", 321),
        Transfer("sim-1", "interrupt", 1000),
    ]


def test_control_transfer_that_hangs_ends_by_its_timeout(
    backend: SimulatorBackend, model: VirtualUsbRh, clock: VirtualClock
) -> None:
    device = opened(backend)
    model.fault("request_hangs", 1)
    with fails(errno.ETIMEDOUT):
        ask(device, 700)
    assert clock.monotonic() == pytest.approx(0.7)


def test_long_report_overflows_a_short_buffer(backend: SimulatorBackend, model: VirtualUsbRh) -> None:
    device = opened(backend)
    model.fault("long", 2)
    ask(device)
    with fails(errno.EOVERFLOW):
        read(device, 7)
    ask(device)
    assert len(read(device, 8)) == 8


def test_empty_report(backend: SimulatorBackend, model: VirtualUsbRh) -> None:
    device = opened(backend)
    model.fault("empty", 1)
    ask(device)
    assert read(device) == b""


def test_halt_is_cleared_through_pyusb(backend: SimulatorBackend, model: VirtualUsbRh) -> None:
    device = opened(backend)
    model.fault("endpoint_halts", 1)
    ask(device)
    for _ in range(2):
        with fails(errno.EPIPE):
            read(device)
    device.clear_halt(0x81)
    ask(device)
    assert read(device) == CAPTURED


def test_reset(backend: SimulatorBackend) -> None:
    device = opened(backend)
    ask(device)
    device.reset()
    with fails(errno.ETIMEDOUT):
        read(device)


@pytest.mark.parametrize(
    ("act", "number"),
    [
        (lambda device: device.ctrl_transfer(0x21, 0x09, 0x0100, 0, bytes(7)), errno.EPIPE),
        (lambda device: device.attach_kernel_driver(0), None),
        (lambda device: device.set_configuration(1), errno.EBUSY),
    ],
)
def test_rejections(backend: SimulatorBackend, act: Callable[[Device], None], number: int | None) -> None:
    device = opened(backend)
    if number is None:
        act(device)
        assert device.is_kernel_driver_active(0)
    else:
        usb.util.claim_interface(device, 0)
        with fails(number):
            act(device)


def test_kernel_driver_holds_the_interface_until_it_is_detached(backend: SimulatorBackend, model: VirtualUsbRh) -> None:
    device: Device = usb.core.find(backend=backend)
    assert device.is_kernel_driver_active(0)
    with fails(errno.EBUSY):
        ask(device)
    model.fault("detach_rejected", 1)
    with fails(None):
        device.detach_kernel_driver(0)
    device.detach_kernel_driver(0)
    with fails(errno.ENOENT):
        device.detach_kernel_driver(0)
    ask(device)
    with fails(errno.EBUSY):  # claimed by ask()
        device.attach_kernel_driver(0)
    usb.util.dispose_resources(device)
    device.attach_kernel_driver(0)
    assert usb.core.find(backend=backend).is_kernel_driver_active(0)


def test_one_claims_at_a_time(backend: SimulatorBackend) -> None:
    first, second = opened(backend), opened(backend)
    usb.util.claim_interface(first, 0)
    with fails(errno.EBUSY):
        usb.util.claim_interface(second, 0)
    usb.util.release_interface(first, 0)
    usb.util.claim_interface(second, 0)


def test_no_permission_and_the_value_error_that_hides_it(backend: SimulatorBackend, model: VirtualUsbRh) -> None:
    model.fault("access_denied")
    device: Device = usb.core.find(backend=backend)
    with fails(errno.EACCES):
        ask(device)
    with pytest.raises(ValueError, match="no langid"):
        _ = device.product


def test_busy(backend: SimulatorBackend, model: VirtualUsbRh) -> None:
    device = opened(backend)
    model.fault("busy", 1)
    with fails(errno.EBUSY):
        ask(device)
    ask(device)


def test_replugged_is_another_device_at_the_same_port(backend: SimulatorBackend, model: VirtualUsbRh) -> None:
    old = opened(backend)
    model.unplug()
    with fails(errno.ENODEV):
        ask(old)
    assert usb.core.find(backend=backend) is None
    model.plug()
    with fails(errno.ENODEV):
        ask(old)
    new: Device = usb.core.find(backend=backend)
    assert (new.port_numbers, new.address) == ((1,), 2)
    assert new.is_kernel_driver_active(0)
    new.detach_kernel_driver(0)
    ask(new)
    assert read(new) == CAPTURED


@pytest.mark.parametrize(
    ("fault", "in_request", "in_read"),
    [
        ("unplug_before_request", errno.ENODEV, None),
        ("unplug_during_request", errno.EIO, None),
        ("request_stalls", errno.EPIPE, None),
        ("request_io_error", errno.EIO, None),
        ("unplug_while_measuring", None, errno.ENODEV),
        ("unplug_during_read", None, errno.EIO),
        ("read_io_error", None, errno.EIO),
        ("endpoint_halts", None, errno.EPIPE),
        ("no_answer", None, errno.ETIMEDOUT),
        ("late", None, errno.ETIMEDOUT),
        ("first_answer_hangs", None, errno.ETIMEDOUT),
    ],
)
def test_faults_are_the_errors_of_libusb(
    backend: SimulatorBackend, model: VirtualUsbRh, fault: str, in_request: int | None, in_read: int | None
) -> None:
    device = opened(backend)
    model.fault(fault, 1)
    if in_request is not None:
        with fails(in_request):
            ask(device)
        return
    ask(device)
    with fails(in_read):
        read(device)


def test_sensors_of_one_backend_have_their_own_ports(clock: VirtualClock) -> None:
    backend = SimulatorBackend([VirtualUsbRh(number, clock=clock) for number in (1, 2, 3)], clock)
    devices = list(usb.core.find(find_all=True, backend=backend))
    assert [(device.port_numbers, device.address) for device in devices] == [((1,), 1), ((2,), 2), ((3,), 3)]
    assert sorted(usbdevice.devices(backend, 0x1774, 0x1001)) == ["sim-1", "sim-2", "sim-3"]


# ---------------------------------------------------------------- the real clock


def test_many_sensors_measure_at_the_same_time() -> None:
    backend = SimulatorBackend([VirtualUsbRh(number) for number in range(1, 17)])
    reports: dict[int, bytes] = {}

    def measure(device: Device) -> None:
        device.detach_kernel_driver(0)
        ask(device)
        reports[device.address] = read(device)

    threads = [
        threading.Thread(target=measure, args=(device,)) for device in usb.core.find(find_all=True, backend=backend)
    ]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.302 <= time.monotonic() - begin < 0.302 * 2
    assert {
        number: (int.from_bytes(report[2:4], "big"), int.from_bytes(report[:2], "big"))
        for number, report in reports.items()
    } == {number: room(number)(0) for number in range(1, 17)}


def test_a_read_notices_an_unplug_from_another_thread() -> None:
    model = VirtualUsbRh(measuring=30)
    device = opened(SimulatorBackend([model]))
    ask(device)
    threading.Timer(0.1, model.unplug).start()
    begin = time.monotonic()
    with fails(errno.ENODEV):
        read(device, timeout=20000)
    assert time.monotonic() - begin < 2


# ---------------------------------------------------------------- the driver on it


def test_the_driver_reads_ten_thousand_in_no_time(backend: SimulatorBackend, clock: VirtualClock) -> None:
    sensor = usbrh1.UsbRh("sim-1", backend)
    begin = time.monotonic()
    for n in range(10_000):
        raw = sensor.measure(Deadline(5, clock)).raw
        assert raw is not None
        assert (raw.temperature, raw.humidity) == room()(n)
        clock.sleep(60)
    assert time.monotonic() - begin < 60
    assert clock.monotonic() == pytest.approx(10_000 * 60.302, rel=1e-3)
    assert all(0 < transfer.timeout <= 5000 for transfer in backend.transfers)
