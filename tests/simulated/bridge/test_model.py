"""The journal and the delivery against a simple model: whatever happens in whatever order, nothing is lost.

Journal and delivery are the real ones. The servers behind the addresses are a few lines, and all time is virtual.
Without ``USBRH_MODEL_EXAMPLES`` the sequences are always the same few; with it, as many random ones.
"""

import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.clocks import WoundClock
from tests.support.journal import START
from usbrh.bridge.batches import BATCH
from usbrh.bridge.delivery import Delivery
from usbrh.bridge.route import Route
from usbrh.clock import NS, Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.errors import ZabbixUnreachable
from usbrh.journal.destinations import same
from usbrh.journal.file import companions
from usbrh.journal.rows import STEP_NS, Entry, Timing
from usbrh.journal.store import Journal, State
from usbrh.reading import Reading
from usbrh.zabbix.items import reading_key
from usbrh.zabbix.protocol import HostMetadata, Response, Value
from usbrh.zabbix.sender import Sender

EXAMPLES = int(os.environ.get("USBRH_MODEL_EXAMPLES", "20"))
MEMORY = Path("/dev/shm")
STEPS = 50
HOST = "living-room-pc"
SENSORS = ("attic", "cellar", "hall")
VIRTUAL = "sim-1"
DAY = 86400 * NS
KEEP = 5 * 86400.0
TIMEOUT = 3.0
ROWS_PER_PAGE = 12
"""More rows than a page of a journal has."""
SPELLINGS = {
    "alpha": ("alpha", "ALPHA:10051", "alpha;alpha-2", "alpha-2:10051;Alpha", "alpha:10051"),
    "beta": ("beta:10055", "Beta:10055"),
    "gamma": ("gamma", "Gamma"),
}
"""How an administrator may write the address of each server."""
FAULTS = ("none", "no connection", "lost request", "lost answer", "hangs", "slow", "killed")
SOME_FAULTS = st.lists(st.sampled_from(FAULTS), max_size=6)
OPTIONS = st.sets(st.sampled_from(["retry", "news", "simulated"]))
SECONDS = st.sampled_from([0.5, 5.0, 25.0])
ITEMS = st.none() | st.sets(st.sampled_from(SENSORS))
OPEN = {State.WAITING, State.REJECTED}

States = dict[str, State]
"""By destination."""


class Server:
    """One Zabbix server: it stores one value per key, clock and ns, as a real one does."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, int], str] = {}
        """The first value of each key and time."""
        self.arrivals: list[tuple[str, int, str]] = []
        """Key, time and value of each, in the order in which they were stored."""
        self.rejects: set[str] = set()
        """Keys without an item."""
        self.poison: set[str] = set()
        """Parts of a value at which the server hangs."""

    def accept(self, values: Sequence[Value]) -> int:
        accepted = [value for value in values if value.key not in self.rejects]
        for value in accepted:
            place = value.key, value.clock * NS + value.ns
            if place not in self.stored:
                self.arrivals.append((*place, value.value))
            assert self.stored.setdefault(place, value.value) == value.value, "twice with another value"
        return len(accepted)


class Transport(Sender):
    """The way to a server, which has one fault after the other. Time is virtual."""

    def __init__(self, text: str, server: Server, clock: WoundClock, kill: Callable[[], None]) -> None:
        super().__init__(Destination.parse(text), ZabbixConfig(timeout=TIMEOUT))
        self.server, self.clock, self.kill = server, clock, kill
        self.faults: list[str] = []
        self.accepted: set[str] = set()
        """The values of requests that were answered, and accepted as a whole."""
        self.sent: list[str] = []

    def send(self, content: Sequence[Value] | HostMetadata, deadline: Deadline) -> Response:
        assert not isinstance(content, HostMetadata)
        fault = self.faults.pop(0) if self.faults else "none"
        self.clock.sleep(0.05)
        if fault == "no connection":
            raise ZabbixUnreachable("connection refused")
        if any(part in value.value for part in self.server.poison for value in content):
            fault = "hangs"
        self.sent += [value.value for value in content]
        if fault == "hangs":
            self.clock.sleep(min(TIMEOUT, deadline.remaining()))
        if fault in {"hangs", "lost request"}:
            raise broken()
        if fault == "slow":
            self.clock.sleep(min(TIMEOUT / 2, deadline.remaining()))
        accepted = self.server.accept(content)
        if fault == "killed":
            self.kill()
        if fault == "lost answer" or deadline.passed:
            raise broken()
        if accepted == len(content):
            self.accepted |= {value.value for value in content}
        return Response(accepted, len(content) - accepted)


def broken() -> ZabbixUnreachable:
    error = ZabbixUnreachable("the server closed the connection without an answer")
    error.after_connecting = True
    return error


@dataclass
class Made:
    """What the model knows of one reading."""

    number: int
    """In the order in which the readings were added; its temperature is this number in hundredths."""
    sensor: str
    true_ns: int
    """When it was measured, by a clock that is always right."""
    boot: int
    times: set[int] = field(default_factory=set)
    """All times that the journal had for it."""
    doubtful: set[int] = field(default_factory=set)
    """Those that are not confirmed, or not known."""
    unordered: set[str] = field(default_factory=set)
    """Servers where others may arrive before it: it was rejected there, or sent as news, or waits once more."""


@lru_cache(1 << 14)
def parsed(value: str) -> Reading:
    return Reading.from_dict(json.loads(value))


def number_of(value: str) -> int:
    """Return the number of a reading in JSON."""
    temperature = parsed(value).temperature
    assert temperature is not None
    return round(temperature * 100)


class AnyLife(RuleBasedStateMachine):
    """One machine with a journal, and up to three servers."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="usbrh-model-", dir=MEMORY if MEMORY.is_dir() else None))
        self.clock = WoundClock(START, synchronised=True)
        self.offset_ns = START - self.clock.up
        """The right time minus the boot time."""
        self.made: dict[int, Made] = {}
        self.gone: set[int] = set()
        """Readings that were pruned, or lost by damage."""
        self.servers = {name: Server() for name in SPELLINGS}
        self.configured: dict[str, str] = {}
        """The server behind each destination, by the name of the destination."""
        self.deliveries: dict[str, tuple[Delivery, Transport]] = {}
        self.news: list[Reading] = []
        self.delivered: Counter[str] = Counter()
        """Readings that were acknowledged, by destination, since it came into the configuration."""
        self.expired: Counter[str] = Counter()
        self.opened = 0
        self.after_repair: set[State] = set()
        """After damage, a later opening can find more of it: what was finished then waits once more."""
        self.journal: Journal

    @initialize(max_waiting=st.sampled_from([6, 40, 5000]))
    def start(self, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        self.open(self.folder / "0" / "journal.db")
        self.configure({"alpha": 0})

    def open(self, path: Path) -> None:
        self.journal = Journal(path, KEEP, self.max_waiting, self.clock)
        self.deliveries.clear()

    def teardown(self) -> None:
        try:
            if hasattr(self, "journal"):
                self.everything_arrives_in_the_end()
        finally:
            if hasattr(self, "journal"):
                self.journal.close()
            shutil.rmtree(self.folder)

    # What the model compares

    def export(self) -> list[tuple[Made, Entry, States]]:
        found = [
            (entry, {name: each.state for name, each in states.items()}) for entry, states in self.journal.export()
        ]
        result = [(self.made[number_of(entry.body)], entry, states) for entry, states in found]
        for made, entry, _ in result:
            assert entry.sensor == made.sensor
            made.times.add(entry.time_ns)
            if entry.timing is not Timing.KNOWN:
                made.doubtful.add(entry.time_ns)
        return result

    def states(self) -> dict[int, States]:
        """The state of each reading at each destination of the configuration."""
        result = self.export()
        numbers = [made.number for made, _, _ in result]
        assert len(numbers) == len(set(numbers)), "stored twice"
        return {
            made.number: {name: state for name, state in states.items() if name in self.configured}
            for made, _, states in result
        }

    def start_counting(self) -> None:
        """Go on with the counts of the journal: destinations came or left, or a damaged file lost the newest."""
        self.delivered = Counter({each.destination: each.delivered for each in self.journal.standings()})
        self.expired = Counter({each.destination: each.expired for each in self.journal.standings()})

    def true_now(self) -> int:
        return self.clock.up + self.offset_ns

    def disturb(self, numbers: set[int], *servers: str) -> None:
        for number in numbers:
            self.made[number].unordered.update(servers or self.servers)

    # Readings

    @rule(sensor=st.sampled_from([*SENSORS, VIRTUAL]), count=st.integers(1, 5), pause=st.sampled_from([1, 60, 40_000]))
    def measure(self, sensor: str, count: int, pause: int) -> None:
        self.add([self.measured(sensor, pause) for _ in range(count)])

    @rule()
    def measure_all(self) -> None:
        self.add([self.measured(sensor, 1) for sensor in SENSORS])

    @precondition(lambda self: len(self.made) < 100 and self.max_waiting > BATCH)
    @rule(count=st.sampled_from([30, 260]))
    def measure_many(self, count: int) -> None:
        self.add([self.measured(SENSORS[number % 3], 1) for number in range(count)])

    def measured(self, sensor: str, pause: int) -> Reading:
        self.clock.sleep(pause)
        number = len(self.made) + 1
        made = Made(number, sensor, self.true_now(), self.clock.boot)
        self.made[number] = made
        return Reading(
            sensor,
            "1-1",
            "USB-RH",
            self.clock.time_ns(),
            number / 100,
            50.0,
            simulated=sensor == VIRTUAL,
            boot_ns=self.clock.boot_ns(),
        )

    def add(self, readings: list[Reading]) -> None:
        before = self.states()
        ids = self.journal.add(readings)
        entries = self.journal.entries(ids)
        self.news = [entry.reading for entry in entries if entry.timing is Timing.KNOWN]
        after = self.states()
        new = {round((each.temperature or 0) * 100) for each in readings}
        expired = self.check_expired(before, after, new)
        self.check_pruned(before, after, new, expired)

    def check_expired(self, before: dict[int, States], after: dict[int, States], new: set[int]) -> set[int]:
        """The oldest expire where too many wait, and no other. Those that are very old may be deleted at once."""
        result = set()
        for name in self.configured:
            was_open = [number for number in before if before[number][name] in OPEN] + sorted(new)
            # Readings that lost their time left the queue before any expired.
            was_open = [number for number in was_open if not self.is_undated(number, name, after)]
            expired = [number for number in was_open if after.get(number, {name: State.EXPIRED})[name] is State.EXPIRED]
            assert expired == was_open[: max(0, len(was_open) - self.max_waiting)]
            assert all(after[number][name] in OPEN for number in was_open if number not in expired)
            result.update(expired)
            self.expired[name] += len(expired)
        return result

    def is_undated(self, number: int, name: str, after: dict[int, States]) -> bool:
        if number in after:
            return after[number][name] is State.UNDATED
        return self.made[number].boot != self.clock.boot and self.made[number].times == self.made[number].doubtful

    def check_pruned(
        self, before: dict[int, States], after: dict[int, States], new: set[int], expired: set[int]
    ) -> None:
        """Only old readings that wait nowhere are deleted."""
        missing = (before.keys() | new) - after.keys()
        for number in missing:
            was_open = any(state in OPEN for state in before.get(number, {}).values())
            assert not was_open or number in expired, f"{number} was deleted"
            made, now = self.made[number], self.clock.time_ns()
            assert number not in new
            # A reading whose time is not known, because it would be in the future, is as old as its neighbours.
            undated = made.boot != self.clock.boot or made.doubtful or max(made.times) > now
            assert undated or min(made.times) < now - KEEP * NS
        self.gone |= missing

    # Delivery

    def route(self, name: str) -> tuple[Delivery, Transport]:
        if name not in self.deliveries:
            server = self.configured[name]
            transport = Transport(name, self.servers[server], self.clock, self.copy)
            route = Route(name, transport, HOST)
            self.deliveries[name] = Delivery(self.journal, route, clock=self.clock), transport
        return self.deliveries[name]

    def copy(self) -> None:
        """Copy the files as they are, as a process that is killed now leaves them."""
        self.opened += 1
        target = self.folder / str(self.opened) / "journal.db"
        target.parent.mkdir()
        log = companions(self.journal.path)[0]
        shutil.copy(self.journal.path, target)
        if log.exists():
            shutil.copy(log, companions(target)[0])

    @precondition(lambda self: self.configured)
    @rule(data=st.data(), faults=SOME_FAULTS, options=OPTIONS, seconds=SECONDS, rejects=ITEMS)
    def deliver(
        self, data: st.DataObject, *, faults: list[str], options: set[str], seconds: float, rejects: set[str] | None
    ) -> None:
        """Deliver to one destination, where items may have been deleted or created before."""
        name = data.draw(st.sampled_from(sorted(self.configured)))
        if rejects is not None:
            self.servers[self.configured[name]].rejects = {reading_key(sensor) for sensor in rejects}
        self.deliver_to(name, faults, options, seconds)

    @precondition(lambda self: self.configured)
    @rule(data=st.data(), faults=SOME_FAULTS, options=OPTIONS, rejects=ITEMS)
    def live(self, data: st.DataObject, *, faults: list[str], options: set[str], rejects: set[str] | None) -> None:
        """Measure all sensors, and deliver twice."""
        self.measure_all()
        self.deliver(data, faults=faults, options=options, seconds=25.0, rejects=rejects)
        self.deliver(data, faults=[], options=options, seconds=25.0, rejects=None)

    def deliver_to(self, name: str, faults: list[str], options: set[str], seconds: float) -> None:
        before, opened = self.states(), self.opened
        if len(self.journal.waiting(name, BATCH + 1)) > BATCH:
            faults = []  # two connections at the same time: which one has a fault would be left to chance
        delivery, transport = self.route(name)
        delivery._allow_simulated = "simulated" in options
        transport.faults, transport.accepted, transport.sent = list(faults), set(), []
        first = self.news if "news" in options else ()
        if first:
            self.disturb({round((each.temperature or 0) * 100) for each in first}, self.configured[name])
        result = delivery.deliver(Deadline(seconds, self.clock), news=first, retry="retry" in options)
        if "simulated" not in options:
            assert not any('"simulated":true' in value for value in transport.sent)
        after = self.states()
        assert before.keys() == after.keys()
        new = {number for number in after if before[number][name] in OPEN and after[number][name] is State.DELIVERED}
        assert len(new) == result.delivered
        accepted = {number_of(value) for value in transport.accepted}
        assert new <= accepted, "acknowledged, and not accepted"
        for number in after:
            others = [each for each in self.configured if each != name]
            assert [before[number][each] for each in others] == [after[number][each] for each in others]
            if after[number][name] is not before[number][name]:
                assert before[number][name] in OPEN
                assert after[number][name] in {*OPEN, State.DELIVERED}
        rejected = {number for number in after if after[number][name] is State.REJECTED}
        assert result.rejected_ids <= {entry.id for made, entry, _ in self.export() if made.number in rejected}
        self.disturb(rejected, self.configured[name])
        self.delivered[name] += len(new)
        if self.opened > opened:  # killed at the last of those moments
            self.restart_from_copy()
            self.delivered[name] = self.status_of(name).delivered
            for number, states in self.states().items():
                assert states[name] in {before[number][name], after[number][name]} | self.after_repair

    def status_of(self, name: str) -> Any:
        return next(each for each in self.journal.standings() if each.destination == name)

    @precondition(lambda self: self.made)
    @rule(server=st.sampled_from(sorted(SPELLINGS)), back=st.none() | st.integers(0, 5))
    def poison(self, server: str, back: int | None) -> None:
        """One of the last readings makes a server hang, or none any more."""
        parts = () if back is None else (f'"temperature":{max(1, len(self.made) - back) / 100},',)
        self.servers[server].poison = set(parts)

    @precondition(lambda self: self.configured)
    @rule(sensor=st.sampled_from(SENSORS))
    def drop(self, sensor: str) -> None:
        before = self.states()
        dropped = self.journal.drop_rejected(sensor)
        after = self.states()
        for name in self.configured:
            chosen = {n for n in before if before[n][name] is State.REJECTED and self.made[n].sensor == sensor}
            assert dropped[name] == len(chosen)
            for number, states in after.items():
                assert states[name] is (State.DROPPED if number in chosen else before[number][name])

    @precondition(lambda self: self.configured and self.made)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """What ``usbrh zabbix check --since`` does with the readings that Zabbix does not have."""
        name = data.draw(st.sampled_from(sorted(self.configured)))
        chosen = set(data.draw(st.lists(st.integers(1, len(self.made)), max_size=5)))
        before = self.states()
        dated = {made.number: entry.id for made, entry, _ in self.export() if entry.timing is not Timing.UNKNOWN}
        self.journal.send_again(name, [dated[number] for number in chosen if number in dated])
        self.disturb(chosen, self.configured[name])
        for number, states in self.states().items():
            assert states[name] is (State.WAITING if number in chosen & dated.keys() else before[number][name])

    # The process and the file

    @rule(killed=st.booleans())
    def restart(self, killed: bool) -> None:
        before = self.export()
        if killed:
            self.copy()
            self.restart_from_copy()
        else:
            self.journal.close()
            self.open(self.journal.path)
        assert self.export() == before or self.after_repair

    def restart_from_copy(self) -> None:
        self.journal.close()
        self.open(self.folder / str(self.opened) / "journal.db")
        if self.configured:
            self.journal.sync_destinations(list(self.configured))

    @precondition(lambda self: self.made)
    @rule(seed=st.integers(0, 2**32), flips=st.integers(1, 3), in_log=st.booleans())
    def damage(self, seed: int, flips: int, in_log: bool) -> None:
        """Change bytes of the file or of the log."""
        before = self.states()
        self.copy()
        self.journal.close()
        path = self.folder / str(self.opened) / "journal.db"
        log = companions(path)[0]
        target = log if in_log and log.exists() and log.stat().st_size else path
        content = bytearray(target.read_bytes())
        chance = random.Random(seed)
        for _ in range(flips if content else 0):
            content[chance.randrange(len(content))] ^= chance.randrange(1, 256)
        target.write_bytes(content)
        self.open(path)
        self.journal.sync_destinations(list(self.configured))
        after = self.states()
        if target == path:
            assert len(before.keys() - after.keys()) <= flips * ROWS_PER_PAGE
        self.after_repair = OPEN
        self.gone = set(self.made) - after.keys()
        self.disturb(set(self.made))
        self.start_counting()
        for number, states in after.items():
            for name, state in states.items():
                assert state in {*OPEN, before.get(number, {}).get(name), State.DROPPED, State.UNDATED, State.DELIVERED}

    # Destinations

    @rule(wanted=st.dictionaries(st.sampled_from(sorted(SPELLINGS)), st.integers(0, 4), max_size=2))
    def configure(self, wanted: dict[str, int]) -> None:
        """An administrator changes the addresses, or only their spelling."""
        texts = {server: SPELLINGS[server][number % len(SPELLINGS[server])] for server, number in wanted.items()}
        new = {Destination.parse(text).name: server for server, text in texts.items()}
        before, old = self.states(), self.configured
        delivered_somewhere = {made.number for made, _, states in self.export() if State.DELIVERED in states.values()}
        self.journal.sync_destinations(list(new))
        self.configured = new
        self.deliveries.clear()
        after = self.states()
        assert before.keys() == after.keys()
        self.start_counting()
        if not old or not new:
            self.disturb(set(self.made))
            return
        for name, server in new.items():
            earlier = [each for each in old if same(each, name)]
            if not earlier:
                self.disturb(set(self.made), server)
            for number in before if earlier else ():
                was, now = before[number][earlier[0]], after[number][name]
                # An earlier stay under the new name can show what became of a reading before.
                assert was is now or not {was, now} & OPEN
        for number, states in before.items():
            if all(state in OPEN for state in states.values()) and number not in delivered_somewhere:
                assert any(state in OPEN for state in after[number].values()), f"{number} waits nowhere any more"
        left = [each for each in old if not any(same(each, name) for name in new)]
        came = [name for name in new if not any(same(each, name) for each in old)]
        if len(left) == len(came) == 1:
            for number, states in before.items():
                if states[left[0]] in OPEN:
                    assert after[number][came[0]] in OPEN

    # The clock

    @rule(seconds=st.sampled_from([0.5, 60.0, 3600.0, 86400.0]))
    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    @rule(hours=st.sampled_from([-72, -1, 1, 30]))
    def set_wrong(self, hours: int) -> None:
        self.clock.set(self.true_now() + hours * 3600 * NS)

    @rule()
    def synchronise(self) -> None:
        self.clock.set(self.true_now(), synchronised=True)
        self.observe()
        if self.configured:
            for made, entry, states in self.export():
                here = [states[name] for name in self.configured]
                if made.boot == self.clock.boot and all(state is State.WAITING for state in here):
                    assert entry.timing is not Timing.UNCONFIRMED

    @rule(up=st.sampled_from(["1970", "late", "right"]))
    def reboot(self, up: str) -> None:
        self.journal.close()
        true = self.true_now() + 60 * NS
        self.clock.restart({"1970": 3600 * NS, "late": true - 7200 * NS, "right": true}[up])
        self.offset_ns = true - self.clock.up
        self.open(self.journal.path)

    def observe(self) -> None:
        """What the next use of the journal does: it sees the clock, and nothing is added."""
        before = self.states()
        self.journal.add([])
        after = self.states()
        self.check_pruned(before, after, set(), self.check_expired(before, after, set()))

    # What is true at any time

    @invariant()
    def counts_add_up(self) -> None:
        if not hasattr(self, "journal"):
            return
        states = self.states()
        assert states.keys() == set(self.made) - self.gone
        status = self.journal.status()
        assert status.readings == len(states)
        assert {each.destination for each in status.destinations} == set(self.configured)
        for each in status.destinations:
            found = Counter(here[each.destination] for here in states.values())
            assert each.waiting == found[State.WAITING]
            assert each.rejected_count == found[State.REJECTED]
            assert each.expired == self.expired[each.destination]
            assert each.delivered == self.delivered[each.destination]
            assert sum(found.values()) == len(states)

    @invariant()
    def the_servers_have_what_was_measured(self) -> None:
        for name, server in self.servers.items():
            last: dict[str, int] = {}
            for key, time_ns, value in server.arrivals:
                made = self.made[number_of(value)]
                assert (reading_key(made.sensor), time_ns) == (key, parsed(value).time_ns)
                assert time_ns in made.times
                if name not in made.unordered:
                    assert last.get(key, 0) <= made.number, f"{made.number} arrived after {last[key]}"
                    last[key] = made.number

    def everything_arrives_in_the_end(self) -> None:
        """When all is well again, each reading that waits arrives."""
        for server in self.servers.values():
            server.rejects, server.poison = set(), set()
        if not self.configured:
            self.configure({"alpha": 0})
        self.clock.sleep(60)
        self.clock.set(self.true_now(), synchronised=True)
        self.observe()
        before = self.states()
        for name in self.configured:
            for _ in range(20):
                self.deliver_to(name, [], {"retry", "simulated"}, 60.0)
                if not any(each.waiting + each.rejected_count for each in [self.status_of(name)]):
                    break
            server = self.servers[self.configured[name]]
            arrived = {value for _, _, value in server.arrivals}
            for made, entry, states in self.export():
                if before[made.number][name] in OPEN:
                    assert states[name] is State.DELIVERED
                    assert entry.body in arrived, f"{made.number} was lost"
                    if made.boot == self.clock.boot and len(made.times) > 1:
                        assert abs(entry.time_ns - made.true_ns) <= STEP_NS


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    derandomize="USBRH_MODEL_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
