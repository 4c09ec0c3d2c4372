"""Replace the texts of a template file. What identifies something, such as keys, tags, macros and UUIDs, stays."""

import re
from collections.abc import Callable
from typing import Any

TEXTS = {"name", "description", "event_name", "opdata", "newvalue", "error_handler_params", "label", "readme"}
"""Keys of a template file whose values people read."""
IDENTIFIERS = {"groups", "template_groups", "tags", "vendor"}
WIDGET_TEXTS = re.compile(r"(ds\.\d+\.)?items\.\d+|primary_label|secondary_label|description")
"""Names of widget fields that show a text, or find items by their names."""


def translated(data: Any, text: Callable[[str], str]) -> Any:
    """Return ``data``, a part of a template file, with each text replaced by what ``text`` returns for it."""
    if isinstance(data, list):
        return [translated(each, text) for each in data]
    if not isinstance(data, dict):
        return data
    if data.keys() == {"type", "name", "value"}:  # a field of a widget
        shown = isinstance(data["value"], str) and data["type"] == "STRING" and WIDGET_TEXTS.fullmatch(data["name"])
        return {**data, "value": text(data["value"]) if shown else translated(data["value"], text)}
    if "operationobject" in data and "value" in data:  # an override that finds prototypes by their names
        return {**data, "value": text(data["value"])}
    return {key: _value(key, value, text) for key, value in data.items()}


def _value(key: str, value: Any, text: Callable[[str], str]) -> Any:
    if key in IDENTIFIERS:
        return value
    return text(value) if key in TEXTS and isinstance(value, str) else translated(value, text)
