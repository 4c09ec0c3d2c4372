"""The items of the Zabbix templates, and the value maps. zabbix_templates.py writes them."""

from dataclasses import dataclass
from typing import Any

DAYS = "90d"
"""History of numbers. Zabbix discards a reading that arrives later than this."""
YEARS = "365d"
"""Hourly averages of a year, as usual in Zabbix."""


@dataclass(frozen=True)
class Step:
    """One preprocessing step."""

    type: str
    parameters: tuple[str, ...]
    discard: bool = False
    """If the step fails, discard the value and keep the item supported."""
    otherwise: str = ""
    """The value if the step fails."""

    def data(self) -> dict[str, Any]:
        """Return the step as it is in the YAML file."""
        failing = {"error_handler": "DISCARD_VALUE"} if self.discard else {}
        if self.otherwise:
            failing = {"error_handler": "CUSTOM_VALUE", "error_handler_params": self.otherwise}
        return {"type": self.type, "parameters": list(self.parameters), **failing}


@dataclass(frozen=True)
class Item:
    """An item, or an item prototype."""

    key: str
    name: str
    value_type: str
    description: str
    tags: tuple[tuple[str, str], ...]
    units: str = ""
    history: str = DAYS
    trends: str = ""
    value_map: str = ""
    preprocessing: tuple[Step, ...] = ()
    sent: bool = False
    """A trapper item in every template: no agent answers it."""
    trapper_only: bool = False
    """Only the process that measures knows the value, and an agent does not ask that process."""


VALUE_MAPS = {
    "USB-RH state": {
        "ok": "OK",
        "not_found": "Not plugged in",
        "access_denied": "No permission",
        "busy": "In use by another program",
        "timeout": "No answer",
        "bad_report": "Invalid report",
        "transfer_failed": "USB transfer failed",
        "no_libusb": "libusb missing",
        "config": "Configuration error",
        "failed": "Failed",
    },
    "USB-RH heater": {"0": "Off", "1": "On"},
    "USB-RH test": {"0": "No test", "1": "Test"},
}

RAW = (("component", "raw"),)


def _of_sensor(component: str) -> tuple[tuple[str, str], ...]:
    return (("component", component), ("sensor", "{#SENSOR}"))


# An agent's answer after a time-out or a general error has a state and an error only; no item must become unsupported
# then. Values that were measured with the heater on are not those of the room. A failed reading has null values.
MEASURED = (
    Step("NOT_MATCHES_REGEX", ('"heater": *true',), discard=True),
    Step("MATCHES_REGEX", ("^-?[0-9]",), discard=True),
)


def _measured(field: str) -> tuple[Step, ...]:
    return MEASURED[0], Step("JSONPATH", (f"$.{field}",), discard=True), MEASURED[1]


def _number(field: str) -> tuple[Step, ...]:
    return Step("JSONPATH", (f"$.{field}",), discard=True), MEASURED[1]


def limits(text: str, quantity: str, unit: str) -> str:
    """Add the thresholds of the sensor to a description. The dashboard shows the second line with the value."""
    low, high, least, most = (
        f'{{$USBRH.{quantity}.{side}.{level}:"{{#SENSOR}}"}}' for level in ("WARN", "CRIT") for side in ("MIN", "MAX")
    )
    return f"{text} Limits:\n{low} to {high} {unit}\nCritical limits: {least} to {most} {unit}"


DISCOVERY = Item("usbrh.discovery", "Sensor discovery", "TEXT", "Finds the sensors that are plugged in.", ())

SENSOR_MASTER = Item(
    "usbrh.get[{#SENSOR}]",
    "Sensor {#SENSOR}: Get reading",
    "TEXT",
    "One reading as JSON, the master item of all items of the sensor. {#MODEL} at USB port {#PORT}.",
    (("component", "raw"), ("model", "{#MODEL}"), ("sensor", "{#SENSOR}")),
    history="0",
)
SENSOR = (
    Item("usbrh.temperature[{#SENSOR}]", "Sensor {#SENSOR}: Temperature", "FLOAT",
         limits("Air temperature, calibrated.", "TEMP", "°C"),
         _of_sensor("temperature"), "°C", trends=YEARS, preprocessing=_measured("temperature")),
    Item("usbrh.humidity[{#SENSOR}]", "Sensor {#SENSOR}: Humidity", "FLOAT",
         limits("Relative humidity, calibrated.", "HUM", "%"),
         _of_sensor("humidity"), "%", trends=YEARS, preprocessing=_measured("humidity")),
    Item("usbrh.dew_point[{#SENSOR}]", "Sensor {#SENSOR}: Dew point", "FLOAT",
         "Water condenses on surfaces that are colder than this.",
         _of_sensor("humidity"), "°C", trends=YEARS, preprocessing=_measured("dew_point")),
    Item("usbrh.absolute_humidity[{#SENSOR}]", "Sensor {#SENSOR}: Absolute humidity", "FLOAT",
         "Mass of water per volume of air. Suitable to compare the air indoors and outdoors.",
         _of_sensor("humidity"), "g/m³", trends=YEARS, preprocessing=_measured("absolute_humidity")),
    Item("usbrh.frost_point[{#SENSOR}]", "Sensor {#SENSOR}: Frost point", "FLOAT",
         "Frost forms on surfaces that are colder than this. It has values below 0 °C only.",
         _of_sensor("humidity"), "°C", trends=YEARS, preprocessing=_measured("frost_point")),
    Item("usbrh.vapour_deficit[{#SENSOR}]", "Sensor {#SENSOR}: Vapour deficit", "FLOAT",
         "How much more water the air can contain.",
         _of_sensor("humidity"), "g/m³", trends=YEARS, preprocessing=_measured("vapour_deficit")),
    Item("usbrh.vapour_pressure_deficit[{#SENSOR}]", "Sensor {#SENSOR}: Vapour pressure deficit", "FLOAT",
         "VPD of the air. A leaf with another temperature has another deficit.",
         _of_sensor("humidity"), "kPa", trends=YEARS, preprocessing=_measured("vapour_pressure_deficit")),
    Item("usbrh.discomfort_index[{#SENSOR}]", "Sensor {#SENSOR}: Discomfort index", "FLOAT",
         "From 75 on, many people feel uncomfortable; from 80 on, most people. It is made for warm air.",
         _of_sensor("humidity"), trends=YEARS, preprocessing=_measured("discomfort_index")),
    Item("usbrh.state[{#SENSOR}]", "Sensor {#SENSOR}: State", "CHAR",
         "Result of the last reading: OK, or the kind of error.",
         _of_sensor("health"), value_map="USB-RH state", preprocessing=(Step("JSONPATH", ("$.state",)),)),
    Item("usbrh.error[{#SENSOR}]", "Sensor {#SENSOR}: Error", "TEXT",
         "The last error and its remedy.", _of_sensor("health"),
         preprocessing=(Step("JSONPATH", ("$.error",)), Step("NOT_MATCHES_REGEX", ("^null$",), otherwise="no error"),
                        Step("DISCARD_UNCHANGED_HEARTBEAT", ("1h",)))),
    Item("usbrh.status[{#SENSOR}]", "Sensor {#SENSOR}: Status word", "CHAR",
         "Status word of the sensor chip, normally 0x8010 (USBRH2 only).", _of_sensor("health"),
         preprocessing=(Step("JSONPATH", ("$.status",), discard=True), Step("MATCHES_REGEX", ("^0x",), discard=True),
                        Step("DISCARD_UNCHANGED_HEARTBEAT", ("1h",)))),
    Item("usbrh.heater[{#SENSOR}]", "Sensor {#SENSOR}: Heater", "UNSIGNED",
         "Heater of the sensor chip. While it is on, temperature and humidity are not recorded.",
         _of_sensor("health"), value_map="USB-RH heater", trends="0",
         preprocessing=(Step("JSONPATH", ("$.heater",), discard=True), Step("BOOL_TO_DECIMAL", ("",)),
                        Step("DISCARD_UNCHANGED_HEARTBEAT", ("1h",)))),
)  # fmt: skip

BRIDGE_MASTER = Item("usbrh.bridge", "Get bridge state", "TEXT",
                     "The state of usbrh itself as JSON, the master item of all items of usbrh.", RAW,
                     history="0")  # fmt: skip
_BRIDGE = (("component", "bridge"),)
BRIDGE = (
    Item("usbrh.bridge.version", "usbrh version", "CHAR", "Version of usbrh.", _BRIDGE,
         preprocessing=(Step("JSONPATH", ("$.version",), discard=True), Step("DISCARD_UNCHANGED_HEARTBEAT", ("1d",)))),
    Item("usbrh.bridge.sensors", "Number of sensors", "UNSIGNED", "Number of sensors that are plugged in.",
         _BRIDGE, trends="365d", preprocessing=_number("sensors")),
    Item("usbrh.bridge.uptime", "usbrh uptime", "UNSIGNED", "Time since the service started (trapper only).",
         _BRIDGE, "uptime", trends="0", preprocessing=_number("uptime"), trapper_only=True),
    Item("usbrh.bridge.readings", "Readings since start", "UNSIGNED",
         "Successful readings since the service started (trapper only).",
         _BRIDGE, trends="0", preprocessing=_number("readings"), trapper_only=True),
    Item("usbrh.bridge.failures", "Failed readings since start", "UNSIGNED",
         "Failed readings since the service started (trapper only).",
         _BRIDGE, trends="0", preprocessing=_number("failed"), trapper_only=True),
    Item("usbrh.journal.waiting", "Waiting readings", "UNSIGNED",
         "Readings that wait for delivery to a destination.", (("component", "journal"),), trends="365d",
         preprocessing=_number("waiting")),
    Item("usbrh.journal.age", "Age of the oldest waiting reading", "UNSIGNED",
         "Age of the oldest reading that waits for delivery.", (("component", "journal"),), "s", trends="365d",
         preprocessing=_number("oldest_waiting_age")),
    Item("usbrh.journal.rejected", "Rejected readings", "UNSIGNED",
         "Readings that a Zabbix server rejected. See: usbrh journal status", (("component", "journal"),),
         trends="365d", preprocessing=_number("rejected")),
)  # fmt: skip

TEST = Item("usbrh.test", "Test alert", "UNSIGNED", "1 while usbrh zabbix test-alert raises its problem.",
            _BRIDGE, trends="0", value_map="USB-RH test", sent=True)  # fmt: skip
