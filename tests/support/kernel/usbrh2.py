"""A virtual USBRH2 that is connected to the guest."""

import json
from pathlib import Path

from tests.support.kernel.guest import Simulator
from tests.support.kernel.vm import Machine

LINK = "/dev/serial/by-id/usb-Strawberry_Linux_USBRH2_E02A-if00"


class Usbrh2:
    """A virtual USBRH2 and the guest that it is connected to."""

    def __init__(self, vm: Machine, simulator: Simulator) -> None:
        self.vm = vm
        self._simulator = simulator
        self.attach()

    def do(self, line: str) -> dict[str, object]:
        return self._simulator.do(f"sim-1 {line}")

    def attach(self) -> None:
        command = f"usbip --tcp-port {self._simulator.port} attach -r 10.0.2.2 -b 1-1"
        self.vm.run(f"{command} && for _ in $(seq 300); do [ -e {LINK} ] && break; sleep 0.02; done").check()
        self.vm.run(f"udevadm settle && test -c {LINK}").check()

    def read(self, user: str = "alice") -> dict[str, object]:
        reading: dict[str, object] = json.loads(self.vm.run("usbrh read E02A --json", user=user).check())
        return reading


def simulated(folder: Path) -> Simulator:
    """Return the simulator of one USBRH2 with the serial number E02A."""
    script = folder / "sensors.toml"
    script.write_text('[sensor.sim-1]\nmodel = "USBRH2"\nserial = "E02A"\nvalues = [[23.77, 42.76]]\n')
    return Simulator(str(script))
