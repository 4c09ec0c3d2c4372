"""How readings are divided into requests."""

from collections.abc import Iterator, Sequence

from usbrh.journal.rows import Entry
from usbrh.zabbix.items import reading_key

BATCH = 250
"""Values in one request, as in zabbix_sender."""
MAX_BYTES = 1 << 20
"""Size of the values in one request, about; a single larger value is sent alone."""
SHARDS = 2
"""Connections at the same time for a backlog of several sensors."""


def shards(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """At most ``SHARDS`` parts to send at the same time; all readings of a sensor are in one, in the same order."""
    if len(entries) <= BATCH:
        return [entries]
    parts: list[list[Entry]] = [[] for _ in range(SHARDS)]
    for group in sorted(by_sensor(entries), key=len, reverse=True):
        min(parts, key=len).extend(group)
    return [sorted(part, key=lambda entry: entry.id) for part in parts if part]


def batches(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The entries of each request, in the same order: at most ``BATCH`` values and about ``MAX_BYTES``."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        added = len(entry.body) + len(reading_key(entry.sensor))
        if batch and (len(batch) == BATCH or size + added > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += added
    if batch:
        yield batch


def split(batch: list[Entry]) -> list[list[Entry]]:
    """A batch in parts: one per sensor, because Zabbix usually rejects all values of an item; else two halves."""
    groups = by_sensor(batch)
    middle = len(batch) // 2
    return groups if len(groups) > 1 else [batch[:middle], batch[middle:]]


def by_sensor(entries: Sequence[Entry]) -> list[list[Entry]]:
    """The entries of each sensor, in the same order."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.sensor, []).append(entry)
    return list(groups.values())
