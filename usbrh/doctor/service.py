"""The checks of the configuration, the journal and the systemd units."""

import os
import stat
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress

from usbrh import walltime
from usbrh.clock import NS, SYSTEM_CLOCK, Clock
from usbrh.config import Config
from usbrh.config.names import confusable_names
from usbrh.errors import ConfigError, JournalError, ZabbixRejected, ZabbixUnreachable
from usbrh.findings import Finding, fault, not_checked, of_error, ok, warning
from usbrh.journal.queries import DestinationStatus
from usbrh.journal.reader import JournalReader
from usbrh.reading import counted
from usbrh.setup import openrc
from usbrh.setup.init_systems import UNITS
from usbrh.setup.machine import CONFIG, CRON, Machine

_TIMEOUT = 5.0
_PROPERTIES = "Id,LoadState,ActiveState,ActiveEnterTimestamp,SubState,UnitFileState,Result,NRestarts"
_LATE = 120
"""s after which a reading has waited too long: failed deliveries are tried again within 15 s, or in the next minute."""
_ELSEWHERE = "none runs; readings arrive, so another program starts usbrh"
_SERVICE, _SEND, _TIMER = UNITS


def output(command: Sequence[str], timeout: float = _TIMEOUT) -> str | None:
    """What a command prints on stdout and stderr; None if it is missing or does not end within ``timeout`` seconds."""
    try:
        result = subprocess.run(  # noqa: S603 - the commands are those of this package
            command,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout


def configuration(
    config: Config | ConfigError, settings: Config, plugged: Collection[str] | None = None
) -> Iterator[Finding]:
    """Check whether the configuration can be read, who may change it, and whether its sensors are ``plugged`` in."""
    if isinstance(config, ConfigError):
        remedy = config.remedy or "correct it, then check again: usbrh doctor"
        yield fault("configuration", config.message, remedy, config.exit_status)
        return
    if settings.path is None:
        yield ok("configuration", f"none; every key has its default ({CONFIG} does not exist)")
        return
    mode = settings.path.stat().st_mode
    if mode & stat.S_IWOTH:
        yield warning("configuration", f"every user can change {settings.path}", f"sudo chmod o-w {settings.path}")
        return
    yield ok("configuration", f"{settings.path}")
    for message in confusable_names(settings):
        yield warning("configuration", message, f"choose more different names in {settings.path}")
    for port, sensor in settings.sensor.items():
        if plugged is not None and port not in plugged:
            name = f"{sensor.name} ({port})" if sensor.name else port
            yield warning("configuration", f"{name} is not plugged in", "usbrh list shows the port of each sensor")


def journal(settings: Config) -> Iterator[Finding]:
    """Check the journal: which readings wait, and which were rejected."""
    path = settings.journal.path
    try:
        status = JournalReader(path).status()
    except JournalError as error:
        closed = not_checked("journal", f"{path} belongs to the service; sudo usbrh doctor can check it")
        yield of_error("journal", error) if os.access(path, os.R_OK) else closed
        return
    if status is None:
        yield ok("journal", f"none yet (usbrh send and usbrh run create {path})")
        return
    yield ok("journal", f"{path}: {counted(status.readings)}, {status.bytes / 1e6:.1f} MB")
    yield from queues(status.destinations, time.time_ns())


def queues(destinations: Iterable[DestinationStatus], now_ns: int) -> Iterator[Finding]:
    """Check what each destination has rejected, and what waits for it too long. ``now_ns``: in ns since 1970."""
    for each in destinations:
        if each.rejected_count:
            reason = each.rejected[0].reason
            rejected = f"{each.destination} rejected {counted(each.rejected_count)}, most likely because: {reason}"
            yield warning("journal", rejected, "see: usbrh journal status", ZabbixRejected.exit_status)
        if each.oldest_ns is not None and now_ns - each.oldest_ns > _LATE * NS:
            waiting = f"{counted(each.waiting)} waiting for {each.destination}"
            yield warning("journal", waiting, "usbrh journal flush", ZabbixUnreachable.exit_status)


def system_clock(settings: Config, source: Clock = SYSTEM_CLOCK) -> Iterator[Finding]:
    """Check whether the system clock is right, and whether a time service keeps it right."""
    moment = source.moment()
    doubt = walltime.doubt(moment)
    problem = walltime.problem(doubt) if doubt else None
    with suppress(JournalError):  # the check of the journal reports it
        problem = problem or JournalReader(settings.journal.path).clock_problem()
    if problem:
        yield fault("clock", f"{problem.message}; readings wait until it is set", problem.remedy, problem.exit_status)
    elif moment.synchronised is None:
        yield not_checked("clock", "the kernel does not report whether the system clock is synchronised")
    elif moment.synchronised:
        yield ok("clock", "synchronised")
    else:
        message = "the system clock is not synchronised, so readings may have a wrong time"
        yield warning("clock", message, walltime.synchronise())


def units(machine: Machine, *, elsewhere: bool = False) -> Iterator[Finding]:
    """Check whether the service or the timer runs, and keeps running.

    ``elsewhere``: readings arrive. If no unit runs, another program such as cron starts usbrh, which is fine.
    """
    if machine.openrc_runs:
        yield _openrc(openrc.service_state(machine), elsewhere)
        return
    if not machine.systemd_runs:
        yield _cron(machine)
        return
    shown = output(("systemctl", "show", f"--property={_PROPERTIES}", *UNITS))
    if shown is None:
        yield not_checked("units", "systemctl does not answer")
        return
    state: dict[str, dict[str, str]] = {unit: {} for unit in UNITS}
    for block in shown.strip().split("\n\n"):
        fields = dict(line.partition("=")[::2] for line in block.splitlines())
        state[fields.get("Id", "")] = fields
    for unit in (_SERVICE, _SEND):
        if state[unit].get("ActiveState") == "failed":
            reason = state[unit].get("Result", "unknown")
            yield fault("units", f"{unit} failed ({reason})", f"see why: sudo journalctl -u {unit} -n 20")
            return
    yield from _service_and_timer(state[_SERVICE], state[_TIMER], elsewhere)


def _openrc(state: openrc.ServiceState, elsewhere: bool) -> Finding:
    """The finding for the OpenRC service."""
    see_why = f"see why: sudo tail -n 20 {openrc.LOG}"
    start, enable = f"sudo rc-service {openrc.SERVICE} start", f"sudo rc-update add {openrc.SERVICE} default"
    if elsewhere and not state.started:
        return ok("units", _ELSEWHERE)
    if not state.installed:
        return warning("units", "no service is installed: nothing is sent automatically", "sudo usbrh setup")
    if not state.started:
        return warning("units", "the service does not run: nothing is sent", f"{start} && {enable}")
    if state.respawns is not None and not state.pid:
        return fault("units", f"{openrc.SERVICE} has failed, and restarts soon (restarts: {state.respawns})", see_why)
    if state.respawns:
        message = f"{openrc.SERVICE} runs, but failed before (restarts: {state.respawns})"
        return warning("units", message, f"{see_why}; to reset the count: sudo rc-service {openrc.SERVICE} restart")
    if not state.enabled:
        return warning("units", f"{openrc.SERVICE} runs, but not after the next boot", enable)
    return ok("units", f"{openrc.SERVICE} runs")


def _cron(machine: Machine) -> Finding:
    """The finding for a machine without an init system that setup knows."""
    if machine.path(CRON).exists():
        return ok("units", f"cron reads and sends ({CRON})")
    return not_checked("units", "neither systemd nor OpenRC runs here")


def _service_and_timer(service: dict[str, str], timer: dict[str, str], elsewhere: bool) -> Iterator[Finding]:
    """The findings for the properties of two units that have not failed."""
    restarts = int(service.get("NRestarts") or 0)
    see_why = f"see why: sudo journalctl -u {_SERVICE} -n 20"
    # With Restart= and RestartSec= a unit never becomes "failed": between two tries, and while it starts, it is
    # "activating".
    restarting = restarts or service.get("SubState") in ("auto-restart", "auto-restart-queued")
    if service.get("ActiveState") == "activating" and restarting:
        yield fault("units", f"{_SERVICE} keeps failing (restarts: {restarts})", see_why)
        return
    running = [each for each in (service, timer) if each.get("ActiveState") in ("active", "activating", "reloading")]
    if service in running and restarts:
        message = f"{_SERVICE} runs, but failed before (restarts: {restarts})"
        yield warning("units", message, f"{see_why}; to reset the count: sudo systemctl reset-failed {_SERVICE}")
    if len(running) == 2:
        message = f"{_SERVICE} and {_TIMER} both run: everything is sent twice"
        yield warning("units", message, f"sudo systemctl disable --now {_TIMER}")
    elif running:
        unit = running[0]["Id"]
        if running[0].get("UnitFileState") == "enabled":
            since = running[0].get("ActiveEnterTimestamp")
            yield ok("units", f"{unit} runs{f' since {since}' if since else ''}")
        else:
            yield warning("units", f"{unit} runs, but not after the next boot", f"sudo systemctl enable {unit}")
    elif elsewhere:
        yield ok("units", _ELSEWHERE)
    elif service.get("LoadState") == "loaded":
        message = "neither service nor timer runs: nothing is sent"
        yield warning("units", message, f"sudo systemctl enable --now {_SERVICE}")
    else:
        yield warning("units", "no units are installed: nothing is sent automatically", "sudo usbrh setup")
