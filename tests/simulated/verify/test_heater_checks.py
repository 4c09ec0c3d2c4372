"""What counts as a heater that works: the limits of the rise, the fall and the dew point."""

from dataclasses import replace

import pytest

from usbrh.reading import Reading
from usbrh.verify.common import heater_checks

COLD = Reading("room", "1-1", "USB-RH", 0, temperature=20.0, humidity=50.0, dew_point=9.25)


@pytest.mark.parametrize(
    ("rise", "fall", "drift", "passed"),
    [
        (0.5, 0.5, 2.0, (True, True, True)),
        (0.5, 0.5, -2.0, (True, True, True)),
        (0.25, 0.5, 0.0, (False, True, True)),
        (0.5, 0.25, 0.0, (True, False, True)),
        (4.0, 8.0, 2.25, (True, True, False)),
        (4.0, 8.0, -2.25, (True, True, False)),
        (-4.0, -8.0, 0.0, (False, False, True)),
    ],
)
def test_at_and_beside_each_limit(rise: float, fall: float, drift: float, passed: tuple[bool, ...]) -> None:
    after = replace(COLD, temperature=20 + rise, humidity=50 - fall, dew_point=9.25 + drift)
    checks = heater_checks(COLD, after)
    assert tuple(found for _, found in checks) == passed
    assert [f"{value:.2f}" in words for (words, _), value in zip(checks, (rise, fall, drift), strict=True)] == [
        True
    ] * 3


def test_air_without_a_dew_point_counts_as_unchanged() -> None:
    after = replace(COLD, temperature=25.0, humidity=0.0, dew_point=None)
    assert [found for _, found in heater_checks(COLD, after)] == [True, True, True]
