"""A bell that a signal can ring, for a main thread that waits."""

import select
import signal
import socket
from contextlib import suppress
from types import TracebackType
from typing import Self


class WakeupPipe:
    """Ends a wait early, from another thread or from a signal handler, which may interrupt whatever is done here.

    No lock is in it: a handler that wants one which the interrupted code holds waits for itself.
    """

    def __init__(self) -> None:
        self._inside, self._outside = socket.socketpair()
        self._inside.setblocking(False)
        self._outside.setblocking(False)
        self._signals = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exception: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._signals:
            signal.set_wakeup_fd(-1)
        self._inside.close()
        self._outside.close()

    def wake_on_signals(self) -> None:
        """Let every signal that has a handler ring it, too.

        Python runs the handler itself only between two steps of the main thread. One that has just begun to wait would
        sleep on.
        """
        signal.set_wakeup_fd(self._outside.fileno(), warn_on_full_buffer=False)
        self._signals = True

    def wake(self) -> None:
        """End the wait, or the next one; nothing when nobody will wait any more, for a signal may still come then."""
        with suppress(OSError):  # closed, or so full of ringing that it is heard anyway
            self._outside.send(b"\0")

    def wait(self, seconds: float) -> None:
        """Until it rings, for ``seconds`` at most."""
        if select.select([self._inside], [], [], seconds)[0]:
            self._inside.recv(1 << 16)
