"""The triggers of the Zabbix templates. zabbix_templates.py writes them."""

from dataclasses import dataclass

T, H, D = ("/usbrh.temperature[{#SENSOR}]", "/usbrh.humidity[{#SENSOR}]", "/usbrh.dew_point[{#SENSOR}]")
STATE = "/usbrh.state[{#SENSOR}]"


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


BEFORE = "#1:now-{$USBRH.WINDOW}"
"""The last value from before the window: a new sensor has none, so one value is not a whole window."""


def _no_gap(item: str, silent: str = '{$USBRH.NODATA:"{#SENSOR}"}') -> str:
    """Return the condition that this value is not from before a gap: also then, one value is not a whole window.

    A gap is as long as what is a problem by itself. `usbrh zabbix provision` makes it longer for long intervals.
    """
    return f" and count({item},{silent}:now-{{$USBRH.WINDOW}})>0"


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
        f"{least}({item},{{$USBRH.WINDOW}}){sign}{limit} and last({item},{BEFORE}){sign}{limit}" + _no_gap(item),
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
    beyond += f" and last({item},{BEFORE}){'>' if over else '<'}{limit}" + _no_gap(item)
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
        f" and last({T},{BEFORE})-last({D},{BEFORE})<" + '{$USBRH.SPREAD.MIN.WARN:"{#SENSOR}"}' + _no_gap(D),
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
        f" and max({D},{{$USBRH.WINDOW}})<0 and last({D},{BEFORE})<0" + _no_gap(D),
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
        'Sensor {#SENSOR}: No data (no reading for {$USBRH.NODATA:"{#SENSOR}"})',
        f'nodata({STATE},{{$USBRH.NODATA:"{{#SENSOR}}"}})=1',
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
        "USB-RH: No data (nothing from usbrh for {$USBRH.BRIDGE.NODATA})",
        "nodata(/usbrh.bridge.sensors,{$USBRH.BRIDGE.NODATA})=1",
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
        f"min(/usbrh.journal.rejected,{{$USBRH.WINDOW}})>0 and last(/usbrh.journal.rejected,{BEFORE})>0"
        + _no_gap("/usbrh.journal.rejected", "{$USBRH.BRIDGE.NODATA}"),
        "WARNING",
        "notice",
        "A server rejects some readings. Run: usbrh journal status",
        opdata="Rejected: {ITEM.LASTVALUE1}",
        single_item="usbrh.journal.rejected",
        of_sensor=False,
    ),
)
