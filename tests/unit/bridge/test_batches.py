"""How a backlog is divided into requests and connections."""

import pytest

from usbrh.bridge.batches import BATCH, SHARDS, BatchSize, batches, shards
from usbrh.journal.rows import Entry


def backlog(**counts: int) -> list[Entry]:
    """As many readings of each sensor, in turn as long as there are some."""
    every = [(number, sensor) for sensor, count in counts.items() for number in range(count)]
    return [Entry(row, number, sensor, False, "{}") for row, (number, sensor) in enumerate(sorted(every), 1)]


@pytest.mark.parametrize(
    ("counts", "sizes"),
    [
        ({"a": 300, "b": 200, "c": 150, "d": 100}, [300, 250, 200]),
        ({"a": 100, "b": 100, "c": 300}, [300, 100, 100]),
        ({"d": 10, "c": 20, "b": 30, "a": 400}, [400, 30, 30]),
        ({"a": 1000}, [1000]),
        ({"a": BATCH - 1, "b": 1}, [BATCH]),
    ],
)
def test_unequal_sensors_are_spread_evenly_over_connections(counts: dict[str, int], sizes: list[int]) -> None:
    entries = backlog(**counts)
    parts = shards(entries)
    assert sorted(map(len, parts), reverse=True) == sizes
    assert len(parts) <= SHARDS
    assert sorted((entry for part in parts for entry in part), key=lambda entry: entry.id) == entries
    for part in parts:
        assert [entry.id for entry in part] == sorted(entry.id for entry in part)
    owners = [{entry.sensor for entry in part} for part in parts]
    assert sum(map(len, owners)) == len(counts), "all readings of a sensor are in one part"


def test_one_request_more_is_worth_a_second_connection() -> None:
    assert [len(shards(backlog(a=BATCH, b=count))) for count in (0, 1)] == [1, 2]


def test_a_request_has_at_most_a_mebibyte_of_values() -> None:
    half = "x" * (1 << 19)

    def divided(*bodies: str) -> list[list[int]]:
        entries = [Entry(number, number, "a", False, body) for number, body in enumerate(bodies)]
        return [[entry.id for entry in batch] for batch in batches(entries, BatchSize())]

    assert divided(half, half, half, half) == [[0, 1], [2, 3]]
    assert divided(3 * half, half) == [[0], [1]]


def answered(size: BatchSize, times: int, *, seconds: float = 0.1) -> list[int]:
    """The number of values after each of as many answers; a request should take no more than 5 s."""
    found = []
    for _ in range(times):
        size.succeeded(size.values, seconds, 5)
        found.append(size.values)
    return found


def test_each_failure_divides_the_request_by_four_down_to_one_value() -> None:
    size = BatchSize()
    assert size.values == 250
    found = []
    for _ in range(5):
        size.failed(size.values)
        found.append(size.values)
        assert size.next == size.values, "another process starts with it"
    assert found == [62, 15, 3, 1, 1]


def test_after_answers_a_request_grows_again_by_eight() -> None:
    size = BatchSize()
    size.reset(2)
    assert answered(size, 3) == [16, 128, 250]
    assert size.next == 0
    size.failed(250)
    assert (size.values, size.next) == (128, 128), "the size that was answered before"
    size.reset()
    assert (size.values, size.next) == (250, 0)


def test_a_size_that_failed_is_approached_in_steps_and_forgotten_in_the_end() -> None:
    size = BatchSize()
    size.reset(4)
    answered(size, 1)
    size.failed(32)
    assert size.values == 4, "the last size that was answered"
    found = answered(size, 64)
    assert found[:16] == [4] * 7 + [18] * 8 + [25]
    assert found[-2:] == [31, 248], "the failure is forgotten"
    assert size.next == 0


def test_a_slow_server_gets_what_it_can_answer_in_time() -> None:
    size = BatchSize()
    assert answered(size, 1, seconds=50) == [250], "only a failure makes it smaller"
    size.reset(100)
    assert answered(size, 1, seconds=2.5) == [200]


def test_the_last_request_of_a_backlog_says_nothing_about_the_size() -> None:
    size = BatchSize()
    answered(size, 1)
    size.failed(250)
    before = size.values
    size.succeeded(250, 1, 5)
    size.failed(250)
    size.succeeded(1, 0.1, 5)
    assert size.values == 62 == before
