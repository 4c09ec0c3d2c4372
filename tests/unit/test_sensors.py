"""What is known of a sensor that is not plugged in: its kind, by the form of its identity."""

import pytest

from usbrh.reading import SensorInfo
from usbrh.sensors import absent


@pytest.mark.parametrize(
    ("identity", "model", "serial"),
    [
        ("1-1.4", "USB-RH", None),
        ("3-2", "USB-RH", None),
        ("sim-1", "USB-RH", None),
        ("E02A", "USBRH2", "E02A"),
        ("0007", "USBRH2", "0007"),
        ("i2c-1-0044", "unknown", None),
        ("1-1.", "unknown", None),
    ],
)
def test_the_form_of_an_identity_shows_the_kind(identity: str, model: str, serial: str | None) -> None:
    assert absent(identity, "attic", False) == SensorInfo(identity, model, "attic", serial)
    nameless = absent(identity, None, True)
    assert (nameless.name, nameless.identity, nameless.simulated) == (identity, identity, True)
