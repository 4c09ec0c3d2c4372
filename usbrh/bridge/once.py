"""Measure, put into the journal, deliver: once (``usbrh send``) or for ever (``usbrh run``)."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from usbrh.bridge.delivery import Delivered, Delivery
from usbrh.bridge.parallel import run_parallel
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.config import Config
from usbrh.config.addresses import parse_destinations
from usbrh.errors import ConfigError, JournalError, SensorNotFound, UsbrhError, ZabbixError
from usbrh.journal.store import Journal
from usbrh.poller import Rounds, oldest_first
from usbrh.reading import Reading
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.sender import Sender

log = logging.getLogger(__name__)

SEND_SECONDS = 25.0
"""For a whole ``usbrh send``."""
BACKLOG_SHARE = 0.9
"""Of the seconds of a ``usbrh send``; in the rest it tells of itself, lest Zabbix takes the bridge for silent."""
FLUSH_SECONDS = 3600.0
"""For a whole ``usbrh journal flush``: a week of readings, and much more."""
SHARDS = 2
"""Connections to a destination at a time, while it has a backlog of several sensors."""


@dataclass(frozen=True, slots=True)
class Route:
    """One destination and what reaches it."""

    destination: str
    """Its text in the configuration."""
    senders: Sequence[Sender]
    """More than one, for a backlog."""
    host: str
    """Technical name of the host in Zabbix."""


def routes(config: Config) -> list[Route]:
    """Where readings go; nowhere if ``servers`` is given as an empty list: then an agent asks for them.

    Raises:
        ConfigError: ``servers`` is not given, or the configuration of a destination is wrong.
    """
    settings = effective(config.zabbix)
    if not settings.servers and "servers" not in settings.origin:
        raise ConfigError("no Zabbix server is configured; set servers in [zabbix], or USBRH_ZABBIX_SERVERS")
    host = settings.host or ""  # ``effective`` never leaves it out
    return [
        Route(each.text, [Sender(each, settings) for _ in range(SHARDS)], host)
        for each in parse_destinations(settings.servers)
    ]


def open_journal(config: Config, clock: Clock = SYSTEM_CLOCK, progress: Callable[[], object] = lambda: None) -> Journal:
    """The journal of the configuration; ``progress`` as in ``Journal``. Nothing is opened before it is first used."""
    settings = config.journal
    return Journal(settings.path, settings.keep, settings.max_waiting, clock, progress)


def enqueue(journal: Journal, destinations: Sequence[str], readings: Sequence[Reading]) -> None:
    """Put ``readings`` into the journal, to wait for ``destinations``.

    Raises:
        JournalError: they are not in it: they are delivered without it then.
    """
    journal.sync_destinations(destinations)
    journal.add(readings)


def reject_simulated(simulated: bool, allowed: bool) -> None:
    """Hold virtual readings back from real servers.

    Raises:
        ConfigError: there are some, and they are not allowed.
    """
    if simulated and not allowed:
        raise ConfigError("these sensors are virtual, nothing is sent; let them through with --allow-simulated")


@dataclass
class Sent:
    """What one ``send`` came to."""

    readings: list[Reading]
    results: dict[str, Delivered] = field(default_factory=dict)
    """By destination."""
    journal_error: JournalError | None = None
    problem: UsbrhError | None = None
    """Why nothing was measured."""

    def lost(self) -> dict[str, int]:
        """By destination, how many readings never reach it: there was no journal, and it did not take them now."""
        if self.journal_error is None:
            return dict.fromkeys(self.results, 0)
        return {way: len(self.readings) - result.delivered for way, result in self.results.items()}


def send_once(
    config: Config,
    *,
    allow_simulated: bool,
    tell: Callable[[Reading], None] = lambda reading: None,
    clock: Clock = SYSTEM_CLOCK,
) -> Sent:
    """Measure all sensors, put the readings into the journal, and deliver what waits; within ``SEND_SECONDS``.

    ``tell`` gets each reading once it is safe.

    Raises:
        ConfigError: nothing was done.
    """
    deadline = Deadline(SEND_SECONDS, clock)
    ways = routes(config)
    rounds = Rounds(config, clock)
    rounds.refresh()
    if isinstance(rounds.problem, ConfigError):
        raise rounds.problem
    reject_simulated(rounds.simulated, allow_simulated)
    sent = Sent(rounds.measure(), problem=rounds.problem)
    if not rounds.sensors and sent.problem is None:
        sent.problem = SensorNotFound("no sensor is plugged in; plug one in, or try a virtual one: USBRH_SIMULATE=1")
    with open_journal(config, clock) as journal:
        try:
            enqueue(journal, [way.destination for way in ways], oldest_first(sent.readings))
        except JournalError as error:
            sent.journal_error = error
        for reading in sent.readings:
            tell(reading)

        deliveries = [delivery_of(way, journal, allow_simulated, clock) for way in ways]
        results = run_parallel(lambda each: _bring(each, sent, rounds, journal, deadline), deliveries, deadline)
    sent.results = _by_destination(deliveries, results)
    return sent


def flush(
    config: Config, journal: Journal, *, allow_simulated: bool, clock: Clock = SYSTEM_CLOCK
) -> dict[str, Delivered]:
    """Deliver what waits in the journal and try again what was rejected; what it came to, by destination.

    Raises:
        ConfigError: a destination is configured wrongly, or virtual readings wait that may not leave.
        JournalError: the journal can't be used.
    """
    ways = routes(config)
    journal.sync_destinations([way.destination for way in ways])
    reject_simulated(any(journal.virtual_waits(way.destination) for way in ways), allow_simulated)
    deadline = Deadline(FLUSH_SECONDS, clock)
    deliveries = [delivery_of(way, journal, allow_simulated, clock) for way in ways]
    results = run_parallel(lambda each: each.deliver(deadline, retry=True), deliveries, deadline)
    return _by_destination(deliveries, results)


def _by_destination(deliveries: Sequence[Delivery], results: Sequence[Delivered]) -> dict[str, Delivered]:
    return {each.destination: result for each, result in zip(deliveries, results, strict=True)}


def delivery_of(way: Route, journal: Journal, allow_simulated: bool, clock: Clock) -> Delivery:
    return Delivery(journal, way.destination, way.senders, way.host, allow_simulated=allow_simulated, clock=clock)


def _bring(delivery: Delivery, sent: Sent, rounds: Rounds, journal: Journal, deadline: Deadline) -> Delivered:
    """All that one destination gets from one ``send``."""
    result = Delivered()
    try:
        delivery.send_state("usbrh.discovery", rounds.discovery(), deadline)
        if sent.journal_error is None:
            result = delivery.deliver(deadline, retry=True, seconds=BACKLOG_SHARE * deadline.remaining())
        else:
            result = delivery.send_directly(sent.readings, deadline)
        if not isinstance(result.error, ZabbixError):
            problem = str(result.error or sent.journal_error or "")
            delivery.send_state("usbrh.bridge", bridge_state(rounds, journal, problem), deadline)
    except ZabbixError as error:
        result.error = result.error or error
    return result


def bridge_state(rounds: Rounds, journal: Journal, problem: str = "") -> str:
    """The value of ``usbrh.bridge`` now; ``problem``: why nothing can be put into the journal, if it is so."""
    if problem:
        return rounds.state(None, problem)
    try:
        return rounds.state(journal.standings())
    except JournalError as error:
        return rounds.state(None, str(error))
