"""The graphs and the dashboard of the Zabbix templates. zabbix_templates.py writes them."""

from dataclasses import dataclass
from typing import Any

from tools.zabbix_items import VALUE_MAPS
from tools.zabbix_triggers import D, H, T


@dataclass(frozen=True)
class Widget:
    """A widget of the dashboard, in the grid of Zabbix 6.0 with 24 columns. 7.0 has three for each of them."""

    kind: str
    x: float
    y: int
    width: float
    height: int
    fields: tuple[tuple[str, str, Any], ...]
    name: str = ""


def _line(template: str, key: str, color: str, order: int, right: bool = False) -> dict[str, Any]:
    side = {"yaxisside": "RIGHT"} if right else {}
    number = {"sortorder": str(order)} if order else {}
    return {**number, "drawtype": "BOLD_LINE", "color": color, **side, "item": {"host": template, "key": key}}


CLIMATE, HUMIDITY = "Sensor {#SENSOR}: Temperature and dew point", "Sensor {#SENSOR}: Humidity"
WATER, QUEUE = "Sensor {#SENSOR}: Absolute humidity", "USB-RH: Journal"


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
            ],
        },
        {
            "name": HUMIDITY,
            # A graph has one range for both axes, so humidity with its whole range is alone.
            "ymin_type_1": "FIXED",
            "ymax_type_1": "FIXED",
            "of_sensor": True,
            "graph_items": [_line(template, H.removeprefix("/"), "0072B2", 0)],
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


Column = tuple[float, float]
"""Place and width."""
QUARTERS: tuple[Column, ...] = ((0, 6), (6, 6), (12, 6), (18, 6))
LEFT, MIDDLE, RIGHT = ((0, 23 / 3), (23 / 3, 25 / 3), (16, 8))
"""Three columns. A page is at least 1200 pixels wide, so a phone shows just the first one."""


def _value(template: str, key: str, title: str, column: Column, y: int, *, time: bool) -> Widget:
    """Return a widget with one value of usbrh itself, which is a whole number; with ``time``, also when it arrived."""
    shown = [("INTEGER", "show", "2"), *([("INTEGER", "show", "3")] if time else [])]
    fields = (
        *shown,
        ("INTEGER", "decimal_places", "0"),
        ("ITEM", "itemid", {"host": template, "key": key}),
    )
    return Widget("ITEM", column[0], y, column[1], 3, fields, title)


def _graph(template: str, kind: str, name: str, place: tuple[int, int, int, int]) -> Widget:
    """Return a classic graph at ``place`` (x, y, width, height). The graph shows its name itself."""
    # One graph at a time: other grids have empty cells with some number of sensors.
    grid: Fields = (("INTEGER", "columns", "1"), ("INTEGER", "rows", "1")) if kind == "GRAPH_PROTOTYPE" else ()
    source = (kind.removesuffix("_CLASSIC"), "graphid", {"host": template, "name": name})
    return Widget(kind, *place, (*grid, source), name.removeprefix("Sensor {#SENSOR}: "))


def _cells(quantity: str, column: Column, y: int, *more: tuple[str, str, Any], limits: bool = False) -> Widget:
    """Return the present values of all sensors, which Zabbix fits into the space whatever their number is.

    With ``limits``, each cell shows those of its sensor: no threshold of a widget accepts macros, but the description
    of an item does.
    """
    label = '{{ITEM.NAME}.regsub("^Sensor (.*): ", "\\1")}'
    if limits:
        label += '\n{{ITEM.DESCRIPTION}.regsub("\\n(.*)\\n", "\\1")}'
    fields: Fields = (
        ("STRING", "items.0", f"Sensor *: {quantity}"),
        ("STRING", "primary_label", label),
        *more,
    )
    return Widget("HONEYCOMB", column[0], y, column[1], 5, fields, quantity)


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
            ("INTEGER", "legend_lines", "3"),
            ("INTEGER", "legend_lines_mode", "1"),
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

    def row(y: int, *columns: Column) -> list[Widget]:
        shown = zip(counts, columns, strict=False)
        return [_value(template, key, title, column, y, time=column is columns[0]) for (key, title), column in shown]

    bridge = [*row(0, *QUARTERS), _graph(template, "GRAPH_CLASSIC", QUEUE, (0, 3, 24, 6))]
    if release == "6.0":
        return {
            "Overview": [
                *row(0, *QUARTERS),
                _graph(template, "GRAPH_PROTOTYPE", CLIMATE, (0, 3, 12, 8)),
                _graph(template, "GRAPH_PROTOTYPE", HUMIDITY, (12, 3, 12, 8)),
            ],
            "Curves": [_graph(template, "GRAPH_PROTOTYPE", WATER, (0, 0, 24, 8))],
            "Bridge": bridge,
        }
    severities: Fields = tuple(("INTEGER", f"severities.{n}", str(level)) for n, level in enumerate((1, 2, 3, 4)))
    percent: Fields = (("STRING", "lefty_min", "0"), ("STRING", "lefty_max", "100"))
    degree, whole = (("INTEGER", "secondary_label_decimal_places", str(places)) for places in (1, 0))
    names = ",".join(f'"^{value}$","{text}"' for value, text in VALUE_MAPS["USB-RH state"].items())
    state: Fields = (
        ("INTEGER", "secondary_label_type", "0"),
        # Not Zabbix's own form of a mapped value, which repeats it: "OK (ok)".
        ("STRING", "secondary_label", f"{{{{ITEM.LASTVALUE}}.regrepl({names})}}"),
    )
    return {
        "Overview": [
            Widget("PROBLEMSBYSV", LEFT[0], 0, LEFT[1], 2, severities, "Problems by severity"),
            _cells("Temperature", LEFT, 2, degree, limits=True),
            _cells("Humidity", LEFT, 7, whole, limits=True),
            Widget("PROBLEMS", MIDDLE[0], 0, MIDDLE[1] + RIGHT[1], 7, (("INTEGER", "show_opdata", "1"),), "Problems"),
            _cells("Dew point", MIDDLE, 7, degree),
            _cells("State", RIGHT, 7, *state),
            *row(12, LEFT, MIDDLE, RIGHT),
        ],
        "Curves": [
            _curves("Temperature", 0, "D55E00"),
            _curves("Humidity", 5, "0072B2", percent),
            _curves("Dew point", 10, "009E73"),
        ],
        "Bridge": bridge,
    }
