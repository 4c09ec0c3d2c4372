"""The journal against Zabbix's own history: what was delivered and is not there, and sending it again."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from usbrh.bridge.check import somewhere
from usbrh.bridge.once import flush
from usbrh.clock import SYSTEM_CLOCK, Clock
from usbrh.config import Config
from usbrh.errors import UsbrhError, ZabbixApiError, ZabbixRejected
from usbrh.journal.store import Journal, State
from usbrh.reading import format_time
from usbrh.zabbix.api import Api
from usbrh.zabbix.history import NS, find_host, find_item, find_kept, stored

SETTLED_SECONDS = 30.0
"""A server writes its history once a second, a proxy sends it on once a second: what is younger may be on its way."""


@dataclass(frozen=True)
class Compared:
    """The readings of one sensor."""

    sensor: str
    times: dict[int, int]
    """Those that were delivered: in ns since 1970, with their ids."""
    unsettled: int
    """Those that wait for a destination or are rejected by one, and are left out: it may be the one that was asked."""
    item: dict[str, Any] | None
    """The item whose history was looked at; None if there is none that keeps one."""
    missing: Sequence[int]
    """Those of ``times`` that are not there, in their order."""
    left_out: bool = False
    """There is an item that takes the readings and keeps none: the template's macros leave the sensor out."""

    @property
    def ids(self) -> list[int]:
        """Of those that are missing."""
        return [self.times[moment] for moment in self.missing]

    def to_dict(self) -> dict[str, str | int | bool | None]:
        """Its JSON object, of before anything is sent again."""
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
    config: Config, api: Api, journal: Journal, since_ns: int, *, clock: Clock = SYSTEM_CLOCK
) -> Iterator[Compared]:
    """For each sensor, what the journal counts as delivered since then and Zabbix does not have.

    Raises:
        ConfigError: there is nowhere to send to.
        ZabbixApiError: the host is not there.
        JournalError: the journal can't be used.
    """
    ways = somewhere(config)
    host = ways[0].host
    hostid = find_host(api, host)
    if hostid is None:
        raise ZabbixApiError(f'there is no host "{host}", or this user may not see it; usbrh zabbix provision makes it')
    delivered, unsettled = _delivered(
        journal, since_ns, clock.time_ns() - int(SETTLED_SECONDS * NS), [way.destination for way in ways]
    )
    for sensor in sorted({*delivered, *unsettled}):
        times = delivered.get(sensor, {})
        # An item that has a row for each reading: the JSON itself if it is kept, else the template's state.
        keys = f"usbrh.get[{sensor}]", f"usbrh.state[{sensor}]"
        item = find_kept(api, hostid, *keys) if times else None
        left_out = bool(times) and item is None and find_item(api, hostid, keys[0]) is not None
        yield Compared(sensor, times, unsettled.get(sensor, 0), item, _lacking(api, item, times), left_out)


def _delivered(
    journal: Journal, since_ns: int, until_ns: int, destinations: Collection[str]
) -> tuple[dict[str, dict[int, int]], dict[str, int]]:
    """By sensor: times and ids of what is settled and was delivered, and how many are not settled."""
    delivered: dict[str, dict[int, int]] = {}
    unsettled: dict[str, int] = {}
    for entry, fates in journal.export():
        if not since_ns <= entry.time_ns <= until_ns:
            continue
        here = {fates[text].state for text in destinations if text in fates}
        if here & {State.WAITING, State.REJECTED}:
            unsettled[entry.sensor] = unsettled.get(entry.sensor, 0) + 1
        elif any(fate.state is State.DELIVERED for fate in fates.values()):
            delivered.setdefault(entry.sensor, {})[entry.time_ns] = entry.id
    return delivered, unsettled


def still_missing(api: Api, compared: Compared) -> list[int]:
    """Those of ``compared.missing`` that are not there now."""
    return _lacking(api, compared.item, compared.missing)


def _lacking(api: Api, item: dict[str, Any] | None, moments: Collection[int]) -> list[int]:
    return sorted(set(moments) - stored(api, item, moments)) if item else []


def send_again(
    config: Config, journal: Journal, ids: Collection[int], *, allow_simulated: bool, clock: Clock = SYSTEM_CLOCK
) -> dict[str, UsbrhError | None]:
    """Send these readings again to every destination, and say by destination what went wrong with them.

    One that has them keeps one row of each.

    Raises:
        ConfigError, JournalError: nothing was sent.
    """
    destinations = [way.destination for way in somewhere(config)]
    journal.sync_destinations(destinations)
    for destination in destinations:
        journal.send_again(destination, ids)
    problems: dict[str, UsbrhError | None] = {}
    for destination, result in flush(config, journal, allow_simulated=allow_simulated, clock=clock).items():
        rejected = len(set(ids).intersection(result.rejected_ids))  # older ones were tried with them
        problems[destination] = result.error or (
            ZabbixRejected(f"{destination} rejected {rejected} of them; see: usbrh journal status")
            if rejected
            else None
        )
    return problems
