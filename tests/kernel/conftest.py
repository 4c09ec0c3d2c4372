"""A Debian guest with systemd, udev and usbrh in it, and virtual USB-RHs for its kernel."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kernel import guest, image
from tests.support.kernel.vm import Machine


@pytest.fixture(scope="package")
def built() -> Path:
    """The image of the guest. A missing one is built first, from the installed packages."""
    missing = image.missing_commands()
    if missing:
        pytest.skip(f"no {', '.join(missing)}; as root: make test-kernel-deps")
    return image.build()


@pytest.fixture(scope="package")
def vm(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The guest, started from its saved state."""
    work = tmp_path_factory.mktemp("vm")
    disk = image.copy(built, work)
    with Machine(disk) as machine:
        guest.install(machine, work, built)
        yield machine
    disk.unlink()


@pytest.fixture(scope="package")
def simulator() -> Iterator[guest.Simulator]:
    """Three virtual sensors. Most tests use one of them."""
    with guest.Simulator(3) as simulator:
        yield simulator


@pytest.fixture(scope="package")
def plugged(vm: Machine, simulator: guest.Simulator) -> guest.Plugged:
    return guest.Plugged(vm, simulator, 1)


@pytest.fixture
def sensor(vm: Machine, plugged: guest.Plugged) -> guest.Plugged:
    """The connected sensor, without faults."""
    plugged.do("clear")
    if not plugged.do("status")["plugged"] or vm.run(f"test -e /sys/bus/usb/devices/{plugged.port}").status:
        plugged.do("plug")
        plugged.attach()
    return plugged


@pytest.fixture(scope="package")
def two_more(vm: Machine, simulator: guest.Simulator) -> list[guest.Plugged]:
    return [guest.Plugged(vm, simulator, number) for number in (2, 3)]


@pytest.fixture
def three(sensor: guest.Plugged, two_more: list[guest.Plugged]) -> list[guest.Plugged]:
    """All three sensors, without faults."""
    for each in two_more:
        each.do("clear")
    return [sensor, *two_more]


@pytest.fixture
def new_sensor(sensor: guest.Plugged) -> guest.Plugged:
    """The sensor just after it was connected: the kernel's HID driver is bound."""
    sensor.replug()
    return sensor
