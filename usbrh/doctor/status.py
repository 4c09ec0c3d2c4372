"""``usbrh status``: whether usbrh works on this machine, from what the journal and the init system know.

It asks no sensor and no server, so it answers quickly, however often programs ask. The findings are those of ``usbrh
doctor``, which also searches for causes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from usbrh import __version__
from usbrh.clock import NS, SYSTEM_CLOCK, Clock
from usbrh.config import Config
from usbrh.doctor import service, usb
from usbrh.errors import JournalError
from usbrh.findings import Finding, Status, fault, of_error, ok
from usbrh.journal.queries import DestinationStatus, Overview
from usbrh.journal.reader import existing
from usbrh.output.times import age
from usbrh.reading import Reading, format_time
from usbrh.setup.machine import Machine

ROUNDS = 3
"""Rounds without a reading that are too many, as for the trigger of the template."""
SHORTEST = 300.0
"""s without a reading that are not too many, however short the interval is: a timer may have a longer one."""
FORGOTTEN = 86400.0
"""s after which a sensor without a reading is not in use any more, unless the configuration names it."""


@dataclass(frozen=True)
class State:
    """What usbrh does on this machine."""

    time_ns: int
    sensors: Sequence[Reading] = ()
    """The newest reading of each sensor in use."""
    destinations: Sequence[DestinationStatus] = ()
    delivered_ns: Mapping[str, int] = field(default_factory=dict)
    """By destination, the time of the newest delivered reading in ns since 1970."""
    findings: Sequence[Finding] = ()

    @property
    def last_round_ns(self) -> int | None:
        """The time of the newest reading; None without one."""
        return max((reading.time_ns for reading in self.sensors), default=None)

    @property
    def problems(self) -> list[Finding]:
        """What is not well, in the order in which to fix it."""
        return [finding for finding in self.findings if finding.status in (Status.FAULT, Status.WARNING)]

    @property
    def exit_status(self) -> int:
        """That of the first problem; 0 only if there is none."""
        return next((finding.exit_status or 1 for finding in self.problems), 0)

    def seconds_since(self, time_ns: int) -> float:
        """The age in s of something that happened at ``time_ns``; 0 if the clock was set back since."""
        return max(0, self.time_ns - time_ns) / NS

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        last = self.last_round_ns
        return {
            "ok": not self.problems,
            "version": __version__,
            "last_round": None if last is None else format_time(last),
            "sensors": [
                {**reading.to_dict(), "age": round(self.seconds_since(reading.time_ns), 1)} for reading in self.sensors
            ],
            "destinations": [{**each.to_dict(), **self._newest_delivered(each)} for each in self.destinations],
            "findings": [finding.to_dict() for finding in self.findings],
        }

    def _newest_delivered(self, destination: DestinationStatus) -> dict[str, str | None]:
        time_ns = self.delivered_ns.get(destination.destination)
        return {"newest_delivered": None if time_ns is None else format_time(time_ns)}


def examine(config: Config, machine: Machine | None = None, clock: Clock = SYSTEM_CLOCK) -> State:
    """Find out the state from the journal of ``config`` and the units of ``machine``."""
    machine = machine or Machine()
    now = clock.time_ns()
    try:
        found = existing(config.journal.path).overview() or Overview([], [], {})
    except JournalError as error:
        return State(now, findings=[*service.units(machine), of_error("journal", error)])
    named = {settings.name or identity for identity, settings in config.sensor.items()}
    sensors = [each for each in found.newest if each.sensor in named or now - each.time_ns < FORGOTTEN * NS]
    state = State(now, sensors, found.destinations, found.delivered_ns)
    too_old = max(SHORTEST, ROUNDS * config.bridge.interval)
    # That no time service runs is a reason for a warning of doctor, but not a problem now.
    wrong_time = [each for each in service.system_clock(config, clock) if each.status is Status.FAULT]
    return replace(state, findings=[*wrong_time, *_findings(state, machine, too_old, named)])


def _findings(state: State, machine: Machine, too_old: float, named: Collection[str]) -> Iterator[Finding]:
    """Check everything. ``too_old``: s. ``named``: the sensors in the configuration."""
    last = state.last_round_ns
    measuring = last is not None and state.seconds_since(last) <= too_old
    yield from service.units(machine, elsewhere=measuring)
    if last is None:
        yield fault("last round", "the journal has no reading of the last day", "see why: usbrh doctor")
        return
    passed = age(state.seconds_since(last))
    if not measuring:
        yield fault("last round", f"the last one was {passed}", "see why: usbrh doctor")
        yield from service.queues(state.destinations, state.time_ns)
        return
    yield ok("last round", passed)
    for reading in state.sensors:
        if state.seconds_since(reading.time_ns) <= too_old:
            yield usb.reading_of(reading)
        elif reading.sensor in named:
            message = f"{reading.sensor}: the last reading was {age(state.seconds_since(reading.time_ns))}"
            yield fault("reading", message, "usbrh list shows the sensors that are plugged in")
    yield from service.queues(state.destinations, state.time_ns)
