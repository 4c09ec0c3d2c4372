"""The errors of the simulator are those of pyusb's backend for libusb-1.0."""

import errno

import pytest
import usb.core
from usb.backend import libusb1

from usbrh.simulator.libusb_errors import usb_error

NUMBERS = (
    *(errno.EIO, errno.EACCES, errno.ENODEV, errno.ENOENT, errno.EBUSY),
    *(errno.ETIMEDOUT, errno.EOVERFLOW, errno.EPIPE, None),
)


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_an_error_is_that_of_libusb(number: int | None) -> None:
    if not libusb1.get_backend():
        pytest.skip("libusb-1.0 is not installed: sudo apt install libusb-1.0-0")
    code = next(code for code, found in libusb1._libusb_errno.items() if found == number and code)
    with pytest.raises(usb.core.USBError) as expected:
        libusb1._check(code)
    found = usb_error(number)
    assert type(found) is type(expected.value)
    assert (found.errno, found.backend_error_code) == (number, code)
    assert found.args == expected.value.args
