"""The standard requests, and the descriptors of both virtual instruments, as a host reads them (USB 2.0, chapter 9)."""

import errno
import struct

import pytest

from usbrh.simulator.cdc_acm import DESCRIPTORS, UsbSerial
from usbrh.simulator.chapter9 import StandardRequests, TransferError
from usbrh.simulator.descriptors import Descriptors
from usbrh.simulator.unknowns import UsbRhUnknowns
from usbrh.simulator.usbrh2 import VirtualUsbrh2

GET_STATUS, CLEAR_FEATURE, SET_FEATURE, SET_CONFIGURATION = 0x00, 0x01, 0x03, 0x09
DEVICE = "<BBHBBBBHHHBBBB"
"""Layout of a device descriptor."""


@pytest.fixture
def device() -> StandardRequests:
    return StandardRequests(DESCRIPTORS, {1: "Ü".encode("utf-16-le")}, (0x81, 0x82, 0x01))


def rejects(device: StandardRequests, request: tuple[int, int], value: int, index: int) -> bool:
    try:
        device.answer(request, value, index)
    except TransferError as error:
        return error.errno == errno.EPIPE
    return False


def test_status(device: StandardRequests) -> None:
    assert device.answer((0x80, GET_STATUS), 0, 0) == b"\0\0"
    assert device.answer((0x81, GET_STATUS), 0, 0) == b"\0\0"
    for endpoint in (0x00, 0x80, 0x81, 0x82, 0x01):
        assert device.answer((0x82, GET_STATUS), 0, endpoint) == b"\0\0"
    assert rejects(device, (0x82, GET_STATUS), 0, 0x83)


def test_an_endpoint_that_halts(device: StandardRequests) -> None:
    assert device.answer((0x02, SET_FEATURE), 0, 0x81) == b""
    assert (device.halted, device.answer((0x82, GET_STATUS), 0, 0x81)) == ({0x81}, b"\1\0")
    assert device.answer((0x82, GET_STATUS), 0, 0x82) == b"\0\0"
    assert device.answer((0x02, CLEAR_FEATURE), 0, 0x81) == b""
    assert device.halted == set()
    assert device.answer((0x02, SET_FEATURE), 0, 0x80) == b""
    assert device.halted == set(), "endpoint 0 can't halt"
    for request in (SET_FEATURE, CLEAR_FEATURE):
        assert rejects(device, (0x02, request), 1, 0x81), "not the feature ENDPOINT_HALT"
        assert rejects(device, (0x02, request), 0, 0x85)


@pytest.mark.parametrize(("request_", "value"), [((0x00, SET_CONFIGURATION), 1), ((0x01, 0x0B), 0)])
def test_a_new_configuration_or_setting_ends_halts(
    device: StandardRequests, request_: tuple[int, int], value: int
) -> None:
    device.answer((0x02, SET_FEATURE), 0, 0x01)
    assert device.answer(request_, value, 0) == b""
    assert device.halted == set()


def test_configurations_and_interfaces(device: StandardRequests) -> None:
    assert device.answer((0x80, 0x08), 0, 0) == b"\1"
    device.answer((0x00, SET_CONFIGURATION), 0, 0)
    assert device.answer((0x80, 0x08), 0, 0) == b"\0"
    assert rejects(device, (0x00, SET_CONFIGURATION), 2, 0)
    assert [device.answer((0x81, 0x0A), 0, index) for index in (0, 1)] == [b"\0", b"\0"]
    assert rejects(device, (0x81, 0x0A), 0, 2)
    assert rejects(device, (0x01, 0x0B), 1, 0)
    assert rejects(device, (0x01, 0x0B), 0, 2)


def test_descriptors_and_texts(device: StandardRequests) -> None:
    for kind in (1, 2):
        assert device.answer((0x80, 0x06), kind << 8, 0) == DESCRIPTORS[kind]
        assert rejects(device, (0x80, 0x06), kind << 8 | 1, 0)
    assert device.answer((0x80, 0x06), 0x0300, 0) == b"\x04\x03\x09\x04", "the languages: English"
    assert device.answer((0x80, 0x06), 0x0301, 0x0409) == b"\x04\x03\xdc\x00"
    assert rejects(device, (0x80, 0x06), 0x0302, 0)
    assert rejects(device, (0x80, 0x06), 0x0F00, 0)
    assert rejects(device, (0x40, 0x06), 0x0100, 0)


def parts(configuration: bytes) -> list[bytes]:
    """The descriptors in a configuration, without its own."""
    found, rest = [], configuration
    while rest:
        found.append(rest[: rest[0]])
        rest = rest[rest[0] :]
    return found[1:]


def endpoints(configuration: bytes) -> list[tuple[int, int, int, int]]:
    """Address, kind of transfer, packet size and interval of each endpoint."""
    return [struct.unpack("<xxBBHB", part) for part in parts(configuration) if part[1] == 5]


def interfaces(configuration: bytes) -> list[tuple[int, ...]]:
    """Number, alternate setting, endpoints, class, subclass, protocol."""
    return [tuple(part[2:8]) for part in parts(configuration) if part[1] == 4]


def head(configuration: bytes) -> tuple[int, ...]:
    """Length, interfaces, configuration, text, attributes (bus-powered) and half of the milliamperes."""
    size, kind, *rest = struct.unpack("<BBHBBBBB", configuration[:9])
    assert (size, kind) == (9, 2)
    return tuple(rest)


def test_a_usb_rh_is_a_hid_device_of_low_speed() -> None:
    found = Descriptors(UsbRhUnknowns())
    assert struct.unpack(DEVICE, found.device) == (
        *(18, 1, 0x0110, 0, 0, 0, 8, 0x1774, 0x1001, 0x0100),
        *(1, 2, 0, 1),
    )
    configuration = found.by_type[2]
    assert head(configuration) == (len(configuration), 1, 1, 0, 0x80, 50)
    assert interfaces(configuration) == [(0, 0, 1, 3, 0, 0)]
    assert endpoints(configuration) == [(0x81, 3, 8, 10)]
    (hid,) = (part for part in parts(configuration) if part[1] == 0x21)
    assert struct.unpack("<BBHBBBH", hid) == (9, 0x21, 0x0110, 0, 1, 0x22, len(found.by_type[0x22]))
    assert found.by_type[0x22].count(b"\x95\x07") == 1, "reports of 7 bytes"
    assert {number: text.decode("utf-16-le") for number, text in found.texts.items()} == {
        1: "Strawberry Linux Co.,Ltd.", 2: "USBRH",
    }  # fmt: skip
    assert found.device_fields["idProduct"] == 0x1001
    assert found.interface_fields["bInterfaceClass"] == 3
    assert found.endpoint_fields["bEndpointAddress"] == 0x81
    assert found.configuration_fields["wTotalLength"] == len(configuration)
    assert endpoints(Descriptors(UsbRhUnknowns(poll_interval=20)).by_type[2]) == [(0x81, 3, 8, 20)]


def test_a_usbrh2_is_a_cdc_acm_device() -> None:
    assert struct.unpack(DEVICE, DESCRIPTORS[1]) == (
        *(18, 1, 0x0200, 2, 0, 0, 64, 0x1774, 0x1002, 0x0100),
        *(1, 2, 3, 1),
    )
    configuration = DESCRIPTORS[2]
    assert head(configuration) == (len(configuration), 2, 1, 0, 0x80, 50)
    assert interfaces(configuration) == [(0, 0, 1, 2, 2, 1), (1, 0, 2, 10, 0, 0)]
    assert endpoints(configuration) == [(0x82, 3, 8, 16), (0x81, 2, 64, 0), (0x01, 2, 64, 0)]
    # CDC 1.2, 5.2.3: header, call management, abstract control management, union of interfaces 0 and 1.
    functional = [part[2:] for part in parts(configuration) if part[1] == 0x24]
    assert functional == [b"\0\x10\x01", b"\1\0\1", b"\2\2", b"\6\0\1"]


def test_the_line_of_a_usbrh2() -> None:
    serial = UsbSerial(VirtualUsbrh2(serial="E02A"))
    assert serial.control((0xA1, 0x21), 0, 0, length=7) == struct.pack("<IBBB", 9600, 0, 0, 8), "9600 baud, 8N1"
    coding = struct.pack("<IBBB", 115200, 0, 0, 8)
    assert serial.control((0x21, 0x20), 0, 0, coding) == b""
    assert serial.control((0xA1, 0x21), 0, 0, length=7) == coding
    assert serial.control((0x21, 0x22), 3, 0) == serial.control((0x21, 0x23), 0, 0) == b""
    serial.endpoint_out(1, b"auto 1\r")
    for lines, seconds in ((0x01, 1.0), (0x03, 1.0), (0x02, None)):
        serial.control((0x21, 0x22), lines, 0)
        assert serial.model.automatic == seconds, "without DTR, the port is closed, and nothing is sent any more"
    serial.endpoint_in(1, 255)
    texts = [serial.control((0x80, 0x06), 0x0300 | number, 0x0409, length=255)[2:] for number in (1, 2, 3)]
    assert [text.decode("utf-16-le") for text in texts] == ["Strawberry Linux", "USBRH2", "E02A"]
    assert serial.control((0x80, 0x06), 0x0200, 0, length=9) == DESCRIPTORS[2][:9], "as much as the host asks for"
    assert serial.endpoint_in(2, 8) is None
    assert serial.endpoint_in(1, 64) is None
    with pytest.raises(TransferError, match="EPIPE"):
        serial.endpoint_in(3, 8)
    with pytest.raises(TransferError, match="EPIPE"):
        serial.endpoint_out(2, b"x")
    serial.model.unplug()
    with pytest.raises(TransferError, match="ENODEV"):
        serial.control((0x80, GET_STATUS), 0, 0)
