"""Commands of the command line in this process, with virtual sensors whose clock needs no real time."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from usbrh import sensors
from usbrh.cli import cli
from usbrh.cli.context import Context
from usbrh.simulator import SimulatorBackend, VirtualClock, VirtualUsbRh


class Watched(VirtualClock):
    """A virtual clock that notes the heater during each longer sleep, and the LEDs during all but the shortest."""

    def __init__(self) -> None:
        super().__init__()
        self.model: VirtualUsbRh | None = None
        self.slept: list[tuple[float, bool]] = []
        self.lit: list[tuple[float, tuple[object, object]]] = []

    def sleep(self, seconds: float) -> None:
        if self.model and seconds >= 1:
            self.slept.append((seconds, self.model.heater))
        if self.model and seconds >= 0.1:
            self.lit.append((seconds, self.model.leds))
        super().sleep(seconds)


class Bench:
    """A virtual USB-RH in front of the commands."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Watched()
        self.ticks = [(6500, 1500)]
        """The measurements; the last one is repeated."""
        self.model = self.clock.model = VirtualUsbRh(clock=self.clock, ticks=self.measured)
        self.config = folder / "usbrh.toml"
        self.config.write_text("")
        monkeypatch.setenv("USBRH_CONFIG", str(self.config))
        self._monkeypatch = monkeypatch
        self.plug_in(self.model)

    def plug_in(self, *models: Any) -> None:
        """Let the commands find these sensors."""
        self.bus = SimulatorBackend(list(models), self.clock)
        find = partial(sensors.find, backend=self.bus, clock=self.clock)
        self._monkeypatch.setattr("usbrh.cli.sensors.find", find)

    def measured(self, number: int) -> tuple[int, int]:
        return self.ticks[min(number, len(self.ticks) - 1)]

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(cli, words, obj=Context())
