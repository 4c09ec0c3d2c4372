"""The tables in docs/device.md list every unknown of the virtual sensors, with all its values."""

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest

from usbrh.simulator.unknowns import Usbrh2Unknowns, UsbRhUnknowns

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", ["device.md", "device.ja.md"])
@pytest.mark.parametrize("kind", [UsbRhUnknowns, Usbrh2Unknowns])
def test_the_tables_list_every_unknown_and_its_values(name: str, kind: type[Any]) -> None:
    rows = re.findall(r"^\|[^|]*\| `(\w+)` \|(.*)\|$", (DOCS / name).read_text("utf-8"), re.MULTILINE)
    shown = {parameter: re.findall("`([^`]*)`", values) for parameter, values in rows}
    for field in fields(kind):
        choices = get_args(field.type)
        if kind is Usbrh2Unknowns:
            assert [json.loads(value) for value in shown[field.name]] == list(choices or (False, True))
        elif choices:
            assert shown[field.name] == [str(choice) for choice in choices]
        default = choices[0] if choices else field.default
        assert field.default == default
