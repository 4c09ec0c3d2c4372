"""Runs the service, and reloads its configuration while it runs."""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from usbrh.bridge.once import routes
from usbrh.bridge.route import Route
from usbrh.bridge.service import Bridge
from usbrh.bridge.unsaved import Unsaved
from usbrh.bridge.wakeup import Control
from usbrh.clock import SYSTEM_CLOCK
from usbrh.config import Config
from usbrh.errors import JournalError, UsbrhError
from usbrh.journal.reader import JournalReader
from usbrh.poller import Counts
from usbrh.reading import counted

log = logging.getLogger(__name__)


def run_service(config: Config, load: Callable[[], Config], *, allow_simulated: bool) -> None:
    """Run the service until SIGTERM or SIGINT. SIGHUP reloads the configuration with ``load``; counters are kept.

    Raises:
        ConfigError: a destination is wrong or missing, or the sensors are simulated and that is not allowed.
    """
    destinations: Sequence[Route] = routes(config)
    counts, unsaved = Counts(SYSTEM_CLOCK.monotonic()), Unsaved()
    with Control() as control:
        control.wake_on_signals()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: control.stop())
        signal.signal(signal.SIGHUP, lambda *_: control.reload())
        while True:
            bridge = Bridge(
                config, destinations, control, allow_simulated=allow_simulated, counts=counts, unsaved=unsaved
            )
            bridge.run()
            if control.stopping:
                return
            control.reloading = False  # a signal from now on means another reload
            bridge.notifier.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            config, destinations = _reloaded(load, config, destinations)


def _reloaded(
    load: Callable[[], Config], old: Config, old_destinations: Sequence[Route]
) -> tuple[Config, Sequence[Route]]:
    """The new configuration and its routes; the old ones, whose files may be deleted by now, if it is wrong."""
    try:
        config = load()
        destinations = routes(config)
    except UsbrhError as error:
        log.error("%s; the old configuration stays", error)  # noqa: TRY400 - one line is enough
        return old, old_destinations
    log.info("configuration reloaded")
    path = old.journal.path
    if config.journal.path != path:  # this service no longer delivers what waits there
        with suppress(JournalError):
            waiting = max((each.waiting for each in JournalReader(path).standings() or ()), default=0)
            if waiting:
                log.warning("%s waiting in %s; USBRH_JOURNAL_PATH=%s usbrh journal flush", counted(waiting), path, path)
    return config, destinations
