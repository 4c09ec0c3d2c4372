"""From the journal to one destination: in order, in batches, and what is rejected is found and set apart."""

import logging
import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from usbrh.bridge.parallel import run_parallel
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.errors import JournalError, UsbrhError, ZabbixError
from usbrh.journal.rows import Entry
from usbrh.journal.store import NS, Journal, Rejection
from usbrh.reading import Reading
from usbrh.zabbix.protocol import Value

log = logging.getLogger(__name__)

BATCH = 250
"""Values in one request, as zabbix_sender has it."""
AHEAD = 8 * BATCH
"""Readings taken from the journal, and marked in it, at a time."""
RETRY_SECONDS = 5.0
"""After these no request is begun with what was rejected before."""
HISTORY_PERIOD = 31 * 86400.0
"""Seconds that Zabbix keeps values of an item by default (7.0; 6.0: 90 days). What is older when it arrives is counted
as processed and dropped in silence."""
WARN_AGE = 0.8
"""Of the history period: a reading that has waited so long is warned of."""


def item_key(sensor: str) -> str:
    """The key of the item that gets the readings of ``sensor``. Names need no quoting: the configuration sees to it."""
    return f"usbrh.get[{sensor}]"


class Counts(Protocol):
    """What ``Sender.send`` gives back."""

    @property
    def accepted(self) -> int:
        """Values that were taken."""


class Sender(Protocol):
    """The part of ``usbrh.zabbix.sender.Sender`` that is needed here."""

    def send(self, values: Sequence[Value], deadline: Deadline) -> Counts:
        """Give ``values`` to the server.

        Raises:
            ZabbixError: it could not be done.
        """


@dataclass(slots=True)
class Delivered:
    """What one delivery came to."""

    delivered: int = 0
    rejected_ids: set[int] = field(default_factory=set)
    """Of the readings that were tried and not taken in the end."""
    error: UsbrhError | None = None
    """Why it ended before everything was sent."""
    out_of_time: bool = False
    held_back: bool = False
    """Virtual readings wait that may not leave."""

    @property
    def rejected(self) -> int:
        return len(self.rejected_ids)


@dataclass(slots=True)
class _Sent:
    until: Deadline
    """No request is begun after it, but for what is needed to know of one part at least."""
    taken: list[int] = field(default_factory=list)
    """Ids."""
    rejected: dict[int, str] = field(default_factory=dict)
    """Ids, with the likely reason."""
    error: ZabbixError | None = None
    out_of_time: bool = False


class Delivery:
    """Brings to one destination what waits for it."""

    def __init__(
        self,
        journal: Journal,
        destination: str,
        senders: Sequence[Sender],
        host: str,
        *,
        allow_simulated: bool = False,
        clock: Clock = SYSTEM_CLOCK,
        history_period: float = HISTORY_PERIOD,
    ) -> None:
        """``destination``: its text in the configuration; ``host``: the technical name of the host in Zabbix.

        A backlog is sent by all ``senders`` at the same time, the readings of one sensor by one of them.
        """
        self.destination = destination
        self._journal = journal
        self._senders = senders
        self._host = host
        self._allow_simulated = allow_simulated
        self._clock = clock
        self._history_period = history_period
        self._known_host = False
        """The host has taken a value."""
        self._warned = False
        self._rejected_states: set[str] = set()

    def deliver(self, deadline: Deadline, *, retry: bool = False, seconds: float = math.inf) -> Delivered:
        """Send what waits, oldest first, until nothing waits, something fails or the deadline is there.

        ``retry``: then what was rejected before: of each sensor the oldest and the newest, and if one is taken, all.
        ``seconds``: after these no request is begun with what waits; for who has something else to send, too.
        """
        result = Delivered()
        until = deadline.within(seconds)
        try:
            rejections = self._journal.rejected(self.destination) if retry else []
            self._deliver_waiting(deadline, until, result)
            if self._retry(rejections, deadline, result) and not result.out_of_time:
                self._deliver_waiting(deadline, until, result)
            if not self._allow_simulated:
                result.held_back = self._journal.virtual_waits(self.destination)
        except (ZabbixError, JournalError) as error:
            result.error = error
        return result

    def _deliver_waiting(self, deadline: Deadline, until: Deadline, result: Delivered) -> None:
        while entries := self._journal.waiting(self.destination, AHEAD, simulated=self._allow_simulated):
            self._warn_of_age(entries[0])
            if self._deliver(entries, deadline, until, result).out_of_time:
                result.out_of_time = True
                return

    def _retry(self, rejections: Sequence[Rejection], deadline: Deadline, result: Delivered) -> bool:
        """Whether some of what was rejected waits again now.

        The tries of all sensors go in one request, which tells that all are rejected still; and only once what waits is
        on its way: however many are rejected, and however slow the server is, nothing else waits for them.
        """
        ends = self._journal.entries(end for rejection in rejections for end in (rejection.first, rejection.last))
        groups = _by_sensor([entry for entry in ends if self._allow_simulated or not entry.simulated])
        random.shuffle(groups)  # if there is time for some only, they are others each time
        probes = [entry for group in groups for entry in group]
        sent = self._deliver(probes, deadline, deadline.within(RETRY_SECONDS), result)
        if sent.out_of_time and not sent.taken:
            # A slow server may never leave the time to find out which of several it takes; one alone needs none.
            sent = self._deliver([random.choice(probes)], deadline, deadline, result)  # noqa: S311
        taken = set(sent.taken)
        taking = [rejection.sensor for rejection in rejections if taken & {rejection.first, rejection.last}]
        for sensor in taking:
            count = self._journal.retry_rejected(self.destination, sensor)
            log.info("%s takes readings of %s now, %d more wait", self.destination, sensor, count)
        return bool(taking)

    def send_directly(self, readings: Iterable[Reading], deadline: Deadline) -> Delivered:
        """Send readings that could not be put into the journal; what is not taken is lost here."""
        result = Delivered()
        entries = [
            Entry(number, reading.time_ns, reading.sensor, reading.simulated, reading.to_json())
            for number, reading in enumerate(readings)
            if self._allow_simulated or not reading.simulated
        ]
        sent = self._send(self._senders[0], entries, deadline, deadline)
        result.delivered, result.rejected_ids, result.error = len(sent.taken), set(sent.rejected), sent.error
        result.out_of_time = sent.out_of_time
        return result

    def send_state(self, key: str, value: str, deadline: Deadline) -> bool:
        """Send a value that is of this moment only and not kept: ``usbrh.discovery`` or ``usbrh.bridge``.

        Whether it was taken. Not everyone has these items: one that is rejected is a warning, once.

        Raises:
            ZabbixError: the destination was not reached.
        """
        counts = self._senders[0].send([Value.at(self._clock.time_ns(), self._host, key, value)], deadline)
        taken = counts.accepted == 1
        if taken:
            self._rejected_states.discard(key)
        elif key not in self._rejected_states:
            self._rejected_states.add(key)
            log.warning(
                '%s does not take %s: the host "%s" has no such item; usbrh zabbix provision makes it',
                self.destination,
                key,
                self._host,
            )
        return taken

    def _deliver(self, entries: Sequence[Entry], deadline: Deadline, until: Deadline, result: Delivered) -> _Sent:
        """Send ``entries``, and mark in the journal what became of them."""
        shards = _shards(entries, len(self._senders)) if len(entries) > BATCH else [entries]
        if len(shards) == 1:
            sent = self._send(self._senders[0], shards[0], deadline, until)
        else:
            work = list(zip(self._senders, shards, strict=False))
            parts = run_parallel(lambda each: self._send(*each, deadline, until), work, deadline)
            sent = _Sent(
                until,
                taken=[number for part in parts for number in part.taken],
                rejected={number: reason for part in parts for number, reason in part.rejected.items()},
                error=next((part.error for part in parts if part.error), None),
                out_of_time=any(part.out_of_time for part in parts),
            )
        if sent.taken or sent.rejected:
            self._journal.mark(self.destination, sent.taken, sent.rejected)
        result.delivered += len(sent.taken)
        result.rejected_ids.difference_update(sent.taken)  # may have been rejected a moment ago, by a retry
        result.rejected_ids.update(sent.rejected)
        if sent.error:
            raise sent.error
        return sent

    def _send(self, sender: Sender, entries: Sequence[Entry], deadline: Deadline, until: Deadline) -> _Sent:
        sent = _Sent(until)
        try:
            for start in range(0, len(entries), BATCH):
                self._split(sender, entries[start : start + BATCH], deadline, sent)
        except ZabbixError as error:
            sent.error = error
        return sent

    def _split(
        self, sender: Sender, entries: Sequence[Entry], deadline: Deadline, sent: _Sent, *, part: bool = False
    ) -> None:
        """Send ``entries``, and in ever smaller parts if some are rejected: Zabbix says how many, but not which.

        What was taken in a larger request is sent again in a smaller one, with the same clock and ns: no second row.
        """
        # What was begun goes on until it is known of one part at least: a slow server would be sent the same for ever.
        fruitless = part and not sent.taken and not sent.rejected
        if deadline.passed or (sent.until.passed and not fruitless):
            sent.out_of_time = True
            return
        values = [Value.at(entry.time_ns, self._host, item_key(entry.sensor), entry.body) for entry in entries]
        accepted = sender.send(values, deadline).accepted
        self._known_host = self._known_host or accepted > 0
        if accepted == len(entries):
            sent.taken += [entry.id for entry in entries]
        elif accepted == 0:
            sent.rejected.update({entry.id: self._reason(entry) for entry in entries})
        else:
            for smaller in _parts(entries):
                self._split(sender, smaller, deadline, sent, part=True)

    def _reason(self, entry: Entry) -> str:
        """Zabbix never says why: the likely reasons."""
        key = item_key(entry.sensor)
        if self._known_host:
            return (
                f'the host "{self._host}" has no item {key} of the type Zabbix trapper,'
                " or the item does not allow this machine; usbrh zabbix provision makes it"
            )
        return (
            f'no host "{self._host}" is monitored by this server, or it has no item {key} of the type Zabbix trapper,'
            " or they do not allow this machine or its encryption; usbrh zabbix check says which"
        )

    def _warn_of_age(self, oldest: Entry) -> None:
        age = (self._clock.time_ns() - oldest.time_ns) / NS
        if age > WARN_AGE * self._history_period and not self._warned:
            self._warned = True
            log.warning(
                "readings have been waiting for %s for %.0f days: Zabbix drops without a word what is older than the"
                " item's history period (%.0f days by default); set a longer one before they are delivered",
                self.destination,
                age / 86400,
                self._history_period / 86400,
            )


def _by_sensor(entries: Sequence[Entry]) -> list[list[Entry]]:
    by_sensor: dict[str, list[Entry]] = {}
    for entry in entries:
        by_sensor.setdefault(entry.sensor, []).append(entry)
    return list(by_sensor.values())


def _shards(entries: Sequence[Entry], most: int) -> list[list[Entry]]:
    """At most ``most`` parts of about the same size; all of a sensor are in one of them, in their order."""
    shards: list[list[Entry]] = [[] for _ in range(most)]
    for group in sorted(_by_sensor(entries), key=len, reverse=True):
        min(shards, key=len).extend(group)
    return [sorted(shard, key=lambda entry: entry.id) for shard in shards if shard]


def _parts(entries: Sequence[Entry]) -> Sequence[Sequence[Entry]]:
    """By sensor, because a whole item is rejected as a rule; else in halves. The order within a sensor stays."""
    groups = _by_sensor(entries)
    if len(groups) > 1:
        return groups
    middle = len(entries) // 2
    return [entries[:middle], entries[middle:]]
