"""The USB descriptors of a virtual USB-RH, as bytes on the wire and as named fields.

Known of the real one (several independent drivers agree, docs/device.md): vendor and product number, HID, one
interface, interrupt IN endpoint 0x81, reports of 7 bytes without report number, no serial number, low speed, and
therefore packets of 8 bytes. Inferred: an interval of 10 ms (all that a low-speed device may have), the texts, the
current, and the report descriptor beyond its three reports of 7 bytes. ``UsbRhUnknowns`` has the other possibilities.
"""

import struct
from collections.abc import Mapping

from usbrh.simulator.chapter9 import CONFIGURATION, CONFIGURATION_TYPE, DEVICE_TYPE, ENDPOINT_TYPE, INTERFACE_TYPE
from usbrh.simulator.unknowns import UsbRhUnknowns

VENDOR_ID, PRODUCT_ID = 0x1774, 0x1001
ENDPOINT = 0x81
HID_TYPE, REPORT_TYPE = 0x21, 0x22
_INTERVAL = 10  # ms
_TEXTS: Mapping[str, Mapping[int, bytes]] = {
    "present": {1: "Strawberry Linux Co.,Ltd.".encode("utf-16-le"), 2: "USBRH".encode("utf-16-le")},
    "absent": {},
    "undecodable": {1: b"\x00\xd8", 2: b"USBRH"},  # half a surrogate pair; an odd number of bytes
}


def _descriptor(layout: str, names: str, *values: int) -> tuple[bytes, dict[str, int]]:
    """Return a descriptor, and its fields by their names in the USB specification."""
    data = struct.pack(layout, struct.calcsize(layout), *values)
    return data, dict(zip(names.split(), struct.unpack(layout, data), strict=True))


class Descriptors:
    """The descriptors of one possible USB-RH."""

    def __init__(self, unknowns: UsbRhUnknowns) -> None:
        """Build them."""
        self.texts = _TEXTS[unknowns.strings]
        manufacturer, product = (1, 2) if self.texts else (0, 0)
        # USB 1.1; the interface has the class; no serial number.
        self.device, self.device_fields = _descriptor(
            "<BBHBBBBHHHBBBB",
            "bLength bDescriptorType bcdUSB bDeviceClass bDeviceSubClass bDeviceProtocol bMaxPacketSize0 idVendor"
            " idProduct bcdDevice iManufacturer iProduct iSerialNumber bNumConfigurations",
            *(DEVICE_TYPE, 0x0110, 0, 0, 0, unknowns.packet_size, VENDOR_ID, PRODUCT_ID, 0x0100),
            *(manufacturer, product, 0, 1),
        )
        self.interface, self.interface_fields = _descriptor(
            "<BBBBBBBBB",
            "bLength bDescriptorType bInterfaceNumber bAlternateSetting bNumEndpoints bInterfaceClass"
            " bInterfaceSubClass bInterfaceProtocol iInterface",
            *(INTERFACE_TYPE, 0, 0, 1, 3, 0, 0, 0),
        )
        endpoint, self.endpoint_fields = _descriptor(
            "<BBBBHB",
            "bLength bDescriptorType bEndpointAddress bmAttributes wMaxPacketSize bInterval",
            *(ENDPOINT_TYPE, ENDPOINT, 3, unknowns.packet_size, unknowns.poll_interval or _INTERVAL),
        )
        self.report = _report(unknowns.report_length)
        self.hid = struct.pack("<BBHBBBH", 9, HID_TYPE, 0x0110, 0, 1, REPORT_TYPE, len(self.report))
        parts = self.interface + self.hid + endpoint
        head, self.configuration_fields = _descriptor(
            "<BBHBBBBB",
            "bLength bDescriptorType wTotalLength bNumInterfaces bConfigurationValue iConfiguration bmAttributes"
            " bMaxPower",
            *(CONFIGURATION_TYPE, 9 + len(parts), 1, CONFIGURATION, 0, 0x80, 50),
        )
        self.by_type = {
            DEVICE_TYPE: self.device,
            CONFIGURATION_TYPE: head + parts,
            HID_TYPE: self.hid,
            REPORT_TYPE: self.report,
        }


def _report(length: int) -> bytes:
    """Return a vendor-defined page with one input, one output and one feature report of ``length`` bytes each."""
    return bytes.fromhex(
        "0600ff 0901 a101"  # usage page 0xff00, usage 1, application collection
        f"1500 26ff00 7508 95{length:02x}"  # values 0..255, 8 bits, so many of them
        "0902 8102"  # input
        "0903 9102"  # output
        "0904 b102"  # feature
        "c0"
    )
