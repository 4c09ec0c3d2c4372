"""Delivers readings from the journal to one destination: in order, in batches, and without the rejected ones."""

import json
import logging
import math
import operator
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from usbrh import walltime
from usbrh.bridge.announcement import Announcement
from usbrh.bridge.batches import BATCH, BatchSize, batches, by_sensor, shards, split
from usbrh.bridge.parallel import run_parallel
from usbrh.bridge.route import Route
from usbrh.clock import NS, SYSTEM_CLOCK, Clock, Deadline
from usbrh.errors import JournalError, UsbrhError, ZabbixError, ZabbixUnreachable
from usbrh.journal.rows import Entry
from usbrh.journal.store import Journal, Rejection
from usbrh.reading import Reading, format_time
from usbrh.zabbix.items import reading_key
from usbrh.zabbix.protocol import Value

log = logging.getLogger(__name__)

PAGE = 32 * BATCH
"""Readings that are fetched from the journal, sent and acknowledged as one portion. Nothing is sent while a portion is
acknowledged, so smaller portions would cause more pauses."""
FIRST_PAGE = 4 * BATCH
"""Readings in the first portion: fewer, so that sending begins sooner."""
RETRY_SECONDS = 5.0
"""Time for the retry of rejected readings; no request starts after it."""
SHARE = 2 / 3
"""Fraction of the remaining time for one request, so that a smaller one can follow if it fails."""
NEWS_SHARE = 1 / 4
"""Fraction of the remaining time for the newest readings, so that history can follow if they get no answer."""
PATIENCE = 1 / 2
"""Fraction of ``timeout`` after which a reading that was sent alone is to blame for a missing answer."""
HISTORY_PERIOD = 31 * 86400.0
"""Seconds that Zabbix keeps values of an item by default (7.0; 6.0: 90 days). Zabbix counts older values as processed
and drops them without an error."""
LATEST = 2**31 - 1
"""Seconds since 1970: the latest time that Zabbix accepts. Its sources read the time of a value as 31 bits."""
WARN_AGE = 0.8
"""Fraction of the history period after which a waiting reading causes a warning."""


@dataclass(slots=True)
class Delivered:
    """The result of one delivery to one destination."""

    delivered: int = 0
    """Readings that the destination accepted."""
    rejected_ids: set[int] = field(default_factory=set)
    """Ids of the readings that the destination rejected and did not accept later."""
    error: UsbrhError | None = None
    """Why the delivery ended before everything was sent."""
    out_of_time: bool = False
    """The time was too short for everything that waits."""
    simulated_waiting: bool = False
    """Simulated readings wait, and must not be sent."""
    waiting: int | None = None
    """Readings that still wait in the journal; None if the journal can't be used."""
    lost: int = 0
    """Readings that are neither delivered nor in the journal."""

    @property
    def rejected(self) -> int:
        """Number of rejected readings."""
        return len(self.rejected_ids)

    def to_dict(self, destination: str) -> dict[str, Any]:
        """The JSON object for the delivery to ``destination``."""
        return {
            "destination": destination,
            "delivered": self.delivered,
            "rejected": self.rejected,
            "waiting": self.waiting,
            "lost": self.lost,
            "out_of_time": self.out_of_time,
            "error": self.error and self.error.message,
            "remedy": self.error and self.error.remedy,
        }


@dataclass(slots=True)
class _Portion:
    """Readings that are sent and acknowledged together, with the results so far."""

    entries: Sequence[Entry]
    soft_deadline: Deadline
    """Start no request after it, unless a batch was split and there is no result yet."""
    size: BatchSize
    keep_waiting: bool = False
    """Whatever the results are, the journal continues as before."""
    attempt: bool = False
    """Too little time for an answer does not end the delivery."""
    meanwhile: partial[None] | None = None
    """What to do while the readings are sent."""
    accepted: list[int] = field(default_factory=list)
    """Ids."""
    rejected: dict[int, str] = field(default_factory=dict)
    """Ids, with the likely reason."""
    out_of_time: bool = False

    def may_start(self, deadline: Deadline, *, split: bool) -> bool:
        """Whether there is time for one more request.

        After a split, requests continue past the soft deadline until one reading has a result. Otherwise a slow server
        would receive the same batch again and again.
        """
        first_result = split and not self.accepted and not self.rejected
        return not deadline.passed and (first_result or not self.soft_deadline.passed)


class Delivery:
    """Delivers to one destination the readings that wait for it in the journal."""

    def __init__(
        self, journal: Journal, route: Route, *, allow_simulated: bool = False, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Prepare deliveries from ``journal``. With ``allow_simulated``, simulated readings are sent too."""
        self.destination = route.destination
        self._journal = journal
        self._sender = route.sender
        self._host = route.host
        self._announcement = Announcement(route, clock)
        self._allow_simulated = allow_simulated
        self._clock = clock
        self._size = BatchSize()
        self._news_size = BatchSize()
        """The news are few: their requests show little about a backlog."""
        self._stored_size: int | None = None
        """``next`` of the size, as it is in the journal; None if it was not read yet."""
        self._soft_deadline = Deadline(math.inf, clock)
        self._host_known = False
        """The server has accepted a value of the host."""
        self._age_warned = False
        self._rejected_states: set[str] = set()

    def deliver(
        self, deadline: Deadline, *, news: Sequence[Reading] = (), retry: bool = False, seconds: float = math.inf
    ) -> Delivered:
        """Send what waits, oldest first, until nothing waits, no request succeeds or the deadline passes.

        If more waits than ``news`` and than a request has, send ``news`` first, and once more in their turn. With
        ``retry``, then retry rejected readings: the oldest and the newest of each sensor, and all of a sensor if one is
        accepted. After ``seconds``, or an ``interrupt``, start no request with waiting readings, to leave time for
        other values.
        """
        result = Delivered()
        try:
            self._announcement.send_if_due(deadline)
            self._continue()
            for portion in self._portions(deadline, seconds, news, retry, result):
                limit = deadline.within(NEWS_SHARE * deadline.remaining()) if portion.keep_waiting else deadline
                works = [partial(self._send, part, portion, limit) for part in shards(portion.entries)]
                if portion.meanwhile:
                    works.append(portion.meanwhile)
                try:
                    if len(works) == 1:
                        works[0]()
                    else:
                        run_parallel(operator.call, works, limit)
                finally:
                    self._acknowledge(portion, result)
            if not self._allow_simulated:
                result.simulated_waiting = self._journal.virtual_waits(self.destination)
        except (ZabbixError, JournalError) as error:
            result.error = error
        self._remember()
        return result

    def _continue(self) -> None:
        """Start with requests of the size that another process ended with."""
        if self._stored_size is None:
            self._stored_size = self._journal.request_size(self.destination)
            self._size.reset(self._stored_size)

    def _remember(self) -> None:
        """Keep the size of the requests for the next process: a ``usbrh send`` has no time to find it again."""
        if self._stored_size not in (None, self._size.next):
            with suppress(JournalError):
                self._journal.keep_request_size(self.destination, self._size.next)
                self._stored_size = self._size.next

    def interrupt(self) -> None:
        """End a delivery in progress soon: something newer is to be sent. For any thread."""
        self._soft_deadline.shorten(0)

    def send_directly(self, readings: Iterable[Reading], deadline: Deadline) -> Delivered:
        """Send readings that are not in the journal, unless the system clock is not set.

        A reading that is not accepted is not kept here.
        """
        moment = self._clock.moment()
        if doubt := walltime.doubt(moment):
            return Delivered(error=walltime.problem(doubt))
        entries = [entry.corrected(moment.offset_ns) for entry in self._entries(readings, moment.boot)]
        portion, error = _Portion(entries, deadline, self._size), None
        try:
            self._send(entries, portion, deadline)
        except ZabbixError as caught:
            error = caught
        return Delivered(len(portion.accepted), set(portion.rejected), error, portion.out_of_time)

    def send_state(self, key: str, value: Any, deadline: Deadline) -> bool:
        """Send a value that is only valid now: ``usbrh.discovery`` or ``usbrh.bridge``. Whether it was accepted.

        It gets the server's time, so it arrives even while this machine's clock is wrong.

        A host need not have these items: a rejection is logged once. Raises ZabbixError if the destination was not
        reached.
        """
        self._announcement.send_if_due(deadline)
        text = json.dumps(value, ensure_ascii=False)
        accepted = self._sender.send([Value.now(self._host, key, text)], deadline).accepted == 1
        if accepted:
            self._rejected_states.discard(key)
            return True
        self._announcement.repeat_soon()
        if key not in self._rejected_states:
            self._rejected_states.add(key)
            words = '%s rejected %s: the host "%s" has no such item; create it with: usbrh zabbix provision'
            log.warning(words, self.destination, key, self._host)
        return False

    def _entries(self, readings: Iterable[Reading], boot: int = 0) -> list[Entry]:
        """The readings that may be sent, each with a number instead of its id in the journal."""
        return [
            Entry.of(reading, number, boot)
            for number, reading in enumerate(readings)
            if self._allow_simulated or not reading.simulated
        ]

    def _portions(
        self, deadline: Deadline, seconds: float, news: Sequence[Reading], retry: bool, result: Delivered
    ) -> Iterator[_Portion]:
        """What to send next, when the caller has sent and acknowledged the portion before.

        One request retries all sensors, and one answer is enough if all are still rejected. The retry follows the
        waiting readings: however many are rejected, and however slow the server is, nothing else waits for them.
        """
        rejections = self._journal.rejected(self.destination) if retry else []
        few = max(self._size.values, len(news))  # a round of many sensors is no backlog
        if news and len(self._waits(few + 1)) > few:
            yield _Portion(self._entries(news), deadline, self._news_size, keep_waiting=True, attempt=True)
        self._soft_deadline = deadline.within(seconds)  # after the news, so that each delivery sends some history
        yield from self._waiting(result)
        probes = self._probes(rejections)
        if not probes:
            return
        retried = _Portion(probes, deadline.within(RETRY_SECONDS), self._size, attempt=True)
        yield retried
        if retried.out_of_time and not retried.accepted:
            # The server was too slow to isolate the readings that it accepts; a single reading needs no isolation.
            retried = _Portion([random.choice(probes)], deadline, self._size, attempt=True)  # noqa: S311
            yield retried
        accepted = set(retried.accepted)
        result.rejected_ids.update(probe.id for probe in probes if probe.id not in accepted)
        accepting = [rejection.sensor for rejection in rejections if accepted & {rejection.first, rejection.last}]
        for sensor in accepting:
            count = self._journal.retry_rejected(self.destination, sensor)
            log.info("%s now accepts readings of %s, %d more wait", self.destination, sensor, count)
        if accepting:
            yield from self._waiting(result)

    def _waits(self, limit: int, after: int = 0) -> list[Entry]:
        return self._journal.waiting(self.destination, limit, simulated=self._allow_simulated, after=after)

    def _fetch(self, page: list[Entry], after: int) -> None:
        page += self._waits(PAGE, after)

    def _waiting(self, result: Delivered) -> Iterator[_Portion]:
        """All that waits, in pages. While one is sent that can't be the last, the next one is fetched."""
        following: list[Entry] = []
        while not result.out_of_time and (entries := following or self._waits(FIRST_PAGE)):
            self._warn_of_age(entries[0])
            portion = _Portion(entries, self._soft_deadline, self._size)
            following = []
            if len(entries) in {FIRST_PAGE, PAGE}:
                portion.meanwhile = partial(self._fetch, following, entries[-1].id)
            yield portion
            result.out_of_time = portion.out_of_time

    def _probes(self, rejections: Sequence[Rejection]) -> list[Entry]:
        """The oldest and the newest rejected reading of each sensor; sensors in random order.

        If there is time for a few only, each retry tries other sensors.
        """
        ends = self._journal.entries(end for rejection in rejections for end in (rejection.first, rejection.last))
        groups = by_sensor([entry for entry in ends if self._allow_simulated or not entry.simulated])
        random.shuffle(groups)
        return [entry for group in groups for entry in group]

    def _send(self, entries: Sequence[Entry], portion: _Portion, deadline: Deadline) -> None:
        """Send ``entries`` in batches, and write the results into ``portion``.

        Zabbix reports how many values it rejected, but not which. So a batch with rejected values is split and sent
        again until each part is accepted or rejected as a whole. A value that was accepted in a larger request is sent
        again with the same clock and ns, so Zabbix stores no second row.

        A batch without an answer is split too. If a single reading gets none, and a request without values does, then
        the reading breaks the server, and counts as rejected.
        """
        for batch in batches(entries, portion.size):
            parts = [batch]
            while parts:
                part = parts.pop(0)
                if not portion.may_start(deadline, split=part is not batch):
                    portion.out_of_time = True
                    return
                values = [  # as Value.at, without a call for each reading of a backlog
                    Value(self._host, reading_key(entry.sensor), entry.body, entry.time_ns // NS, entry.time_ns % NS)
                    for entry in part
                ]
                limit, start = deadline.within(SHARE * deadline.remaining()), self._clock.monotonic()
                try:
                    accepted = self._sender.send(values, limit).accepted
                except ZabbixUnreachable as error:
                    if not error.after_connecting or (deadline.passed and not portion.attempt):
                        raise
                    portion.size.failed(len(part))
                    too_soon = limit.passed and limit.seconds < PATIENCE * self._sender.timeout
                    if deadline.passed or (len(part) == 1 and too_soon):  # too little time to blame the reading
                        if not portion.attempt:
                            raise
                        portion.out_of_time = True
                        return
                    if len(part) > 1:
                        parts[:0] = batches(part, portion.size)
                    else:
                        self._sender.send([], deadline)
                        portion.size.reset()
                        problem = f"{error.message} when it received this reading alone; check the server's log"
                        portion.rejected[part[0].id] = problem
                    continue
                target = min(self._sender.timeout, limit.seconds) / 3
                portion.size.succeeded(len(part), self._clock.monotonic() - start, target)
                self._host_known = self._host_known or accepted > 0
                if accepted == len(part):
                    portion.accepted += [entry.id for entry in part]
                elif accepted == 0:
                    self._announcement.repeat_soon()
                    portion.rejected.update({entry.id: self._reason(entry) for entry in part})
                else:
                    parts[:0] = split(part)

    def _acknowledge(self, portion: _Portion, result: Delivered) -> None:
        """Record the results in the journal, and add them to ``result``."""
        if portion.keep_waiting:
            return
        if portion.accepted or portion.rejected:
            self._journal.acknowledge(self.destination, portion.accepted, portion.rejected)
        result.delivered += len(portion.accepted)
        result.rejected_ids.difference_update(portion.accepted)  # a retry may have rejected them a moment ago
        result.rejected_ids.update(portion.rejected)

    def _reason(self, entry: Entry) -> str:
        """The likely reasons for a rejection; Zabbix reports none."""
        if not 0 <= entry.time_ns // NS <= LATEST:
            limits = "Zabbix accepts 1970-01-01 to 2038-01-19 only"
            remedy = f"do not send it again: usbrh journal drop --rejected {entry.sensor}"
            return f"the time of the reading is {format_time(entry.time_ns)[:19]}Z, and {limits}; {remedy}"
        no_item = f"has no item {reading_key(entry.sensor)} of the type Zabbix trapper, or"
        if self._host_known:
            rest = "the item does not allow this machine; create it with: usbrh zabbix provision"
            return f'probably the host "{self._host}" {no_item} {rest}'
        rest = "they do not allow this machine or its encryption; find out with: usbrh zabbix check"
        return f'probably no host "{self._host}" is monitored by this server, or it {no_item} {rest}'

    def _warn_of_age(self, oldest: Entry) -> None:
        age = (self._clock.time_ns() - oldest.time_ns) / NS
        if age > WARN_AGE * HISTORY_PERIOD and not self._age_warned:
            self._age_warned = True
            log.warning(
                "readings have been waiting for %s for %.0f days: Zabbix drops readings without an error when they are"
                " older than the item's history period (%.0f days by default); increase it before they are delivered",
                self.destination,
                age / 86400,
                HISTORY_PERIOD / 86400,
            )
