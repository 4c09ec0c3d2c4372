"""Connect to a Zabbix node, and wait for it, by a deadline that another thread may shorten at any time."""

import contextlib
import socket
import threading
from typing import Any

from usbrh.clock import Deadline
from usbrh.config.addresses import Address
from usbrh.errors import ZabbixUnreachable

POLL_SECONDS = 0.25
"""Seconds after which a wait checks its deadline again."""
CONNECT_SECONDS = 5.0
"""Time to resolve a name and to connect to one of its addresses."""


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
    """The addresses of ``node``, each with its family.

    The resolver can't be interrupted: it runs in a thread, which is left behind at the deadline.
    """
    with contextlib.suppress(OSError, UnicodeError):  # a numeric address needs no resolver, and no thread
        numeric = socket.getaddrinfo(node.host, node.port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [(entry[0], entry[4]) for entry in numeric]
    found: list[Any] = []

    def resolve() -> None:
        try:
            found.append(socket.getaddrinfo(node.host, node.port, family, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    resolver = threading.Thread(target=resolve, name=f"resolve {node.host}", daemon=True)
    resolver.start()
    resolver.join(deadline.remaining())
    if not found:
        raise ZabbixUnreachable(f"no address found for {node.host} within {deadline.seconds:.1f} s")
    if isinstance(found[0], Exception):
        words = reason(found[0]) if isinstance(found[0], OSError) else str(found[0])
        raise ZabbixUnreachable(f"no address found for {node.host}: {words}")
    return [(entry[0], entry[4]) for entry in found[0]]
