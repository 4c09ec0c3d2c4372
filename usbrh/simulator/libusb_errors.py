"""The errors of libusb as pyusb raises them on Linux, by errno."""

import errno

import usb.core

# libusb.h, enum libusb_error. Not from usb.backend.libusb1: that would load ctypes and more at each start.
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
    """Return the exception that pyusb's libusb-1.0 backend raises for this errno; None is libusb's "other error"."""
    code, text = _LIBUSB[number]
    if number == errno.ETIMEDOUT:
        return usb.core.USBTimeoutError(text, code, number)
    return usb.core.USBError(text, code, number)
