"""How long ago something happened."""

import pytest

from usbrh.output.times import age


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s ago"),
        (119.4, "119 s ago"),
        (120, "2 min ago"),
        (179.9, "2 min ago"),
        (7199, "119 min ago"),
        (7200, "2 h ago"),
        (172_799, "47 h ago"),
        (172_800, "2 d ago"),
        (863_999, "9 d ago"),
    ],
)
def test_the_unit_fits_the_age(seconds: float, text: str) -> None:
    assert age(seconds) == text
