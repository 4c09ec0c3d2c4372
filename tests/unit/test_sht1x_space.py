"""The conversion over everything the sensor can say: all 2^14 temperatures, all 2^14 x 2^12 pairs.

The other side of each comparison is the sheet's formula written again in whole numbers (fractions, or int64 in units of
1e-10 %RH), so that it does not round.

``sht1x`` takes one value at a time, and 67,108,864 calls take over a minute. So the grid is covered in two steps: on
1.1 million pairs, spread over the whole of it, ``sht1x.humidity`` equals to the last bit the same formula in numpy; and
that one is compared with the whole numbers on every pair.
"""

from collections.abc import Iterator
from fractions import Fraction
from math import isclose
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usbrh import psychrometry, sht1x

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

TEMPERATURES = 1 << 14
HUMIDITIES = 1 << 12
SLICE = 64  # rows of the grid at a time: 2 MiB an array

SETS = pytest.mark.parametrize("coefficients", ["v3", "v4"])


@pytest.mark.parametrize(
    ("coefficients", "supply", "d1"),
    [
        ("v3", 5.0, "-40"),
        ("v4", 5.0, "-40.1"),
        ("v3", 3.25, "-39.63"),
        ("v4", 4.25, "-39.875"),
        ("v3", 2.5, "-39.55"),
    ],
)
def test_every_temperature(coefficients: str, supply: float, d1: str) -> None:
    for ticks in range(TEMPERATURES):
        exact = Fraction(d1) + Fraction(ticks, 100)
        ours = sht1x.temperature(ticks, coefficients=coefficients, supply=supply)
        assert abs(Fraction(ours) - exact) < Fraction(1, 10**12), ticks


def test_every_low_resolution_temperature() -> None:
    for ticks in range(1 << 12):
        exact = Fraction(-40) + Fraction(4 * ticks, 100)
        assert abs(Fraction(sht1x.temperature(ticks, bits=12)) - exact) < Fraction(1, 10**12), ticks


@pytest.mark.parametrize(
    ("coefficients", "c1", "c2", "c3"),
    [("v3", "-4", "0.648", "-0.00072"), ("v4", "-2.0468", "0.5872", "-0.00040845")],
)
@pytest.mark.parametrize("celsius", [-40, -10, 0, 25, 60, 123])
def test_every_low_resolution_humidity(coefficients: str, c1: str, c2: str, c3: str, celsius: int) -> None:
    for ticks in range(1 << 8):
        linear = Fraction(c1) + Fraction(c2) * ticks + Fraction(c3) * ticks**2
        exact = linear + (celsius - 25) * (Fraction("0.01") + Fraction("0.00128") * ticks)
        exact = Fraction(100) if exact >= 99 else max(Fraction(0), exact)
        ours = sht1x.humidity(ticks, float(celsius), coefficients=coefficients, bits=8)
        assert abs(Fraction(ours) - exact) < Fraction(1, 10**12), ticks


def exact_humidity(humidity: Ints, temperature: Ints, coefficients: str) -> Floats:
    """The sheet's formula in units of 1e-10 %RH, saturated and floored, as %RH."""
    if coefficients == "v3":  # T - 25 is (SO_T - 6500) / 100
        linear = -40_000_000_000 + 405_000_000 * humidity - 28_000 * humidity**2
        compensation = (temperature - 6500) * (1_000_000 + 8_000 * humidity)
    else:  # T - 25 is (SO_T - 6510) / 100
        linear = -20_468_000_000 + 367_000_000 * humidity - 15_955 * humidity**2
        compensation = (temperature - 6510) * (1_000_000 + 8_000 * humidity)
    relative = linear + compensation
    relative[relative >= 990_000_000_000] = 1_000_000_000_000
    percent: Floats = np.maximum(relative, 0) / 1e10
    return percent


def same_as_scalar(humidity: Ints, celsius: Floats, coefficients: str) -> Floats:
    """``sht1x.humidity`` in numpy: the same operations in the same order."""
    c1, c2, c3 = (-4.0, 0.0405, -2.8e-6) if coefficients == "v3" else (-2.0468, 0.0367, -1.5955e-6)
    relative = (c1 + c2 * humidity + c3 * humidity * humidity) + (celsius - 25.0) * (0.01 + 0.00008 * humidity)
    relative[relative >= 99.0] = 100.0
    percent: Floats = np.maximum(0.0, relative)
    return percent


def slices() -> Iterator[Ints]:
    for first in range(0, TEMPERATURES, SLICE):
        yield np.arange(first, first + SLICE, dtype=np.int64)[:, np.newaxis]


@SETS
def test_every_pair(coefficients: str) -> None:
    humidity = np.arange(HUMIDITIES, dtype=np.int64)
    d1 = sht1x.temperature(0, coefficients=coefficients)
    worst, pairs = 0.0, 0
    for temperature in slices():
        celsius: Floats = d1 + 0.01 * temperature
        ours = same_as_scalar(humidity, celsius, coefficients)
        difference = np.abs(ours - exact_humidity(humidity, temperature, coefficients))
        worst, pairs = max(worst, float(difference.max())), pairs + difference.size
    assert pairs == TEMPERATURES * HUMIDITIES
    assert worst < 1e-10


@SETS
def test_spread_pairs_to_the_last_bit(coefficients: str) -> None:
    """Every humidity with every 61st temperature, the ends, and the degrees where something changes."""
    humidity = np.arange(HUMIDITIES, dtype=np.int64)
    for temperature in {*range(0, TEMPERATURES, 61), 1, 2, 3999, 4000, 4009, 4010, 6500, 6510, 16382, 16383}:
        celsius = sht1x.temperature(temperature, coefficients=coefficients)
        ours = [sht1x.humidity(ticks, celsius, coefficients=coefficients) for ticks in range(HUMIDITIES)]
        expected = same_as_scalar(humidity, np.array([celsius]), coefficients)
        assert ours == expected.tolist(), temperature


temperatures = st.floats(-40.0, 123.8)
humidities = st.floats(0.0, 100.0)
coefficient_sets = st.sampled_from(["v3", "v4"])


@given(st.integers(0, TEMPERATURES - 2), coefficient_sets, st.floats(2.5, 5.0))
def test_more_ticks_are_warmer(ticks: int, coefficients: str, supply: float) -> None:
    cooler = sht1x.temperature(ticks, coefficients=coefficients, supply=supply)
    warmer = sht1x.temperature(ticks + 1, coefficients=coefficients, supply=supply)
    assert isclose(warmer - cooler, 0.01, abs_tol=1e-9)


@given(st.integers(0, TEMPERATURES - 1), coefficient_sets, st.floats(2.5, 5.0), st.floats(2.5, 5.0))
def test_more_supply_is_cooler(ticks: int, coefficients: str, a: float, b: float) -> None:
    at_low = sht1x.temperature(ticks, coefficients=coefficients, supply=min(a, b))
    at_high = sht1x.temperature(ticks, coefficients=coefficients, supply=max(a, b))
    assert at_high <= at_low + 1e-12


@given(st.integers(0, 254), temperatures, coefficient_sets)
def test_more_ticks_are_more_humid_at_8_bits(ticks: int, temperature: float, coefficients: str) -> None:
    drier = sht1x.humidity(ticks, temperature, coefficients=coefficients, bits=8)
    assert drier <= sht1x.humidity(ticks + 1, temperature, coefficients=coefficients, bits=8)


@given(st.integers(0, HUMIDITIES - 2), temperatures, coefficient_sets)
def test_more_ticks_are_more_humid(ticks: int, temperature: float, coefficients: str) -> None:
    drier = sht1x.humidity(ticks, temperature, coefficients=coefficients)
    assert drier <= sht1x.humidity(ticks + 1, temperature, coefficients=coefficients)


@given(st.integers(0, HUMIDITIES - 1), temperatures, coefficient_sets)
def test_humidity_is_a_percentage_and_never_minus_zero(ticks: int, temperature: float, coefficients: str) -> None:
    relative = sht1x.humidity(ticks, temperature, coefficients=coefficients)
    assert 0.0 <= relative < 99.0 or relative == 100.0
    assert not str(relative).startswith("-")


@given(temperatures, st.floats(0.05, 100.0))
def test_dew_point_is_never_above_the_temperature(temperature: float, humidity: float) -> None:
    dew_point = psychrometry.dew_point(temperature, humidity)
    assert dew_point is not None
    assert dew_point <= temperature + 1e-9


@given(temperatures)
def test_saturated_air_is_at_its_dew_point(temperature: float) -> None:
    dew_point = psychrometry.dew_point(temperature, 100.0)
    assert dew_point is not None
    assert isclose(dew_point, temperature, abs_tol=1e-9)


@given(temperatures, st.floats(0.05, 99.0), st.floats(0.01, 1.0))
def test_more_humid_air_has_a_higher_dew_point_and_more_water(temperature: float, humidity: float, more: float) -> None:
    lower = psychrometry.dew_point(temperature, humidity)
    higher = psychrometry.dew_point(temperature, humidity + more)
    assert lower is not None
    assert higher is not None
    assert lower < higher
    assert psychrometry.absolute_humidity(temperature, humidity) < psychrometry.absolute_humidity(
        temperature, humidity + more
    )


@given(st.floats(0.0, 123.8), st.floats(0.05, 100.0))
def test_dew_point_and_absolute_humidity_speak_of_the_same_vapour(temperature: float, humidity: float) -> None:
    """Above zero: cooled to its dew point the air is saturated with the same vapour pressure."""
    dew_point = psychrometry.dew_point(temperature, humidity)
    assert dew_point is not None
    now = psychrometry.absolute_humidity(temperature, humidity) * (273.15 + temperature)
    saturated = psychrometry.absolute_humidity(dew_point, 100.0) * (273.15 + dew_point)
    assert isclose(now, saturated, rel_tol=1e-9)
