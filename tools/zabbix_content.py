"""The content of the Zabbix templates: items, triggers, macros, graphs, dashboard. zabbix_templates.py writes them."""

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


@dataclass(frozen=True)
class Trigger:
    """A trigger, or a trigger prototype."""

    slug: str
    """Identifies the trigger in this file and is part of its UUID. It stays when the name changes."""
    name: str
    event_name: str
    expression: str
    priority: str
    scope: str
    description: str
    recovery: str = ""
    opdata: str = ""
    depends_on: tuple[str, ...] = ()
    single_item: str = ""
    """The key of its item, if it uses only one. Zabbix writes such a trigger below its item."""
    of_sensor: bool = True
    enabled: bool = True
    """Whether it is on by default."""
    manual_close: bool = False


@dataclass(frozen=True)
class Widget:
    """A widget of the dashboard, in the grid of Zabbix 6.0 with 24 columns."""

    kind: str
    x: int
    y: int
    width: int
    height: int
    fields: tuple[tuple[str, str, Any], ...]
    name: str = ""


_MACROS = (
    ("{$USBRH.INTERVAL}", "1m", "Interval at which the agent is asked for a reading (agent templates only)."),
    ("{$USBRH.LLD.FILTER.SENSOR.MATCHES}", ".*", "Sensors whose name matches are monitored."),
    ("{$USBRH.LLD.FILTER.SENSOR.NOT_MATCHES}", "CHANGE_IF_NEEDED", "Sensors whose name matches are excluded."),
    ("{$USBRH.TEMP.MAX.CRIT}", "32", "Critical upper threshold of the temperature in °C."),
    ("{$USBRH.TEMP.MAX.WARN}", "27", "Upper threshold of the temperature in °C."),
    ("{$USBRH.TEMP.MIN.WARN}", "18", "Lower threshold of the temperature in °C."),
    ("{$USBRH.TEMP.MIN.CRIT}", "15", "Critical lower threshold of the temperature in °C."),
    ("{$USBRH.TEMP.HYST}", "1", "Hysteresis of the temperature in °C: a problem ends this far inside the threshold."),
    ("{$USBRH.HUM.MAX.CRIT}", "80", "Critical upper threshold of the humidity in %RH."),
    ("{$USBRH.HUM.MAX.WARN}", "70", "Upper threshold of the humidity in %RH."),
    ("{$USBRH.HUM.MIN.WARN}", "20", "Lower threshold of the humidity in %RH."),
    ("{$USBRH.HUM.MIN.CRIT}", "10", "Critical lower threshold of the humidity in %RH."),
    ("{$USBRH.HUM.HYST}", "3", "Hysteresis of the humidity in %RH: a problem ends this far inside the threshold."),
    ("{$USBRH.WINDOW}", "5m", "Time beyond a threshold that starts a problem, and within it that ends it."),
    ("{$USBRH.SPREAD.MIN.WARN}", "3", "Smallest difference between temperature and dew point in °C."),
    ("{$USBRH.RISE.MAX.WARN}", "5", "Largest rise of the temperature in °C within {$USBRH.RISE.WINDOW}."),
    ("{$USBRH.RISE.WINDOW}", "15m", "Time in which the temperature must not rise by more than {$USBRH.RISE.MAX.WARN}."),
    ("{$USBRH.STUCK.WINDOW}", "6h", "Time after which unchanged values of a sensor are a problem."),
    ("{$USBRH.SILENT}", "10m", "Time after which missing readings of a sensor are a problem."),
    ("{$USBRH.BRIDGE.SILENT}", "5m", "Time after which missing data of usbrh is a problem; less than {$USBRH.SILENT}."),
    ("{$USBRH.VPD.MAX.WARN}", "1.25", "Upper threshold of the vapour pressure deficit in kPa."),
    ("{$USBRH.VPD.MIN.WARN}", "0.45", "Lower threshold of the vapour pressure deficit in kPa."),
    ("{$USBRH.VPD.HYST}", "0.1", "Hysteresis of the vapour pressure deficit in kPa."),
    ("{$USBRH.DISCOMFORT.MAX.WARN}", "80", "Upper threshold of the discomfort index."),
    ("{$USBRH.DISCOMFORT.HYST}", "1", "Hysteresis of the discomfort index."),
    ("{$USBRH.JOURNAL.WAITING.MAX.WARN}", "1000", "Largest number of readings that may wait for delivery."),
    ("{$USBRH.JOURNAL.AGE.MAX.WARN}", "1h", "Largest age of a reading that waits for delivery."),
)  # fmt: skip

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
    Item("usbrh.temperature[{#SENSOR}]", "Sensor {#SENSOR}: Temperature", "FLOAT", "Air temperature, calibrated.",
         _of_sensor("temperature"), "°C", trends=YEARS, preprocessing=_measured("temperature")),
    Item("usbrh.humidity[{#SENSOR}]", "Sensor {#SENSOR}: Humidity", "FLOAT", "Relative humidity, calibrated.",
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

T, H, D = ("/usbrh.temperature[{#SENSOR}]", "/usbrh.humidity[{#SENSOR}]", "/usbrh.dew_point[{#SENSOR}]")
STATE = "/usbrh.state[{#SENSOR}]"


BEFORE = "#1:now-{$USBRH.WINDOW}"
"""The last value from before the window: a new sensor has none, so one value is not a whole window."""


def _optional(slug: str, what: str, key: str, *, macro: str, side: str, unit: str = "") -> Trigger:
    """Return the trigger for a threshold of a derived value. It is off by default: not every room needs it."""
    item, over = f"/usbrh.{key}[{{#SENSOR}}]", side == "MAX"
    limit, hysteresis = f'{{$USBRH.{macro}.{side}.WARN:"{{#SENSOR}}"}}', f"{{$USBRH.{macro}.HYST}}"
    least, most, sign = ("min", "max", ">") if over else ("max", "min", "<")
    back = f"<={limit}-{hysteresis}" if over else f">={limit}+{hysteresis}"
    return Trigger(
        slug,
        f"Sensor {{#SENSOR}}: {what}",
        f"Sensor {{#SENSOR}}: {what} ({'above' if over else 'below'} {limit}{unit} for {{$USBRH.WINDOW}})",
        f"{least}({item},{{$USBRH.WINDOW}}){sign}{limit} and last({item},{BEFORE}){sign}{limit}",
        "WARNING",
        "capacity",
        "Off by default. Enable the trigger prototype to use it.",
        f"{most}({item},{{$USBRH.WINDOW}}){back}",
        "Now: {ITEM.LASTVALUE1}",
        single_item=item.removeprefix("/"),
        enabled=False,
    )


VPD = "vapour_pressure_deficit"


def _limit(slug: str, what: str, item: str, *, side: str, level: str) -> Trigger:
    """Return the trigger for one of the four thresholds of ``item``. All values of a whole window must agree."""
    quantity, unit = ("TEMP", "°C") if item == T else ("HUM", "%RH")
    limit = f'{{$USBRH.{quantity}.{side}.{level}:"{{#SENSOR}}"}}'
    hysteresis = f"{{$USBRH.{quantity}.HYST}}"
    over = side == "MAX"
    beyond = f"min({item},{{$USBRH.WINDOW}})>{limit}" if over else f"max({item},{{$USBRH.WINDOW}})<{limit}"
    beyond += f" and last({item},{BEFORE}){'>' if over else '<'}{limit}"
    back = (f"max({item},{{$USBRH.WINDOW}})<={limit}-{hysteresis}" if over
            else f"min({item},{{$USBRH.WINDOW}})>={limit}+{hysteresis}")  # fmt: skip
    return Trigger(
        slug=f"{slug}-{level.lower()}",
        name=f"Sensor {{#SENSOR}}: {what}",
        event_name=f"Sensor {{#SENSOR}}: {what} ({'above' if over else 'below'} {limit} {unit} for {{$USBRH.WINDOW}})",
        expression=beyond,
        recovery=back,
        priority="HIGH" if level == "CRIT" else "WARNING",
        scope="capacity",
        description=f"The {'temperature' if item == T else 'humidity'} is {'above' if over else 'below'} the "
        f"{'critical ' if level == 'CRIT' else ''}threshold.",
        opdata="Now: {ITEM.LASTVALUE1}",
        depends_on=(f"{slug}-crit",) if level == "WARN" else (),
        single_item=item.removeprefix("/"),
    )


TRIGGERS = (
    _limit("hot", "Temperature critically high", T, side="MAX", level="CRIT"),
    _limit("hot", "Temperature high", T, side="MAX", level="WARN"),
    _limit("cold", "Temperature critically low", T, side="MIN", level="CRIT"),
    _limit("cold", "Temperature low", T, side="MIN", level="WARN"),
    _limit("damp", "Humidity critically high", H, side="MAX", level="CRIT"),
    _limit("damp", "Humidity high", H, side="MAX", level="WARN"),
    _limit("dry", "Humidity critically low", H, side="MIN", level="CRIT"),
    _limit("dry", "Humidity low", H, side="MIN", level="WARN"),
    Trigger(
        "condensation",
        "Sensor {#SENSOR}: Risk of condensation",
        'Sensor {#SENSOR}: Risk of condensation (dew point less than {$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"} °C below the '
        "temperature for {$USBRH.WINDOW})",
        f"max({T},{{$USBRH.WINDOW}})-min({D},{{$USBRH.WINDOW}})<" + '{$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"}'
        f" and last({T},{BEFORE})-last({D},{BEFORE})<" + '{$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"}',
        "WARNING",
        "capacity",
        "Water condenses on surfaces that are slightly colder than the air.",
        f"min({T},{{$USBRH.WINDOW}})-max({D},{{$USBRH.WINDOW}})>="
        + '{$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"}+{$USBRH.TEMP.HYST}',
        "Temperature: {ITEM.LASTVALUE1}, dew point: {ITEM.LASTVALUE2}",
    ),
    Trigger(
        "frost",
        "Sensor {#SENSOR}: Risk of frost",
        'Sensor {#SENSOR}: Risk of frost (dew point below 0 °C, and less than {$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"} °C '
        "below the temperature for {$USBRH.WINDOW})",
        # Not the frost point, which has no values above 0 °C: the problem could not end.
        f"max({T},{{$USBRH.WINDOW}})-min({D},{{$USBRH.WINDOW}})<" + '{$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"}'
        f" and max({D},{{$USBRH.WINDOW}})<0 and last({D},{BEFORE})<0",
        "WARNING",
        "capacity",
        "Frost forms on surfaces slightly colder than the air. Off by default. Enable the trigger prototype to use it.",
        f"min({D},{{$USBRH.WINDOW}})>=0 or min({T},{{$USBRH.WINDOW}})-max({D},{{$USBRH.WINDOW}})>="
        + '{$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"}+{$USBRH.TEMP.HYST}',
        "Temperature: {ITEM.LASTVALUE1}, dew point: {ITEM.LASTVALUE2}",
        enabled=False,
    ),
    _optional("vpd-high", "Vapour pressure deficit high", VPD, macro="VPD", side="MAX", unit=" kPa"),
    _optional("vpd-low", "Vapour pressure deficit low", VPD, macro="VPD", side="MIN", unit=" kPa"),
    _optional("discomfort", "Discomfort index high", "discomfort_index", macro="DISCOMFORT", side="MAX"),
    Trigger(
        "rising",
        "Sensor {#SENSOR}: Temperature rises fast",
        'Sensor {#SENSOR}: Temperature rises fast (more than {$USBRH.RISE.MAX.WARN:"{#SENSOR}"} °C in '
        "{$USBRH.RISE.WINDOW})",
        # The last three values, so that a single outlier is not a rise.
        f"min({T},#3)-min({T},{{$USBRH.RISE.WINDOW}})>" + '{$USBRH.RISE.MAX.WARN:"{#SENSOR}"}',
        "WARNING",
        "capacity",
        "The cooling may have failed.",
        f"max({T},#3)-min({T},{{$USBRH.RISE.WINDOW}})<" + '{$USBRH.RISE.MAX.WARN:"{#SENSOR}"}-{$USBRH.TEMP.HYST}',
        "Now: {ITEM.LASTVALUE1}",
        single_item=T.removeprefix("/"),
    ),
    Trigger(
        "stuck",
        "Sensor {#SENSOR}: Values do not change",
        "Sensor {#SENSOR}: Values do not change (temperature and humidity unchanged for "
        '{$USBRH.STUCK.WINDOW:"{#SENSOR}"})',
        # A value from before the window, so that a new sensor does not match; thirty values, so that a gap does not.
        " and ".join(
            f'max({item},{{$USBRH.STUCK.WINDOW:"{{#SENSOR}}"}})=min({item},{{$USBRH.STUCK.WINDOW:"{{#SENSOR}}"}})'
            for item in (T, H)
        )
        + f' and last({T},#1:now-{{$USBRH.STUCK.WINDOW:"{{#SENSOR}}"}})=last({T})'
        + f' and count({T},{{$USBRH.STUCK.WINDOW:"{{#SENSOR}}"}})>=30',
        "WARNING",
        "availability",
        "The temperature of air changes by hundredths of a degree all the time. The sensor may be broken or wet.",
        opdata="Temperature: {ITEM.LASTVALUE1}, humidity: {ITEM.LASTVALUE3}",
        manual_close=True,
    ),
    Trigger(
        "silent",
        "Sensor {#SENSOR}: No data",
        'Sensor {#SENSOR}: No data (no reading for {$USBRH.SILENT:"{#SENSOR}"})',
        f'nodata({STATE},{{$USBRH.SILENT:"{{#SENSOR}}"}})=1',
        "AVERAGE",
        "availability",
        "Zabbix received neither readings nor errors. Run: usbrh doctor",
        depends_on=("bridge-silent",),
        single_item=STATE.removeprefix("/"),
    ),
    Trigger(
        "lost",
        "Sensor {#SENSOR}: Sensor disconnected",
        "Sensor {#SENSOR}: Sensor disconnected (not plugged in at three readings in a row)",
        f'count({STATE},#3,"eq","not_found")=3',
        "AVERAGE",
        "availability",
        "The sensor is no longer plugged in.",
        f'last({STATE})<>"not_found"',
        single_item=STATE.removeprefix("/"),
    ),
    Trigger(
        "failing",
        "Sensor {#SENSOR}: Readings fail",
        "Sensor {#SENSOR}: Readings fail (three in a row)",
        f'count({STATE},#3,"ne","ok")=3',
        "AVERAGE",
        "availability",
        "The item Error shows the cause and its remedy.",
        f'last({STATE})="ok"',
        "State: {ITEM.LASTVALUE1}",
        ("lost",),
        single_item=STATE.removeprefix("/"),
    ),
    Trigger(
        "heating",
        "Sensor {#SENSOR}: Heater is on",
        "Sensor {#SENSOR}: Heater is on",
        "last(/usbrh.heater[{#SENSOR}])=1",
        "INFO",
        "notice",
        "Temperature and humidity are not recorded meanwhile.",
        single_item="usbrh.heater[{#SENSOR}]",
    ),
    Trigger(
        "bridge-silent",
        "USB-RH: No data",
        "USB-RH: No data (nothing from usbrh for {$USBRH.BRIDGE.SILENT})",
        "nodata(/usbrh.bridge.sensors,{$USBRH.BRIDGE.SILENT})=1",
        "AVERAGE",
        "availability",
        "Zabbix received no data from usbrh on this host. Run there: usbrh doctor",
        single_item="usbrh.bridge.sensors",
        of_sensor=False,
    ),
    Trigger(
        "sensors-found",
        "USB-RH: Number of sensors increased",
        "USB-RH: Number of sensors increased (now {ITEM.VALUE1})",
        "change(/usbrh.bridge.sensors)>0",
        "INFO",
        "notice",
        "More sensors are plugged in than before.",
        single_item="usbrh.bridge.sensors",
        of_sensor=False,
        manual_close=True,
    ),
    Trigger(
        "sensors-lost",
        "USB-RH: Number of sensors decreased",
        "USB-RH: Number of sensors decreased (now {ITEM.VALUE1})",
        "change(/usbrh.bridge.sensors)<0",
        "WARNING",
        "notice",
        "Fewer sensors are plugged in than before.",
        single_item="usbrh.bridge.sensors",
        of_sensor=False,
        manual_close=True,
    ),
    Trigger(
        "journal-filling",
        "USB-RH: Journal: Backlog of readings",
        "USB-RH: Journal: Backlog of readings (more than {$USBRH.JOURNAL.WAITING.MAX.WARN}, or one older than "
        "{$USBRH.JOURNAL.AGE.MAX.WARN})",
        "last(/usbrh.journal.waiting)>{$USBRH.JOURNAL.WAITING.MAX.WARN} "
        "or last(/usbrh.journal.age)>{$USBRH.JOURNAL.AGE.MAX.WARN}",
        "WARNING",
        "capacity",
        "A destination does not accept readings. Run: usbrh journal status",
        opdata="Waiting: {ITEM.LASTVALUE1}, oldest: {ITEM.LASTVALUE2}",
        of_sensor=False,
    ),
    Trigger(
        "test",
        "USB-RH: Test alert",
        "USB-RH: Test alert (somebody tests the alerts with usbrh zabbix test-alert)",
        "last(/usbrh.test)=1",
        "HIGH",
        "notice",
        "Nothing is wrong. It has the severity of a critical temperature, so it takes the same route to a person.",
        single_item="usbrh.test",
        of_sensor=False,
        manual_close=True,
    ),
    Trigger(
        "rejected",
        "USB-RH: Journal: Readings are rejected",
        "USB-RH: Journal: Readings are rejected (for {$USBRH.WINDOW})",
        # A server rejects the readings of a new sensor until it has read its configuration.
        f"min(/usbrh.journal.rejected,{{$USBRH.WINDOW}})>0 and last(/usbrh.journal.rejected,{BEFORE})>0",
        "WARNING",
        "notice",
        "A server rejects some readings. Run: usbrh journal status",
        opdata="Rejected: {ITEM.LASTVALUE1}",
        single_item="usbrh.journal.rejected",
        of_sensor=False,
    ),
)

MACROS = tuple(
    (name, value, f"{text} Accepts a sensor's name as context." if f'{name[:-1]}:"' in str(TRIGGERS) else text)
    for name, value, text in _MACROS
)


def _line(template: str, key: str, color: str, order: int, right: bool = False) -> dict[str, Any]:
    side = {"yaxisside": "RIGHT"} if right else {}
    number = {"sortorder": str(order)} if order else {}
    return {**number, "drawtype": "BOLD_LINE", "color": color, **side, "item": {"host": template, "key": key}}


CLIMATE, WATER, QUEUE = "Sensor {#SENSOR}: Climate", "Sensor {#SENSOR}: Absolute humidity", "USB-RH: Journal"


# The colors differ for color-blind eyes, too: M. Okabe, K. Ito, "Color Universal Design" (2008).
def graphs(template: str) -> list[dict[str, Any]]:
    """Return the classic graphs, which the template dashboards of both releases support."""
    return [
        {
            "name": CLIMATE,
            "of_sensor": True,
            "graph_items": [
                _line(template, T.removeprefix("/"), "D55E00", 0),
                _line(template, D.removeprefix("/"), "009E73", 1),
                _line(template, H.removeprefix("/"), "0072B2", 2, right=True),
            ],
        },
        {
            "name": WATER,
            "of_sensor": True,
            "graph_items": [_line(template, "usbrh.absolute_humidity[{#SENSOR}]", "CC79A7", 0)],
        },
        {
            "name": QUEUE,
            "of_sensor": False,
            "graph_items": [
                _line(template, "usbrh.journal.waiting", "0072B2", 0),
                _line(template, "usbrh.journal.rejected", "D55E00", 1),
                _line(template, "usbrh.journal.age", "999999", 2, right=True),
            ],
        },
    ]


Fields = tuple[tuple[str, str, Any], ...]


PRESENT = (("Temperature", 1), ("Humidity", 0), ("Dew point", 1), ("State", 0))
"""What the first page shows of each sensor, with the decimal places."""


def _value(template: str, key: str, title: str, x: int, y: int, *, time: bool = False) -> Widget:
    """Return a widget with one value of usbrh itself, which is a whole number; with ``time``, also when it arrived."""
    shown = [("INTEGER", "show", "2"), *([("INTEGER", "show", "3")] if time else [])]
    fields = (
        *shown,
        ("INTEGER", "decimal_places", "0"),
        ("ITEM", "itemid", {"host": template, "key": key}),
    )
    return Widget("ITEM", x, y, 6, 3, fields, title)


def _graph(template: str, kind: str, name: str, y: int, height: int) -> Widget:
    """Return a classic graph. The graph shows its name itself."""
    # One graph at a time: other grids have empty cells with some number of sensors.
    grid: Fields = (("INTEGER", "columns", "1"), ("INTEGER", "rows", "1")) if kind == "GRAPH_PROTOTYPE" else ()
    source = (kind.removesuffix("_CLASSIC"), "graphid", {"host": template, "name": name})
    return Widget(kind, 0, y, 24, height, (*grid, source), name.removeprefix("Sensor {#SENSOR}: "))


def _cells(quantity: str, x: int, places: int) -> Widget:
    """Return the present values of all sensors, which Zabbix fits into the space whatever their number is."""
    fields: Fields = (
        ("STRING", "items.0", f"Sensor *: {quantity}"),
        ("STRING", "primary_label", '{{ITEM.NAME}.regsub("^Sensor (.*): ", "\\1")}'),
        ("INTEGER", "secondary_label_decimal_places", str(places)),
    )
    return Widget("HONEYCOMB", x, 0, 6, 4, fields, quantity)


def _curves(quantity: str, y: int, color: str, axis: Fields = ()) -> Widget:
    """Return one graph with a line per sensor, in shades of one color."""
    return Widget(
        "SVG_GRAPH",
        0,
        y,
        24,
        5,
        (
            ("STRING", "ds.0.color", color),
            ("INTEGER", "ds.0.fill", "0"),
            ("STRING", "ds.0.items.0", f"Sensor *: {quantity}"),
            ("INTEGER", "ds.0.transparency", "0"),
            ("INTEGER", "ds.0.width", "2"),
            *axis,
        ),
        quantity,
    )


def dashboard(template: str, release: str) -> dict[str, list[Widget]]:
    """Return the pages of the template dashboard: is all well, the curves, usbrh itself.

    The widgets of 6.0 show one sensor at a time; those of 7.0 show all sensors.
    """
    counts = [
        ("usbrh.bridge.sensors", "Number of sensors, last seen"),
        ("usbrh.journal.waiting", "Waiting readings"),
        ("usbrh.journal.rejected", "Rejected readings"),
        ("usbrh.bridge.version", "usbrh version"),
    ]

    def row(y: int) -> list[Widget]:
        return [_value(template, key, title, 6 * n, y, time=not n) for n, (key, title) in enumerate(counts)]

    bridge = [*row(0), _graph(template, "GRAPH_CLASSIC", QUEUE, 3, 6)]
    if release == "6.0":
        return {
            "Overview": [*row(0), _graph(template, "GRAPH_PROTOTYPE", CLIMATE, 3, 8)],
            "Curves": [_graph(template, "GRAPH_PROTOTYPE", WATER, 0, 8)],
            "Bridge": bridge,
        }
    tags: Fields = (("INTEGER", "show_tags", "3"), ("STRING", "tag_priority", "sensor,scope"))
    percent: Fields = (("STRING", "lefty_min", "0"), ("STRING", "lefty_max", "100"))
    return {
        "Overview": [
            *(_cells(quantity, 6 * n, places) for n, (quantity, places) in enumerate(PRESENT)),
            Widget("PROBLEMS", 0, 4, 24, 5, (*tags, ("INTEGER", "show_opdata", "1")), "Problems"),
            *row(9),
        ],
        "Curves": [
            _curves("Temperature", 0, "D55E00"),
            _curves("Humidity", 5, "0072B2", percent),
            _curves("Dew point", 10, "009E73"),
        ],
        "Bridge": bridge,
    }
