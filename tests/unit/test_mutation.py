"""The changes that ``make mutants`` tries, and the tests that it runs for a module."""

import ast
import tomllib
from pathlib import Path

import pytest

from tools.mutants import REVIEWED, files_for, modules, reviewed, sample
from tools.mutation import changes

TOP = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", ["x = a <= b"]),
        ("x = a is not b", ["x = a is b"]),
        ("x = a and b", ["x = a or b"]),
        ("x = not a", ["x = bool(a)"]),
        ("x = a // b", ["x = a * b"]),
        ("x = 1", ["x = 2"]),
        ("x = True", ["x = False"]),
        ("x = 'key'", ["x = 'xkey'"]),
        ("x = f(a, b)", ["x = f(b, a)"]),
        ("x = f(*a, b)", []),
        ("if a:\n    b()", ["if not a:\n    b()", "if a:\n    pass"]),
        ("def f():\n    return a", ["def f():\n    return None"]),
        ("raise E", ["pass"]),
        ("x.y = a", ["pass"]),
        ("x += a", ["pass"]),
        ("x = 'ä' + b", ["x = 'ä' - b", "x = 'xä' + b"]),
        # What no test of behaviour depends on.
        ("x = 'a sentence'", []),
        ('"""Words."""', []),
        ("x: int = a", []),
        ("_log.debug('%s', 1)", []),
        ("x = f'{a}'", []),
    ],
)
def test_the_changes_to_a_line(source: str, expected: list[str]) -> None:
    assert sorted(each.apply(source) for each in changes(source)) == sorted(expected)


def test_every_change_to_the_package_is_python_and_changes_something() -> None:
    for module in modules(["usbrh/config/addresses.py", "usbrh/psychrometry.py"]):
        source = (TOP / module).read_text(encoding="utf-8")
        for change in sample(module, 20, 1):
            assert ast.dump(ast.parse(change.apply(source))) != ast.dump(ast.parse(source))
            assert source.splitlines()[change.line - 1].strip() == change.before


def test_a_change_elsewhere_in_a_module_keeps_the_sample() -> None:
    source = "".join(f"x{number} = {number}\n" for number in range(100))
    drawn = [sorted(changes(text), key=lambda each: each.rank(1, "m"))[:10] for text in (source, f"\n\n{source}")]
    first, second = ([each.text for each in found] for found in drawn)
    assert first == second
    assert drawn[0] != sorted(changes(source), key=lambda each: each.rank(2, "m"))[:10]


def test_the_nearest_tests_come_first() -> None:
    near, rest = files_for("usbrh/journal/store.py")
    assert near[0] == "tests/unit/journal/test_store.py"
    assert "tests/unit/bridge/test_delivery.py" in near, "it imports the module"
    assert {Path(each).parent.name for each in rest} == {"journal"}, "the others of its package"
    assert not set(near) & set(rest)
    assert files_for("usbrh/clock.py")[0][0] == "tests/unit/test_clock.py"


def test_each_reviewed_change_is_still_possible() -> None:
    entries = tomllib.loads(REVIEWED.read_text(encoding="utf-8")).get("mutant", [])
    assert all(entry["reason"] for entry in entries)
    for module in {entry["file"] for entry in entries}:
        assert reviewed(module), module
