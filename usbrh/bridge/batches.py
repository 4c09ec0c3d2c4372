"""How readings are divided into requests, and how many of them a request has."""

from collections import Counter
from collections.abc import Iterator, Sequence

from usbrh.journal.rows import Entry

BATCH = 250
"""Values in one request, as in zabbix_sender."""
MAX_BYTES = 1 << 20
"""Size of the values in one request, about; a single larger value is sent alone."""
GROWTH, SHRINK = 8, 4
"""Factors for the number of values in a request, after a success and after a failure."""
PROVEN, FORGET = 8, 64
"""Successes after a failure until a size between success and failure is tried, and until the failure is forgotten."""
SHARDS = 2
"""Connections at the same time for a backlog of several sensors."""


def shards(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """At most ``SHARDS`` parts to send at the same time; all readings of a sensor are in one, in the same order."""
    if len(entries) <= BATCH:
        return [entries]
    sizes = [0] * SHARDS
    shard_of: dict[str, int] = {}
    for sensor, count in Counter(entry.sensor for entry in entries).most_common():
        shard_of[sensor] = shard = sizes.index(min(sizes))
        sizes[shard] += count
    parts: list[list[Entry]] = [[] for _ in range(SHARDS)]
    for entry in entries:
        parts[shard_of[entry.sensor]].append(entry)
    return [part for part in parts if part]


class BatchSize:
    """How many values a request to one destination has, from the requests before it."""

    def __init__(self) -> None:
        """Start with ``BATCH`` values; the first success shows how fast the destination is."""
        self.reset()

    def reset(self, values: int = 0) -> None:
        """Forget all earlier requests: their failures have another reason.

        ``values``: continue with the ``next`` of another process.
        """
        self.values = min(values, BATCH) if values > 0 else BATCH
        self.next = values
        """Values that another process should start with, because a request failed; 0 after none did."""
        self._accepted = 0
        """Values in the last request that got an answer."""
        self._failed = 0
        """Values in the last request that got none; 0 if that is long ago."""
        self._successes = 0
        """Answers since then."""

    def succeeded(self, values: int, seconds: float, target: float) -> None:
        """A request with ``values`` was answered after ``seconds``; none should take more than ``target`` seconds."""
        if values < self.values and self._accepted:  # the last of a backlog, or only new readings
            return
        in_time = max(values + 1, int(values * target / max(seconds, 0.001)))
        self._accepted = values
        self._successes += 1
        if self._successes >= FORGET:
            self._failed = 0
        larger = min(BATCH, in_time, GROWTH * values)
        if self._failed:
            larger = min(larger, (values + self._failed) // 2 if self._successes % PROVEN == 0 else values)
        self.values = max(1, larger)
        self.next = self.values if self._failed else 0

    def failed(self, values: int) -> None:
        """A request with ``values`` got no answer after the connection was made."""
        self._failed, self._successes = values, 0
        self.values = self.next = self._accepted if 0 < self._accepted < values else max(1, values // SHRINK)


def batches(entries: Sequence[Entry], size: BatchSize) -> Iterator[Sequence[Entry]]:
    """The entries of each request, in the same order: at most ``size.values``, ``BATCH`` and about ``MAX_BYTES``."""
    start = 0
    while start < len(entries):
        batch = entries[start : start + min(BATCH, size.values)]
        while len(batch) > 1 and sum(len(entry.body) for entry in batch) > MAX_BYTES:
            batch = batch[: len(batch) // 2]
        yield batch
        start += len(batch)


def split(batch: Sequence[Entry]) -> list[Sequence[Entry]]:
    """A batch in parts: one per sensor, because Zabbix usually rejects all values of an item; else two halves."""
    groups = by_sensor(batch)
    middle = len(batch) // 2
    return groups if len(groups) > 1 else [batch[:middle], batch[middle:]]


def by_sensor(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """The entries of each sensor, in the same order."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.sensor, []).append(entry)
    return [*groups.values()]
