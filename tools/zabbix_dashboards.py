"""The graphs and the dashboard of the Zabbix templates. zabbix_templates.py writes them."""

from dataclasses import dataclass
from typing import Any

from tools.zabbix_triggers import D, H, T


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
