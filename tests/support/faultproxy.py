"""A network between the sender and a server that fails in a given manner."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from usbrh.config.addresses import Address


@dataclass(frozen=True)
class Fault:
    """The fault of each connection; none by default."""

    cut_request: int | None = None
    """Number of bytes of the request after which the connection ends."""
    cut_answer: int | None = None
    """Number of bytes of the answer after which the connection ends."""
    reset: bool = False
    """The connection ends with RST instead of FIN."""
    delay: float = 0.0
    """Seconds before the answer."""
    pace: float = 0.0
    """Seconds before each single byte of the answer."""
    uplink: float = 0.0
    """Bytes of the request per second; 0 for no limit."""
    garbage: bytes | None = None
    """Bytes that replace the answer."""
    silent: bool = False
    """A cut connection stays open and silent, as when the other side loses power."""


class FaultProxy:
    """A proxy that listens on ``address`` and forwards to ``target``. ``fault`` may be changed at any time."""

    def __init__(self, target: str, fault: Fault | None = None) -> None:
        self.target = Address.parse(target)
        self.fault = fault or Fault()
        self.connections = 0
        self._stopped = threading.Event()
        self._open: list[socket.socket] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        if self.fault.uplink:  # otherwise the kernel receives for us what a slow link would not have brought yet
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._serve, name="fault proxy")]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, exception: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        for each in self._open:  # wakes the threads that wait for one of the sides
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._hand_on, args=(connection, self.fault), name="fault proxy")
            self._threads.append(thread)
            thread.start()

    def _hand_on(self, client: socket.socket, fault: Fault) -> None:
        with client, contextlib.suppress(OSError):
            with socket.create_connection((self.target.host, self.target.port), 10) as server:
                self._open += [client, server]
                request = threading.Thread(
                    target=self._pump, args=(client, server, fault.cut_request, Fault(uplink=fault.uplink))
                )
                request.start()
                if fault.cut_request is not None:
                    request.join(10)
                elif fault.garbage is not None:
                    client.sendall(fault.garbage)
                else:
                    self._stopped.wait(fault.delay)
                    self._pump(server, client, fault.cut_answer, fault)
                if fault.silent:
                    self._stopped.wait(60)
                for side in (client, server):
                    with contextlib.suppress(OSError):
                        side.shutdown(socket.SHUT_RD)  # wakes the request's thread, and sends nothing
                request.join(10)
            if fault.reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _pump(self, source: socket.socket, target: socket.socket, limit: int | None, fault: Fault) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while limit is None or passed < limit:
                size = 1 if fault.pace else int(fault.uplink * 0.02) or 1 << 16
                chunk = source.recv(size if limit is None else min(size, limit - passed))
                if not chunk or self._stopped.wait(fault.pace or (fault.uplink and len(chunk) / fault.uplink)):
                    return
                target.sendall(chunk)
                passed += len(chunk)


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """Yield an address that answers no SYN, like a firewall that drops packets: its listening queue is full."""
    waiting: list[socket.socket] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        try:
            for _ in range(8):
                waiting.append(socket.socket())
                waiting[-1].setblocking(False)
                waiting[-1].connect_ex(listener.getsockname())
            time.sleep(0.05)
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for connection in waiting:
                connection.close()
