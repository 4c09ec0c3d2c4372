"""Which sensors of the journal a command shows."""

import pytest

from usbrh.errors import SensorNotFound
from usbrh.journal.selection import select
from usbrh.reading import Reading, SensorInfo

NEWEST = [
    Reading("1-1.4", "1-1.4", "USB-RH", 1),
    Reading("attic", "1-1.3", "USBRH2", 1, serial="E02A"),
    Reading("living-room", "1-1.4", "USB-RH", 2),
]


def plugged_in() -> list[SensorInfo]:
    return [SensorInfo("1-1.3", "USBRH2", "attic", "E02A"), SensorInfo("1-1.5", "USB-RH", "new")]


def not_needed() -> list[SensorInfo]:
    raise AssertionError


@pytest.mark.parametrize(
    ("selectors", "names"),
    [
        (["all"], ["1-1.4", "attic", "living-room"]),
        (["living-room", "attic"], ["living-room", "attic"]),
        (["E02A"], ["attic"]),
        (["1-1.3"], ["attic"]),
        (["1-1.4"], ["1-1.4", "living-room"]),
        (["attic", "E02A"], ["attic"]),
    ],
)
def test_names_ports_and_serial_numbers(selectors: list[str], names: list[str]) -> None:
    assert select(NEWEST, selectors, not_needed) == names


def test_a_number_is_that_of_the_list() -> None:
    assert select(NEWEST, ["1"], plugged_in) == ["attic"]


@pytest.mark.parametrize("selector", ["cellar", "2", "3", "0", ""])
def test_an_unknown_one_lists_the_known_ones(selector: str) -> None:
    with pytest.raises(SensorNotFound) as caught:
        select(NEWEST, ["attic", selector], plugged_in)
    assert caught.value.message == f"the journal has no readings of {selector!r}"
    assert caught.value.remedy == "choose one of: 1-1.4, attic, living-room"


def test_an_empty_journal_has_none() -> None:
    assert select([], ["all"], not_needed) == []
