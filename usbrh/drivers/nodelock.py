"""Locks on a device node, so that all processes of all users queue for one sensor.

The lock is on ``/dev/bus/usb/BBB/DDD`` or ``/dev/ttyACMn`` itself: whoever may use the sensor may lock it, there is no
lock file to make, to own or to clean away, and the kernel lets go of it when the process ends, however it ends. They
are open-file-description locks of single bytes (Linux: fcntl(2), F_OFD_SETLK), which exclude threads too.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path
from types import TracebackType

from usbrh.clock import Deadline

MEASURE = 0
"""Byte held by whoever talks to the sensor."""
HEATER = 1
"""Byte held by the process that has switched the heater on, as long as it is on."""

_POLL = 0.01
_FLOCK = "hhqqi4x"  # struct flock: l_type, l_whence, l_start, l_len, l_pid


class NodeLock:
    """One open description of a device node, on which bytes can be locked."""

    def __init__(self, node: Path) -> None:
        """Open ``node``.

        Raises:
            OSError: no such node (ENOENT), or no permission (EACCES).
        """
        # A terminal device must neither become ours (we would die when it is unplugged) nor wait for a carrier.
        self._fd = os.open(node, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)

    def __enter__(self) -> "NodeLock":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything that is locked."""
        os.close(self._fd)

    def acquire(self, byte: int, deadline: Deadline) -> bool:
        """Wait for ``byte``; False when the deadline came first."""
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
            deadline.clock.sleep(_POLL)

    def held_elsewhere(self, byte: int) -> bool:
        """Somebody else, in this process or another, holds ``byte``."""
        question = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        answer = struct.unpack(_FLOCK, fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, question))
        return bool(answer[0] != fcntl.F_UNLCK)
