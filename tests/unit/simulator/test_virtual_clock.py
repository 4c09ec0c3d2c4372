"""The clock whose time passes only in sleep."""

from datetime import UTC, datetime

import pytest

from usbrh.clock import NS
from usbrh.simulator.clock import VirtualClock


def test_it_starts_with_2026() -> None:
    assert VirtualClock().time_ns() == datetime(2026, 1, 1, tzinfo=UTC).timestamp() * NS
    clock = VirtualClock(5)
    assert (clock.time_ns(), clock.boot_ns(), clock.monotonic()) == (5, 0, 0.0)


@pytest.mark.parametrize(("seconds", "passed"), [(1.5, 1_500_000_000), (0, 0), (-1, 0), (1e-10, 1), (2, 2_000_000_000)])
def test_sleep_passes_at_least_its_time(seconds: float, passed: int) -> None:
    clock = VirtualClock(1000)
    clock.sleep(seconds)
    assert (clock.time_ns(), clock.boot_ns(), clock.monotonic()) == (1000 + passed, passed, passed / 1e9)
    moment = clock.moment()
    assert (moment.time_ns, moment.boot_ns, moment.synchronised) == (1000 + passed, passed, True)
