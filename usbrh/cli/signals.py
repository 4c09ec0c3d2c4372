"""Signals that end a command, raised as exceptions so that USB, heater and terminal are cleaned up."""

import signal
import time
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, kill, and the end of a terminal or ssh session."""
GRACE_SECONDS = 5.0
"""Seconds after the first signal during which further ones are ignored. Switching a heater off can take that long."""


class Terminated(SystemExit):
    """SIGTERM or SIGHUP arrived; ends the process with status 128 + signal number."""


class SignalHandler:
    """Raises an exception for the first signal, and ignores further ones during the cleanup.

    Signals rarely come alone: a shell and the kernel both send SIGHUP when a terminal closes, systemd sends SIGTERM
    and SIGHUP at the end of a session, and users press Ctrl-C twice.
    """

    def __init__(self) -> None:
        self._ignore_until = 0.0

    def install(self) -> None:
        """Handle the signals from now on, except those that the parent process ignores (nohup, ``&`` in a script)."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._caught)

    def uninstall(self) -> None:
        """Let the signals end the process at once, without a traceback, while Python exits."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now < self._ignore_until:
            return
        self._ignore_until = now + GRACE_SECONDS
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(128 + number)
