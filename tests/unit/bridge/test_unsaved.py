"""The readings in memory."""

from tests.support.journal import readings
from usbrh.bridge.unsaved import Unsaved


def test_each_destination_receives_all_of_them_once() -> None:
    unsaved = Unsaved()
    assert unsaved.add(readings(2)) == 0
    first, number = unsaved.since(0)
    assert first == readings(2)
    unsaved.add(readings(1, first=3))
    assert unsaved.since(number) == (readings(1, first=3), 3)
    assert unsaved.since(0) == (readings(3), 3)
    assert unsaved.since(3) == ([], 3)


def test_the_oldest_are_dropped_when_there_are_too_many() -> None:
    unsaved = Unsaved(3)
    assert unsaved.add(readings(5)) == 2
    assert unsaved.since(0) == (readings(3, first=3), 5)
    assert unsaved.add(readings(1, first=6)) == 1
    assert unsaved.since(4) == (readings(2, first=5), 6)
    assert Unsaved().add([readings(1)[0]] * 10_001) == 1


def test_what_the_journal_has_stored_is_forgotten() -> None:
    unsaved = Unsaved()
    unsaved.add(readings(2))
    unsaved.clear()
    assert (len(unsaved), unsaved.since(0)) == (0, ([], 2))
    unsaved.add(readings(1, first=3))
    assert unsaved.since(0) == unsaved.since(2) == (readings(1, first=3), 3)
