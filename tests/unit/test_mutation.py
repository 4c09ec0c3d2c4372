"""The changes that ``make mutants`` tries, and the tests that it runs for each of them."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tools.mutants import REVIEWED, modules, reviewed, sample
from tools.mutation import changes
from tools.test_map import Measured, callers, function_at
from tools.trees import RECORDER

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
        ("x = max(a, b)", []),
        ("x = f(a, a)", []),
        ("T = TypeVar('T')", []),
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


SOURCE = """
A = 1
class B:
    C = 2
    @property
    def d(self, e=3):
        def f():
            return 4
        return [
            f,
        ]
"""


@pytest.mark.parametrize(
    ("line", "expected"), [(2, ""), (4, ""), (6, ""), (7, "B.d"), (8, "B.d.<locals>.f"), (9, "B.d"), (10, "B.d")]
)
def test_the_function_that_a_change_is_in(line: int, expected: str) -> None:
    assert function_at(SOURCE, line) == expected


def test_the_calls_of_each_test_are_recorded_in_its_processes_too(tmp_path: Path) -> None:
    calls, package = tmp_path / "calls", tmp_path / "package"
    package.mkdir()
    calls.touch()
    (package / "one.py").write_text("class A:\n    def b(self): return 1\n    def c(self): return 2\n")
    code = "import one, threading; one.A().b(); one.A().b(); threading.Thread(target=one.A().c).start()"
    subprocess.run(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], check=True)"],
        env=os.environ
        | {
            "PYTHONPATH": f"{TOP / RECORDER}{os.pathsep}{package}",
            "RECORDED_PACKAGE": f"{package}/",
            "RECORDED_CALLS": str(calls),
            "PYTEST_CURRENT_TEST": "test_one.py::test_two (call)",
        },
        check=True,
    )
    names = ["<module>", "A", "A.b", "A.c"]
    assert calls.read_text() == "".join(
        f"test_one.py::test_two (call)\t{package / 'one.py'}\t{name}\n" for name in names
    )


def test_the_quickest_tests_of_the_package_come_first() -> None:
    def file(name: str) -> Measured:
        seconds = {f"{name}::test_slow": 2.0, f"{name}::test_quick": 1.0, f"{name}::test_other": 1.0}
        calls = {"usbrh/journal/store.py:Journal.add": [f"{name}::test_slow", f"{name}::test_quick"]}
        return Measured("", seconds, [], calls)

    store, worker, clock = (
        f"tests/unit/{each}.py" for each in ("journal/test_store", "bridge/test_worker", "test_clock")
    )
    found = {name: file(name) for name in (worker, store)} | {clock: Measured("", {f"{clock}::test_clock": 1.0})}
    add = callers(found, "usbrh/journal/store.py", "Journal.add")
    whole = [f"{store}::{test}" for test in ("test_quick", "test_other", "test_slow")]
    assert add == [whole, [f"{worker}::test_quick", f"{worker}::test_slow"]]
    assert callers(found, "usbrh/journal/store.py", "Journal.close") == [whole]
    constant = callers(found, "usbrh/journal/store.py", "")
    assert {test for tests in constant for test in tests} == {*found[store].seconds, *found[worker].seconds}


def test_some_quick_tests_of_each_file_come_before_many_of_one() -> None:
    def file(name: str, seconds: float) -> Measured:
        tests = {f"{name}::test_{number}": seconds + number / 100 for number in range(5)}
        return Measured("", tests, [], {"usbrh/journal/store.py:Journal.add": list(tests)})

    quick, slow = "tests/unit/journal/test_quick.py", "tests/unit/journal/test_slow.py"
    [tests] = callers({slow: file(slow, 9), quick: file(quick, 1)}, "usbrh/journal/store.py", "Journal.add")
    first, rest = (0, 1, 2), (3, 4)
    assert tests == [f"{name}::test_{n}" for numbers in (first, rest) for name in (quick, slow) for n in numbers]


def test_each_reviewed_change_is_still_possible() -> None:
    entries = tomllib.loads(REVIEWED.read_text(encoding="utf-8")).get("mutant", [])
    assert all(entry["reason"] for entry in entries)
    for module in {entry["file"] for entry in entries}:
        assert reviewed(module), module
