"""A virtual USBRH2 with its driver, and another program at its port."""

import time
from pathlib import Path
from typing import Any

import serial

from usbrh.reading import Reading
from usbrh.sensors import Sensor, find
from usbrh.simulator import SimulatorBackend, VirtualUsbrh2

DEADLINE = 5.0
LATE = 0.4
"""s; what a machine with high load may add to a deadline."""


class Bench:
    """One virtual sensor and the driver in front of it. The n-th measurement is 20 °C + n/100."""

    def __init__(self, **model: Any) -> None:
        self.model = VirtualUsbrh2(air=lambda n: (20 + n / 100, 50.0), serial="E02A", **model)
        self.backend = SimulatorBackend([self.model])
        (self.sensor,) = self.find()

    def find(self) -> list[Sensor]:
        return find(backend=self.backend)

    @property
    def node(self) -> Path:
        ((_, _, node),) = self.backend.serial_ports()
        return node

    def read(self, timeout: float = DEADLINE, sensor: Sensor | None = None) -> Reading:
        """A right reading; asserts that it is not an older one, and not past its deadline."""
        measured, started = self.model.measured, time.monotonic()
        try:
            reading = (sensor or self.sensor).read(timeout)
        finally:
            assert time.monotonic() - started < timeout + LATE
        assert reading.temperature is not None
        assert reading.humidity == 50
        assert reading.temperature == round(reading.temperature, 2)
        assert 20 + measured / 100 - 1e-6 <= reading.temperature < 20 + self.model.measured / 100 + 1e-6
        return reading


def stranger(node: Path, text: bytes, wait: float = 0.1) -> serial.Serial:
    """Another program that opens the port and types."""
    port = serial.Serial(str(node), 9600, timeout=1)
    port.write(text)
    time.sleep(wait)
    return port
