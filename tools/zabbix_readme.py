"""zabbix/templates/README.md: what is in the templates, as Zabbix's guidelines want it beside them.

https://www.zabbix.com/documentation/guidelines/en/template_guidelines
"""

from collections.abc import Iterable, Iterator

from tools.zabbix_content import BRIDGE, BRIDGE_MASTER, DISCOVERY, MACROS, SENSOR, SENSOR_MASTER, TRIGGERS, Item

BEFORE = """\
# Templates for USB-RH and USBRH2

Made by tools/zabbix_templates.py from the same description as the templates.

## Overview

Temperature and humidity by Strawberry Linux's USB hygrometers, brought to Zabbix by usbrh. The three templates have the
same items, triggers and dashboards, so a host can change from one to another and keep its history.

| template | file | how values come |
| --- | --- | --- |
{forms}

Sensors that the filter macros leave out have no items; by trapper one, which takes their readings and keeps none.

The files in `6.0` are for Zabbix 6.0 to 6.4, those in `7.0` for 7.0 and newer.

## Setup

`usbrh zabbix provision` imports the template and makes the host; [docs/zabbix.md](../../docs/zabbix.md) has it step by
step. By hand: import the file, make a host whose technical name is the `host` of usbrh's configuration, and link the
template.
"""


def text(forms: Iterable[tuple[str, str, str]]) -> str:
    """The whole page; ``forms`` are name, file and description of each template."""
    rows = "\n".join(f"| {name} | `{file}.yaml` | {how} |" for name, file, how in forms)
    return BEFORE.format(forms=rows) + "\n" + "\n".join(_tables()) + "\n"


def _tables() -> Iterator[str]:
    yield from _table(
        "Macros used",
        ("name", "description", "default"),
        ((f"`{name}`", description, f"`{value}`") for name, value, description in sorted(MACROS)),
    )
    yield from _items("Items", BRIDGE_MASTER, BRIDGE)
    yield from _table(
        "Discovery rules",
        ("name", "description", "key"),
        [
            (
                DISCOVERY.name,
                f"{DISCOVERY.description} Sets `{{#SENSOR}}`, `{{#PORT}}`, `{{#MODEL}}`.",
                f"`{DISCOVERY.key}`",
            )
        ],
    )
    yield from _items("Items of each sensor", SENSOR_MASTER, SENSOR)
    for title, of_sensor in (("Triggers of each sensor", True), ("Triggers", False)):
        yield from _table(
            title,
            ("name", "severity", "expression", "recovery"),
            (
                (trigger.event_name, trigger.priority.lower(), f"`{trigger.expression}`",
                 f"`{trigger.recovery}`" if trigger.recovery else "")
                for trigger in TRIGGERS
                if trigger.of_sensor == of_sensor
            ),
        )  # fmt: skip


def _items(title: str, master: Item, dependent: Iterable[Item]) -> Iterator[str]:
    yield from _table(
        title,
        ("name", "description", "key", "unit"),
        ((item.name, item.description, f"`{item.key}`", item.units) for item in (master, *dependent)),
    )


def _table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = tuple(head)
    yield f"## {title}\n"
    yield _row(head)
    yield _row("---" for _ in head)
    yield from map(_row, rows)
    yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
