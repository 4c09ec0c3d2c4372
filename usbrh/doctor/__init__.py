"""``usbrh doctor``: checks everything between the sensor and Zabbix, in the order of a reading's route.

Each check yields findings. A check that depends on one that failed is reported as not checked, instead of guessing.
"""

from collections.abc import Iterator
from contextlib import suppress

from usbrh import sensors as discovery
from usbrh.bridge.diagnosis import CHECKS
from usbrh.config import Config
from usbrh.doctor import agent, network, service, usb
from usbrh.errors import ConfigError, LibusbMissing, SensorNotFound
from usbrh.findings import Finding, fault, not_checked, of_error, ok, warning
from usbrh.setup.machine import Machine


def examine(config: Config | ConfigError, machine: Machine | None = None) -> Iterator[Finding]:
    """Yield each finding as soon as it is known; ``config`` is the error if the configuration can't be loaded."""
    machine = machine or Machine()
    settings = Config() if isinstance(config, ConfigError) else config
    sensors: list[discovery.Sensor] = []
    yield from _bus(settings, sensors)
    if sensors:
        yield from usb.examine(sensors, machine)
    else:
        yield from (not_checked(check, "no sensor") for check in ("permission", "in use", "kernel driver", "reading"))
    plugged = {sensor.info.serial or sensor.info.port for sensor in sensors}
    yield from service.configuration(config, settings, plugged)
    yield from service.journal(settings)
    yield from service.system_clock(settings)
    yield from service.units(machine)
    yield from agent.agents(machine)
    if isinstance(config, ConfigError):
        yield from (not_checked(check, "no configuration") for check in CHECKS)
    else:
        yield from network.servers(config)


def _bus(config: Config, sensors: list[discovery.Sensor]) -> Iterator[Finding]:
    """Check libusb and the bus, and append the sensors on it to ``sensors``."""
    try:
        problem = discovery.usb_problem()
    except ConfigError as error:  # USBRH_SIMULATE is wrong
        yield of_error("libusb", error)
        return
    with suppress(LibusbMissing, SensorNotFound):  # ``problem`` is the same error
        sensors += discovery.find(config)
    if isinstance(problem, LibusbMissing):
        found = of_error("libusb", problem)
        if sensors:
            message = f"{found.message} (the sensors that are plugged in work without it, a USB-RH would not)"
            found = warning(found.check, message, f"for a USB-RH: {found.remedy}")
        yield found
        yield not_checked("USB bus", "needs libusb")
    elif problem is not None:
        yield ok("libusb", "works")
        yield (
            ok("USB bus", "none; the sensors that are plugged in need none")
            if sensors
            else of_error("USB bus", problem)
        )
    else:
        virtual = any(sensor.info.simulated for sensor in sensors)
        yield ok("libusb", "not needed: USBRH_SIMULATE is set" if virtual else "works")
        yield ok("USB bus", "not needed: USBRH_SIMULATE is set" if virtual else "found")
        if not sensors:
            yield fault("sensor", "no sensor is on the bus", "plug it in; this command shows it: lsusb -d 1774:1001", 3)
    for sensor in sensors:
        name = "" if sensor.info.name == sensor.info.port else f"{sensor.info.name}, "
        yield ok("sensor", f"{sensor.info.model} ({name}port {sensor.info.port}{', virtual' * sensor.info.simulated})")
