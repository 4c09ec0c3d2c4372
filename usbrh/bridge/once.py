"""One pass: measure, store in the journal, deliver (``usbrh send``), or only deliver (``usbrh journal flush``)."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from usbrh.bridge.delivery import Delivered, Delivery
from usbrh.bridge.latest import LatestFiles
from usbrh.bridge.parallel import run_parallel
from usbrh.bridge.route import Route
from usbrh.bridge.state import journal_state
from usbrh.clock import SYSTEM_CLOCK, Clock, Deadline
from usbrh.config import Config
from usbrh.config.addresses import parse_destinations
from usbrh.errors import (
    ClockError,
    ConfigError,
    JournalError,
    SensorNotFound,
    UsbrhError,
    ZabbixError,
    ZabbixUnreachable,
)
from usbrh.journal.owner import become_owner
from usbrh.journal.rows import Timing
from usbrh.journal.store import Journal
from usbrh.reading import Reading
from usbrh.zabbix.agent_config import effective
from usbrh.zabbix.items import BRIDGE, DISCOVERY
from usbrh.zabbix.sender import Sender

SEND_SECONDS = 25.0
"""Time for a whole ``usbrh send``."""
BACKLOG_SHARE = 0.9
"""Fraction of that time for a backlog. The rest is for ``usbrh.bridge``: without it Zabbix reports no data."""
REQUEST_SHARE = 0.95
"""Fraction of that time after which a request without an answer ends."""
FLUSH_SECONDS = 3600.0
"""Time for a whole ``usbrh journal flush``: enough for many weeks of readings."""


def routes(config: Config) -> list[Route]:
    """The routes to all destinations; none if ``servers`` is an empty list: then an agent fetches the readings.

    Raises:
        ConfigError: ``servers`` is missing, or the configuration of a destination is wrong.
    """
    settings = effective(config.zabbix)
    if not settings.servers and "servers" not in settings.origin:
        raise ConfigError("no Zabbix server is configured", remedy="set servers in [zabbix], or USBRH_ZABBIX_SERVERS")
    host = settings.host or ""  # ``effective`` always sets it
    metadata = settings.metadata if settings.autoregister else None
    return [Route(each.name, Sender(each, settings), host, metadata) for each in parse_destinations(settings.servers)]


def open_journal(config: Config, clock: Clock = SYSTEM_CLOCK, progress: Callable[[], object] = lambda: None) -> Journal:
    """The configured journal, with ``progress`` as in ``Journal``. The file is opened when it is first used.

    A process of root becomes the owner of the journal's folder, permanently (``become_owner``).
    """
    settings = config.journal
    become_owner(settings.path)
    return Journal(settings.path, settings.keep, settings.max_waiting, clock, progress)


def enqueue(
    journal: Journal, destinations: Sequence[str], readings: Sequence[Reading], earlier: Sequence[Reading] = ()
) -> list[Reading]:
    """Store ``readings``, and ``earlier`` ones before them, in the journal, where they wait for ``destinations``.

    The result has those ``readings`` that can be sent, with their right times: none while the system clock is in doubt.

    Raises:
        JournalError: they could not be stored.
    """
    journal.sync_destinations(destinations)
    ids = journal.add([*earlier, *readings])[len(earlier) :]
    return [entry.reading for entry in journal.entries(ids) if entry.timing is Timing.KNOWN]


def reject_simulated(simulated: bool, allowed: bool) -> None:
    """Raise ConfigError if there are ``simulated`` readings, and real servers must not receive them."""
    if simulated and not allowed:
        raise ConfigError("refusing to send simulated readings", remedy="override with --allow-simulated")


@dataclass
class Sent:
    """The result of ``send_once``."""

    readings: list[Reading]
    results: dict[str, Delivered] = field(default_factory=dict)
    """By destination."""
    journal_error: JournalError | None = None
    """Why the readings are not in the journal."""
    problem: UsbrhError | None = None
    """Why nothing was measured."""


def send_once(
    config: Config,
    *,
    allow_simulated: bool,
    on_reading: Callable[[Reading], None] = lambda reading: None,
    clock: Clock = SYSTEM_CLOCK,
) -> Sent:
    """Measure all sensors, store the readings in the journal, and deliver what waits; within ``SEND_SECONDS``.

    ``on_reading`` is called with each reading when it is in the journal, or when the journal has failed.

    Raises:
        ConfigError: nothing was measured or sent.
    """
    from usbrh.poller import Poller, oldest_first  # noqa: PLC0415 - a flush measures nothing

    deadline = Deadline(SEND_SECONDS, clock)
    destinations = routes(config)
    poller = Poller(config, clock)
    poller.refresh()
    if isinstance(poller.problem, ConfigError):
        raise poller.problem
    reject_simulated(poller.simulated, allow_simulated)
    sent = Sent(poller.measure(), problem=poller.problem)
    if not poller.sensors and sent.problem is None:
        remedy = "plug one in, or try a virtual one: USBRH_SIMULATE=1"
        sent.problem = SensorNotFound("no sensor is plugged in", remedy=remedy)
    with open_journal(config, clock) as journal:
        news: list[Reading] = []
        try:
            news = enqueue(journal, [route.destination for route in destinations], oldest_first(sent.readings))
        except JournalError as error:
            sent.journal_error = error
        LatestFiles(config.bridge.interval).write(sent.readings)
        for reading in sent.readings:
            on_reading(reading)

        def deliver(delivery: Delivery) -> Delivered:
            """Everything that one destination receives."""
            result = Delivered()
            try:
                delivery.send_state(DISCOVERY, poller.discovery(), deadline)
                if sent.journal_error is None:
                    limit = deadline.within(REQUEST_SHARE * deadline.remaining())
                    seconds = BACKLOG_SHARE * deadline.remaining()
                    result = delivery.deliver(limit, news=news, retry=True, seconds=seconds)
                else:
                    result = delivery.send_directly(sent.readings, deadline)
                # A server that does not answer a request with readings may answer a smaller one.
                if not isinstance(result.error, ZabbixUnreachable) or result.error.after_connecting:
                    state = journal_state(poller, journal, result.error or sent.journal_error)
                    delivery.send_state(BRIDGE, state, deadline)
            except ZabbixError as error:
                result.error = result.error or error
            return result

        deliveries = [Delivery(journal, route, allow_simulated=allow_simulated, clock=clock) for route in destinations]
        results = run_parallel(deliver, deliveries, deadline)
        sent.results = _by_destination(deliveries, results, journal if sent.journal_error is None else None)
    if sent.journal_error is not None:
        for result in results:
            result.lost = len(sent.readings) - result.delivered
    return sent


def flush(
    config: Config, journal: Journal, *, allow_simulated: bool, clock: Clock = SYSTEM_CLOCK
) -> dict[str, Delivered]:
    """Deliver what waits in the journal, and retry what was rejected; the result for each destination.

    As the remedy in messages, this repairs a damaged file, also if no server is configured. Readings are checked when
    they are read to be sent; here, those that were sent before and those that still wait.

    Raises ConfigError if a destination is wrong, and JournalError.
    """
    if journal.path.exists():
        journal.check(waiting=False)
    try:
        destinations = routes(config)
        enqueue(journal, [route.destination for route in destinations], [])
        deadline = Deadline(FLUSH_SECONDS, clock)
        deliveries = [Delivery(journal, route, allow_simulated=allow_simulated, clock=clock) for route in destinations]
        results = run_parallel(lambda delivery: delivery.deliver(deadline, retry=True), deliveries, deadline)
    finally:
        if journal.path.exists():
            journal.check(waiting=True)
    return _by_destination(deliveries, results, journal)


def _by_destination(
    deliveries: Sequence[Delivery], results: Sequence[Delivered], journal: Journal | None
) -> dict[str, Delivered]:
    """The result for each destination, with the number of readings that wait in ``journal``."""
    waiting: dict[str, int] = {}
    problem: ClockError | None = None
    with suppress(JournalError):
        if journal:
            waiting = {each.destination: each.waiting for each in journal.standings()}
            problem = journal.clock_problem()
    for delivery, result in zip(deliveries, results, strict=True):
        result.waiting = waiting.get(delivery.destination)
        if result.waiting:
            result.error = result.error or problem
    return {delivery.destination: result for delivery, result in zip(deliveries, results, strict=True)}
