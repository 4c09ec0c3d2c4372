"""Compare the journal with Zabbix's history, and send again the readings that are missing there."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from usbrh.bridge.check import STORE_SECONDS, required_routes
from usbrh.bridge.once import flush
from usbrh.clock import NS, SYSTEM_CLOCK, Clock, Deadline
from usbrh.config import Config
from usbrh.errors import UsbrhError, ZabbixRejected
from usbrh.journal.destinations import same
from usbrh.journal.reader import JournalReader
from usbrh.journal.store import Journal, State
from usbrh.reading import format_time
from usbrh.zabbix.answers import Row
from usbrh.zabbix.api import Api
from usbrh.zabbix.history import find_host, find_item, find_kept, no_host, stored
from usbrh.zabbix.items import reading_key, state_key

SETTLED_SECONDS = 30.0
"""s. Younger readings may not be stored yet: a server writes its history, and a proxy sends, once a second."""


@dataclass(frozen=True)
class Compared:
    """The delivered readings of one sensor, compared with Zabbix."""

    sensor: str
    times: dict[int, int]
    """The id of each delivered reading, by its time in ns since 1970."""
    unsettled: int
    """Readings not compared because they wait for a destination or were rejected by one, which may be this Zabbix."""
    item: Row | None
    """The item whose history was read; None if no item keeps a history."""
    missing: Sequence[int]
    """The times without a value in Zabbix, ascending."""
    left_out: bool = False
    """An item accepts the readings and keeps no history: the template's macros exclude the sensor."""

    @property
    def ids(self) -> list[int]:
        """The ids of the missing readings."""
        return [self.times[time_ns] for time_ns in self.missing]

    @property
    def without_item(self) -> bool:
        """Whether no item is meant for the readings, so they could not be compared."""
        return bool(self.times) and self.item is None and not self.left_out

    def to_dict(self) -> dict[str, str | int | bool | None]:
        """The JSON object, as compared before anything was sent again."""
        return {
            "sensor": self.sensor,
            "item": self.item["key_"] if self.item else None,
            "readings": len(self.times),
            "missing": len(self.missing),
            "first_missing": format_time(self.missing[0]) if self.missing else None,
            "last_missing": format_time(self.missing[-1]) if self.missing else None,
            "unsettled": self.unsettled,
            "left_out": self.left_out,
        }


def compare(
    config: Config, api: Api, journal: JournalReader, since_ns: int, *, clock: Clock = SYSTEM_CLOCK
) -> Iterator[Compared]:
    """Compare each sensor's delivered readings since ``since_ns`` with Zabbix's history.

    Raises:
        ConfigError: no server is configured.
        ZabbixApiError: the host does not exist.
        JournalError: the journal can't be used.
    """
    found = required_routes(config)
    host = found[0].host
    hostid = find_host(api, host)
    if hostid is None:
        raise no_host(host)
    delivered, unsettled = _delivered(
        journal, since_ns, clock.time_ns() - int(SETTLED_SECONDS * NS), [route.destination for route in found]
    )
    for sensor in sorted({*delivered, *unsettled}):
        times = delivered.get(sensor, {})
        key = reading_key(sensor)
        # The items with a row per reading: the JSON if its history is kept, else the template's state.
        item = find_kept(api, hostid, key, state_key(sensor)) if times else None
        left_out = bool(times) and item is None and find_item(api, hostid, key) is not None
        yield Compared(sensor, times, unsettled.get(sensor, 0), item, _missing(api, item, times), left_out)


def _delivered(
    journal: JournalReader, since_ns: int, until_ns: int, destinations: Collection[str]
) -> tuple[dict[str, dict[int, int]], dict[str, int]]:
    """By sensor: the ids of delivered readings by time, and the number of readings that are not settled."""
    delivered: dict[str, dict[int, int]] = {}
    unsettled: dict[str, int] = {}
    for entry, states in journal.export():
        if not since_ns <= entry.time_ns <= until_ns:
            continue
        here = {found.state for name, found in states.items() if any(same(name, each) for each in destinations)}
        if here & {State.WAITING, State.REJECTED}:
            unsettled[entry.sensor] = unsettled.get(entry.sensor, 0) + 1
        elif any(each.state is State.DELIVERED for each in states.values()):
            delivered.setdefault(entry.sensor, {})[entry.time_ns] = entry.id
    return delivered, unsettled


def _missing(api: Api, item: Row | None, times: Collection[int]) -> list[int]:
    return sorted(set(times) - stored(api, item, times)) if item else []


def send_again(
    config: Config, journal: Journal, compared: Iterable[Compared], *, allow_simulated: bool
) -> list[UsbrhError]:
    """Send the missing readings again to every destination; returns the errors of those that failed.

    Raises:
        ConfigError, JournalError: nothing was sent.
        UsbrhError: every destination failed.
    """
    ids = {number for each in compared for number in each.ids}
    destinations = [route.destination for route in required_routes(config)]
    journal.sync_destinations(destinations)
    for destination in destinations:
        journal.send_again(destination, ids)
    results = flush(config, journal, allow_simulated=allow_simulated)
    errors: list[UsbrhError] = []
    for destination, result in results.items():
        rejected = len(ids.intersection(result.rejected_ids))  # older readings were sent with them
        if result.error:
            errors.append(result.error)
        elif rejected:
            message = f"{destination} rejected {rejected} of them"
            errors.append(ZabbixRejected(message, remedy="see: usbrh journal status"))
    if len(errors) == len(results):
        raise errors[0]
    return errors


def wait_until_stored(
    api: Api, compared: Collection[Compared], errors: Sequence[UsbrhError], *, clock: Clock = SYSTEM_CLOCK
) -> None:
    """Wait up to ``STORE_SECONDS`` until Zabbix has what was missing; ``errors`` as ``send_again`` returned them.

    Raises:
        UsbrhError: a reading is still missing: the first of ``errors``, which may be this Zabbix's, or ZabbixRejected.
    """
    deadline = Deadline(STORE_SECONDS, clock)
    remedy = "check whether the item's history period is shorter than --since"
    while any(_missing(api, each.item, each.missing) for each in compared):
        if deadline.passed:
            raise next(
                iter(errors), ZabbixRejected("the readings were accepted again and are still missing", remedy=remedy)
            )
        clock.sleep(1.0)
