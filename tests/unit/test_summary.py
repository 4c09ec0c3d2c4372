"""A summary as programs get it."""

from usbrh.clock import NS
from usbrh.periods import Period
from usbrh.summary import Spread, Summary


def test_the_object_for_programs() -> None:
    spread = Spread(20.004, 5 * NS, 20.5, 21.0, 6 * NS)
    period = Period(0, 3600 * NS, "1970-01-01 00:00 +0000")
    summary = Summary("attic", period, 10, 2, 1, True, {"temperature": spread, "dew_point": None})
    assert summary.to_dict() == {
        "sensor": "attic",
        "period": "1970-01-01 00:00 +0000",
        "start": "1970-01-01T00:00:00.000000000Z",
        "end": "1970-01-01T01:00:00.000000000Z",
        "readings": 10,
        "failed": 2,
        "heated": 1,
        "temperature": {
            "min": 20.0,
            "min_time": "1970-01-01T00:00:05.000000000Z",
            "mean": 20.5,
            "max": 21.0,
            "max_time": "1970-01-01T00:00:06.000000000Z",
        },
        "dew_point": None,
        "simulated": True,
    }
