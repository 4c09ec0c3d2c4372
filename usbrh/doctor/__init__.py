"""``usbrh doctor``: one look at everything between the sensor and Zabbix, in the order in which a reading goes.

Each check gives findings. One that can't be made because an earlier one failed says so instead of guessing.
"""

from collections.abc import Iterator, Mapping

from usbrh import discovery
from usbrh.config import Config
from usbrh.doctor import agent, service, usb
from usbrh.doctor.finding import Finding, Status, fault, not_checked, of_error, ok
from usbrh.errors import ConfigError, LibusbMissing, SensorNotFound, UsbrhError
from usbrh.setup_actions import Machine

__all__ = ["Finding", "Status", "examine"]


def examine(
    config: Config | ConfigError, environ: Mapping[str, str], machine: Machine | None = None
) -> Iterator[Finding]:
    """The findings, as they are made; ``config`` is the error if it can't be loaded."""
    machine = machine or Machine()
    settings = Config() if isinstance(config, ConfigError) else config
    yield from _sensors(settings, machine, environ)
    yield from service.configuration(config, settings, machine)
    yield from service.units(machine)
    yield from agent.agents(machine)


def _sensors(config: Config, machine: Machine, environ: Mapping[str, str]) -> Iterator[Finding]:
    sensors: list[discovery.Sensor] = []
    try:
        sensors = discovery.find(config)
    except LibusbMissing as error:
        yield of_error("libusb", error)
        yield not_checked("USB bus", "needs libusb")
    except SensorNotFound as error:
        yield ok("libusb", "there")
        yield of_error("USB bus", error)
    except UsbrhError as error:  # USBRH_SIMULATE is wrong
        yield of_error("libusb", error)
    else:
        virtual = any(sensor.info.simulated for sensor in sensors)
        yield ok("libusb", "not needed: USBRH_SIMULATE is set" if virtual else "works")
        yield ok("USB bus", "not needed: USBRH_SIMULATE is set" if virtual else "there")
        if not sensors:
            yield fault("sensor", "no sensor is on the bus", "plug it in; this shows it: lsusb -d 1774:1001", 3)
    for sensor in sensors:
        name = "" if sensor.info.name == sensor.info.port else f"{sensor.info.name}, "
        yield ok("sensor", f"{sensor.info.model} ({name}port {sensor.info.port}{', virtual' * sensor.info.simulated})")
    if not sensors:
        for check in ("permission", "in use", "kernel driver", "reading"):
            yield not_checked(check, "no sensor")
        return
    yield from usb.examine(sensors, machine)
