"""``make mutants``: change the package in small ways, and list the changes that no unit or simulated test notices.

A seeded sample of the changes of each module is tried in copies of the work tree, with the tests that call the changed
function (``tools.test_map``). The results of the last run of each module are in build/mutants.json.
"""

import argparse
import itertools
import json
import os
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tools.mutation import Change, changes
from tools.test_map import Map, callers, function_at, load
from tools.trees import TOP, Run, Trees, run_tests

RESULTS = TOP / "build/mutants.json"
REVIEWED = TOP / "tools/equivalent_mutants.toml"
DOCUMENT = TOP / "docs/contributing.md"
BEGIN, END = "<!-- mutants -->\n", "<!-- /mutants -->\n"
USAGE_ERROR = 4
"""Exit status of pytest if it does not find a test."""
QUICK_SECONDS = 0.5
"""s of a test that fails only because of a change. A longer one is run again, without the change and with it."""
SPARE_SECONDS = 60
"""s more than three times the usual time of the tests, until a change counts as noticed because they hang."""
Results = dict[str, dict[str, list[str]]]
"""For each module that was tried, the changes that were noticed, and those that survived."""
PRIVATE = ("/etc", "/var/lib")
"""Folders that a changed ``usbrh setup`` would write to as root."""
_MTIMES = itertools.count(10**9)
"""Each version of a module has another time of change, so that Python compiles it again."""


def protect_the_machine() -> None:
    """As root, start again where changes of ``PRIVATE`` stay in memory and end with this process."""
    if os.geteuid() or os.environ.get("USBRH_MUTANTS") == "protected":
        return
    steps = ["mount -t tmpfs tmpfs /mnt"]
    for number, folder in enumerate(PRIVATE):
        upper, work = f"/mnt/upper{number}", f"/mnt/work{number}"
        steps += [f"mkdir {upper} {work}"]
        steps += [f"mount -t overlay -o lowerdir={folder},upperdir={upper},workdir={work} overlay {folder}"]
    command = ["unshare", "--mount", "sh", "-euc", "\n".join([*steps, 'exec "$@"']), "-", *sys.orig_argv]
    os.execvpe(command[0], command, os.environ | {"USBRH_MUTANTS": "protected"})


def modules(names: Sequence[str]) -> list[str]:
    """Return the modules of the package below the paths ``names``; all without names."""
    found = sorted(str(path.relative_to(TOP)) for path in TOP.glob("usbrh/**/*.py"))
    return [each for each in found if not names or any(each == name or each.startswith(f"{name}/") for name in names)]


class Trial:
    """The changes are tried in copies of the work tree, with the tests that call what is changed."""

    def __init__(self, trees: Trees, found: Map) -> None:
        self._trees = trees
        self._map = found
        self._seconds = {test: seconds for file in found.values() for test, seconds in file.seconds.items()}
        self._doubtful: set[str] = set()
        """Tests that failed without a change, or failed with one and then passed."""

    def notices(self, module: str, change: Change) -> bool:
        """Return whether a test fails, or hangs, with the change."""
        with self._trees.one() as tree:
            source = (tree / module).read_text(encoding="utf-8")
            function = function_at(source, change.line)
            return any(self._fails(tree, module, change, tests) for tests in callers(self._map, module, function))

    def _fails(self, tree: Path, module: str, change: Change, tests: Sequence[str]) -> bool:
        while tests := [test for test in tests if test not in self._doubtful]:
            run = self._with_change(tree, module, change, tests)
            failed = [test for test, outcome in run.outcomes.items() if outcome == "failed"]
            if not run.status or not failed or all(self._seconds.get(test, 0) < QUICK_SECONDS for test in failed):
                return run.status != 0
            # A test that waits may fail because of other programs.
            if run_tests(tree, failed).status == 0 and self._with_change(tree, module, change, failed).status != 0:
                return True
            print(f"left out, because it does not always fail or pass: {', '.join(failed)}", flush=True)
            self._doubtful |= set(failed)
        return False

    def _with_change(self, tree: Path, module: str, change: Change, tests: Sequence[str]) -> Run:
        seconds = 3 * sum(self._seconds.get(test, 0) for test in tests) + SPARE_SECONDS
        path = tree / module
        source = path.read_text(encoding="utf-8")
        try:
            _write(path, change.apply(source))
            run = run_tests(tree, ["-x", *tests], seconds)
            if run.status == USAGE_ERROR:  # a test is gone, because its parameter has another name now
                run = run_tests(tree, ["-x", *dict.fromkeys(test.partition("::")[0] for test in tests)], seconds)
        finally:
            _write(path, source)
        return run


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


def survivors(module: str, tried: Sequence[tuple[Change, Future[bool]]]) -> list[str]:
    """Wait for the trials of a module. Print and return the changes that no test notices."""
    left = [change for change, noticed in tried if not noticed.result()]
    lines = [f"{module}:{each.line}: {each.before}  # {each.text}" for each in left]
    print(f"{module}: {len(tried) - len(left)} of {len(tried)} noticed", *lines, sep="\n    ", flush=True)
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
    parser.add_argument("--list", action="store_true", help="only list the changes")
    parser.add_argument("--table", action="store_true", help="only write the table of all results into the document")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if arguments.table:
        write_table(results)
        return
    if not arguments.list:
        protect_the_machine()
    chosen = {}
    for module in modules(arguments.names):
        equivalent = reviewed(module)
        drawn = sample(module, arguments.sample, arguments.seed)
        chosen[module] = [each for each in drawn if (each.before, each.text) not in equivalent]
    if arguments.list:
        for module, drawn in chosen.items():
            print(module, *(f"{each.line}: {each.text}" for each in drawn), sep="\n    ")
        return
    with tempfile.TemporaryDirectory(prefix="usbrh-mutants-") as folder, ThreadPoolExecutor(arguments.jobs) as pool:
        trees = Trees(Path(folder), arguments.jobs)
        trial = Trial(trees, load(trees, arguments.jobs))
        tried = {}
        for module, drawn in chosen.items():
            before = results.get(module, {}).get("noticed", []) if arguments.again else []
            new = [each for each in drawn if name_of(each) not in before]
            tried[module] = [(each, pool.submit(trial.notices, module, each)) for each in new]
        try:
            for module, drawn in chosen.items():
                left = survivors(module, tried[module])
                names = [name_of(each) for each in drawn]
                results[module] = {"noticed": [each for each in names if each not in left], "survived": left}
                RESULTS.parent.mkdir(exist_ok=True)
                RESULTS.write_text(json.dumps(results, indent=1), encoding="utf-8")
        finally:
            pool.shutdown(cancel_futures=True)
    print("".join(table(results)))


if __name__ == "__main__":
    main()
