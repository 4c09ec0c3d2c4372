"""Words to systemd (sd_notify(3)); without systemd nothing happens."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


class Notifier:
    """Sends to the socket that ``NOTIFY_SOCKET`` names."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)
        watchdog = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog: float | None = int(watchdog) / 1e6 if watchdog.isdigit() and ours else None
        """Seconds within which systemd wants ``WATCHDOG=1``."""

    def send(self, *lines: str) -> None:
        """Send assignments such as ``READY=1`` in one datagram. A manager that does not listen is no error."""
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1.0)  # the manager's queue may be full for a moment
            sender.sendto("\n".join(lines).encode(), self._address)
