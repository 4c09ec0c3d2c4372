"""Locks on a device node, so that the processes of all users queue for one sensor.

The lock is on ``/dev/bus/usb/BBB/DDD`` or ``/dev/ttyACMn`` itself. Every user who may use the sensor may lock it. There
is no lock file to create, own or remove, and the kernel drops the lock when the process ends, however it ends.
The locks are open-file-description locks on single bytes (Linux: fcntl(2), F_OFD_SETLK), which exclude threads too.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Self

from usbrh.clock import Deadline

MEASURE, HEATER = 0, 1
"""The bytes that a process locks while it talks to the sensor, and while it has the heater on."""
_POLL_SECONDS = 0.01
_FLOCK = "hhqqi4x"  # struct flock: l_type, l_whence, l_start, l_len, l_pid


class NodeLock:
    """One open description of a device node, on which bytes can be locked."""

    def __init__(self, node: Path) -> None:
        """Open ``node``. Raises OSError: no such node (ENOENT), or no permission (EACCES)."""
        self.node = node
        # A serial port must neither become our terminal, whose end would kill us, nor wait for a carrier.
        self._fd = os.open(node, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)

    def __enter__(self) -> Self:
        """Return itself; the end of the block closes it."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Unlock all bytes and close the node."""
        os.close(self._fd)

    def acquire(self, byte: int, deadline: Deadline) -> bool:
        """Lock ``byte``; False if others still had it locked at the deadline."""
        while True:
            try:
                fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    raise
            else:
                return True
            if deadline.passed:
                return False
            deadline.clock.sleep(_POLL_SECONDS)

    def locked_elsewhere(self, byte: int) -> bool:
        """Return whether another NodeLock, in this process or another, has ``byte`` locked."""
        question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        answer = struct.unpack(_FLOCK, fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, question))
        return bool(answer[0] != fcntl.F_UNLCK)
