"""``usbrh send`` and ``usbrh run``."""

import logging
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType

import click

from usbrh.bridge import once as bridge
from usbrh.bridge import service
from usbrh.bridge.delivery import Delivered
from usbrh.bridge.systemd import Notifier
from usbrh.bridge.wakeup import WakeupPipe
from usbrh.cli.context import Context, pass_context
from usbrh.config import Config
from usbrh.errors import ConfigError, JournalError, UsbrhError, ZabbixRejected, exit_status, of_destination
from usbrh.output import text as output
from usbrh.reading import Reading, counted

log = logging.getLogger(__name__)


def log_to_stderr(level: int) -> None:
    """Print what the package logs, unless --debug does so already."""
    logging.basicConfig(level=level, format="usbrh: %(message)s")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a reading and line.")
@pass_context
def send(context: Context, as_json: bool) -> None:
    """Read all sensors, put the readings into the journal, and deliver what waits there.

    Ends within 25 seconds. What can't be delivered stays in the journal for the next time.
    """
    log_to_stderr(logging.WARNING)
    logging.getLogger("usbrh.poller").setLevel(logging.ERROR)  # of what fails there, each is said below

    broken: list[OSError] = []

    def tell(reading: Reading) -> None:
        try:
            if as_json:
                click.echo(output.json_line(reading.to_dict()))
            elif not reading.error:
                click.echo(output.text(reading))
            if reading.error:
                click.echo(f"usbrh: {reading.problem}", err=True)
        except OSError as error:  # a full disk behind stdout is no reason not to deliver
            broken.append(error)

    sent = bridge.send_once(context.config, allow_simulated=context.allow_simulated, tell=tell)
    if broken:
        raise broken[0]
    lost = sent.lost()
    if sent.journal_error:
        fate = "delivered without it" if lost and not any(lost.values()) else "what is not delivered now is lost"
        click.echo(f"usbrh: {sent.journal_error}; {fate}", err=True)
    if sent.problem:
        click.echo(f"usbrh: {sent.problem}", err=True)
    statuses = [
        *deliveries(sent.results, quiet=as_json, lost=lost),
        sent.journal_error.exit_status if sent.journal_error else 0,
        *(exit_status(reading.state) for reading in sent.readings),
        sent.problem.exit_status if sent.problem else 0,
    ]
    raise SystemExit(next((status for status in statuses if status), 0))


def deliveries(results: dict[str, Delivered], *, quiet: bool, lost: Mapping[str, int]) -> list[int]:
    """Say what each delivery came to, and give the exit statuses, the one that counts most first.

    ``lost``: by destination, how many readings are in no journal and were not taken.
    """
    statuses = []
    for destination, result in results.items():
        if result.error:
            fate = f"{counted(gone)} lost" if (gone := lost.get(destination)) else "what waits stays in the journal"
            click.echo(f"usbrh: {of_destination(destination, result.error)}; {fate}", err=True)
            statuses.append(result.error.exit_status)
        if result.out_of_time:
            click.echo(f"usbrh: {destination}: there was no time for all that waits; usbrh journal flush", err=True)
            statuses.append(6)
    for destination, result in results.items():
        if result.rejected:
            fate = "lost, there is no journal" if lost.get(destination) else "usbrh journal status"
            click.echo(f"usbrh: {destination} rejected {counted(result.rejected)}; {fate}", err=True)
            statuses.append(ZabbixRejected.exit_status)
        if result.held_back:
            click.echo(
                f"usbrh: {destination}: virtual readings wait; usbrh journal flush --allow-simulated sends them",
                err=True,
            )
            statuses.append(ConfigError.exit_status)
        if not quiet:
            click.echo(f"{destination}: {result.delivered} delivered")
    return statuses


@click.command()
@pass_context
def run(context: Context) -> None:
    """Be the bridge: read all sensors again and again, and deliver every reading.

    For a service. SIGHUP reloads the configuration; SIGTERM delivers what it can in 10 seconds, and ends.
    """
    log_to_stderr(logging.INFO)
    with WakeupPipe() as bell:
        bell.wake_on_signals()
        _run(context, bell)


def _run(context: Context, bell: WakeupPipe) -> None:
    notifier = Notifier()
    signals = Signals()
    config, before = context.config, None
    ways = bridge.routes(config)
    while True:
        signals.service = service.Bridge(
            config,
            ways,
            bell,
            allow_simulated=context.allow_simulated,
            counts=before.rounds.counts if before else None,
            unsaved=before.unsaved if before else (),
            notifier=notifier,
        )
        signals.install()
        signals.service.run()
        if not signals.take_reload():
            return
        notifier.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        before = signals.service
        config, ways = _reloaded(context, config, ways)


def _reloaded(context: Context, old: Config, old_ways: list[bridge.Route]) -> tuple[Config, list[bridge.Route]]:
    """The new configuration and its ways; if it is wrong the old ones, which need no file that may have gone."""
    try:
        config = context.load()
        ways = bridge.routes(config)
    except UsbrhError as error:
        log.error("%s; the old configuration stays", error)  # noqa: TRY400 - said in a line
        return old, old_ways
    log.info("the configuration is read again")
    if config.journal.path != old.journal.path:
        _tell_what_is_left(old)
    return config, ways


def _tell_what_is_left(old: Config) -> None:
    """Say how much waits in a journal that nobody delivers from any more."""
    path = old.journal.path
    with suppress(JournalError, OSError), bridge.open_journal(old) as journal:
        waiting = max((each.waiting for each in journal.standings()), default=0) if path.exists() else 0
        if waiting:
            log.warning("%s waiting in %s; USBRH_JOURNAL_PATH=%s usbrh journal flush", counted(waiting), path, path)


class Signals:
    """SIGTERM and SIGINT end the service, SIGHUP ends it to be started with a new configuration."""

    def __init__(self) -> None:
        self.service: service.Bridge | None = None
        self._end = self._reload = False

    def install(self) -> None:
        """Catch the signals from now on; one that came before, while there was no such service yet, counts."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._caught)
        if self.service and (self._end or self._reload):
            self.service.end(for_good=self._end)

    def take_reload(self) -> bool:
        """Whether the service ended to be started again."""
        reload, self._reload = self._reload and not self._end, False
        return reload

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._reload = True
        else:
            self._end = True
        if self.service:
            self.service.end(for_good=self._end)
