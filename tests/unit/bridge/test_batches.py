"""How a backlog is divided into requests and connections."""

import pytest

from usbrh.bridge.batches import BATCH, SHARDS, shards
from usbrh.journal.rows import Entry


def backlog(**counts: int) -> list[Entry]:
    """As many readings of each sensor, in turn as long as there are some."""
    every = [(number, sensor) for sensor, count in counts.items() for number in range(count)]
    return [Entry(row, number, sensor, False, "{}") for row, (number, sensor) in enumerate(sorted(every), 1)]


@pytest.mark.parametrize(
    ("counts", "sizes"),
    [
        ({"a": 300, "b": 200, "c": 150, "d": 100}, {400, 350}),
        ({"a": 100, "b": 100, "c": 300}, {200, 300}),
        ({"d": 10, "c": 20, "b": 30, "a": 400}, {60, 400}),
        ({"a": 1000}, {1000}),
        ({"a": BATCH - 1, "b": 1}, {BATCH}),
    ],
)
def test_unequal_sensors_are_spread_evenly_over_connections(counts: dict[str, int], sizes: set[int]) -> None:
    entries = backlog(**counts)
    parts = shards(entries)
    assert {len(part) for part in parts} == sizes
    assert len(parts) == len(sizes) <= SHARDS
    assert sorted((entry for part in parts for entry in part), key=lambda entry: entry.id) == entries
    for part in parts:
        assert [entry.id for entry in part] == sorted(entry.id for entry in part)
    owners = [{entry.sensor for entry in part} for part in parts]
    assert sum(map(len, owners)) == len(counts), "all readings of a sensor are in one part"


def test_one_request_more_is_worth_a_second_connection() -> None:
    assert [len(shards(backlog(a=BATCH, b=count))) for count in (0, 1)] == [1, 2]
