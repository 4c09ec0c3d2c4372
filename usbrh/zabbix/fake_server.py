"""A stand-in for the trapper of a Zabbix server: speaks the protocol, keeps what it gets in memory.

For ``usbrh demo``, tests, and whoever wants to see what would be sent. It takes every host and item unless told
otherwise.
"""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from usbrh.clock import Deadline
from usbrh.config.addresses import Address
from usbrh.errors import ZabbixUnreachable
from usbrh.zabbix.protocol import COMPRESSED, Value, decode_header, missing, pack, unpack

_MAX_REQUEST = 64 << 20
_SECONDS = 5.0  # for one connection


class FakeServer:
    """Listens while it is entered.

        with FakeServer() as server:
            Sender(Destination.parse(server.address)).send(...)
            server.values

    Args:
        port: 0 for any free one.
        host: the address to listen on.
        reject: says of a value whether it is ``failed``, as for an unknown item.
        answers: what is answered to the first requests instead; their values are not kept. A dict is sent as JSON,
            bytes are sent as they are, None closes without an answer.
        tls: speak TLS with this context.
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
        self.reject = reject
        self.values: list[Value] = []
        """What was accepted, in the order of arrival."""
        self.requests: list[dict[str, Any]] = []
        """Every request that could be read."""
        self.packets: list[bytes] = []
        """The same as bytes."""
        self._answers = list(answers)
        self._tls = tls
        self._lock = threading.Lock()
        self._socket = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._socket.getsockname()[1]
        self.address = str(Address(host, self.port))
        """For ``servers`` in the configuration."""
        self._thread = threading.Thread(target=self._serve, name="stand-in", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, exception: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._thread.join(_SECONDS)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), name="stand-in", daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ZabbixUnreachable, ValueError, KeyError, TypeError):
            connection.settimeout(_SECONDS)
            if self._tls:
                with self._tls.wrap_socket(connection, server_side=True) as secured:
                    self._answer(secured)
            else:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        packet = bytearray()
        deadline = Deadline(_SECONDS)
        while size := missing(packet, _MAX_REQUEST):
            connection.settimeout(max(deadline.remaining(), 0.001))
            chunk = connection.recv(min(size, 1 << 16))
            if not chunk:
                return
            packet += chunk
        header = decode_header(packet, _MAX_REQUEST)
        request = json.loads(unpack(packet, _MAX_REQUEST))
        answer = self._take(request, bytes(packet))
        if isinstance(answer, dict):
            answer = pack(json.dumps(answer).encode(), bool(header and header.flags & COMPRESSED))
        if answer is not None:
            connection.sendall(answer)

    def _take(self, request: dict[str, Any], packet: bytes) -> dict[str, Any] | bytes | None:
        if request["request"] != "sender data":
            return None  # as a real server does
        values = [Value(v["host"], v["key"], v["value"], v["clock"], v["ns"]) for v in request["data"]]
        with self._lock:
            self.requests.append(request)
            self.packets.append(packet)
            if self._answers:
                return self._answers.pop(0)
            accepted = [value for value in values if not self.reject(value)]
            self.values += accepted
        info = f"processed: {len(accepted)}; failed: {len(values) - len(accepted)}; total: {len(values)}"
        return {"response": "success", "info": f"{info}; seconds spent: 0.000100"}
