"""The USB descriptors of the virtual USB-RH, as bytes on the wire and as named fields.

Known of the real one (several independent drivers agree, docs/device.md): vendor and product number, HID, one
interface, interrupt IN endpoint 0x81, reports of 7 bytes without report number, no serial number.
Inferred: low speed, 8-byte packets and a 10 ms interval (all that a low-speed device may have), the texts, the
current, and the report descriptor beyond its three reports of 7 bytes.
"""

import struct

from usbrh.simulator.chapter9 import CONFIGURATION, CONFIGURATION_TYPE, DEVICE_TYPE, ENDPOINT_TYPE, INTERFACE_TYPE

VENDOR_ID, PRODUCT_ID = 0x1774, 0x1001
ENDPOINT = 0x81
REPORT_LENGTH = 7
PACKET_SIZE = 8
HID_TYPE, REPORT_TYPE = 0x21, 0x22


def _descriptor(layout: str, names: str, *values: int) -> tuple[bytes, dict[str, int]]:
    """Return a descriptor, and its fields by their names in the USB specification."""
    data = struct.pack(layout, struct.calcsize(layout), *values)
    return data, dict(zip(names.split(), struct.unpack(layout, data), strict=True))


# USB 1.1; the interface has the class; texts 1 and 2, no serial number.
DEVICE, DEVICE_FIELDS = _descriptor(
    "<BBHBBBBHHHBBBB",
    "bLength bDescriptorType bcdUSB bDeviceClass bDeviceSubClass bDeviceProtocol bMaxPacketSize0 idVendor idProduct"
    " bcdDevice iManufacturer iProduct iSerialNumber bNumConfigurations",
    *(DEVICE_TYPE, 0x0110, 0, 0, 0, PACKET_SIZE, VENDOR_ID, PRODUCT_ID, 0x0100, 1, 2, 0, 1),
)
INTERFACE, INTERFACE_FIELDS = _descriptor(
    "<BBBBBBBBB",
    "bLength bDescriptorType bInterfaceNumber bAlternateSetting bNumEndpoints bInterfaceClass bInterfaceSubClass"
    " bInterfaceProtocol iInterface",
    *(INTERFACE_TYPE, 0, 0, 1, 3, 0, 0, 0),
)
ENDPOINT_IN, ENDPOINT_FIELDS = _descriptor(
    "<BBBBHB",
    "bLength bDescriptorType bEndpointAddress bmAttributes wMaxPacketSize bInterval",
    *(ENDPOINT_TYPE, ENDPOINT, 3, PACKET_SIZE, 10),
)

# A vendor-defined page with one input, one output and one feature report of 7 bytes each.
REPORT = bytes.fromhex(
    "0600ff 0901 a101"  # usage page 0xff00, usage 1, application collection
    "1500 26ff00 7508 9507"  # values 0..255, 8 bits, 7 of them
    "0902 8102"  # input
    "0903 9102"  # output
    "0904 b102"  # feature
    "c0"
)
HID = struct.pack("<BBHBBBH", 9, HID_TYPE, 0x0110, 0, 1, REPORT_TYPE, len(REPORT))
_PARTS = INTERFACE + HID + ENDPOINT_IN
_HEAD, CONFIGURATION_FIELDS = _descriptor(
    "<BBHBBBBB",
    "bLength bDescriptorType wTotalLength bNumInterfaces bConfigurationValue iConfiguration bmAttributes bMaxPower",
    *(CONFIGURATION_TYPE, 9 + len(_PARTS), 1, CONFIGURATION, 0, 0x80, 50),
)

DESCRIPTORS = {DEVICE_TYPE: DEVICE, CONFIGURATION_TYPE: _HEAD + _PARTS, HID_TYPE: HID, REPORT_TYPE: REPORT}
TEXTS = {1: "Strawberry Linux Co.,Ltd.", 2: "USBRH"}
