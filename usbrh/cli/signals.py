"""The signals that end a command, as exceptions: USB, the heater and the terminal are left as they should be."""

import signal
import time
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, kill, and a terminal or an ssh session that goes away."""
GRACE_SECONDS = 5.0
"""s that are left alone after the first: as long as an operation with a sensor may take, such as switching its heater
off."""


class Terminated(SystemExit):
    """SIGTERM or SIGHUP, as an exception."""


class SignalHandler:
    """Raises for the first signal, and not again while what it interrupted is tidied up.

    They rarely come alone: a shell and the kernel both send SIGHUP when a terminal closes, systemd sends SIGTERM and
    SIGHUP at the end of a session, and Ctrl-C is pressed again by whoever has to wait.
    """

    def __init__(self) -> None:
        self._alone_until = 0.0

    def install(self) -> None:
        """Catch the signals from now on, but those that whoever started us wants ignored (nohup, a script's ``&``)."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._caught)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now < self._alone_until:
            return
        self._alone_until = now + GRACE_SECONDS
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(128 + number)
