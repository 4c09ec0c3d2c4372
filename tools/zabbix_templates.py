"""Write zabbix/templates: `python -m tools.zabbix_templates`; with --check only say if they are stale.

Three templates for two releases from one description, so that they can't drift apart. They differ in how
their master items get values, and in what that asks for: intervals, time-outs, how sensors are left out. Names, keys,
triggers and dashboards are the same, so that a host can change from one to another.
"""

import argparse
import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tools.zabbix_content import (
    BRIDGE,
    BRIDGE_MASTER,
    DISCOVERY,
    MACROS,
    SENSOR,
    SENSOR_MASTER,
    TRIGGERS,
    VALUE_MAPS,
    Item,
    Trigger,
    Widget,
    dashboard,
    graphs,
)
from tools.zabbix_readme import text as readme

FOLDER = Path(__file__).parent.parent / "zabbix" / "templates"
RELEASES = ("6.0", "7.0")
VERSION = "1"  # of the templates, in 7.0's vendor field: counts up when their content changes
# What Zabbix itself takes: left out of a file in the form in which Zabbix would export it. `usbrh zabbix provision`
# lets Zabbix compare the file with what it has, and only this form compares equal.
DEFAULTS = {
    "6.0": {"history": "90d", "trends": "365d", "lifetime": "30d"},
    "7.0": {"history": "31d", "trends": "365d", "lifetime": "7d"},
}
PATIENCE = "10s"
"""For an answer of `usbrh agent`. It takes 2.5 s of its own at most, and the usual 3 s leave little for what a busy
machine needs to start a process and to end it."""
GROUP = {"uuid": "a571c0d144b14fd4a87a9d9b2aa9fcd6", "name": "Templates/Applications"}  # comes with every Zabbix
HEADER = """\
# {name}, for Zabbix {release}.
# Made by tools/zabbix_templates.py, which is where to change it.
"""

BY_NAME = sorted(TRIGGERS, key=lambda trigger: trigger.name)  # as Zabbix exports them
Yaml = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Form:
    """One way for values to reach Zabbix."""

    name: str
    file: str
    item_type: str
    how: str

    @property
    def polled(self) -> bool:
        return self.item_type != "TRAP"


FORMS = (
    Form("USB-RH by Zabbix trapper", "usbrh_trapper", "TRAP",
         "Values are sent by the service (usbrh run) or by a timer (usbrh send)."),
    Form("USB-RH by Zabbix agent", "usbrh_agent", "ZABBIX_PASSIVE",
         "The server asks Zabbix agent or agent 2, which has usbrh.conf in its zabbix_agentd.d."),
    Form("USB-RH by Zabbix agent active", "usbrh_agent_active", "ZABBIX_ACTIVE",
         "Zabbix agent or agent 2, which has usbrh.conf in its zabbix_agentd.d, sends by active checks."),
)  # fmt: skip


class Template:
    """One form for one release, as the data of its YAML file."""

    def __init__(self, form: Form, release: str) -> None:
        self.form = form
        self.release = release

    @property
    def patient(self) -> bool:
        """Whether items may have a time-out of their own: new in 7.0."""
        return self.form.polled and self.release != "6.0"

    def uuid(self, *path: str) -> str:
        """Always the same for one thing of one template, in both releases, in the shape of a version 4 UUID.

        Zabbix knows by it what to update at the next import. It comes from the names alone: nothing to keep.
        """
        digits = list(hashlib.sha256("\n".join((self.form.name, *path)).encode()).hexdigest()[:32])
        digits[12] = "4"
        digits[16] = "89ab"[int(digits[16], 16) % 4]
        return "".join(digits)

    def data(self) -> Yaml:
        template: Yaml = {
            "uuid": self.uuid("template"),
            "template": self.form.name,
            "name": self.form.name,
            "description": "Temperature, humidity, dew point by USB hygrometers of Strawberry Linux (USB-RH, USBRH2).\n"
            f"{self.form.how}\nLimits are macros; a macro with the sensor's name as context sets that of one sensor:\n"
            '{$USBRH.TEMP.MAX.CRIT:"living-room"}',
            **({} if self.release == "6.0" else {"vendor": {"name": "usbrh", "version": f"{self.release}-{VERSION}"}}),
            "groups": [{"name": GROUP["name"]}],
            "items": [self.item(BRIDGE_MASTER), *(self.item(item, BRIDGE_MASTER) for item in BRIDGE)],
            "discovery_rules": [self.discovery()],
            "tags": [{"tag": "class", "value": "hardware"}, {"tag": "target", "value": "usb-rh"}],
            "macros": [self.macro(*row) for row in sorted(MACROS) if self.form.polled or row[0] != "{$USBRH.INTERVAL}"],
            "dashboards": [self.dashboard()],
            "valuemaps": [
                {"uuid": self.uuid("valuemap", name), "name": name,
                 "mappings": [{"value": value, "newvalue": text} for value, text in mapping.items()]}
                for name, mapping in VALUE_MAPS.items()
            ],
        }  # fmt: skip
        export: Yaml = {
            "version": self.release,
            "groups" if self.release == "6.0" else "template_groups": [GROUP],
            "templates": [template],
        }
        across = [trigger for trigger in BY_NAME if not trigger.of_sensor and not trigger.single_item]
        if across:
            export["triggers"] = [self.trigger(trigger) for trigger in across]
        bridge_graphs = [graph for graph in graphs(self.form.name) if not graph["of_sensor"]]
        if bridge_graphs:
            export["graphs"] = [self.graph(graph) for graph in bridge_graphs]
        return {"zabbix_export": export}

    def item(self, item: Item, master: Item | None = None) -> Yaml:
        """An item, or an item prototype; dependent if it has a master."""
        data: Yaml = {"uuid": self.uuid("item", item.key), "name": item.name}
        if master:
            data |= {"type": "DEPENDENT", "key": item.key, "delay": "0"}
        else:
            data |= self.collected(item.key, "{$USBRH.INTERVAL}")
        data["history"] = item.history
        if item.value_type in {"CHAR", "TEXT"}:
            data["trends"] = "0"
        elif item.trends:
            data["trends"] = item.trends
        if item.value_type != "UNSIGNED":
            data["value_type"] = item.value_type
        if item.units:
            data["units"] = item.units
        data["description"] = item.description
        if item.value_map:
            data["valuemap"] = {"name": item.value_map}
        if item.preprocessing:
            data["preprocessing"] = [step.data() for step in item.preprocessing]
        if master:
            data["master_item"] = {"key": master.key}
        elif self.patient:
            data["timeout"] = PATIENCE
        data["tags"] = [{"tag": tag, "value": value} for tag, value in item.tags]
        own = [self.trigger(trigger) for trigger in BY_NAME if trigger.single_item == item.key]
        if own:
            data["trigger_prototypes" if "{#" in item.key else "triggers"] = own
        return self.without_defaults(data)

    def without_defaults(self, data: Yaml) -> Yaml:
        return {key: value for key, value in data.items() if DEFAULTS[self.release].get(key) != value}

    def collected(self, key: str, delay: str) -> Yaml:
        """Type, key and interval of what comes from outside; a passive agent item is what Zabbix takes by default."""
        kind = {} if self.form.item_type == "ZABBIX_PASSIVE" else {"type": self.form.item_type}
        return {**kind, "key": key, "delay": delay if self.form.polled else "0"}

    def discovery(self) -> Yaml:
        lasting = {"lifetime": "30d"}
        if self.release != "6.0":
            # 7.0 would switch off what a lost sensor had, and nobody would be told that it is lost.
            lasting["enabled_lifetime_type"] = "DISABLE_NEVER"
        across = [trigger for trigger in BY_NAME if trigger.of_sensor and not trigger.single_item]
        rule = {
            "uuid": self.uuid("discovery", DISCOVERY.key),
            "name": DISCOVERY.name,
            **self.collected(DISCOVERY.key, "10m"),
            **({"filter": self.filter()} if self.form.polled else {}),
            **lasting,
            "description": DISCOVERY.description,
            **({"timeout": PATIENCE} if self.patient else {}),
            "item_prototypes": [self.item(SENSOR_MASTER), *(self.item(item, SENSOR_MASTER) for item in SENSOR)],
            "trigger_prototypes": [self.trigger(trigger) for trigger in across],
            "graph_prototypes": [self.graph(graph) for graph in graphs(self.form.name) if graph["of_sensor"]],
            **({} if self.form.polled else {"overrides": [self.override()]}),
        }
        return self.without_defaults(rule)

    def filter(self) -> Yaml:
        """Sensors that are not wanted are not there."""
        conditions = self.conditions("MATCHES_REGEX", "NOT_MATCHES_REGEX")
        return {"evaltype": "AND", "conditions": conditions}

    def override(self) -> Yaml:
        """Of sensors that are not wanted there is only what takes their readings, and keeps none.

        They are sent all the same, and without an item each would be rejected, and tried again, for ever.
        """
        conditions = self.conditions("NOT_MATCHES_REGEX", "MATCHES_REGEX")
        taking = SENSOR_MASTER.name.removeprefix("Sensor {#SENSOR}")
        kinds = (
            ("ITEM_PROTOTYPE", "NOT_LIKE", taking),
            ("TRIGGER_PROTOTYPE", "LIKE", ""),
            ("GRAPH_PROTOTYPE", "LIKE", ""),
        )
        return {
            "name": "Left out",
            "step": "1",
            "filter": {"evaltype": "OR", "conditions": conditions},
            "operations": [
                {"operationobject": kind, "operator": operator, **({"value": value} if value else {}),
                 "discover": "NO_DISCOVER"}
                for kind, operator, value in kinds
            ],
        }  # fmt: skip

    def conditions(self, matches: str, not_matches: str) -> list[Yaml]:
        """On the sensor's name, in the order of 7.0; what Zabbix takes by default is left out as in its own exports."""
        named = {"{$USBRH.LLD.FILTER.SENSOR.MATCHES}": matches, "{$USBRH.LLD.FILTER.SENSOR.NOT_MATCHES}": not_matches}
        return [
            {
                "macro": "{#SENSOR}",
                "value": name,
                **({} if how == "MATCHES_REGEX" else {"operator": how}),
                "formulaid": letter,
            }
            for letter, (name, how) in zip("AB", sorted(named.items(), key=lambda pair: pair[1]), strict=True)
        ]

    def trigger(self, trigger: Trigger) -> Yaml:
        data: Yaml = {"uuid": self.uuid("trigger", trigger.slug), **self.identity(trigger)}
        if trigger.recovery:
            data["recovery_mode"] = "RECOVERY_EXPRESSION"
        data |= {
            "event_name": trigger.event_name,
            "opdata": trigger.opdata,
            "priority": trigger.priority,
            "description": trigger.description,
        }
        if trigger.manual_close:
            data["manual_close"] = "YES"
        if trigger.depends_on:
            others = {other.slug: other for other in TRIGGERS}
            data["dependencies"] = [self.identity(others[slug]) for slug in trigger.depends_on]
        data["tags"] = [{"tag": "scope", "value": trigger.scope}]
        if trigger.of_sensor:
            data["tags"].append({"tag": "sensor", "value": "{#SENSOR}"})
        return {key: value for key, value in data.items() if value != ""}

    def identity(self, trigger: Trigger) -> Yaml:
        """By what a trigger that depends on this one names it."""
        data = {"expression": self.expression(trigger.expression), "name": trigger.name}
        if trigger.recovery:
            data["recovery_expression"] = self.expression(trigger.recovery)
        return data

    def expression(self, text: str) -> str:
        """``/key`` becomes ``/template/key``."""
        return text.replace("(/", f"(/{self.form.name}/")

    def graph(self, graph: Yaml) -> Yaml:
        own = {key: value for key, value in graph.items() if key != "of_sensor"}
        return {"uuid": self.uuid("graph", graph["name"]), **own}

    def macro(self, name: str, value: str, description: str) -> Yaml:
        return {"macro": name, "value": value, "description": description}

    def dashboard(self) -> Yaml:
        pages = dashboard(self.form.name)
        return {
            "uuid": self.uuid("dashboard"),
            "name": "USB-RH",
            "pages": [
                {
                    "name": name,
                    "widgets": [
                        self.widget(widget, n)
                        for n, widget in enumerate(self.in_order(widgets, lambda widget: (widget.x, widget.y)))
                    ],
                }
                for name, widgets in pages.items()
            ],
        }

    def in_order(self, things: list[T], key: Callable[[T], Any]) -> list[T]:
        """7.0 exports a dashboard sorted, 6.0 as it was made."""
        return things if self.release == "6.0" else sorted(things, key=key)

    def widget(self, widget: Widget, number: int) -> Yaml:
        """6.0 has 24 columns and names of its own for widgets and fields, 7.0 has 72."""
        old = self.release == "6.0"
        fields = [{"type": kind, "name": name if old or "id" not in name else f"{name}.0", "value": value}
                  for kind, name, value in widget.fields]  # fmt: skip
        if not old and widget.kind in {"GRAPH_CLASSIC", "GRAPH_PROTOTYPE"}:
            fields.append({"type": "STRING", "name": "reference", "value": f"USBR{'ABCDEFGH'[number]}"})
        new_kind = {"GRAPH_CLASSIC": "graph", "GRAPH_PROTOTYPE": "graphprototype", "ITEM": "item"}
        place = {"x": widget.x, "y": widget.y, "width": widget.width, "height": widget.height}
        wider = 1 if old else 3
        return {
            "type": widget.kind if old else new_kind[widget.kind],
            **({"name": widget.name} if widget.name else {}),
            **{key: str(value * (wider if key in {"x", "width"} else 1)) for key, value in place.items() if value},
            "fields": self.in_order(fields, lambda field: str(field["name"])),
        }


class Dumper(yaml.SafeDumper):
    """Lists indented below their key, and texts of several lines as such, like Zabbix's own exports."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, _text)


def files() -> Iterator[tuple[Path, str]]:
    """Each file of the folder, with the text that it should have."""
    for release in RELEASES:
        for form in FORMS:
            data = Template(form, release).data()
            body = yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000)
            yield FOLDER / release / f"{form.file}.yaml", HEADER.format(name=form.name, release=release) + body
    yield FOLDER / "README.md", readme((form.name, form.file, form.how) for form in FORMS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 if a file is stale")
    check = parser.parse_args().check
    wanted = dict(files())
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    stale += [path for path in FOLDER.rglob("*.*") if path.is_file() and path not in wanted]
    for path in stale:
        done = "written" if path in wanted else "removed"
        print(f"{path.relative_to(FOLDER.parent.parent)} is {'stale' if check else done}")
        if not check and path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        elif not check:
            path.unlink()
    if check and stale:
        sys.exit("run: python -m tools.zabbix_templates")


if __name__ == "__main__":
    main()
