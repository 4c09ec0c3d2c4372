"""Announces the host to a destination, so that an autoregistration action of Zabbix can create it.

Zabbix agents announce themselves in the same manner: with each request for their active checks. A server that does not
know the host runs its autoregistration actions, and needs up to a minute until it accepts values of the new host.
"""

import logging
from collections.abc import Iterator, Sequence

from usbrh.bridge.route import Route
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.errors import ZabbixUnreachable
from usbrh.findings import Finding, of_error, ok, warning
from usbrh.zabbix.protocol import HostMetadata

log = logging.getLogger(__name__)

INTERVAL = 1800.0
"""Seconds between two announcements, as long as values are accepted."""
REGISTER_SECONDS = 15.0
"""Time for the announcement to one destination."""
PAUSE = 5.0
"""Shortest pause in seconds between two announcements, and the time for one of them."""


class Announcement:
    """Announces the host of one route, if the configuration asks for it."""

    def __init__(self, route: Route, clock: Clock) -> None:
        """Prepare; the first announcement is due at once."""
        self._route = route
        self._clock = clock
        self._sent = self._due = clock.monotonic()
        self._monitored: bool | None = None
        """The last answer."""

    def send_if_due(self, deadline: Deadline) -> None:
        """Announce the host if that is due, and log a change of the answer.

        A server that answers, but not to announcements, can receive values all the same: that is logged only.

        Raises:
            ZabbixUnreachable: no connection to the destination.
        """
        route, now = self._route, self._clock.monotonic()
        if route.metadata is None or now < self._due:
            return
        try:
            response = route.sender.send(HostMetadata(route.host, route.metadata), deadline.within(PAUSE))
        except ZabbixUnreachable as error:
            if not error.after_connecting:
                raise
            log.warning('%s: can\'t announce the host "%s": %s', route.destination, route.host, error)
            monitored = None
        else:
            monitored = response.accepted == 1
            if monitored and self._monitored is False:
                log.info('%s: the host "%s" is monitored now', route.destination, route.host)
            elif not monitored and self._monitored is not False:
                words = '%s: announced the host "%s" with the metadata "%s"; the server does not monitor it yet: %s'
                log.info(words, route.destination, route.host, route.metadata, response.info)
        self._monitored = monitored
        self._sent, self._due = now, now + INTERVAL

    def repeat_soon(self) -> None:
        """Make the next announcement due soon: a value was rejected, so the server may not know the host."""
        self._due = min(self._due, self._sent + PAUSE)


def register(routes: Sequence[Route], metadata: str, clock: Clock = SYSTEM_CLOCK) -> Iterator[Finding]:
    """Announce the host to each destination now, and yield what each answers."""
    for route in routes:
        subject = f'{route.destination}: host "{route.host}"'
        try:
            response = route.sender.send(HostMetadata(route.host, metadata), Deadline(REGISTER_SECONDS, clock))
        except ZabbixUnreachable as error:
            yield of_error("register", error, f"announcing to {route.destination}")
            continue
        if response.accepted:
            yield ok("register", f"{subject} is monitored")
        else:
            message = f'{subject} is announced with the metadata "{metadata}", and not monitored yet: {response.info}'
            remedy = "run this again in a minute; usbrh zabbix provision --autoregistration creates the action"
            yield warning("register", message, remedy)
