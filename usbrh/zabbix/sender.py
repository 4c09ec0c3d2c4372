"""Delivery of values to one destination: a server, a proxy, or the nodes of one cluster in turn.

Sending the same values again changes nothing, since Zabbix keeps one value an item, clock and nanosecond. So whenever
it is not known whether a request was taken, it is safe to send it to the next node, or later, once more.
"""

import contextlib
import logging
import socket
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from usbrh.clock import Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Address, Destination
from usbrh.errors import ZabbixUnreachable
from usbrh.zabbix.protocol import Redirect, Response, Value, decode_response, encode_request, missing
from usbrh.zabbix.sockets import patiently

MAX_VALUES = 250
"""Values in one request, as zabbix_sender does it."""
MAX_BYTES = 1 << 20
"""About so many bytes of values in one request; a single larger value goes alone."""
CONNECT_SECONDS = 5.0
"""For resolving a name and connecting to one of its addresses."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of values that were sent."""

    accepted: int
    failed: int
    """Rejected by the server, which never says which ones: send half of them to find out."""
    node: Address
    """Who answered last."""
    warnings: tuple[str, ...] = ()
    """What did not work on the way: a node of the cluster that was passed over."""


def batches(values: Iterable[Value]) -> Iterator[list[Value]]:
    """``values`` in requests: each of one Zabbix host and of bounded size, in the order they have for that host."""
    hosts: dict[str, list[Value]] = {}
    for value in values:
        hosts.setdefault(value.host, []).append(value)
    for waiting in hosts.values():
        batch: list[Value] = []
        size = 0
        for value in waiting:
            added = len(value.value) + len(value.key)
            if batch and (len(batch) == MAX_VALUES or size + added > MAX_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(value)
            size += added
        yield batch


class Sender:
    """Sends to one destination, and remembers which node works and where it was redirected. Not for several threads.

    Raises:
        ConfigError: TLS is configured wrongly.
    """

    def __init__(self, destination: Destination, settings: ZabbixConfig) -> None:
        self.destination = destination
        self._settings = settings
        self._tls = None
        if settings.tls_connect != "unencrypted":
            from usbrh.zabbix.tls import Tls  # noqa: PLC0415 - ssl is slow to import

            self._tls = Tls(settings)
        self._first = 0
        self._redirects: dict[str, Redirect] = {}

    def send(self, values: Iterable[Value], deadline: Deadline) -> Outcome:
        """Send ``values`` in as many requests as ``batches`` makes; returns or raises by ``deadline``.

        Raises:
            ZabbixUnreachable: a request was not answered by any node. Those before it may have been taken;
                sending everything again does no harm.
        """
        accepted = failed = 0
        node = self.destination.nodes[self._first]
        warnings: list[str] = []
        for batch in batches(values):
            response, node, passed_over = self._deliver(batch, deadline)
            accepted += response.processed
            failed += len(batch) - response.processed
            warnings += [warning for warning in passed_over if warning not in warnings]
        return Outcome(accepted, failed, node, tuple(warnings))

    def probe(self, node: Address, deadline: Deadline) -> Iterator[str]:
        """Go the way of a request to ``node``, without a value: tells "server", "TLS" if it is used, "round trip".

        Raises:
            ZabbixUnreachable: the next step fails.
        """
        connection: Any = self._connect(node, deadline)
        try:
            yield "server"
            if self._tls:
                connection = self._tls.wrap(connection, deadline)
                yield "TLS"
            _ask(connection, [], False, deadline)
            yield "round trip"
        except TimeoutError:
            raise ZabbixUnreachable(f"no whole answer within {deadline.seconds:.1f} s") from None
        except OSError as error:
            raise ZabbixUnreachable(f"connection broken: {_reason(error)}") from None
        finally:
            connection.close()

    def _deliver(self, batch: Sequence[Value], deadline: Deadline) -> tuple[Response, Address, list[str]]:
        host = batch[0].host
        nodes = self.destination.nodes
        candidates = deque(nodes[self._first :] + nodes[: self._first])
        known = self._redirects.get(host)
        if known and known.address:
            candidates.appendleft(known.address)
        failures: list[str] = []
        redirected = False
        while candidates:
            node = candidates.popleft()
            # A node that says nothing must leave time for the others.
            seconds = min(self._settings.timeout, deadline.remaining() / (len(candidates) + 1))
            try:
                response = self._exchange(node, batch, deadline.within(seconds))
                target = response.redirect and self._follow(host, response.redirect, redirected)
            except ZabbixUnreachable as error:
                _log.debug("%s: %s", node, error)
                failures.append(f"{node}: {error}")
                self._failed(host, node)
                continue
            if target:
                _log.debug("%s: redirected to %s", node, target)
                redirected = True
                if target in candidates:
                    candidates.remove(target)
                candidates.appendleft(target)
                continue
            _log.debug("%s: %d of %d values processed", node, response.processed, len(batch))
            if node in nodes:
                self._first = nodes.index(node)
            return response, node, failures
        raise ZabbixUnreachable("; ".join(failures))

    def _follow(self, host: str, redirect: Redirect, again: bool) -> Address:
        """Where to send the values of ``host`` instead; remembered until a reset, or until nobody answers there."""
        if again:
            raise ZabbixUnreachable("redirected a second time in a row")
        known = self._redirects.get(host)
        if redirect.address is None:
            self._redirects.pop(host, None)
            return self.destination.nodes[self._first]
        if known and redirect.revision < known.revision:
            raise ZabbixUnreachable(
                f"redirect of revision {redirect.revision}, older than {known.revision}, is ignored"
            )
        self._redirects[host] = redirect
        return redirect.address

    def _failed(self, host: str, node: Address) -> None:
        known = self._redirects.get(host)
        if known and known.address == node:
            del self._redirects[host]
        nodes = self.destination.nodes
        if node == nodes[self._first]:
            self._first = (self._first + 1) % len(nodes)

    def _exchange(self, node: Address, batch: Sequence[Value], deadline: Deadline) -> Response:
        """One request and its answer on a connection of its own."""
        connection: Any = self._connect(node, deadline)
        try:
            if self._tls:
                connection = self._tls.wrap(connection, deadline)
            return _ask(connection, batch, self._settings.compression, deadline)
        except TimeoutError:
            raise ZabbixUnreachable(f"no whole answer within {deadline.seconds:.1f} s") from None
        except OSError as error:
            raise ZabbixUnreachable(f"connection broken: {_reason(error)}") from None
        finally:
            connection.close()

    def _connect(self, node: Address, deadline: Deadline) -> socket.socket:
        limit = deadline.within(CONNECT_SECONDS)
        source = self._settings.source_ip
        family = socket.AF_UNSPEC if source is None else socket.AF_INET6 if ":" in source else socket.AF_INET
        addresses = _resolve(node, family, limit)
        failure: OSError = TimeoutError()
        for position, (found, address) in enumerate(addresses):
            seconds = max(limit.remaining() / (len(addresses) - position), 0.001)
            try:
                return _connected(found, address, source, seconds)
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ZabbixUnreachable(f"no connection within {limit.seconds:.1f} s")
        raise ZabbixUnreachable(f"no connection: {_reason(failure)}")


def _ask(connection: Any, batch: Sequence[Value], compress: bool, deadline: Deadline) -> Response:
    request = memoryview(encode_request(batch, deadline.clock.time_ns(), compress))
    while request:
        request = request[patiently(connection, deadline, partial(connection.send, request)) :]
    answer = bytearray()
    while size := missing(answer):
        chunk = patiently(connection, deadline, partial(connection.recv, min(size, 1 << 16)))
        if not chunk:
            if not answer:  # so it does with a certificate it does not accept, for one
                raise ZabbixUnreachable("the server hung up without an answer; its log says why")
            raise ZabbixUnreachable(f"the server hung up after {len(answer)} bytes of its answer")
        answer += chunk
    response = decode_response(answer)
    if response.processed > len(batch):
        raise ZabbixUnreachable(f"the server says it took {response.processed} values of the {len(batch)} sent")
    return response


def _connected(family: int, address: Any, source: str | None, seconds: float) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        if source is not None:
            _bind(connection, source)
        connection.settimeout(seconds)
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _bind(connection: socket.socket, source: str) -> None:
    try:
        connection.bind((source, 0))
    except OSError as error:
        raise ZabbixUnreachable(f"can't send from source_ip {source}: {_reason(error)}; see ip address") from None


def _resolve(node: Address, family: int, deadline: Deadline) -> list[tuple[int, Any]]:
    """The addresses of ``node``, each with its family. The resolver knows no deadline, so it is left behind at ours."""
    with contextlib.suppress(OSError, UnicodeError):  # a number needs no resolver, and no thread
        numeric = socket.getaddrinfo(node.host, node.port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return [(entry[0], entry[4]) for entry in numeric]
    found: list[Any] = []

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(node.host, node.port, family, socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error)

    resolver = threading.Thread(target=look_up, name=f"resolve {node.host}", daemon=True)
    resolver.start()
    resolver.join(deadline.remaining())
    if not found:
        raise ZabbixUnreachable(f"no address found for {node.host} within {deadline.seconds:.1f} s")
    if isinstance(found[0], Exception):
        reason = _reason(found[0]) if isinstance(found[0], OSError) else str(found[0])
        raise ZabbixUnreachable(f"no address found for {node.host}: {reason}")
    return [(entry[0], entry[4]) for entry in found[0]]


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return reason[:1].lower() + reason[1:]
