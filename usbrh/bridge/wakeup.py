"""Ends a wait of the main thread, or the service, from a signal handler or from another thread."""

import math
import select
import signal
import socket
from contextlib import suppress
from typing import Self


class WakeupPipe:
    """A wait that ``wake`` ends, from any thread or signal handler. A handler that needs a lock could block itself."""

    def __init__(self) -> None:
        """Open the pipe."""
        self._inside, self._outside = socket.socketpair()
        self._outside.setblocking(False)
        self._signals = False

    def __enter__(self) -> Self:
        """Use the pipe until the end of the block."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the pipe."""
        if self._signals:
            signal.set_wakeup_fd(-1)
        self._inside.close()
        self._outside.close()

    def wake_on_signals(self) -> None:
        """Let every signal that has a handler end the wait.

        Python runs the handler only between two steps of the main thread, which may have just begun to wait.
        """
        signal.set_wakeup_fd(self._outside.fileno(), warn_on_full_buffer=False)
        self._signals = True

    def wake(self) -> None:
        """End the current wait or the next one. A closed pipe ignores the call, because a signal may still arrive."""
        with suppress(OSError):  # closed, or so full that the wait ends anyway
            self._outside.send(b"\0")

    def wait(self, seconds: float) -> None:
        """Wait for ``wake``, for ``seconds`` at most."""
        # select.select refuses file descriptors from 1024 on, and many sensors can occupy those below.
        poll = select.poll()
        poll.register(self._inside, select.POLLIN)
        if poll.poll(math.ceil(1000 * seconds)):
            self._inside.recv(1 << 16)


class Control(WakeupPipe):
    """Ends a ``Bridge``, to stop the service or to reload its configuration."""

    stopping = False
    reloading = False
    """The bridge must end; another one continues with a new configuration."""

    @property
    def ending(self) -> bool:
        """Whether the bridge must end."""
        return self.stopping or self.reloading

    def stop(self) -> None:
        """Stop the service."""
        self.stopping = True
        self.wake()

    def reload(self) -> None:
        """Reload the configuration."""
        self.reloading = True
        self.wake()
