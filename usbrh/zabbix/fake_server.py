"""A fake Zabbix trapper for ``usbrh demo`` and tests: it accepts every host and item, and keeps the values."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any, Self

from usbrh.clock import Deadline
from usbrh.config.addresses import Address
from usbrh.errors import ZabbixUnreachable
from usbrh.zabbix.protocol import COMPRESSED, Value, missing, pack, unpack

_MAX_REQUEST = 64 << 20
_SECONDS = 5.0  # for one connection


class FakeServer:
    """Listens from ``__enter__`` to ``__exit__``::

    with FakeServer() as server:
        Sender(Destination.parse(server.address), ZabbixConfig()).send([value], Deadline(5))
        server.values
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        *,
        reject: Callable[[Value], bool] = lambda value: False,
        answers: Iterable[dict[str, Any] | bytes | None] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Reserve the port; 0 is any free port.

        Args:
            port: the port to listen on.
            host: the address to listen on.
            reject: whether to count a value as ``failed``, as for an unknown item.
            answers: other answers to the first requests, whose values are not kept: JSON, bytes, or None to hang up.
            tls: encrypt connections with this context.
        """
        self.reject = reject
        self.answers = list(answers)
        self.values: list[Value] = []
        """The accepted values, in the order of arrival."""
        self.requests: list[dict[str, Any]] = []
        self.packets: list[bytes] = []
        """The same requests as bytes."""
        self._tls = tls
        self._lock = threading.Lock()
        self._socket = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._socket.getsockname()[1]
        self.address = str(Address(host, self.port))
        self._thread = threading.Thread(target=self._serve, name="fake server", daemon=True)

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the port."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._thread.join(_SECONDS)
        self._socket.close()

    def respond(self, request: dict[str, Any], packet: bytes) -> dict[str, Any] | bytes | None:
        """The answer to one request; override or replace it for a server that behaves differently."""
        if request["request"] != "sender data":
            return None  # as a real server does
        values = [Value(v["host"], v["key"], v["value"], v.get("clock", 0), v.get("ns", 0)) for v in request["data"]]
        with self._lock:
            self.requests.append(request)
            self.packets.append(packet)
            if self.answers:
                return self.answers.pop(0)
            accepted = [value for value in values if not self.reject(value)]
            self.values += accepted
        info = f"processed: {len(accepted)}; failed: {len(values) - len(accepted)}; total: {len(values)}"
        return {"response": "success", "info": f"{info}; seconds spent: 0.000100"}

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), name="fake server", daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ZabbixUnreachable, ValueError, KeyError, TypeError):
            connection.settimeout(_SECONDS)
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as plain:
                self._answer(plain)

    def _answer(self, connection: socket.socket) -> None:
        packet = bytearray()
        deadline = Deadline(_SECONDS)
        while size := missing(packet, _MAX_REQUEST):
            connection.settimeout(max(deadline.remaining(), 0.001))
            chunk = connection.recv(min(size, 1 << 16))
            if not chunk:
                return
            packet += chunk
        answer = self.respond(json.loads(unpack(packet, _MAX_REQUEST)), bytes(packet))
        if isinstance(answer, dict):
            answer = pack(json.dumps(answer).encode(), compress=bool(packet[4] & COMPRESSED))
        if answer is not None:
            connection.sendall(answer)
