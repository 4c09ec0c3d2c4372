"""The air that the virtual sensors measure, and the warmth of their heater."""

import math
from typing import Any

import pytest

from usbrh import sht1x
from usbrh.simulator.room import AIR, TICKS, Heater, air, room


def converted(ticks: tuple[int, int]) -> tuple[float, float]:
    """Temperature and humidity as the driver converts them: version 3, and 5 V, for which the chip is 0.1 °C colder."""
    temperature = sht1x.temperature(ticks[0], supply=5.0, coefficients="v3")
    return temperature, sht1x.humidity(ticks[1], temperature, coefficients="v3")


def test_the_first_room_begins_with_the_captured_reading_and_the_others_are_cooler_and_damper() -> None:
    assert room()(0) == (7169, 1246)
    assert [room(number)(0) for number in (2, 3)] == [(6952, 1377), (6735, 1508)]
    assert len({room(1)(n) for n in range(360)}) > 100, "it drifts"
    temperatures = [room(1)(n)[0] for n in range(360)]
    assert 100 < max(temperatures) - min(temperatures) < 300, "by 1 to 3 °C"
    assert room(1)(40) == room(1)(40)


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_sensor_that_converts_itself_is_in_the_same_room(number: int) -> None:
    for n in (0, 90, 200):
        temperature, humidity = converted(room(number)(n))
        assert air(number)(n)[0] == pytest.approx(temperature, abs=0.11)
        assert air(number)(n)[1] == pytest.approx(humidity, abs=0.05)


def test_the_heater_warms_by_6_degrees_with_a_time_constant_of_20_s() -> None:
    heater = Heater()
    assert heater.rise(5) == 0
    heater.switch(True, 10)
    assert [heater.rise(at) for at in (10, 30, 50)] == pytest.approx([0, 6 * (1 - 1 / math.e), 6 * (1 - math.e**-2)])
    assert heater.rise(1000) == pytest.approx(6)
    heater.switch(False, 1000)
    assert heater.rise(1020) == pytest.approx(6 / math.e)


@pytest.mark.parametrize("cold", [(7169, 1246), (4000, 2500), (1500, 900)])
def test_warmer_air_with_the_same_water_is_drier(cold: tuple[int, int]) -> None:
    heater = Heater()
    heater.switch(True, 0)
    assert heater.warm(cold, 0) == cold
    temperature, humidity = converted(heater.warm(cold, 1000))
    before = converted(cold)
    assert temperature - before[0] == pytest.approx(6, abs=0.02)

    def pressure(temperature: float, humidity: float) -> float:
        """Of the water vapour, in hPa."""
        return humidity / 100 * 6.112 * math.exp(17.62 * temperature / (243.12 + temperature))

    assert pressure(temperature, humidity) == pytest.approx(pressure(*before), rel=0.01)


def test_a_warmed_chip_stays_in_its_range() -> None:
    heater = Heater()
    heater.switch(True, 0)
    assert heater.warm((0x3FFF, 3000), 1000)[0] == 0x3FFE


@pytest.mark.parametrize(
    ("values", "pairs", "fits"),
    [
        (TICKS, [[0, 65535], [65535, 0]], True),
        (TICKS, [[0, 65536]], False),
        (TICKS, [[65536, 0]], False),
        (TICKS, [[-1, 0]], False),
        (TICKS, [[1.0, 2]], False),
        (TICKS, [[True, 2]], False),
        (TICKS, [[1, 2, 3]], False),
        (TICKS, [(1, 2)], False),
        (TICKS, [], False),
        (TICKS, 5, False),
        (TICKS, ([1, 2],), False),
        (AIR, [[-45, 0], [130, 100.0]], True),
        (AIR, [[-45.1, 0]], False),
        (AIR, [[20, 100.1]], False),
    ],
)
def test_values_of_a_script(values: Any, pairs: Any, fits: bool) -> None:
    if not fits:
        with pytest.raises(ValueError, match="pairs of"):
            values.in_turn(pairs)
        return
    source = values.in_turn(pairs, first=3)
    assert [source(n) for n in (3, 4, 5)] == [tuple(pairs[0]), tuple(pairs[1]), tuple(pairs[0])]
