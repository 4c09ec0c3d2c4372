"""``make mutants``: change the package in small ways, and list the changes that no unit or simulated test notices.

A seeded sample of the changes of each module is tried in copies of the work tree. The tests that belong to a module are
those of its package, and those that import it. The results of the last run of each module are in build/mutants.json.
"""

import argparse
import ast
import contextlib
import itertools
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from tools.mutation import Change, changes

TOP = Path(__file__).parents[1]
RESULTS = TOP / "build/mutants.json"
REVIEWED = TOP / "tools/equivalent_mutants.toml"
DOCUMENT = TOP / "docs/contributing.md"
BEGIN, END = "<!-- mutants -->\n", "<!-- /mutants -->\n"
SPARE_SECONDS = 60
"""s more than three times the usual time of the tests, until a change counts as noticed because they hang."""
Results = dict[str, dict[str, list[str]]]
"""For each module that was tried, the changes that were noticed, and those that survived."""
_MTIMES = itertools.count(10**9)
"""Each version of a module has another time of change, so that Python compiles it again."""


def modules(names: Sequence[str]) -> list[str]:
    """Return the modules of the package below the paths ``names``; all without names."""
    found = sorted(str(path.relative_to(TOP)) for path in TOP.glob("usbrh/**/*.py"))
    return [each for each in found if not names or any(each == name or each.startswith(f"{name}/") for name in names)]


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


def files_for(module: str) -> tuple[list[str], list[str]]:
    """Return the test files of a module: those with its name and those that import it, and the others of its package.

    Those in tests/unit come first, because they are faster.
    """
    path = Path(module).relative_to("usbrh")
    dotted = ".".join(Path(module).with_suffix("").parts).removesuffix(".__init__")
    every = [file for kind in ("unit", "simulated") for file in sorted(TOP.glob(f"tests/{kind}/**/test_*.py"))]
    beside = [file for file in every if path.parent.parts and file.parent.name == path.parent.name]
    named = [file for file in beside or every if path.stem.strip("_") in file.stem]
    near = list(dict.fromkeys([*named, *(file for file in every if dotted in imports(file))]))
    rest = [file for file in beside if file not in near]
    return [str(file.relative_to(TOP)) for file in near], [str(file.relative_to(TOP)) for file in rest]


def copy_tree(target: Path) -> None:
    """Copy the source files as they are now, without generated ones."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    for name in listed.stdout.split("\0"):
        if name and (TOP / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TOP / name, target / name)


def run_tests(tree: Path, words: Sequence[str], seconds: float | None = None) -> tuple[int | None, str]:
    """Run pytest in a copy of the tree. Return its exit status, None after ``seconds``, and what it printed."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *words],
            cwd=tree,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        output.seek(0)
        return status, output.read()


@dataclass(frozen=True)
class Baseline:
    """A test file without a change."""

    failed: tuple[str, ...]
    """The tests that fail in a copy of the tree; the file itself if it does not run."""
    seconds: float


class Trial:
    """Copies of the work tree, one per process, in which changes are tried."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self._trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._baselines: dict[str, Baseline] = {}
        for number in range(jobs):
            copy_tree(folder / str(number))
            self._trees.put(folder / str(number))

    def baseline(self, file: str) -> Baseline:
        """Return the result of a test file without a change; measured once."""
        if file not in self._baselines:
            tree = self._trees.get()
            start = time.monotonic()
            status, output = run_tests(tree, [file])
            self._trees.put(tree)
            failed = tuple(re.findall(r"^(?:FAILED|ERROR) (\S+)", output, re.MULTILINE))
            left_out = failed or ((file,) if status else ())
            for each in left_out:
                print(f"left out, because it fails without a change: {each}", flush=True)
            self._baselines[file] = Baseline(left_out, time.monotonic() - start)
        return self._baselines[file]

    def notices(self, module: str, change: Change, files: Sequence[str]) -> bool:
        """Return whether a test in ``files`` fails, or hangs, with the change."""
        baselines = [self.baseline(file) for file in files]
        failed = {test for each in baselines for test in each.failed}
        files = [file for file in files if file not in failed]
        if not files:
            return False
        words = [*files, *(f"--deselect={test}" for test in failed)]
        seconds = 3 * sum(each.seconds for each in baselines) + SPARE_SECONDS
        tree = self._trees.get()
        path = tree / module
        source = path.read_text(encoding="utf-8")
        try:
            _write(path, change.apply(source))
            status, _ = run_tests(tree, ["-x", *words], seconds)
        finally:
            _write(path, source)
            self._trees.put(tree)
        return status != 0


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, (moment := next(_MTIMES), moment))


def reviewed(module: str) -> set[tuple[str, str]]:
    """Return the line and the change of each equivalent change to a module, and check that the module still has it."""
    found = {
        (each["line"], each["change"])
        for each in tomllib.loads(REVIEWED.read_text(encoding="utf-8")).get("mutant", [])
        if each["file"] == module
    }
    every = {(each.before, each.text) for each in changes((TOP / module).read_text(encoding="utf-8"))}
    for line, change in found - every:
        raise SystemExit(f"{REVIEWED.name}: {module} has no line {line!r} with the change {change!r}; remove the entry")
    return found


def sample(module: str, size: int, seed: int) -> list[Change]:
    """Return some changes to a module. A seed and a module give the same ones, also after changes elsewhere in it."""
    every = changes((TOP / module).read_text(encoding="utf-8"))
    return sorted(every, key=lambda each: each.rank(seed, module))[:size]


def name_of(change: Change) -> str:
    """Describe a change without its line number, which changes elsewhere in the module move."""
    return f"{change.before}  # {change.text}"


def try_module(trial: Trial, pool: ThreadPoolExecutor, module: str, drawn: list[Change]) -> list[str]:
    """Try the changes with the tests of the module, and print and return those that survive."""
    left = drawn
    for files in files_for(module):
        for file in files if left else ():
            trial.baseline(file)
        noticed = pool.map(partial(trial.notices, module, files=files), left)
        left = [each for each, found in zip(left, noticed, strict=True) if not found]
    lines = [f"{module}:{each.line}: {each.before}  # {each.text}" for each in left]
    print(f"{module}: {len(drawn) - len(left)} of {len(drawn)} noticed", *lines, sep="\n    ", flush=True)
    return [name_of(each) for each in left]


def package_of(module: str) -> str:
    """The package in the table that a module belongs to."""
    return "/".join(Path(module).parts[:-1])


def table(results: Results) -> Iterator[str]:
    """Yield the lines of the table: the score of each package."""
    yield "| package | modules tried | changes | noticed | score |\n"
    yield "| --- | ---: | ---: | ---: | ---: |\n"
    for package, names in itertools.groupby(sorted(modules(()), key=lambda each: (package_of(each), each)), package_of):
        every = [name for name in names if changes((TOP / name).read_text(encoding="utf-8"))]
        rows = [results[name] for name in every if name in results]
        noticed, survived = (sum(len(row[key]) for row in rows) for key in ("noticed", "survived"))
        tried = noticed + survived
        shown = f"{noticed} | {100 * noticed / tried:.0f} %" if tried else "0 |"
        yield f"| `{package}` | {len(rows)} of {len(every)} | {tried} | {shown} |\n"


def write_table(results: Results) -> None:
    """Replace the table in docs/contributing.md."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    DOCUMENT.write_text(before + BEGIN + "".join(table(results)) + END + after, encoding="utf-8")


def main() -> None:
    """Try the sample of each module, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PATH", help="a module or a package, such as usbrh/zabbix")
    parser.add_argument("--sample", type=int, default=10, help="changes per module")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="processes")
    parser.add_argument("--again", action="store_true", help="only the changes that no test has noticed yet")
    parser.add_argument("--list", action="store_true", help="only list the changes and the nearest tests")
    parser.add_argument("--table", action="store_true", help="only write the table of all results into the document")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if arguments.table:
        write_table(results)
        return
    chosen = {}
    for module in modules(arguments.names):
        equivalent = reviewed(module)
        drawn = sample(module, arguments.sample, arguments.seed)
        chosen[module] = [each for each in drawn if (each.before, each.text) not in equivalent]
    if arguments.list:
        for module, drawn in chosen.items():
            lines = [f"{each.line}: {each.text}" for each in drawn]
            print(module, *lines, *files_for(module)[0], sep="\n    ")
        return
    with tempfile.TemporaryDirectory(prefix="usbrh-mutants-") as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        trial = Trial(Path(folder), arguments.jobs)
        for module, drawn in chosen.items():
            before = results.get(module, {}).get("noticed", []) if arguments.again else []
            left = try_module(trial, pool, module, [each for each in drawn if name_of(each) not in before])
            names = [name_of(each) for each in drawn]
            results[module] = {"noticed": [each for each in names if each not in left], "survived": left}
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(results, indent=1), encoding="utf-8")
    print("".join(table(results)))


if __name__ == "__main__":
    main()
