"""Sends values to one destination: a server, a proxy, or the nodes of a cluster in turn.

Sending the same values again changes nothing, because Zabbix keeps one value per item, clock and nanosecond. So if it
is unknown whether a node accepted a request, it is safe to send the request to the next node, or again later.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from usbrh.clock import Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Address, Destination
from usbrh.errors import ZabbixUnreachable
from usbrh.zabbix.protocol import (
    HostMetadata,
    Redirect,
    Response,
    Value,
    decode_announcement,
    decode_response,
    encode_request,
    missing,
)
from usbrh.zabbix.sockets import connect, reason, set_timeout, unacknowledged

_log = logging.getLogger(__name__)

SLOWEST = 4
"""Times ``timeout`` that one exchange may take while its request makes progress."""


class Sender:
    """Sends to one destination, from any thread; remembers which node works and where each host is redirected to."""

    def __init__(self, destination: Destination, settings: ZabbixConfig) -> None:
        """Prepare to send. Raises ConfigError if TLS is configured wrongly."""
        self.destination = destination
        self.timeout = settings.timeout
        self._settings = settings
        self._tls = None
        if settings.tls_connect != "unencrypted":
            from usbrh.zabbix.tls import Tls  # noqa: PLC0415 - ssl is slow to import

            self._tls = Tls(settings)
        self._lock = threading.Lock()
        self._first = 0
        self._redirects: dict[str, Redirect] = {}
        self._silent: set[Address] = set()
        """Nodes that did not answer while another node did, so that each change is logged once."""

    def send(self, content: Sequence[Value] | HostMetadata, deadline: Deadline) -> Response:
        """Send values of one host, or announce a host, in one request; return or raise by ``deadline``.

        A node may need ``timeout`` after the last part of the request that arrived there, and ``SLOWEST`` times as long
        in total. Without values, the request only shows whether a node answers. The response to an announcement counts
        the host as accepted if the server monitors it already.

        Raises:
            ZabbixUnreachable: no node answered. A node may have accepted the values all the same.
        """
        host = content.host if isinstance(content, HostMetadata) else content[0].host if content else ""
        candidates = self._candidates(host)
        failures: list[tuple[Address, ZabbixUnreachable]] = []
        redirected = unanswered = False
        while candidates:
            node, waits = candidates.popleft(), False
            # A node that does not answer must leave time for the others.
            limit = deadline.within(min(SLOWEST * self.timeout, deadline.remaining() / (len(candidates) + 1)))
            start = limit.within(self.timeout)
            try:
                with (
                    connect(node, self._settings.source_ip, start) as plain,
                    self._tls.wrap(plain, start) if self._tls else plain as connection,
                ):
                    waits = True
                    response = _exchange(connection, content, limit, start, self._settings.compression)
                    waits = False  # a redirect to a node that is down is an answer: no fault of the values
                target = self._follow(host, response.redirect, redirected) if response.redirect else None
            except ZabbixUnreachable as error:
                _log.debug("%s: %s", node, error)
                failures.append((node, error))
                unanswered = unanswered or waits
                self._forget(host, node)
                continue
            if target is None:
                total = response.accepted + response.rejected
                _log.debug("%s: %d of %d values accepted", node, response.accepted, total)
                self._remember(node, failures)
                return response
            _log.debug("%s: redirected to %s", node, target)
            redirected = True
            if target in candidates:
                candidates.remove(target)
            candidates.appendleft(target)
        failure = ZabbixUnreachable(
            "; ".join(f"{node}: {error.message}" for node, error in failures),
            remedy=next((error.remedy for _, error in failures if error.remedy), None),
        )
        failure.after_connecting = unanswered
        raise failure

    def probe(self, node: Address, deadline: Deadline) -> Iterator[str]:
        """Send a request without a value to ``node``; yield "server", "TLS" (if it is used) and "round trip" when done.

        Raises:
            ZabbixUnreachable: the next step fails.
        """
        with connect(node, self._settings.source_ip, deadline) as plain:
            yield "server"
            with self._tls.wrap(plain, deadline) if self._tls else plain as connection:
                if self._tls:
                    yield "TLS"
                _exchange(connection, [], deadline, deadline)
            yield "round trip"

    def _candidates(self, host: str) -> deque[Address]:
        """The nodes to try: where ``host`` was redirected to, the node that worked last, the others in their order."""
        with self._lock:
            nodes = self.destination.nodes
            candidates = deque(nodes[self._first :] + nodes[: self._first])
            known = self._redirects.get(host)
            if known and known.address:
                candidates.appendleft(known.address)
            return candidates

    def _follow(self, host: str, redirect: Redirect, again: bool) -> Address:
        """Where to send the values of ``host`` instead; remembered until a reset, or until that node fails."""
        if again:
            raise ZabbixUnreachable("redirected a second time in a row")
        with self._lock:
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

    def _forget(self, host: str, node: Address) -> None:
        """Begin with another node next time."""
        with self._lock:
            known = self._redirects.get(host)
            if known and known.address == node:
                del self._redirects[host]
            nodes = self.destination.nodes
            if node == nodes[self._first]:
                self._first = (self._first + 1) % len(nodes)

    def _remember(self, node: Address, failures: Sequence[tuple[Address, ZabbixUnreachable]]) -> None:
        """Begin with ``node`` next time; log the nodes that did not answer before it."""
        with self._lock:
            if node in self.destination.nodes:
                self._first = self.destination.nodes.index(node)
            recovered = node in self._silent
            self._silent.discard(node)
            failed = [(each, error) for each, error in failures if each not in self._silent and each != node]
            self._silent.update(each for each, _ in failed)
        for each, error in failed:
            _log.warning("%s: %s; sending to %s instead", each, error, node)
        if recovered:
            _log.info("%s answers again", node)


def _exchange(
    connection: Any,
    content: Sequence[Value] | HostMetadata,
    limit: Deadline,
    deadline: Deadline,
    compress: bool = False,
) -> Response:
    """Send one request and receive its answer.

    ``deadline`` starts again whenever a part of the request has arrived at the other side, until ``limit`` has passed:
    a slow link is not a dead one.
    """
    request = memoryview(encode_request(content, deadline.clock.time_ns(), compress))
    left, patience = len(request), deadline.seconds
    answer = bytearray()
    try:
        while size := len(request) or missing(answer):
            if (now_left := len(request) + unacknowledged(connection)) < left:
                left, deadline = now_left, limit.within(patience)
            set_timeout(connection, deadline)
            with suppress(TimeoutError):
                if request:
                    request = request[connection.send(request) :]
                elif chunk := connection.recv(min(size, 1 << 16)):
                    answer += chunk
                elif answer:
                    raise ZabbixUnreachable(f"the server closed the connection after {len(answer)} bytes of its answer")
                else:  # as it does, for example, if it rejects our certificate
                    message = "the server closed the connection without an answer"
                    raise ZabbixUnreachable(message, remedy="check the server's log")
    except TimeoutError:
        raise ZabbixUnreachable(f"no complete answer within {limit.seconds - limit.remaining():.1f} s") from None
    except OSError as error:
        raise ZabbixUnreachable(f"connection broken: {reason(error)}") from None
    if isinstance(content, HostMetadata):
        return decode_announcement(answer)
    response = decode_response(answer)
    if response.accepted > len(content):
        raise ZabbixUnreachable(f"the server reports {response.accepted} accepted values of the {len(content)} sent")
    return response
