"""Read Strawberry Linux USB hygrometers and deliver every reading to Zabbix.

    import usbrh

    for sensor in usbrh.find():
        print(sensor.read().temperature)

``__all__`` lists the public API; all other names can change. Each name is imported when it is first used, so that
programs that use few of them (``usbrh --help``, ``usbrh agent get``) start fast.
"""

TYPE_CHECKING = False  # importing typing takes a third of the time that Python needs to start
if TYPE_CHECKING:
    from usbrh.config import Config, load
    from usbrh.errors import (
        AccessDenied,
        BadReport,
        ClockError,
        ConfigError,
        JournalError,
        LibusbMissing,
        SensorBusy,
        SensorError,
        SensorNotFound,
        SensorTimeout,
        TransferFailed,
        UsbrhError,
        ZabbixApiError,
        ZabbixError,
        ZabbixRejected,
        ZabbixUnreachable,
    )
    from usbrh.reading import Reading, SensorInfo, Ticks
    from usbrh.sensors import Sensor, find, measure_all, select

__version__ = "1.0.0"

__all__ = [
    "AccessDenied",
    "BadReport",
    "ClockError",
    "Config",
    "ConfigError",
    "JournalError",
    "LibusbMissing",
    "Reading",
    "Sensor",
    "SensorBusy",
    "SensorError",
    "SensorInfo",
    "SensorNotFound",
    "SensorTimeout",
    "Ticks",
    "TransferFailed",
    "UsbrhError",
    "ZabbixApiError",
    "ZabbixError",
    "ZabbixRejected",
    "ZabbixUnreachable",
    "find",
    "load",
    "measure_all",
    "select",
]

_MODULE_OF = {
    "Config": "config",
    "load": "config",
    "Sensor": "sensors",
    "find": "sensors",
    "measure_all": "sensors",
    "select": "sensors",
    "Reading": "reading",
    "SensorInfo": "reading",
    "Ticks": "reading",
}


def __getattr__(name: str) -> object:
    import importlib  # noqa: PLC0415 - as typing above

    if name not in __all__:
        raise AttributeError(f"module 'usbrh' has no attribute {name!r}")
    return getattr(importlib.import_module(f"usbrh.{_MODULE_OF.get(name, 'errors')}"), name)
