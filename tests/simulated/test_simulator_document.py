"""docs/simulator.md says what is there."""

import re
from pathlib import Path

import usb.core

from usbrh.simulator import script
from usbrh.simulator.commands import execute
from usbrh.simulator.faults import FAULTS, USBRH2_FAULTS
from usbrh.simulator.usbrh1 import VirtualUsbRh
from usbrh.simulator.usbrh2 import VirtualUsbrh2

TEXT, JAPANESE = (
    Path(__file__).parents[2].joinpath("docs", name).read_text("utf-8") for name in ("simulator.md", "simulator.ja.md")
)


def blocks() -> list[str]:
    """The indented examples."""
    found = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", TEXT, re.MULTILINE)
    return ["\n".join(line.removeprefix("    ") for line in block.strip("\n").splitlines()) for block in found]


def test_table_lists_every_fault_as_it_is() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", TEXT, re.MULTILINE)
    faults = [*FAULTS.items(), *USBRH2_FAULTS.items()]
    assert [name for name, _ in rows] == [name for name, _ in faults]
    assert all(says.startswith(fault.description) for (_, says), (_, fault) in zip(rows, faults, strict=True))


def test_the_japanese_tables_list_the_same() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \|$", JAPANESE, re.MULTILINE)
    assert rows == [*FAULTS, *USBRH2_FAULTS]


def test_example_of_a_file_is_right(tmp_path: Path) -> None:
    (tmp_path / "sensors.toml").write_text("\n".join(block for block in blocks() if block.startswith("[sensor")))
    first, second = script.models(str(tmp_path / "sensors.toml"))
    assert (first.measuring, first.faults) == (0.45, {"late": 3})
    assert isinstance(second, VirtualUsbrh2)
    assert (second.serial, second.faults) == ("E02A", {"half_line": 1})


def test_command_lines_are_right() -> None:
    (example,) = (block for block in blocks() if block.startswith("sim-1 ticks"))
    models = {"sim-1": VirtualUsbRh(1)}
    *lines, last = example.splitlines()
    assert [execute(line, models)["ok"] for line in lines] == [True] * 6
    assert last == "quit"


def test_python_example_runs() -> None:
    (example,) = (block for block in blocks() if block.startswith("import usb.core"))
    names: dict[str, object] = {}
    exec(example, names)
    assert isinstance(names["device"], usb.core.Device)
