"""The destinations of the journal: which of them keeps its queue when the configuration changes, and what is logged."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clocks import FixedClock
from tests.support.journal import START, A, B, C, reading, readings, states, waiting
from usbrh.clock import NS
from usbrh.errors import JournalError
from usbrh.journal.store import Journal, State


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path, clock=FixedClock(START)) as journal:
        journal.sync_destinations([A, B])
        yield journal


def test_a_new_destination_starts_with_what_nobody_has_taken(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    journal.add(readings(6))
    journal.acknowledge(A, [1, 2, 4], {3: "no item"})
    journal.acknowledge(B, [1])
    caplog.set_level(logging.INFO)
    journal.sync_destinations([A, B, C])
    assert waiting(journal, C) == [3, 5, 6]
    assert f"new destination {C}: 3 readings waiting for it" in caplog.text
    assert "left the configuration" not in caplog.text
    journal.acknowledge(B, [2, 3])
    journal.sync_destinations([A, B])
    journal.sync_destinations([A, B, C])
    assert waiting(journal, C) == [5, 6]


def test_the_queue_of_one_that_left_is_dropped_and_said(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    """What the new destination gets is not called dropped."""
    journal.add(readings(4))
    journal.acknowledge(A, [1, 2])
    journal.sync_destinations([C])
    assert f"{A} left the configuration: 2 readings moved to the queue of {C}\n" in caplog.text
    moved_and_dropped = f"2 readings moved to the queue of {C}, 2 readings dropped from its queue"
    assert f"{B} left the configuration: {moved_and_dropped}\n" in caplog.text
    assert waiting(journal, C) == [3, 4]
    assert states(journal, A) == [State.DELIVERED] * 2 + [State.DROPPED] * 2
    with pytest.raises(JournalError, match="not a destination"):
        journal.waiting(A, 1)
    caplog.set_level(logging.INFO)
    caplog.clear()
    journal.sync_destinations([C])
    assert caplog.text == ""


def test_what_was_never_for_a_destination_is_not_called_delivered(journal: Journal) -> None:
    journal.add(readings(4))
    journal.acknowledge(A, [1, 2, 4], {3: "no item"})
    journal.acknowledge(B, [1, 2])
    journal.sync_destinations([A])
    journal.sync_destinations([A, C])
    assert states(journal, C) == [State.DROPPED] * 2 + [State.WAITING, State.DROPPED]
    journal.acknowledge(C, [3])
    journal.acknowledge(C, [3])
    assert states(journal, C) == [State.DROPPED] * 2 + [State.DELIVERED, State.DROPPED]
    assert journal.standings()[1].delivered == 1
    journal.add(readings(2, first=5))
    journal.acknowledge(A, [5, 6])
    journal.sync_destinations([A, B, C])
    assert waiting(journal, B) == []
    assert states(journal, B) == [State.DELIVERED] * 2 + [State.DROPPED] * 4
    journal.add([reading(7)])
    journal.acknowledge(B, [7])
    assert states(journal, B) == [State.DELIVERED] * 2 + [State.DROPPED] * 4 + [State.DELIVERED]


def test_what_was_rejected_when_a_destination_left_is_dropped_when_it_comes_back(journal: Journal) -> None:
    journal.add(readings(3))
    journal.acknowledge(A, [1, 2, 3])
    journal.acknowledge(B, [1, 3], {2: "no item"})
    for _ in range(2):
        journal.sync_destinations([A])
        assert states(journal, B) == [State.DELIVERED, State.DROPPED, State.DELIVERED]
        journal.sync_destinations([A, B])
        assert states(journal, B) == [State.DELIVERED, State.DROPPED, State.DELIVERED]
    assert waiting(journal, B) == []
    assert journal.rejected(B) == []


def test_the_states_of_each_stay_in_the_configuration_are_kept(journal: Journal) -> None:
    """Two destinations take turns. Each accepts the first two readings of its turn, and none that waited before."""
    for turn in range(4):
        here = A if turn % 2 else B
        journal.add(readings(3, first=3 * turn + 1))
        journal.sync_destinations([here])
        journal.acknowledge(here, [3 * turn + 1, 3 * turn + 2])
    accepted, away, waits = [State.DELIVERED] * 2, [State.DROPPED] * 2, [State.WAITING]
    assert states(journal, B) == [*accepted, *[State.DROPPED] * 4] * 2
    assert states(journal, A) == [*away, *waits, *accepted, *waits] * 2
    assert (journal.standings()[0].delivered, journal.standings()[0].waiting) == (2, 4)


def test_the_first_destination_gets_what_was_measured_before(path: Path) -> None:
    with Journal(path) as journal:
        journal.add(readings(3))
        journal.sync_destinations([A])
        assert waiting(journal, A) == [1, 2, 3]


def test_what_was_deleted_while_there_was_no_destination_does_not_wait(path: Path) -> None:
    clock = FixedClock(START)
    with Journal(path, keep=60, max_waiting=5, clock=clock) as journal:
        for destinations in ([], [A]):
            journal.sync_destinations(destinations)
            journal.sync_destinations([])
            journal.add(readings(5))
            clock.now += 86400 * NS
            journal.add([])
            journal.add([reading(2000)])
            journal.sync_destinations([B])
            assert [each.waiting for each in journal.standings()] == [1]
            clock.now -= 86400 * NS
            path.unlink()


@pytest.mark.parametrize("name", ["c2;c3", "c2", "c0;c1;c2", "c1", "c1;c2;c3"])
def test_a_cluster_keeps_its_queue_while_one_node_stays(
    journal: Journal, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal.sync_destinations([A, C])
    journal.add(readings(4))
    journal.acknowledge(A, [1, 2, 3, 4])
    journal.acknowledge(C, [1, 3], {2: "no item"})
    caplog.clear()
    caplog.set_level(logging.INFO)
    journal.sync_destinations([A, name])
    assert [record.getMessage() for record in caplog.records] == [f"the destination {C} is now {name}: its queue stays"]
    assert waiting(journal, name) == [4]
    assert [rejection.count for rejection in journal.rejected(name)] == [1]
    delivered, rejected, waits = State.DELIVERED, State.REJECTED, State.WAITING
    assert states(journal, name) == [delivered, rejected, delivered, waits]
    assert {destination for _, found in journal.export() for destination in found} == {A, B, name}


def test_a_cluster_that_is_divided(journal: Journal) -> None:
    journal.sync_destinations([A, C])
    journal.add(readings(2))
    journal.acknowledge(A, [1, 2])
    journal.sync_destinations([A, "c1", "c2"])
    assert (waiting(journal, "c1"), waiting(journal, "c2")) == ([1, 2], [])


def test_nodes_that_become_a_cluster(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    journal.sync_destinations(["c1", "c2"])
    journal.add(readings(3))
    journal.acknowledge("c1", [1])
    caplog.clear()
    journal.sync_destinations([C])
    assert waiting(journal, C) == [2, 3]
    assert [record.getMessage() for record in caplog.records] == [
        "c2 left the configuration: 3 readings dropped from its queue"
    ]


def test_the_queue_of_the_one_that_leaves_moves_to_the_one_that_is_new(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    journal.add(readings(5))
    journal.acknowledge(A, [1, 2, 3, 4, 5])
    journal.acknowledge(B, [2], {1: "no item"})
    caplog.set_level(logging.INFO)
    journal.sync_destinations([A, C])
    assert [record.getMessage() for record in caplog.records] == [
        f"new destination {C}: 4 readings waiting for it",
        f"{B} left the configuration: 4 readings moved to the queue of {C}",
    ]
    assert caplog.records[-1].levelno == logging.WARNING  # "usbrh send" shows it
    assert waiting(journal, C) == [1, 3, 4, 5]
    assert waiting(journal, A) == []
    assert journal.standings()[1].delivered == 0
    journal.add([reading(6)])
    journal.acknowledge(C, [1, 3, 4, 5, 6])
    assert states(journal, C) == [State.DELIVERED, State.DROPPED, *[State.DELIVERED] * 4]
    assert waiting(journal, A) == [6]


def test_no_destination_for_a_while_drops_nothing(
    path: Path, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    journal.add(readings(4))
    journal.acknowledge(A, [1, 2], {3: "no item"})
    journal.acknowledge(B, [1, 2, 3, 4])
    journal.sync_destinations([])
    assert [record.getMessage() for record in caplog.records] == [
        f"no destination is configured: the queue of {A} stays: 2 readings"
    ]
    delivered, rejected, waits = State.DELIVERED, State.REJECTED, State.WAITING
    assert states(journal, A) == [delivered, delivered, rejected, waits]
    assert journal.standings() == []  # it is not a backlog
    caplog.clear()
    for number in (5, 6):
        with Journal(path, clock=FixedClock(START)) as again:
            again.sync_destinations([])
            again.add([reading(number)])
    assert caplog.text == ""
    caplog.set_level(logging.INFO)
    journal.sync_destinations([B, A])
    assert [record.getMessage() for record in caplog.records] == [
        f"{B} is a destination again: 2 readings waiting for it",
        f"{A} is a destination again: 4 readings waiting for it",
    ]
    assert (waiting(journal, A), waiting(journal, B)) == ([4, 5, 6], [5, 6])
    assert states(journal, A) == [delivered, delivered, rejected, waits, waits, waits]
    assert journal.standings()[0].delivered == 2


def test_another_destination_after_none(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    journal.sync_destinations([A])
    journal.add(readings(3))
    journal.acknowledge(A, [1])
    journal.sync_destinations([])
    journal.sync_destinations([])
    journal.sync_destinations([C])
    assert f"{A} left the configuration: 2 readings moved to the queue of {C}" in caplog.text
    assert waiting(journal, C) == [2, 3]
    journal.sync_destinations([])
    journal.sync_destinations([C, A])
    assert (waiting(journal, C), waiting(journal, A)) == ([2, 3], [2, 3])


def test_one_of_two_destinations_after_none(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    journal.add(readings(3))
    journal.acknowledge(A, [1, 2, 3])
    journal.sync_destinations([])
    journal.sync_destinations([A])
    assert f"{B} left the configuration: 3 readings dropped from its queue" in caplog.text
    journal.sync_destinations([A, B])
    assert waiting(journal, B) == []
    assert states(journal, B) == [State.DROPPED] * 3


def test_what_was_deleted_in_a_pause_does_not_wait(path: Path) -> None:
    clock = FixedClock(START)
    with Journal(path, keep=60, clock=clock) as journal:
        journal.sync_destinations([A])
        journal.add(readings(5))
        journal.acknowledge(A, [], {1: "no item"})
        journal.sync_destinations([])
        clock.now += 86400 * NS
        journal.add([])
        journal.add([reading(2000)])
        journal.sync_destinations([A])
        assert waiting(journal, A) == [6]
        (standing,) = journal.standings()
        assert (standing.waiting, standing.rejected_count) == (1, 1)
