"""What is in the templates: items, triggers, macros, graphs, the dashboard. zabbix_templates.py gives it its form."""

from dataclasses import dataclass
from typing import Any

DAYS = "90d"
"""Numbers are kept this long. A reading that reaches Zabbix later than this is thrown away by it."""
YEARS = "1825d"
"""Hourly averages: the climate of five years costs little."""


@dataclass(frozen=True)
class Step:
    """One step of preprocessing."""

    type: str
    parameters: tuple[str, ...]
    discard: bool = False
    """When it fails the value is thrown away, and the item stays supported."""
    otherwise: str = ""
    """The value when it fails."""

    def data(self) -> dict[str, Any]:
        failing = {"error_handler": "DISCARD_VALUE"} if self.discard else {}
        if self.otherwise:
            failing = {"error_handler": "CUSTOM_VALUE", "error_handler_params": self.otherwise}
        return {"type": self.type, "parameters": list(self.parameters), **failing}


@dataclass(frozen=True)
class Item:
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


@dataclass(frozen=True)
class Trigger:
    slug: str
    """Names it here; a part of its uuid, so it stays when the text changes."""
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
    """The key of its item, if it is about one alone: Zabbix's files keep it there."""
    of_sensor: bool = True
    manual_close: bool = False


@dataclass(frozen=True)
class Widget:
    kind: str
    x: int
    y: int
    width: int
    height: int
    fields: tuple[tuple[str, str, Any], ...]
    name: str = ""


_MACROS = (
    ("{$USBRH.INTERVAL}", "1m", "How often the agent is asked for a reading (agent templates only)."),
    ("{$USBRH.LLD.FILTER.SENSOR.MATCHES}", ".*", "Sensors whose name matches are monitored."),
    ("{$USBRH.LLD.FILTER.SENSOR.NOT_MATCHES}", "CHANGE_IF_NEEDED", "Sensors whose name matches are left out."),
    ("{$USBRH.TEMP.MAX.CRIT}", "32", "Highest allowed temperature in °C."),
    ("{$USBRH.TEMP.MAX.WARN}", "27", "Highest recommended temperature in °C."),
    ("{$USBRH.TEMP.MIN.WARN}", "18", "Lowest recommended temperature in °C."),
    ("{$USBRH.TEMP.MIN.CRIT}", "15", "Lowest allowed temperature in °C."),
    ("{$USBRH.TEMP.HYST}", "1", "How far back behind the limit a temperature has to go for the problem to end, in °C."),
    ("{$USBRH.HUM.MAX.CRIT}", "80", "Highest allowed humidity in %RH."),
    ("{$USBRH.HUM.MAX.WARN}", "70", "Highest recommended humidity in %RH."),
    ("{$USBRH.HUM.MIN.WARN}", "20", "Lowest recommended humidity in %RH."),
    ("{$USBRH.HUM.MIN.CRIT}", "10", "Lowest allowed humidity in %RH."),
    ("{$USBRH.HUM.HYST}", "3", "How far back behind the limit a humidity has to go for the problem to end, in %RH."),
    ("{$USBRH.WINDOW}", "5m", "A limit passed for so long is a problem, and one kept for so long ends it."),
    ("{$USBRH.SPREAD.MIN.WARN}", "3", "Water condenses on what is this many °C colder than the air."),
    ("{$USBRH.RISE.MAX.WARN}", "5", "Highest rise of the temperature in {$USBRH.RISE.WINDOW}, in °C."),
    ("{$USBRH.RISE.WINDOW}", "15m", "The time in which the temperature must not rise by {$USBRH.RISE.MAX.WARN}."),
    ("{$USBRH.STUCK.WINDOW}", "6h", "A sensor whose values do not change at all for this long is stuck."),
    ("{$USBRH.SILENT}", "10m", "After this long without a reading a sensor is silent."),
    ("{$USBRH.BRIDGE.SILENT}", "5m", "After this long without a word the bridge is silent; less than {$USBRH.SILENT}."),
    ("{$USBRH.JOURNAL.WAITING.MAX.WARN}", "1000", "Readings that may wait for delivery."),
    ("{$USBRH.JOURNAL.AGE.MAX.WARN}", "1h", "How old a reading may be that still waits for delivery."),
)  # fmt: skip

VALUE_MAPS = {
    "USB-RH state": {
        "ok": "OK",
        "not_found": "Not plugged in",
        "access_denied": "No permission",
        "busy": "In use by another program",
        "timeout": "Does not answer",
        "bad_report": "Answers nonsense",
        "transfer_failed": "USB failed",
        "no_libusb": "No libusb",
        "config": "Wrong configuration",
        "failed": "Failed",
    },
    "USB-RH heater": {"0": "Off", "1": "On"},
}

RAW = (("component", "raw"),)


def _of_sensor(component: str) -> tuple[tuple[str, str], ...]:
    return (("component", component), ("model", "{#MODEL}"), ("sensor", "{#SENSOR}"))


# What is given up in its last moment, or fails as a whole, has a state and an error and nothing else. No item becomes
# unsupported of it.
# What is measured while the sensor heats itself is not the room; a failed reading has null for a value.
MEASURED = (
    Step("NOT_MATCHES_REGEX", ('"heater": *true',), discard=True),
    Step("MATCHES_REGEX", ("^-?[0-9]",), discard=True),
)


def _measured(field: str) -> tuple[Step, ...]:
    return MEASURED[0], Step("JSONPATH", (f"$.{field}",), discard=True), MEASURED[1]


def _number(field: str) -> tuple[Step, ...]:
    return Step("JSONPATH", (f"$.{field}",), discard=True), MEASURED[1]


DISCOVERY = Item("usbrh.discovery", "Sensor discovery", "TEXT", "The sensors that are plugged in.", ())

SENSOR_MASTER = Item(
    "usbrh.get[{#SENSOR}]",
    "Sensor {#SENSOR}: Get reading",
    "TEXT",
    "One reading as JSON; all other items of the sensor are made of it. {#MODEL} at USB port {#PORT}.",
    _of_sensor("raw"),
    history="0",
)
SENSOR = (
    Item("usbrh.temperature[{#SENSOR}]", "Sensor {#SENSOR}: Temperature", "FLOAT", "Air temperature, calibrated.",
         _of_sensor("temperature"), "°C", trends=YEARS, preprocessing=_measured("temperature")),
    Item("usbrh.humidity[{#SENSOR}]", "Sensor {#SENSOR}: Humidity", "FLOAT", "Relative humidity, calibrated.",
         _of_sensor("humidity"), "%", trends=YEARS, preprocessing=_measured("humidity")),
    Item("usbrh.dew_point[{#SENSOR}]", "Sensor {#SENSOR}: Dew point", "FLOAT",
         "On what is colder than this, water condenses.",
         _of_sensor("humidity"), "°C", trends=YEARS, preprocessing=_measured("dew_point")),
    Item("usbrh.absolute_humidity[{#SENSOR}]", "Sensor {#SENSOR}: Absolute humidity", "FLOAT",
         "Water in the air. Does not change with the temperature: compare indoors with outdoors by it.",
         _of_sensor("humidity"), "g/m³", trends=YEARS, preprocessing=_measured("absolute_humidity")),
    Item("usbrh.state[{#SENSOR}]", "Sensor {#SENSOR}: State", "CHAR",
         "Whether the last reading succeeded, or in which way it failed.",
         _of_sensor("health"), value_map="USB-RH state", preprocessing=(Step("JSONPATH", ("$.state",)),)),
    Item("usbrh.error[{#SENSOR}]", "Sensor {#SENSOR}: Error", "TEXT",
         "The last error in words, with its remedy.", _of_sensor("health"),
         preprocessing=(Step("JSONPATH", ("$.error",)), Step("NOT_MATCHES_REGEX", ("^null$",), otherwise="no error"),
                        Step("DISCARD_UNCHANGED_HEARTBEAT", ("1h",)))),
    Item("usbrh.status[{#SENSOR}]", "Sensor {#SENSOR}: Status word", "CHAR",
         "Of the sensor chip, normally 0x8010 (USBRH2; the USB-RH tells none).", _of_sensor("health"),
         preprocessing=(Step("JSONPATH", ("$.status",), discard=True), Step("MATCHES_REGEX", ("^0x",), discard=True),
                        Step("DISCARD_UNCHANGED_HEARTBEAT", ("1h",)))),
    Item("usbrh.heater[{#SENSOR}]", "Sensor {#SENSOR}: Heater", "UNSIGNED",
         "While the sensor heats itself, its temperature and humidity are not those of the room and are left out.",
         _of_sensor("health"), value_map="USB-RH heater", trends="0",
         preprocessing=(Step("JSONPATH", ("$.heater",), discard=True), Step("BOOL_TO_DECIMAL", ("",)),
                        Step("DISCARD_UNCHANGED_HEARTBEAT", ("1h",)))),
)  # fmt: skip

BRIDGE_MASTER = Item("usbrh.bridge", "USB-RH: Get bridge state", "TEXT",
                     "The state of usbrh itself as JSON; the other items of the bridge are made of it.", RAW,
                     history="0")  # fmt: skip
_BRIDGE = (("component", "bridge"),)
BRIDGE = (
    Item("usbrh.bridge.version", "USB-RH: Version", "CHAR", "Version of usbrh.", _BRIDGE,
         preprocessing=(Step("JSONPATH", ("$.version",), discard=True), Step("DISCARD_UNCHANGED_HEARTBEAT", ("1d",)))),
    Item("usbrh.bridge.sensors", "USB-RH: Number of sensors", "UNSIGNED", "Sensors that are plugged in.", _BRIDGE,
         trends="365d", preprocessing=_number("sensors")),
    Item("usbrh.bridge.uptime", "USB-RH: Uptime", "UNSIGNED", "How long the service has been running.", _BRIDGE,
         "uptime", trends="0", preprocessing=_number("uptime")),
    Item("usbrh.bridge.readings", "USB-RH: Readings", "UNSIGNED", "Good readings since the service started.", _BRIDGE,
         trends="0", preprocessing=_number("readings")),
    Item("usbrh.bridge.failures", "USB-RH: Failed readings", "UNSIGNED", "Failed readings since the service started.",
         _BRIDGE, trends="0", preprocessing=_number("failed")),
    Item("usbrh.journal.waiting", "USB-RH: Journal: Waiting readings", "UNSIGNED",
         "Readings that wait for delivery to a destination.", (("component", "journal"),), trends="365d",
         preprocessing=_number("waiting")),
    Item("usbrh.journal.age", "USB-RH: Journal: Age of the oldest waiting reading", "UNSIGNED",
         "How long the oldest reading has been waiting for delivery.", (("component", "journal"),), "s", trends="365d",
         preprocessing=_number("oldest_waiting_age")),
    Item("usbrh.journal.rejected", "USB-RH: Journal: Rejected readings", "UNSIGNED",
         "Readings that a Zabbix server did not take; `usbrh journal status` says why.", (("component", "journal"),),
         trends="365d", preprocessing=_number("rejected")),
)  # fmt: skip

T, H, D = ("/usbrh.temperature[{#SENSOR}]", "/usbrh.humidity[{#SENSOR}]", "/usbrh.dew_point[{#SENSOR}]")
STATE = "/usbrh.state[{#SENSOR}]"


def _limit(slug: str, what: str, item: str, *, side: str, level: str, description: str) -> Trigger:
    """``item`` beyond one of its four limits: all of a window beyond it, and back by the hysteresis for its end."""
    quantity, unit = ("TEMP", "°C") if item == T else ("HUM", "%RH")
    limit = f'{{$USBRH.{quantity}.{side}.{level}:"{{#SENSOR}}"}}'
    hysteresis = f"{{$USBRH.{quantity}.HYST}}"
    over = side == "MAX"
    beyond = f"min({item},{{$USBRH.WINDOW}})>{limit}" if over else f"max({item},{{$USBRH.WINDOW}})<{limit}"
    back = (f"max({item},{{$USBRH.WINDOW}})<={limit}-{hysteresis}" if over
            else f"min({item},{{$USBRH.WINDOW}})>={limit}+{hysteresis}")  # fmt: skip
    return Trigger(
        slug=f"{slug}-{level.lower()}",
        name=f"Sensor {{#SENSOR}}: {what}",
        event_name=f"Sensor {{#SENSOR}}: {what} ({'over' if over else 'below'} {limit} {unit} for {{$USBRH.WINDOW}})",
        expression=beyond,
        recovery=back,
        priority="HIGH" if level == "CRIT" else "WARNING",
        scope="capacity",
        description=description,
        opdata="Now: {ITEM.LASTVALUE1}",
        depends_on=(f"{slug}-crit",) if level == "WARN" else (),
        single_item=item.removeprefix("/"),
    )


TRIGGERS = (
    _limit("hot", "Far too hot", T, side="MAX", level="CRIT", description="The temperature is above what is allowed."),
    _limit("hot", "Too hot", T, side="MAX", level="WARN", description="The temperature is above what is recommended."),
    _limit(
        "cold", "Far too cold", T, side="MIN", level="CRIT", description="The temperature is below what is allowed."
    ),
    _limit(
        "cold", "Too cold", T, side="MIN", level="WARN", description="The temperature is below what is recommended."
    ),
    _limit("damp", "Far too damp", H, side="MAX", level="CRIT", description="The humidity is above what is allowed."),
    _limit("damp", "Too damp", H, side="MAX", level="WARN", description="The humidity is above what is recommended."),
    _limit(
        "dry",
        "Far too dry",
        H,
        side="MIN",
        level="CRIT",
        description="The humidity is below what is allowed: static charges.",
    ),
    _limit("dry", "Too dry", H, side="MIN", level="WARN", description="The humidity is below what is recommended."),
    Trigger(
        "condensation",
        "Sensor {#SENSOR}: Risk of condensation",
        'Sensor {#SENSOR}: Risk of condensation (dew point less than {$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"} °C below the '
        "temperature for {$USBRH.WINDOW})",
        f"max({T},{{$USBRH.WINDOW}})-min({D},{{$USBRH.WINDOW}})<" + '{$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"}',
        "WARNING",
        "capacity",
        "Water condenses on what is only a little colder than the air.",
        f"min({T},{{$USBRH.WINDOW}})-max({D},{{$USBRH.WINDOW}})>="
        + '{$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"}+{$USBRH.TEMP.HYST}',
        "Temperature: {ITEM.LASTVALUE1}, dew point: {ITEM.LASTVALUE2}",
    ),
    Trigger(
        "rising",
        "Sensor {#SENSOR}: Temperature rises fast",
        'Sensor {#SENSOR}: Temperature rises fast (more than {$USBRH.RISE.MAX.WARN:"{#SENSOR}"} °C in '
        "{$USBRH.RISE.WINDOW})",
        # Three values, so that one alone is no rise.
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
        "Sensor {#SENSOR}: Stuck on one value",
        "Sensor {#SENSOR}: Stuck on one value (temperature and humidity unchanged for "
        '{$USBRH.STUCK.WINDOW:"{#SENSOR}"})',
        # As it was before that time, so that a new sensor is not stuck; thirty values at least, so that a gap is not.
        " and ".join(
            f'max({item},{{$USBRH.STUCK.WINDOW:"{{#SENSOR}}"}})=min({item},{{$USBRH.STUCK.WINDOW:"{{#SENSOR}}"}})'
            for item in (T, H)
        )
        + f' and last({T},#1:now-{{$USBRH.STUCK.WINDOW:"{{#SENSOR}}"}})=last({T})'
        + f' and count({T},{{$USBRH.STUCK.WINDOW:"{{#SENSOR}}"}})>=30',
        "WARNING",
        "availability",
        "Room air never stands still to a hundredth of a degree: the sensor is broken or wet.",
        opdata="Temperature: {ITEM.LASTVALUE1}, humidity: {ITEM.LASTVALUE3}",
        manual_close=True,
    ),
    Trigger(
        "silent",
        "Sensor {#SENSOR}: Silent",
        'Sensor {#SENSOR}: Silent (no reading for {$USBRH.SILENT:"{#SENSOR}"})',
        f'nodata({STATE},{{$USBRH.SILENT:"{{#SENSOR}}"}})=1',
        "AVERAGE",
        "availability",
        "Neither a reading nor an error has come. See: usbrh doctor",
        depends_on=("bridge-silent",),
        single_item=STATE.removeprefix("/"),
    ),
    Trigger(
        "lost",
        "Sensor {#SENSOR}: Lost",
        "Sensor {#SENSOR}: Lost (not plugged in at three readings in a row)",
        f'count({STATE},#3,"eq","not_found")=3',
        "AVERAGE",
        "availability",
        "The sensor is not plugged in any more.",
        f'last({STATE})<>"not_found"',
        single_item=STATE.removeprefix("/"),
    ),
    Trigger(
        "failing",
        "Sensor {#SENSOR}: Failing",
        "Sensor {#SENSOR}: Failing (three failed readings in a row)",
        f'count({STATE},#3,"ne","ok")=3',
        "AVERAGE",
        "availability",
        "The item Error says why, and what mends it.",
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
        "Temperature and humidity are left out meanwhile.",
        single_item="usbrh.heater[{#SENSOR}]",
    ),
    Trigger(
        "bridge-silent",
        "USB-RH: Silent",
        "USB-RH: Silent (nothing for {$USBRH.BRIDGE.SILENT})",
        "nodata(/usbrh.bridge.sensors,{$USBRH.BRIDGE.SILENT})=1",
        "AVERAGE",
        "availability",
        "No word from usbrh on this host. See there: usbrh doctor",
        single_item="usbrh.bridge.sensors",
        of_sensor=False,
    ),
    Trigger(
        "sensors-found",
        "USB-RH: Sensor found",
        "USB-RH: Sensor found (now {ITEM.VALUE1})",
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
        "USB-RH: Sensor lost",
        "USB-RH: Sensor lost (now {ITEM.VALUE1})",
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
        "USB-RH: Journal: Filling",
        "USB-RH: Journal: Filling (more than {$USBRH.JOURNAL.WAITING.MAX.WARN} readings, or one older than "
        "{$USBRH.JOURNAL.AGE.MAX.WARN}, wait)",
        "last(/usbrh.journal.waiting)>{$USBRH.JOURNAL.WAITING.MAX.WARN} "
        "or last(/usbrh.journal.age)>{$USBRH.JOURNAL.AGE.MAX.WARN}",
        "WARNING",
        "capacity",
        "A destination does not take readings. See: usbrh journal status",
        opdata="Waiting: {ITEM.LASTVALUE1}, oldest: {ITEM.LASTVALUE2}",
        of_sensor=False,
    ),
    Trigger(
        "rejected",
        "USB-RH: Journal: Readings are rejected",
        "USB-RH: Journal: Readings are rejected (for {$USBRH.WINDOW})",
        # A server takes those of a new sensor when it has read its configuration.
        "min(/usbrh.journal.rejected,{$USBRH.WINDOW})>0 and last(/usbrh.journal.rejected,#1:now-{$USBRH.WINDOW})>0",
        "WARNING",
        "notice",
        "A server does not take some readings. See: usbrh journal status",
        opdata="Rejected: {ITEM.LASTVALUE1}",
        single_item="usbrh.journal.rejected",
        of_sensor=False,
    ),
)

MACROS = tuple(
    (name, value, f"{text} May have a sensor's name as context." if f'{name[:-1]}:"' in str(TRIGGERS) else text)
    for name, value, text in _MACROS
)


def _line(template: str, key: str, color: str, order: int, right: bool = False) -> dict[str, Any]:
    side = {"yaxisside": "RIGHT"} if right else {}
    number = {"sortorder": str(order)} if order else {}
    return {**number, "drawtype": "BOLD_LINE", "color": color, **side, "item": {"host": template, "key": key}}


CLIMATE, WATER, QUEUE = "Sensor {#SENSOR}: Climate", "Sensor {#SENSOR}: Absolute humidity", "USB-RH: Journal"


def graphs(template: str) -> list[dict[str, Any]]:
    """The classic graphs, which a template dashboard of both releases can show."""
    return [
        {
            "name": CLIMATE,
            "of_sensor": True,
            "graph_items": [
                _line(template, T.removeprefix("/"), "D62728", 0),
                _line(template, D.removeprefix("/"), "7FB3D5", 1),
                _line(template, H.removeprefix("/"), "1F77B4", 2, right=True),
            ],
        },
        {
            "name": WATER,
            "of_sensor": True,
            "graph_items": [_line(template, "usbrh.absolute_humidity[{#SENSOR}]", "17A589", 0)],
        },
        {
            "name": QUEUE,
            "of_sensor": False,
            "graph_items": [
                _line(template, "usbrh.journal.waiting", "F39C12", 0),
                _line(template, "usbrh.journal.rejected", "C0392B", 1),
                _line(template, "usbrh.journal.age", "95A5A6", 2, right=True),
            ],
        },
    ]


def dashboard(template: str) -> dict[str, list[Widget]]:
    """Pages of the template dashboard, in 6.0's grid of 24 columns."""

    def graph(kind: str, name: str, y: int, height: int, title: str, *more: tuple[str, str, Any]) -> Widget:
        return Widget(
            kind,
            0,
            y,
            24,
            height,
            (*more, (kind.removesuffix("_CLASSIC"), "graphid", {"host": template, "name": name})),
            title,
        )

    def value(key: str, x: int) -> Widget:
        return Widget("ITEM", x, 0, 6, 3, (("ITEM", "itemid", {"host": template, "key": key}),))

    def grid(columns: int, rows: int) -> tuple[tuple[str, str, Any], ...]:
        return ("INTEGER", "columns", str(columns)), ("INTEGER", "rows", str(rows))

    return {
        "Climate": [
            graph("GRAPH_PROTOTYPE", CLIMATE, 0, 16, "Temperature, dew point (left) and humidity (right)", *grid(2, 2))
        ],
        "Water in the air": [graph("GRAPH_PROTOTYPE", WATER, 0, 16, "Absolute humidity", *grid(2, 2))],
        "Bridge": [
            value("usbrh.bridge.sensors", 0),
            value("usbrh.journal.waiting", 6),
            value("usbrh.journal.rejected", 12),
            value("usbrh.bridge.version", 18),
            graph("GRAPH_CLASSIC", QUEUE, 3, 6, "Readings that wait or are rejected (left), age of the oldest (right)"),
        ],
    }
