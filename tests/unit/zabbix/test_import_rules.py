"""The set for Zabbix 7.4 against the published import rules of 7.4, which no server here can apply.

The rules are read from the schema in C74XmlValidator.php of github.com/zabbix/zabbix (commit 0b635cbdaf51, of 2025, in
ui/include/classes/import/validators): the tags of each object, with * if they are required, and the values of a tag.
The manual adds "priority" and "section_name" of a macro's "config", which are newer than that commit:
https://www.zabbix.com/documentation/current/en/manual/xml_export_import/templates. Only objects and tags that a
template for sensors can have are listed. An import rejects unknown tags, missing tags, values that are not strings, and
unknown constants (CXmlValidatorGeneral.php).

C70ImportConverter.php and C72ImportConverter.php convert a file of 7.0 to 7.4. They change only the widgets "clock" and
"tophosts", hosts and maps. C74ImportConverter.php changes only the version for 8.0. So the rest of the set must be the
set for 7.0, which real servers import.
"""

import re
from typing import Any

import pytest

from tests.support.templates import export
from tools.zabbix_templates import FOLDER

COMMON_ITEM = """uuid* name* type key* delay history value_type trends status units description valuemap preprocessing
    master_item timeout tags allowed_hosts"""
TRIGGER = """uuid* expression* recovery_mode recovery_expression correlation_mode correlation_tag name* event_name
    opdata url_name url status priority description type manual_close dependencies tags"""
GRAPH = """uuid* name* width height yaxismin yaxismax show_work_period show_triggers type show_legend show_3d
    percent_left percent_right ymin_type_1 ymax_type_1 graph_items*"""
CONDITION = "macro* value operator formulaid"
TAGS = {
    "zabbix_export": "version* template_groups templates triggers graphs",
    "template_groups": "uuid* name*",
    "templates": """uuid* template* name description wizard_ready readme vendor templates groups* items discovery_rules
        httptests tags macros dashboards valuemaps""",
    "vendor": "name* version*",
    "groups": "name*",
    "items": f"{COMMON_ITEM} triggers inventory_link",
    "item_prototypes": f"{COMMON_ITEM} discover trigger_prototypes",
    "triggers": TRIGGER,
    "trigger_prototypes": f"{TRIGGER} discover",
    "dependencies": "name* expression* recovery_expression",
    "valuemap": "name*",
    "preprocessing": "type* parameters* error_handler error_handler_params",
    "master_item": "key*",
    "tags": "tag* value",
    "discovery_rules": """uuid* name* type key* delay status allowed_hosts filter lifetime_type lifetime
        enabled_lifetime_type enabled_lifetime description item_prototypes trigger_prototypes graph_prototypes
        host_prototypes master_item timeout lld_macro_paths preprocessing overrides""",
    "filter": "evaltype formula conditions*",
    "conditions": CONDITION,
    "overrides": "name* step* stop filter operations",
    "operations": "operationobject operator value discover status delay history trends severity tags",
    "graph_prototypes": f"{GRAPH} discover",
    "graphs": GRAPH,
    "graph_items": "sortorder drawtype color yaxisside calc_fnc type item*",
    "item": "host* key*",
    "macros": "macro* type value description config",
    "config": "type* priority section_name label description required regex options",
    "dashboards": "uuid* name* display_period auto_start pages",
    "pages": "name display_period widgets",
    "widgets": "type* name x y width height hide_header fields",
    "fields": "type* name* value*",
    "valuemaps": "uuid* name* mappings*",
    "mappings": "type value newvalue*",
}
YES_NO = {"YES", "NO"}
ITEM_TYPES = {
    "ZABBIX_PASSIVE", "TRAP", "SIMPLE", "INTERNAL", "ZABBIX_ACTIVE", "EXTERNAL", "ODBC", "IPMI", "SSH", "TELNET",
    "CALCULATED", "JMX", "SNMP_TRAP", "DEPENDENT", "HTTP_AGENT", "SNMP_AGENT", "SCRIPT", "BROWSER",
}  # fmt: skip
PRIORITIES = {"NOT_CLASSIFIED", "INFO", "WARNING", "AVERAGE", "HIGH", "DISASTER"}
RECOVERY = {"EXPRESSION", "RECOVERY_EXPRESSION", "NONE"}
LINES = {"SINGLE_LINE", "FILLED_REGION", "BOLD_LINE", "DOTTED_LINE", "DASHED_LINE", "GRADIENT_LINE"}
CONSTANTS = {
    ("templates", "wizard_ready"): YES_NO,
    ("config", "required"): YES_NO,
    ("config", "type"): {"NOCONF", "TEXT", "LIST", "CHECKBOX"},
    ("items", "type"): ITEM_TYPES,
    ("item_prototypes", "type"): ITEM_TYPES,
    ("items", "value_type"): {"FLOAT", "CHAR", "LOG", "UNSIGNED", "TEXT", "BINARY"},
    ("item_prototypes", "value_type"): {"FLOAT", "CHAR", "LOG", "UNSIGNED", "TEXT", "BINARY"},
    ("preprocessing", "type"): {"REGEX", "BOOL_TO_DECIMAL", "JSONPATH", "IN_RANGE", "MATCHES_REGEX",
                                "NOT_MATCHES_REGEX", "CHECK_JSON_ERROR", "DISCARD_UNCHANGED_HEARTBEAT"},
    ("preprocessing", "error_handler"): {"ORIGINAL_ERROR", "DISCARD_VALUE", "CUSTOM_VALUE", "CUSTOM_ERROR"},
    ("triggers", "priority"): PRIORITIES,
    ("trigger_prototypes", "priority"): PRIORITIES,
    ("triggers", "recovery_mode"): RECOVERY,
    ("trigger_prototypes", "recovery_mode"): RECOVERY,
    ("triggers", "manual_close"): YES_NO,
    ("trigger_prototypes", "manual_close"): YES_NO,
    ("triggers", "status"): {"ENABLED", "DISABLED"},
    ("trigger_prototypes", "status"): {"ENABLED", "DISABLED"},
    ("filter", "evaltype"): {"AND_OR", "AND", "OR", "FORMULA"},
    ("conditions", "operator"): {"MATCHES_REGEX", "NOT_MATCHES_REGEX", "EXISTS", "NOT_EXISTS"},
    ("operations", "operationobject"): {"ITEM_PROTOTYPE", "TRIGGER_PROTOTYPE", "GRAPH_PROTOTYPE", "HOST_PROTOTYPE"},
    ("operations", "operator"): {"EQUAL", "NOT_EQUAL", "LIKE", "NOT_LIKE", "REGEXP", "NOT_REGEXP"},
    ("operations", "discover"): {"DISCOVER", "NO_DISCOVER"},
    ("discovery_rules", "enabled_lifetime_type"): {"DISABLE_AFTER", "DISABLE_NEVER", "DISABLE_IMMEDIATELY"},
    ("graph_items", "drawtype"): LINES,
    ("graph_items", "yaxisside"): {"LEFT", "RIGHT"},
    ("fields", "type"): {"INTEGER", "STRING", "HOST", "ITEM", "ITEM_PROTOTYPE", "GRAPH", "GRAPH_PROTOTYPE"},
}  # fmt: skip
WITHOUT_PARAMETERS = {"BOOL_TO_DECIMAL"}
"""A preprocessing step of this type needs no parameters; they are ignored."""
FIELD_VALUES = {"ITEM": {"host", "key"}, "GRAPH": {"host", "name"}, "GRAPH_PROTOTYPE": {"host", "name"}}
"""Keys in the value of a widget's field, by the type of the field; a string for the other types."""


def violations(kind: str, data: Any) -> list[str]:
    """Return what an import would reject in an object, or in a list of objects, of this kind."""
    if isinstance(data, list):
        return [found for each in data for found in violations(kind, each)]
    names = TAGS[kind].split()
    allowed, required = {name.rstrip("*") for name in names}, {name[:-1] for name in names if name.endswith("*")}
    if data.get("type") in WITHOUT_PARAMETERS:
        required.discard("parameters")
    found = [f"{kind}: unexpected tag {tag}" for tag in data.keys() - allowed]
    found += [f"{kind}: missing tag {tag}" for tag in required - data.keys()]
    for tag, value in data.items():
        constants = CONSTANTS.get((kind, tag))
        if kind == "fields" and tag == "value" and data["type"] in FIELD_VALUES:
            found += [] if value.keys() == FIELD_VALUES[data["type"]] else [f"fields: {value}"]
        elif kind == "preprocessing" and tag == "parameters":
            found += [f"parameter {each!r} is no string" for each in value if not isinstance(each, str)]
        elif isinstance(value, dict | list):
            found += violations(tag, value)
        elif not isinstance(value, str):
            found.append(f"{kind}: {tag} {value!r} is no string")
        elif constants is not None and value not in constants:
            found.append(f"{kind}: {tag} {value}")
    return found


NAMES = sorted(path.name for path in (FOLDER / "7.4").iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_an_import_of_74_would_accept_the_set(name: str) -> None:
    assert violations("zabbix_export", export(f"7.4/{name}")) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_set_of_74_is_the_set_of_70_with_a_wizard(name: str) -> None:
    """Without the additions, it is what a real server imports and exports in the other tests."""
    new, old = export(f"7.4/{name}"), export(f"7.0/{name}")
    assert new["version"] == "7.4"
    new["version"] = old["version"]
    (template,), (before,) = new["templates"], old["templates"]
    assert template.pop("wizard_ready") == "YES"
    assert template.pop("readme").startswith("1. ")
    assert template["vendor"]["version"] == before["vendor"]["version"].replace("7.0", "7.4")
    template["vendor"] = before["vendor"]
    configured = {macro["macro"]: (macro["value"], macro.pop("config")) for macro in template["macros"]
                  if "config" in macro}  # fmt: skip
    assert new == old
    limits = {f"{{$USBRH.{quantity}.{side}.{level}}}" for quantity in ("TEMP", "HUM") for side in ("MIN", "MAX")
              for level in ("WARN", "CRIT")}  # fmt: skip
    assert configured.keys() - {"{$USBRH.INTERVAL}"} == limits
    assert len({config["priority"] for _, config in configured.values()}) == len(configured)
    for default, config in configured.values():
        # A text needs a label, and may have a regular expression; it has no options.
        assert config.keys() == {"type", "priority", "label", "required", "regex"}
        assert config["type"] == "TEXT"
        assert 0 < len(config["label"]) <= 255
        assert re.search(config["regex"], default)
        assert not re.search(config["regex"], "warm")


def test_a_widget_that_an_import_converts_is_not_used() -> None:
    templates = [export(f"7.4/{name}")["templates"][0] for name in NAMES]
    pages = [page for template in templates for dashboard in template["dashboards"] for page in dashboard["pages"]]
    kinds = {widget["type"] for page in pages for widget in page["widgets"]}
    assert kinds
    assert not kinds & {"clock", "tophosts"}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("macros", {"macro": "{$A}", "config": {"type": "NUMBER", "label": "A"}}),
        ("macros", {"macro": "{$A}", "help": "A"}),
        ("templates", {"uuid": "a", "template": "b", "groups": [{"name": "c"}], "wizard_ready": "true"}),
        ("items", {"uuid": "a", "name": "b", "key": "c", "history": 0}),
        ("items", {"uuid": "a", "name": "b"}),
        ("fields", {"type": "ITEM", "name": "itemid.0", "value": {"host": "a", "name": "b"}}),
    ],
)
def test_what_breaks_a_rule_is_found(kind: str, data: dict[str, Any]) -> None:
    assert len(violations(kind, data)) == 1
