"""Which tests call which functions of the package, and how long each test takes.

The map is in build/test_map.json. Only test files that have changed since then are measured again.
"""

import ast
import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tools.trees import TOP, Trees, run_tests

FIRST = 3
"""Tests of each file that run before the others."""
MAP = TOP / "build/test_map.json"


@dataclass
class Measured:
    """What a run of a test file showed."""

    checksum: str
    """Of its text."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Duration of each test that passes."""
    failed: list[str] = field(default_factory=list)
    """Tests that fail without a change."""
    calls: dict[str, list[str]] = field(default_factory=dict)
    """By function, as ``usbrh/clock.py:Deadline.passed``, the tests that call it."""


Map = dict[str, Measured]
"""By path."""


def test_files() -> list[Path]:
    """Return the files with unit and simulated tests."""
    return [file for kind in ("unit", "simulated") for file in sorted(TOP.glob(f"tests/{kind}/**/test_*.py"))]


def load(trees: Trees, jobs: int) -> Map:
    """Return the map, after new and changed test files were measured."""
    stored: dict[str, Any] = json.loads(MAP.read_text(encoding="utf-8")) if MAP.exists() else {}
    found: Map = {}
    new = []
    for path in test_files():
        name = str(path.relative_to(TOP))
        found[name] = Measured(hashlib.sha256(path.read_bytes()).hexdigest())
        if name in stored and stored[name]["checksum"] == found[name].checksum:
            found[name] = Measured(**stored[name])
        else:
            new.append(name)
    if new:
        _measure(trees, found, new, jobs)
        MAP.parent.mkdir(exist_ok=True)
        MAP.write_text(json.dumps({name: vars(file) for name, file in found.items()}), encoding="utf-8")
    for test in (test for file in found.values() for test in file.failed):
        print(f"left out, because it fails without a change: {test}", flush=True)
    return found


def _measure(trees: Trees, found: Map, names: Sequence[str], jobs: int) -> None:
    print(f"measuring {len(names)} test files", flush=True)
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as calls:
        Path(calls.name).chmod(0o666)  # for tests that change their user
        words = ["-n", str(jobs), "--dist", "loadscope", *names]
        with trees.one() as tree:
            run = run_tests(tree, words, record={"RECORDED_CALLS": calls.name, "RECORDED_PACKAGE": f"{tree}/usbrh/"})
        # A process with a limit for the size of its files can write the beginning of a line only.
        lines = [line.rstrip("\n").split("\t") for line in calls if line.count("\t") == 2]
    if run.status not in {0, 1}:
        raise SystemExit(f"pytest can't measure the tests (exit status {run.status})")
    doubtful = [test for test, outcome in run.outcomes.items() if outcome == "failed"]
    # Tests of time or memory can fail because of the recording.
    with trees.one() as tree:
        again = run_tests(tree, doubtful).outcomes if doubtful else {}
    for test, seconds in run.seconds.items():
        file = found[test.partition("::")[0]]
        if again.get(test, "passed") == "failed":
            file.failed.append(test)
        else:
            file.seconds[test] = seconds
    for current, module, function in lines:
        test, _, part = current.rpartition(" (")
        name = test.partition("::")[0]
        if name not in names:
            continue
        file = found[name]
        # The first test that uses a fixture of the file calls it for all of them.
        shared = part == "setup)" and "scope=" in (TOP / name).read_text(encoding="utf-8")
        key = f"{module[module.rindex('/usbrh/') + 1 :]}:{function.partition('.<locals>.<')[0]}"
        known = file.calls.setdefault(key, [])
        known += [each for each in (file.seconds if shared else [test]) if each in file.seconds and each not in known]


@cache
def imports(path: Path) -> set[str]:
    """Return the dotted names that a test module imports, with and without the name after ``from … import``."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def function_at(source: str, line: int) -> str:
    """Return the qualified name of the function whose body contains ``line``; "" outside of functions."""
    name = ""
    nodes: list[tuple[str, ast.AST]] = [("", ast.parse(source))]
    for prefix, parent in nodes:
        for node in ast.iter_child_nodes(parent):
            inner = prefix
            if isinstance(node, ast.ClassDef):
                inner = f"{prefix}{node.name}."
            elif isinstance(node, ast.FunctionDef):
                inner = f"{prefix}{node.name}.<locals>."
                if node.body[0].lineno <= line <= (node.end_lineno or line):
                    name = f"{prefix}{node.name}"
            nodes.append((inner, node))
    return name


def callers(found: Map, module: str, function: str) -> list[list[str]]:
    """Return the tests that may notice a change: in files with the module's name, others of its package, all others.

    All tests in files with its name count: some run a copy of the module, whose calls are not recorded. Of the other
    files, those that call the changed function count; outside of functions (""), those that call any function of the
    module, and all tests in files that import it. The quickest tests of each file come first: usually most tests of one
    file notice a change, and of the other files none.
    """
    dotted = ".".join(Path(module).with_suffix("").parts).removesuffix(".__init__")
    package = Path(module).parent.name
    groups: list[dict[str, float]] = [{}, {}, {}]
    for name, file in found.items():
        beside = Path(name).parent.name == package or (Path(name).parent.name == "unit" and package == "usbrh")
        named = beside and Path(module).stem.strip("_") in Path(name).stem
        tests: Iterable[str] = file.calls.get(f"{module}:{function}", ())
        if named or (not function and dotted in imports(TOP / name)):
            tests = file.seconds
        elif not function:
            of_module = (each for key, each in file.calls.items() if key.startswith(f"{module}:"))
            tests = {test for each in of_module for test in each}
        groups[2 - beside - named] |= {test: file.seconds[test] for test in tests}
    return [_in_order(group) for group in groups if group]


def _in_order(seconds: Mapping[str, float]) -> list[str]:
    """Sort tests: the quickest of each file, then the others, file by file."""
    files: dict[str, list[str]] = {}
    for test in sorted(seconds, key=lambda each: seconds[each]):
        files.setdefault(test.partition("::")[0], []).append(test)
    ordered = sorted(files.values(), key=lambda tests: sum(seconds[test] for test in tests))
    first, rest = ([test for tests in ordered for test in tests[part]] for part in (slice(FIRST), slice(FIRST, None)))
    return first + rest
