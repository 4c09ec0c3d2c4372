"""A virtual USBRH2 behind a pseudo-terminal, which replaces /dev/ttyACMn: any process can open it."""

import os
import select
import threading
import tty
from contextlib import suppress
from pathlib import Path

from usbrh.simulator.usbrh2 import VirtualUsbrh2

_POLL_SECONDS = 0.01
"""The thread checks this often whether a program opened the port, and what was done to the sensor."""


class PtyPort:
    """The serial port of one sensor, served by its own thread. It exists while the sensor is plugged in."""

    def __init__(self, model: VirtualUsbrh2) -> None:
        """Open the pseudo-terminal and serve it until ``close``."""
        self.model = model
        self._lock = threading.Lock()
        self._master: int | None = None
        self._node: Path | None = None
        self._plug_in = 0
        self._ended = threading.Event()
        self._follow()
        self._thread = threading.Thread(target=self._serve, name=f"pty of {model.name}", daemon=True)
        self._thread.start()

    @property
    def node(self) -> Path | None:
        """Its device node, such as ``/dev/pts/3``; None while the sensor is unplugged."""
        self._follow()
        return self._node

    def close(self) -> None:
        """Remove the port."""
        self._ended.set()
        self._thread.join()
        with self._lock:
            self._drop()

    def _follow(self) -> None:
        """Create and remove the port as the sensor is plugged in and unplugged."""
        with self._lock:
            if self._ended.is_set():
                return
            plugged = self.model.plugged
            if self._master is not None and not (plugged and self._plug_in == self.model.plug_ins):
                self._drop()
            if self._master is None and plugged:
                self._plug_in = self.model.plug_ins
                self._master, slave = os.openpty()
                self._node = Path(os.ttyname(slave))
                # As a CDC-ACM port that was used before. Otherwise the terminal would echo what the device sends before
                # the host has set it up, and the echo would arrive as commands.
                tty.setraw(slave)
                os.close(slave)
                os.set_blocking(self._master, False)

    def _drop(self) -> None:
        if self._master is not None:
            os.close(self._master)
            self._master = self._node = None

    def _serve(self) -> None:
        opened = False
        while not self._ended.is_set():
            self._follow()
            with self._lock:
                opened = self._pump(opened)
                master = self._master
            if master is None or not opened:
                self._ended.wait(_POLL_SECONDS)
                continue
            event = self.model.next_event()
            until = _POLL_SECONDS if event is None else event - self.model.clock.monotonic()
            wait = max(0.0, min(_POLL_SECONDS, until))
            with suppress(OSError, ValueError):  # closed meanwhile
                select.select([master], [], [], wait)

    def _pump(self, opened: bool) -> bool:
        """Pass on characters in both directions; return whether a program has the port open."""
        if self._master is None:
            return False
        watch = select.poll()
        watch.register(self._master, select.POLLIN)
        events = dict(watch.poll(0)).get(self._master, 0)
        if events & select.POLLIN:
            with suppress(OSError):
                self.model.write(os.read(self._master, 4096))
        if events & select.POLLHUP:
            if opened:
                self.model.close()
            return False
        output = self.model.read()
        if output:
            with suppress(BlockingIOError):  # no program reads: as with a FIFO that is full, the rest is lost
                os.write(self._master, output)
        return True
