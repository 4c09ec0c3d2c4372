"""Connect to a Zabbix node, and wait for it, by a deadline that another thread may shorten at any time."""

import contextlib
import fcntl
import socket
import sys
import termios
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from usbrh.clock import Deadline
from usbrh.config.addresses import Address
from usbrh.errors import ZabbixUnreachable

POLL_SECONDS = 0.25
"""Seconds after which a wait checks its deadline again."""
CONNECT_SECONDS = 5.0
"""Time to resolve a name and to connect to one of its addresses."""

T = TypeVar("T")


def connect(node: Address, source_ip: str | None, deadline: Deadline) -> socket.socket:
    """Connect to ``node`` within ``CONNECT_SECONDS``; its addresses share the time.

    Args:
        node: the server or proxy.
        source_ip: the local address to connect from.
        deadline: for the connection, if it is earlier.

    Raises:
        ZabbixUnreachable: no address was found, or none of them accepted a connection.
    """
    limit = deadline.within(CONNECT_SECONDS)
    family = socket.AF_UNSPEC if source_ip is None else socket.AF_INET6 if ":" in source_ip else socket.AF_INET
    addresses = _resolve(node, family, limit)
    failure: OSError = TimeoutError()
    for position, (found, address) in enumerate(addresses):
        connection = socket.socket(found, socket.SOCK_STREAM)
        try:
            if source_ip is not None:
                _bind(connection, source_ip)
            connection.settimeout(max(limit.remaining() / (len(addresses) - position), 0.001))
            connection.connect(address)
        except BaseException as error:
            connection.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return connection
    if isinstance(failure, TimeoutError):
        raise ZabbixUnreachable(f"no connection within {limit.seconds:.1f} s")
    raise ZabbixUnreachable(f"no connection: {reason(failure)}")


def set_timeout(connection: Any, deadline: Deadline) -> None:
    """Limit the next operation of ``connection`` to ``POLL_SECONDS``; the caller repeats it after a time-out.

    Raises:
        TimeoutError: the deadline has passed.
    """
    if deadline.passed:
        raise TimeoutError
    connection.settimeout(max(0.001, min(POLL_SECONDS, deadline.remaining())))  # 0 would mean non-blocking


def unacknowledged(connection: socket.socket) -> int:
    """The bytes sent that the other side has not acknowledged; 0 where the operating system does not report them."""
    if not sys.platform.startswith("linux"):
        return 0
    return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def reason(error: OSError) -> str:
    """What the operating system reports, beginning in lower case."""
    text = error.strerror or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]


def _bind(connection: socket.socket, source_ip: str) -> None:
    try:
        connection.bind((source_ip, 0))
    except OSError as error:
        raise ZabbixUnreachable(
            f"can't send from source_ip {source_ip}: {reason(error)}", remedy="see this machine's addresses: ip address"
        ) from None


def _resolve(node: Address, family: int, deadline: Deadline) -> list[tuple[int, Any]]:
    """The addresses of ``node``, each with its family."""
    with contextlib.suppress(OSError, UnicodeError):  # a numeric address needs no resolver, and no thread
        numeric = socket.getaddrinfo(node.host, node.port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [(entry[0], entry[4]) for entry in numeric]
    try:
        found = within(
            deadline.remaining(), lambda: socket.getaddrinfo(node.host, node.port, family, socket.SOCK_STREAM)
        )
    except TimeoutError:
        raise ZabbixUnreachable(f"no address found for {node.host} within {deadline.seconds:.1f} s") from None
    except (OSError, UnicodeError) as error:
        words = reason(error) if isinstance(error, OSError) else str(error)
        raise ZabbixUnreachable(f"no address found for {node.host}: {words}") from None
    return [(entry[0], entry[4]) for entry in found]


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return the result of ``work``, which can't be interrupted, from a thread that is abandoned after ``seconds``.

    Raises:
        TimeoutError: ``work`` takes longer than ``seconds``.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - raised again by result()
            future.set_exception(error)

    Thread(target=run, name="within", daemon=True).start()
    return future.result(seconds)
