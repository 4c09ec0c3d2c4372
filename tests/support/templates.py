"""The template files. ``test_the_files_are_not_stale`` compares them with what ``tools.zabbix_templates`` writes."""

import copy
import functools
from typing import Any

import yaml

from tools.zabbix_templates import FOLDER

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C is ten times as fast, and not in every PyYAML."""


def export(path: str) -> dict[str, Any]:
    """Return the content of the file at ``path`` in zabbix/templates, as a copy that the test may change."""
    return copy.deepcopy(_export(path))


@functools.cache
def _export(path: str) -> dict[str, Any]:
    text = (FOLDER / path).read_text(encoding="utf-8")
    return dict(yaml.load(text, LOADER)["zabbix_export"])
