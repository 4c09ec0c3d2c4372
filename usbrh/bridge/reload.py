"""Runs the service, and reloads its configuration while it runs."""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from usbrh.bridge.delivery import Route
from usbrh.bridge.once import open_journal, routes
from usbrh.bridge.service import Bridge
from usbrh.bridge.systemd import Notifier
from usbrh.bridge.unsaved import Unsaved
from usbrh.bridge.wakeup import Control
from usbrh.clock import SYSTEM_CLOCK
from usbrh.config import Config
from usbrh.errors import JournalError, UsbrhError
from usbrh.poller import Counts
from usbrh.reading import counted

log = logging.getLogger(__name__)


def run_service(config: Config, load: Callable[[], Config], *, allow_simulated: bool) -> None:
    """Run the service until SIGTERM or SIGINT. SIGHUP reloads the configuration; counters and readings are kept.

    Args:
        config: the first configuration.
        load: reads the configuration again.
        allow_simulated: send simulated readings.

    Raises:
        ConfigError: a destination is wrong or missing, or the sensors are simulated and that is not allowed.
    """
    destinations: Sequence[Route] = routes(config)
    notifier, counts, unsaved = Notifier(), Counts(SYSTEM_CLOCK.monotonic()), Unsaved()
    with Control() as control:
        control.wake_on_signals()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: control.stop())
        signal.signal(signal.SIGHUP, lambda *_: control.reload())
        while True:
            bridge = Bridge(
                config,
                destinations,
                control,
                allow_simulated=allow_simulated,
                counts=counts,
                unsaved=unsaved,
                notifier=notifier,
            )
            bridge.run()
            if control.stopping:
                return
            control.reloading = False  # a signal from now on means another reload
            notifier.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            config, destinations = _reloaded(load, config, destinations)


def _reloaded(
    load: Callable[[], Config], old: Config, old_destinations: Sequence[Route]
) -> tuple[Config, Sequence[Route]]:
    """The new configuration and its routes; the old ones if the new configuration is wrong.

    The old routes are kept and not made again, because the files that they need may have been deleted.
    """
    try:
        config = load()
        destinations = routes(config)
    except UsbrhError as error:
        log.error("%s; the old configuration stays", error)  # noqa: TRY400 - one line is enough
        return old, old_destinations
    log.info("configuration reloaded")
    if config.journal.path != old.journal.path:
        _warn_of_old_journal(old)
    return config, destinations


def _warn_of_old_journal(old: Config) -> None:
    """Log how many readings wait in a journal that this service no longer delivers from."""
    path = old.journal.path
    with suppress(JournalError, OSError), open_journal(old) as journal:
        waiting = max((each.waiting for each in journal.standings()), default=0) if path.exists() else 0
        if waiting:
            log.warning("%s waiting in %s; USBRH_JOURNAL_PATH=%s usbrh journal flush", counted(waiting), path, path)
