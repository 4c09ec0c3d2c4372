"""Quantities of humid air: against published values, against independent formulas, and across 0 °C."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import humid_air
from usbrh import psychrometry
from usbrh.reading import QUANTITIES, Reading

CELSIUS = st.floats(-40, 123.8)
HUMIDITY = st.floats(0.1, 100)


def reading_of(temperature: float, humidity: float) -> Reading:
    return Reading("a", "1-1", "USB-RH", 0, temperature, humidity, **psychrometry.derived(temperature, humidity))


@pytest.mark.parametrize(
    ("formula", "kelvin", "pascal"),
    [
        (humid_air.over_water, 373.1243, 101325.0),  # IAPWS SR1-86, table 1: the triple point and 1 atm
        (humid_air.over_water, 273.16, 611.657),
        (humid_air.over_water, 240.0, 37.667),  # Murphy and Koop, table C1
        (humid_air.over_ice, 230.0, 8.94735),  # IAPWS R14-08, table 3
        (humid_air.over_ice, 273.16, 611.657),
    ],
)
def test_the_independent_formulas_have_their_published_values(formula: object, kelvin: float, pascal: float) -> None:
    assert callable(formula)
    assert formula(kelvin - 273.15) * 100.0 == pytest.approx(pascal, rel=2e-5)


@pytest.mark.parametrize("celsius", range(-40, 51, 5))
@pytest.mark.parametrize("humidity", [5, 30, 50, 80, 100])
def test_the_results_agree_with_independent_formulas(celsius: int, humidity: int) -> None:
    """The bounds are far below the errors of the sensor."""
    reading = reading_of(celsius, humidity)
    assert reading.dew_point == pytest.approx(humid_air.dew_point(celsius, humidity), abs=0.15)
    assert reading.absolute_humidity == pytest.approx(humid_air.absolute_humidity(celsius, humidity), rel=0.007)
    assert reading.vapour_deficit == pytest.approx(humid_air.vapour_deficit(celsius, humidity), rel=0.007, abs=1e-9)
    deficit = humid_air.vapour_pressure_deficit(celsius, humidity)
    assert reading.vapour_pressure_deficit == pytest.approx(deficit, rel=0.007, abs=1e-9)
    frost_point = humid_air.frost_point(celsius, humidity)
    if frost_point is None or frost_point > -0.05:
        assert reading.frost_point is None or reading.frost_point > -0.1
    else:
        assert reading.frost_point == pytest.approx(frost_point, abs=0.05)


@pytest.mark.parametrize("humidity", [10.0, 30.0, 50.0, 70.0, 99.0])
def test_no_quantity_steps_at_0_degrees(humidity: float) -> None:
    below, above = (asdict(reading_of(celsius, humidity)) for celsius in (-1e-6, 1e-6))
    for quantity in QUANTITIES:
        assert below[quantity] == pytest.approx(above[quantity], abs=1e-4), quantity


@given(CELSIUS, HUMIDITY)
def test_frost_forms_before_dew(temperature: float, humidity: float) -> None:
    """Ice has a lower vapour pressure than water, so the frost point is the higher one, and never above the air."""
    reading = reading_of(temperature, humidity)
    assert reading.dew_point is not None
    if reading.dew_point >= 0:
        assert reading.frost_point is None
    else:
        assert reading.frost_point is not None
        assert reading.dew_point <= reading.frost_point < 0
    if temperature >= 0 and reading.frost_point is not None:
        assert reading.frost_point < temperature


@pytest.mark.parametrize(("temperature", "humidity", "index"), [(27, 55, 75), (29, 70, 80), (35, 80, 91)])
def test_published_discomfort_indices(temperature: float, humidity: float, index: int) -> None:
    assert round(psychrometry.discomfort_index(temperature, humidity)) == index


def test_deficits_of_a_greenhouse() -> None:
    """25 °C and 60 %RH. FAO paper 56, table 2.3, has a saturation pressure of 3.168 kPa at 25 °C."""
    assert psychrometry.vapour_pressure_deficit(25.0, 60.0) == pytest.approx(3.168 * 0.4, rel=0.003)
    deficit = psychrometry.vapour_deficit(25.0, 60.0)
    assert deficit == pytest.approx(psychrometry.absolute_humidity(25.0, 100.0) * 0.4)
    assert psychrometry.vapour_deficit(25.0, 100.0) == psychrometry.vapour_pressure_deficit(25.0, 100.0) == 0.0


@pytest.mark.parametrize("humidity", [0.0, -1.0])
def test_dry_air_has_neither_dew_nor_frost_point(humidity: float) -> None:
    for celsius in (-5.0, 25.0):
        assert psychrometry.dew_point(celsius, humidity) is None
        assert psychrometry.frost_point(celsius, humidity) is None


def test_readings_of_earlier_versions_get_the_new_quantities() -> None:
    reading = reading_of(-5.0, 50.0)
    data = reading.to_dict()
    new = ("frost_point", "vapour_deficit", "vapour_pressure_deficit", "discomfort_index")
    older = {key: value for key, value in data.items() if key not in new}
    assert Reading.from_dict(older).to_dict() == data
    failed = {**older, "temperature": None, "humidity": None, "dew_point": None, "error": "none", "state": "busy"}
    assert Reading.from_dict(failed).frost_point is None
