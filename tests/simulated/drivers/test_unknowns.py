"""The driver of the USB-RH in front of each device that the evidence allows: a right value, or an error with a name.

The parameters are those of docs/device.md, "What nobody knows". Before the first reading, another process may have sent
requests and died.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usbrh.drivers.usbrh1 import FASTEST_ANSWER
from usbrh.errors import BadReport, SensorError, SensorTimeout
from usbrh.sensors import find
from usbrh.simulator import SimulatorBackend, VirtualClock, VirtualUsbRh
from usbrh.simulator.unknowns import UsbRhUnknowns
from usbrh.simulator.usbrh1 import OUTPUT_REPORT, SET_REPORT

DEADLINE = 5.0
MARGIN = 0.02
REQUESTS = {
    "measure": (SET_REPORT, OUTPUT_REPORT, 0),
    "set_configuration": ((0x00, 0x09), 1, 0),
    "set_interface": ((0x01, 0x0B), 0, 0),
    "clear_halt": ((0x02, 0x01), 0, 0x81),
}
PAUSES = st.sampled_from([0.0, 0.05, 0.11, 0.15, 0.25, 0.31, 0.7, 3.0])
POSSIBLE = st.builds(
    UsbRhUnknowns,
    **{field.name: st.sampled_from(get_args(field.type)) for field in fields(UsbRhUnknowns) if get_args(field.type)},
    poll_interval=st.sampled_from([0, 1, 8, 10, 32, 100, 128, 255]),
)
MEASURING = st.sampled_from([0.15, 0.21, 0.225, 0.302, 0.45, 0.9])
KILLED = st.lists(st.tuples(st.sampled_from(sorted(REQUESTS)), PAUSES), max_size=4)
"""What a process that was killed sent, and the pause after each request."""


class Bench:
    """One possible device and the driver in front of it. Each measurement has other ticks."""

    def __init__(self, unknowns: UsbRhUnknowns, measuring: float = 0.302, started: float = 0.0) -> None:
        self.clock = VirtualClock()
        self.clock.sleep(started)
        self.model = VirtualUsbRh(
            clock=self.clock, measuring=measuring, ticks=lambda n: (6000 + n, 1500), unknowns=unknowns
        )
        (self.sensor,) = find(backend=SimulatorBackend([self.model], self.clock), clock=self.clock)

    def killed(self, requests: Sequence[tuple[str, float]]) -> None:
        for name, pause in requests:
            request, value, index = REQUESTS[name]
            self.model.control(request, value, index, bytes(7))
            self.clock.sleep(pause)

    def read(self) -> type[SensorError] | None:
        """The error of a reading; asserts that a value is not an older one, and that both come by the deadline."""
        assert self.model.unread >= 0  # everything that is due has happened
        measured, started = self.model.measured, self.clock.monotonic()
        try:
            reading = self.sensor.read(DEADLINE)
        except SensorError as error:
            return type(error)
        else:
            assert reading.raw
            assert reading.raw.humidity == 1500
            assert reading.raw.temperature >= 6000 + measured, "measured before it was asked for"
            return None
        finally:
            assert self.clock.monotonic() - started <= DEADLINE + 0.02


def costs(unknowns: UsbRhUnknowns, measuring: float) -> set[type[SensorError] | None]:
    """What every reading may come to; None is a value. As in the table of docs/device.md."""
    if unknowns.report_length == 8:
        return {BadReport, SensorTimeout}
    if measuring < FASTEST_ANSWER:
        return {SensorTimeout, None}
    if measuring < unknowns.poll_interval / 1000 + MARGIN:
        return {SensorTimeout, None}
    return {None}


@pytest.mark.parametrize("waiting", [1, 2, 3])
@pytest.mark.parametrize("interval", [10, 128, 255])
def test_a_report_that_waited_is_never_a_reading_however_slowly_the_host_polls(interval: int, waiting: int) -> None:
    for started in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25):
        bench = Bench(UsbRhUnknowns(poll_interval=interval), started=started)
        bench.killed([("measure", 1.0)] * waiting)
        assert bench.model.unread == waiting
        assert bench.read() is None


@settings(max_examples=300, deadline=None, derandomize=True)
@given(unknowns=POSSIBLE, measuring=MEASURING, started=st.floats(0, 1), killed=KILLED)
def test_a_right_value_or_an_error_and_the_next_reading_is_right(
    unknowns: UsbRhUnknowns, measuring: float, started: float, killed: list[tuple[str, float]]
) -> None:
    bench = Bench(unknowns, measuring, started)
    bench.killed(killed)
    possible = costs(unknowns, measuring)
    slow = unknowns.loses != "nothing" and unknowns.first_request == "lost_after_reset"
    assert bench.read() in (possible | {SensorTimeout} if slow else possible)
    for pause in (0.0, 10.0):
        bench.clock.sleep(pause)
        assert bench.read() in possible
    assert not {"set_configuration", "set_interface", "clear_halt"} & set(list(bench.model.wire)[len(killed) :])
