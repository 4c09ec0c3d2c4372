"""The conversion at the points that have a published or captured value, and at its edges."""

from math import copysign, isclose

import pytest

from usbrh import psychrometry, sht1x


def test_captured_exchange() -> None:
    """The one exchange with a real sensor that is published: ``04 de 1c 01 00 02 41`` (kimata, snoopy_log.png)."""
    temperature = sht1x.temperature(0x1C01)
    humidity = sht1x.humidity(0x04DE, temperature)
    dew_point = psychrometry.dew_point(temperature, humidity)
    assert dew_point is not None
    assert f"{temperature:.2f} {humidity:.2f} {dew_point:.2f}" == "31.69 42.85 17.52"
    assert f"{psychrometry.absolute_humidity(temperature, humidity):.2f}" == "14.20"
    assert f"{psychrometry.absolute_humidity(31.69, 42.85):.2f}" == "14.20"
    assert sht1x.conversion_name() == "sht1x-v3@5V"


@pytest.mark.parametrize(
    ("coefficients", "humidity_ticks", "temperature_ticks", "temperature", "humidity"),
    [
        ("v3", 1500, 6500, 25.00, 50.45),
        ("v3", 3200, 3840, -1.60, 89.8524),
        ("v4", 1500, 6500, 24.90, 49.400325),
        ("v4", 3200, 3840, -1.70, 91.95308),
    ],
)
def test_worked_examples(
    coefficients: str, humidity_ticks: int, temperature_ticks: int, temperature: float, humidity: float
) -> None:
    celsius = sht1x.temperature(temperature_ticks, coefficients=coefficients)
    assert celsius == pytest.approx(temperature, abs=1e-9)
    assert sht1x.humidity(humidity_ticks, celsius, coefficients=coefficients) == pytest.approx(humidity, abs=1e-9)


@pytest.mark.parametrize(
    ("ticks", "v3", "v4"),
    [
        (300, 7.90, 8.82),
        (700, 22.98, 22.86),
        (1000, 33.70, 33.06),
        (1500, 50.45, 49.41),
        (2000, 65.80, 64.97),
        (2500, 79.75, 79.73),
        (3000, 92.30, 93.69),
    ],
)
def test_the_sets_beside_each_other_at_25_degrees(ticks: int, v3: float, v4: float) -> None:
    assert sht1x.humidity(ticks, 25.0, coefficients="v3") == pytest.approx(v3, abs=0.005)
    assert sht1x.humidity(ticks, 25.0, coefficients="v4") == pytest.approx(v4, abs=0.005)


@pytest.mark.parametrize(
    ("supply", "v3", "v4"),
    [(5.0, -40.00, -40.1), (4.0, -39.75, -39.8), (3.5, -39.66, -39.7), (3.0, -39.60, -39.6), (2.5, -39.55, -39.4)],
)
def test_rows_of_the_supply_table(supply: float, v3: float, v4: float) -> None:
    assert sht1x.temperature(0, coefficients="v3", supply=supply) == v3
    assert sht1x.temperature(0, coefficients="v4", supply=supply) == v4


@pytest.mark.parametrize(
    ("supply", "v3", "v4"),
    [(4.5, -39.875, -39.95), (4.8, -39.95, -40.04), (3.3, -39.636, -39.66), (2.75, -39.575, -39.5)],
)
def test_supply_between_the_rows(supply: float, v3: float, v4: float) -> None:
    assert sht1x.temperature(0, coefficients="v3", supply=supply) == pytest.approx(v3, abs=1e-9)
    assert sht1x.temperature(0, coefficients="v4", supply=supply) == pytest.approx(v4, abs=1e-9)


def test_low_resolution_agrees_with_high() -> None:
    """A tick of 12 bits of temperature is 4 of 14 bits; one of 8 bits of humidity is 16 of 12 bits."""
    for coefficients in ("v3", "v4"):
        for ticks in range(0, 1 << 12, 7):
            low = sht1x.temperature(ticks, coefficients=coefficients, bits=12)
            assert low == pytest.approx(sht1x.temperature(4 * ticks, coefficients=coefficients), abs=1e-9)
        for ticks in range(1 << 8):
            low = sht1x.humidity(ticks, 10.0, coefficients=coefficients, bits=8)
            high = sht1x.humidity(16 * ticks, 10.0, coefficients=coefficients)
            if max(low, high) < 99.0:  # not across the step from 99 to 100
                assert low == pytest.approx(high, abs=0.25)  # the sheet rounds c3 of each resolution on its own


def test_ends_of_the_range() -> None:
    assert sht1x.temperature(0) == -40.0
    assert sht1x.temperature(16383) == pytest.approx(123.83)
    assert sht1x.temperature(4000) == 0.0
    assert sht1x.temperature(3999) == pytest.approx(-0.01)
    assert sht1x.humidity(0, 25.0) == 0.0  # computes to -4
    assert sht1x.humidity(4095, 25.0) == 100.0  # computes to 114.9
    assert sht1x.humidity(0, -40.0) == 0.0
    assert sht1x.humidity(4095, 123.83) == 100.0


def test_saturated_air_reads_100() -> None:
    """99 %RH and above is saturated, says the sheet; what is below is shown as it is."""
    below, above = sht1x.humidity(3292, 25.0), sht1x.humidity(3293, 25.0)
    assert below == pytest.approx(98.98166, abs=1e-5)
    assert above == 100.0
    exactly_99 = 25.0 + (99.0 - (-4.0 + 0.0405 * 2900 + -2.8e-6 * 2900 * 2900)) / (0.01 + 0.00008 * 2900)
    assert sht1x.humidity(2900, exactly_99) == 100.0


def test_nothing_reads_minus_zero() -> None:
    dry = sht1x.humidity(0, 25.0)
    for value in (dry, sht1x.temperature(4000), sht1x.temperature(4010, coefficients="v4")):
        assert copysign(1.0, value) == 1.0
    assert copysign(1.0, psychrometry.absolute_humidity(-20.0, 0.0)) == 1.0


@pytest.mark.parametrize(
    ("temperature", "humidity", "expected"),
    [
        (20.0, 50.0, 9.26),
        (50.0, 100.0, 50.0),
        (0.0, 60.0, -6.85),
        (-0.01, 60.0, -6.86),  # over water below 0 °C too
        (25.0, 1.0, -34.99),
        (-20.0, 100.0, -20.0),
        (-20.0, 50.0, -27.77),
        (-40.0, 10.0, -59.99),
    ],
)
def test_dew_point_over_water(temperature: float, humidity: float, expected: float) -> None:
    dew_point = psychrometry.dew_point(temperature, humidity)
    assert dew_point is not None
    assert isclose(dew_point, expected, abs_tol=0.005), dew_point


@pytest.mark.parametrize("humidity", [0.0, -0.0, -1.0])
def test_dry_air_has_no_dew_point(humidity: float) -> None:
    assert psychrometry.dew_point(25.0, humidity) is None
    assert psychrometry.dew_point(-5.0, humidity) is None


def test_dew_point_at_the_smallest_humidity_is_a_number() -> None:
    dew_point = psychrometry.dew_point(25.0, 5e-324)
    assert dew_point is not None
    assert -243.12 < dew_point < -200.0


@pytest.mark.parametrize(
    ("temperature", "humidity", "expected"),
    [
        (20.0, 50.0, "8.6214149410"),
        (30.0, 100.0, "30.2638288827"),
        (0.0, 100.0, "4.8488757093"),
        (-20.0, 100.0, "1.0782793922"),  # over water below zero too
        (25.0, 0.0, "0.0000000000"),
    ],
)
def test_absolute_humidity(temperature: float, humidity: float, expected: str) -> None:
    """Computed with 40 digits from the formula of "Humidity at a Glance"."""
    assert f"{psychrometry.absolute_humidity(temperature, humidity):.10f}" == expected


@pytest.mark.parametrize(
    ("coefficients", "supply", "name"),
    [("v3", 5.0, "sht1x-v3@5V"), ("v4", 3.3, "sht1x-v4@3.3V"), ("v3", 2.5, "sht1x-v3@2.5V")],
)
def test_conversion_name(coefficients: str, supply: float, name: str) -> None:
    assert sht1x.conversion_name(coefficients, supply) == name


@pytest.mark.parametrize("supply", [2.49, 5.01, 0.0, -5.0, float("nan"), float("inf")])
def test_supply_off_the_sheet_is_rejected(supply: float) -> None:
    with pytest.raises(ValueError, match=r"no coefficients for a supply of .* V: 2.5 to 5 V"):
        sht1x.temperature(0, supply=supply)
    with pytest.raises(ValueError, match="supply"):
        sht1x.conversion_name("v3", supply)


def test_unknown_coefficients_are_rejected() -> None:
    for name in ("v5", "V3", ""):
        with pytest.raises(ValueError, match=f"unknown coefficients '{name}': v3 or v4"):
            sht1x.temperature(0, coefficients=name)
        with pytest.raises(ValueError, match="unknown coefficients"):
            sht1x.humidity(0, 25.0, coefficients=name)
        with pytest.raises(ValueError, match="unknown coefficients"):
            sht1x.conversion_name(name)


def test_unknown_resolution_is_rejected() -> None:
    with pytest.raises(ValueError, match="no temperature of 8 bits: 14 or 12"):
        sht1x.temperature(0, bits=8)
    with pytest.raises(ValueError, match="no humidity of 14 bits: 12 or 8"):
        sht1x.humidity(0, 25.0, bits=14)


def test_ticks_beyond_the_resolution_are_rejected() -> None:
    """An unmasked 0xFFFF must never become 615 °C."""
    for ticks, bits in ((1 << 14, 14), (0xFFFF, 14), (-1, 14), (1 << 12, 12)):
        with pytest.raises(ValueError, match=f"{ticks} ticks are not a measurement of {bits} bits"):
            sht1x.temperature(ticks, bits=bits)
    for ticks, bits in ((1 << 12, 12), (0xFFFF, 12), (-1, 12), (1 << 8, 8)):
        with pytest.raises(ValueError, match=f"{ticks} ticks are not a measurement of {bits} bits"):
            sht1x.humidity(ticks, 25.0, bits=bits)
