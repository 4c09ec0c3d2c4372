"""Readings that were made while the system clock was wrong, with clocks that the test winds."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.clocks import WoundClock
from tests.support.journal import A, B
from usbrh import walltime
from usbrh.clock import NS
from usbrh.journal.reader import JournalReader
from usbrh.journal.rows import Entry, Timing
from usbrh.journal.store import Journal, State
from usbrh.reading import Reading, format_time
from usbrh.walltime import AHEAD_NS, BUILT_NS, SYNCHRONISING_NS, Doubt

MINUTE, HOUR, DAY = 60 * NS, 3600 * NS, 86400 * NS
NOW = BUILT_NS + 100 * DAY
"""The right time when the first machine starts."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


class Machine:
    """A machine that measures into a journal; each ``send`` is a separate process."""

    def __init__(self, path: Path, clock: WoundClock) -> None:
        self.path = path
        self.clock = clock

    def measure(self) -> Reading:
        """Return a reading of now, and let a minute pass."""
        reading = Reading("attic", "1-1", "USB-RH", self.clock.time_ns(), 20.0, 50.0, boot_ns=self.clock.boot_ns())
        self.clock.sleep(60)
        return reading

    def send(self, *readings: Reading, deliver: bool = True) -> list[str]:
        """Store a reading, deliver what can be delivered to A, and return the times of that."""
        with Journal(self.path, clock=self.clock) as journal:
            journal.sync_destinations([A])
            journal.add(readings or [self.measure()])
            waiting = journal.waiting(A, 100)
            assert [json.loads(each.body)["time"] for each in waiting] == [
                format_time(each.time_ns) for each in waiting
            ]
            if deliver:
                journal.acknowledge(A, [each.id for each in waiting])
            return [format_time(each.time_ns)[:16] for each in waiting]

    def states(self) -> list[tuple[str, State, Timing]]:
        """Return the time, the state and what is known of the time, of all readings."""
        return [
            (format_time(entry.time_ns)[:16], found[A].state, entry.timing)
            for entry, found in JournalReader(self.path).export()
        ]

    def doubt(self) -> str | None:
        """Return why the clock is in doubt."""
        problem = JournalReader(self.path).clock_problem()
        return problem.message if problem else None


def at(time_ns: int) -> str:
    return format_time(time_ns)[:16]


@pytest.fixture
def machine(path: Path) -> Machine:
    """A machine whose clock was right and synchronised, with one delivered reading."""
    machine = Machine(path, WoundClock(NOW, synchronised=True))
    assert machine.send() == [at(NOW)]
    return machine


def test_1970_is_corrected_when_the_clock_is_set_between_two_sends(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.clock.restart(25 * NS)
    assert machine.send() == []
    assert machine.send() == []
    assert machine.doubt() == f"the system clock is not set (it is before {walltime.BUILT})"
    machine.clock.set(NOW + HOUR, synchronised=True)
    assert machine.send() == [at(NOW + HOUR - 2 * MINUTE), at(NOW + HOUR - MINUTE), at(NOW + HOUR)]
    assert machine.doubt() is None
    assert "the system clock was set from 1970-01-01T00:03:25Z to" in caplog.text
    assert "corrected the time of 2 readings" in caplog.text
    caplog.clear()
    machine.send()
    assert caplog.text == ""


def test_the_clock_is_set_to_the_minute_by_a_person(machine: Machine) -> None:
    machine.clock.restart(25 * NS)
    machine.send()
    machine.clock.set(NOW + HOUR)
    assert machine.send() == [at(NOW + HOUR - MINUTE), at(NOW + HOUR)]


def test_the_last_shutdown_waits_for_the_time_service(machine: Machine) -> None:
    machine.clock.restart(NOW + 3 * MINUTE)  # the time that was saved, a day ago
    assert machine.send() == []
    assert machine.doubt() == "the system clock is not synchronised yet"
    machine.clock.set(NOW + DAY, synchronised=True)
    assert machine.send() == [at(NOW + DAY - MINUTE), at(NOW + DAY)]


def test_the_clock_was_right_and_is_only_not_synchronised_yet(machine: Machine) -> None:
    machine.clock.restart(NOW + 3 * MINUTE)
    assert machine.send() == []
    machine.clock.synchronised = True
    assert machine.send() == [at(NOW + 3 * MINUTE), at(NOW + 4 * MINUTE)]


def test_a_time_service_that_never_answers_stops_nothing(machine: Machine) -> None:
    machine.clock.restart(NOW + 3 * MINUTE)
    sent: list[str] = []
    while not sent:
        sent = machine.send()
        assert machine.clock.up < SYNCHRONISING_NS + 2 * MINUTE
    assert sent[0] == at(NOW + 3 * MINUTE)
    assert machine.doubt() is None
    assert len(machine.send()) == 1


def test_a_machine_that_was_never_synchronised_waits_for_nothing(path: Path) -> None:
    machine = Machine(path, WoundClock(NOW))
    assert machine.send() == [at(NOW)]
    machine.clock.restart(NOW + 3 * MINUTE)
    assert machine.send() == [at(NOW + 3 * MINUTE)]


def test_a_hardware_clock_is_enough(machine: Machine) -> None:
    machine.clock.hardware = True
    machine.clock.restart(NOW + 3 * MINUTE)
    assert machine.send() == [at(NOW + 3 * MINUTE)]


def test_a_kernel_that_does_not_report_it_stops_nothing(machine: Machine) -> None:
    machine.clock.restart(NOW + 3 * MINUTE)
    machine.clock.synchronised = None
    assert machine.send() == [at(NOW + 3 * MINUTE)]


def test_before_the_newest_reading_until_the_clock_is_set(machine: Machine) -> None:
    machine.clock.restart(NOW - 12 * MINUTE)
    times = [machine.send() for _ in range(15)]
    assert times == [[]] * 15, "the clock has passed the reading, and is wrong nevertheless"
    assert (
        machine.doubt()
        == f"the system clock is wrong: it is behind an earlier reading ({at(NOW).replace('T', ' ')} UTC)"
    )
    machine.clock.set(NOW + DAY)
    assert machine.send() == [at(NOW + DAY - minute * MINUTE) for minute in range(15, -1, -1)]


def test_a_hardware_clock_that_is_slow_catches_up(machine: Machine) -> None:
    machine.clock.hardware = True
    machine.clock.restart(NOW - 4 * MINUTE)
    assert machine.send() == []
    assert machine.send() == []
    assert machine.send() == [at(NOW - 4 * MINUTE), at(NOW - 3 * MINUTE), at(NOW - 2 * MINUTE)]
    assert machine.states()[0] == (at(NOW), State.DELIVERED, Timing.KNOWN)


def test_a_restart_before_the_clock_was_set(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    machine.clock.restart(25 * NS)
    machine.send()
    machine.send()
    machine.clock.restart(NOW + HOUR)
    machine.clock.set(NOW + HOUR, synchronised=True)
    assert machine.send() == [at(NOW + HOUR)]
    assert machine.states() == [
        (at(NOW), State.DELIVERED, Timing.KNOWN),
        ("1970-01-01T00:00", State.UNDATED, Timing.UNKNOWN),
        ("1970-01-01T00:01", State.UNDATED, Timing.UNKNOWN),
        (at(NOW + HOUR), State.DELIVERED, Timing.KNOWN),
    ]
    assert "the right time of 2 readings is not known" in caplog.text
    status = JournalReader(machine.path).status()
    assert status is not None
    assert (status.unconfirmed, status.undated, status.destinations[0].waiting) == (0, 2, 0)
    with Journal(machine.path, clock=machine.clock) as journal:
        assert [entry.time_ns for entry in journal.history()] == [NOW, NOW + HOUR]
        journal.sync_destinations([A, B])
        assert journal.waiting(B, 10) == []
        journal.sync_destinations([])
        journal.sync_destinations([B])
        assert {each.destination: each.waiting for each in journal.standings()} == {B: 0}


def test_readings_without_a_time_are_as_old_as_the_next_one(machine: Machine) -> None:
    machine.clock.restart(0)
    machine.send()
    machine.clock.restart(NOW + HOUR)
    machine.clock.synchronised = True
    machine.send()
    machine.clock.sleep(399 * 86400)
    machine.send()
    assert len(machine.states()) == 4
    machine.clock.sleep(2 * 86400)
    machine.send()
    assert [timing for _, _, timing in machine.states()] == [Timing.KNOWN] * 2


def test_2036_and_back(machine: Machine) -> None:
    with Journal(machine.path, clock=machine.clock) as journal:
        for _ in range(5):
            journal.add([machine.measure()])
        journal.acknowledge(A, [each.id for each in journal.waiting(A, 10)])
    future = NOW + 10 * 366 * DAY
    machine.clock.set(future)
    assert machine.send() == []
    assert (machine.doubt() or "").startswith("the system clock is in doubt: it is a year ahead")
    assert len(machine.states()) == 7, "nothing was deleted"
    machine.clock.set(NOW + HOUR)
    assert machine.send() == [at(NOW + HOUR - MINUTE), at(NOW + HOUR)]
    assert all(timing is Timing.KNOWN for _, _, timing in machine.states())


def test_2036_at_the_start_of_the_machine(machine: Machine) -> None:
    future = NOW + 10 * 366 * DAY
    machine.clock.hardware = True
    machine.clock.restart(future)
    assert machine.send() == []
    assert len(machine.states()) == 2
    machine.clock.set(NOW + HOUR, synchronised=True)
    assert machine.send() == [at(NOW + HOUR - MINUTE), at(NOW + HOUR)]


def test_a_future_that_was_believed_ends_with_a_right_clock(path: Path) -> None:
    future = NOW + 14 * 366 * DAY
    machine = Machine(path, WoundClock(future))  # nothing speaks against it: the journal is empty
    assert machine.send() == [at(future)]
    machine.send(deliver=False)
    machine.clock.restart(NOW)
    assert machine.send(deliver=False) == [at(future + MINUTE)], "the new one is before the newest reading kept"
    machine.clock.set(NOW + HOUR, synchronised=True)
    assert machine.send() == [at(NOW + HOUR - MINUTE), at(NOW + HOUR)]
    assert [(state, timing) for _, state, timing in machine.states()] == [
        (State.DELIVERED, Timing.UNKNOWN),
        (State.UNDATED, Timing.UNKNOWN),
        (State.DELIVERED, Timing.KNOWN),
        (State.DELIVERED, Timing.KNOWN),
    ]
    machine.clock.restart(NOW + DAY)
    machine.clock.hardware = True
    assert machine.send() == [at(NOW + DAY)], "those readings count no more"


def test_a_future_that_was_believed_ends_when_the_administrator_trusts_the_clock(path: Path) -> None:
    machine = Machine(path, WoundClock(NOW + 14 * 366 * DAY))
    machine.send()
    machine.clock.restart(NOW)
    assert machine.send() == []
    with Journal(path, clock=machine.clock) as journal:
        assert journal.trust_clock() is None
    assert machine.send() == [at(NOW), at(NOW + MINUTE)]
    machine.clock.restart(NOW + HOUR)
    assert machine.send() == [at(NOW + HOUR)]


def test_nobody_can_trust_1970(path: Path) -> None:
    machine = Machine(path, WoundClock(0))
    machine.send()
    with Journal(path, clock=machine.clock) as journal:
        problem = journal.trust_clock()
    assert "sudo date -s " in str(problem)
    assert machine.send() == []


def test_a_rejected_reading_of_2040_is_sent_with_its_right_time(path: Path) -> None:
    future = NOW + 14 * 366 * DAY
    machine = Machine(path, WoundClock(future))
    machine.send(deliver=False)
    with Journal(path, clock=machine.clock) as journal:
        journal.acknowledge(A, [], {1: "the time"})
    machine.clock.set(NOW)
    assert machine.send() == [at(NOW - MINUTE), at(NOW)]


def test_readings_that_wait_while_the_clock_is_set_get_the_right_time_too(machine: Machine) -> None:
    machine.clock.synchronised = None
    machine.send(deliver=False)
    machine.clock.set(NOW + HOUR)
    early = machine.measure()
    machine.clock.set(NOW + 2 * HOUR)
    assert machine.send(early) == [at(NOW + 2 * HOUR - 2 * MINUTE), at(NOW + 2 * HOUR - MINUTE)]


def test_readings_of_a_synchronised_clock_are_not_moved(machine: Machine) -> None:
    machine.send(deliver=False)
    machine.clock.time += HOUR  # a virtual machine was paused, and its boot clock with it
    assert machine.send() == [at(NOW + MINUTE), at(NOW + HOUR + 2 * MINUTE)]
    machine.send(deliver=False)
    machine.clock.set(NOW + 2 * HOUR)  # a person is wrong by an hour
    assert machine.send(deliver=False) == [at(NOW + HOUR + 3 * MINUTE), at(NOW + 2 * HOUR)]
    machine.clock.set(NOW + HOUR + 5 * MINUTE, synchronised=True)
    assert machine.send() == [at(NOW + HOUR + minute * MINUTE) for minute in (3, 4, 5)]


def test_a_clock_that_was_fast_and_is_set_back(machine: Machine) -> None:
    machine.clock.set(NOW + HOUR)
    assert machine.send() == [at(NOW + HOUR)]
    machine.clock.set(NOW + MINUTE)
    assert machine.send() == [at(NOW + MINUTE)]
    assert machine.states()[1] == (at(NOW + HOUR), State.DELIVERED, Timing.UNKNOWN)


def test_the_same_reading_is_stored_once_although_it_was_corrected(machine: Machine) -> None:
    machine.clock.restart(0)
    reading = machine.measure()
    machine.send(reading)
    machine.clock.set(NOW + HOUR, synchronised=True)
    assert machine.send(reading) == [at(NOW + HOUR - MINUTE)]
    assert machine.send(reading) == []
    assert len(machine.states()) == 2


def test_without_a_destination_the_history_is_corrected(path: Path) -> None:
    clock = WoundClock(0)
    with Journal(path, clock=clock) as journal:
        journal.add([Reading("x", "1-1", "USB-RH", 0, 20.0, 50.0, boot_ns=clock.boot_ns())])
        clock.sleep(60)
        clock.set(NOW)
        journal.add([])
        assert [entry.time_ns for entry in journal.history()] == [NOW - MINUTE]


def test_a_repaired_journal_has_each_reading_once_with_its_last_time(machine: Machine) -> None:
    machine.clock.restart(0)
    machine.send()
    machine.clock.restart(0)
    machine.send()
    machine.clock.set(NOW + HOUR, synchronised=True)
    machine.send(deliver=False)
    before = machine.states()
    with machine.path.open("r+b") as file:
        file.seek(100)
        file.write(bytes(8))  # the header of the first page
    machine.send(deliver=False)
    assert [(time, timing) for time, _, timing in machine.states()[: len(before)]] == [
        (time, timing) for time, _, timing in before
    ]
    assert machine.states()[2][1] is State.WAITING


def test_a_year_is_the_limit_without_a_time_service(machine: Machine) -> None:
    machine.clock.hardware = True
    machine.clock.restart(NOW + AHEAD_NS - HOUR)
    assert machine.send() == [at(NOW + AHEAD_NS - HOUR)]


def test_each_doubt_names_its_date_and_a_command() -> None:
    for doubt in Doubt:
        problem = walltime.problem(doubt, "2026-11-28T18:00")
        assert problem.remedy
        assert problem.exit_status == 1


@pytest.mark.parametrize(
    ("step_ns", "moved"), [(0, 0), (2 * NS, 0), (2 * NS + 1, 2 * NS + 1), (-2 * NS, 0), (-HOUR, -HOUR)]
)
def test_a_reading_is_corrected_by_a_step_of_more_than_two_seconds(step_ns: int, moved: int) -> None:
    """Smaller ones are leap seconds, or a machine that was paused."""
    measured = Reading("attic", "1-1", "USB-RH", NOW, 20.0, 50.0, boot_ns=MINUTE)
    entry = Entry.of(measured, 7, boot=3).at(NOW, Timing.UNCONFIRMED)
    right = entry.corrected(NOW - MINUTE + step_ns)
    assert right == Entry.of(replace(measured, time_ns=NOW + moved), 7, boot=3)
    assert right.reading.time_ns == right.time_ns
    assert right.timing is Timing.KNOWN


def test_a_reading_without_a_boot_time_keeps_its_time() -> None:
    entry = Entry.of(Reading("attic", "1-1", "USB-RH", NOW, 20.0, 50.0), 7, boot=3)
    assert entry.corrected(HOUR) == entry


def test_a_simulated_reading_needs_no_more_space_in_the_file() -> None:
    """Two readings fit in a page, because the usual end of the JSON is not stored."""
    real, simulated = (
        Entry.of(Reading("attic", "1-1", "USB-RH", NOW, 20.0, 50.0, simulated=each)) for each in (False, True)
    )
    assert real.row[4:6] == simulated.row[4:6]
    assert Entry.from_row(simulated.row).body == simulated.body


def test_a_clock_that_is_trusted_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine(path, WoundClock(NOW, synchronised=True))
    machine.send()
    machine.clock.restart(NOW - HOUR)
    machine.send()
    caplog.set_level(logging.INFO)
    with Journal(path, clock=machine.clock) as journal:
        journal.trust_clock()
    assert "the system clock is right now" in caplog.messages
