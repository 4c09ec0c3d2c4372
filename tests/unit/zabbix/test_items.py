"""The keys that usbrh sends are keys of the templates."""

from typing import Any

import pytest
import yaml

from usbrh.zabbix.items import BRIDGE, DISCOVERY, TEST, reading_key, state_key
from usbrh.zabbix.templates import METHODS, Method, template_text


@pytest.mark.parametrize("method", METHODS)
def test_the_templates_have_the_items(method: Method) -> None:
    (template,) = yaml.safe_load(template_text(method, (7, 0), "en"))["zabbix_export"]["templates"]

    def keys(rows: list[dict[str, Any]]) -> set[str]:
        return {row["key"] for row in rows}

    assert {BRIDGE, TEST} <= keys(template["items"])
    (rule,) = template["discovery_rules"]
    assert rule["key"] == DISCOVERY
    assert {reading_key("{#SENSOR}"), state_key("{#SENSOR}")} <= keys(rule["item_prototypes"])
