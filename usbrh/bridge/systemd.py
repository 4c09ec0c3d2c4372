"""Notifications for systemd (sd_notify(3)); without systemd they do nothing."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """Sends notifications to the socket that ``NOTIFY_SOCKET`` names."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Read the settings of systemd from ``environ``."""
        self._address = environ.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        watchdog = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog: float | None = int(watchdog) / 1e6 if watchdog.isdigit() and ours else None
        """Longest time between two ``WATCHDOG=1``, in seconds; None without a watchdog."""

    def send(self, *lines: str) -> None:
        """Send assignments such as ``READY=1`` in one datagram, which need not be received."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1.0)  # systemd's queue may be full for a moment
            sender.connect(self._address)  # without it, Linux reports a full queue as ready: the wait would be busy
            sender.send("\n".join(lines).encode())
