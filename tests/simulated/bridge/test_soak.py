"""A short soak; the long one is ``python -m benchmarks.soak``."""

import pytest

from benchmarks.soak import soak


@pytest.mark.parametrize("seed", [1, 2])
def test_random_faults_give_right_values_or_errors_by_the_deadline(seed: int) -> None:
    result = soak(1_000, seed)
    assert (result.wrong, result.late, result.lost) == (0, 0, 0)
    assert result.right > 500
    assert sum(result.errors.values()) > 100, "the faults did not occur"
