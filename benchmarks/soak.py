"""Many readings of a virtual sensor with random faults: ``python -m benchmarks.soak [READINGS]``.

The clock is virtual, so that 20,000 readings with all their time-outs take seconds. Each measurement of the virtual
sensor has unique ticks. A reading is wrong if its ticks are not from a measurement that ended after the request. The
result goes into docs/reliability.md.
"""

import random
import sys
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.document import put
from usbrh.errors import SensorError
from usbrh.sensors import find
from usbrh.simulator import FAULTS, SimulatorBackend, VirtualClock, VirtualUsbRh

DEADLINE = 5.0
SLACK = 0.02
"""Seconds that a call may exceed its deadline: the last time-out is rounded up to a millisecond."""
HUMIDITY = 1500


@dataclass
class Soak:
    """The counts of a run."""

    readings: int = 0
    right: int = 0
    wrong: int = 0
    late: int = 0
    occurred: Counter[str] = field(default_factory=Counter)
    recovered: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    """Errors without a fault, or with a single fault that occurs once and is recoverable."""


def soak(readings: int, seed: int = 1) -> Soak:
    """Read ``readings`` times; before each, up to three faults are armed, to occur once, some times, or always."""
    dice, clock, result = random.Random(seed), VirtualClock(), Soak()
    model = VirtualUsbRh(clock=clock, ticks=lambda number: (4000 + number % 8000, HUMIDITY))
    backend = SimulatorBackend([model], clock)
    for _ in range(readings):
        armed = dice.sample(list(FAULTS), dice.choice((0, 0, 1, 1, 1, 2, 3)))
        recoverable = len(armed) <= 1
        for name in armed:
            seconds = dice.uniform(0, 8) if name == "late" else dice.choice((0.2, 1.0, 3.0))
            times = dice.choice((1, 1, 1, 2, 3, None))
            model.fault(name, times, seconds)
            # No try waits for a missing permission, or for a sensor that is away for longer than a try.
            recoverable &= times == 1 and name != "access_denied" and (name == "late" or seconds <= 1.0)
        (sensor,) = sensors if (sensors := find(backend=backend, clock=clock)) else (None,)
        result.readings += 1
        result.occurred.update(armed)
        measured, started = model.measured, clock.monotonic()
        if sensor is None:
            result.errors["not_found"] += 1
        else:
            try:
                ticks = sensor.read(DEADLINE).raw
            except SensorError as error:
                result.errors[error.kind] += 1
                result.lost += recoverable
            else:
                asked_for = range(measured, model.measured)
                right = (
                    ticks
                    and ticks.humidity == HUMIDITY
                    and any(ticks.temperature == 4000 + number % 8000 for number in asked_for)
                )
                result.right += bool(right)
                result.wrong += not right
                result.recovered += bool(armed)
        result.late += clock.monotonic() - started > DEADLINE + SLACK
        model.clear_faults()
        clock.sleep(dice.choice((0.0, 0.01, 0.2, 0.3, 10.0)))
        model.plug()
    return result


def main() -> None:
    """Run the trial, and print and document the counts."""
    result = soak(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
    rows = [
        ("readings requested", result.readings),
        ("right values", result.right),
        ("of these, with faults", result.recovered),
        ("errors with a kind", sum(result.errors.values())),
        ("**wrong values**", result.wrong),
        ("**calls past their deadline**", result.late),
        ("**errors without a fault, or with a recoverable one**", result.lost),
    ]
    table = "\n".join(f"| {what} | {number:,} |" for what, number in rows)
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(result.errors.items()))
    put("docs/reliability.md", "soak", f"| | |\n| --- | ---: |\n{table}\n\nErrors by kind: {kinds}.")
    print(table)
    sys.exit(result.wrong + result.late + result.lost > 0)


if __name__ == "__main__":
    main()
