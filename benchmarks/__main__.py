"""Measure the figures, and write them into docs/benchmarks.md, its Japanese version, and benchmarks/ratios.json.

python -m benchmarks [MODULE …]              all modules, or these
python -m benchmarks --check [MODULE …]      write nothing; compare with ratios.json
"""

import argparse
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from benchmarks.document import put
from benchmarks.figures import LANGUAGES, Figure, Unavailable, table

MODULES = ("starting", "agent", "commands", "journal", "many", "drain")
RATIOS = Path(__file__).with_name("ratios.json")
LOSS = 0.25
"""A ratio that is worse by more than this part fails the check."""


def measure(module: str) -> list[Figure]:
    """The figures of a module, each printed when it is measured; none if this machine lacks something."""
    figures = []
    try:
        for figure in import_module(f"benchmarks.{module}").measure():
            print(figure.row(0), flush=True)
            figures.append(figure)
    except Unavailable as reason:
        print(f"{module}: not measured: {reason}", file=sys.stderr)
        return []
    return figures


def write(module: str, figures: list[Figure]) -> None:
    """Write the tables of a module, and its ratios."""
    for index, language in enumerate(LANGUAGES):
        put(f"docs/benchmarks{'' if language == 'en' else '.' + language}.md", module, table(figures, index))
    ratios = json.loads(RATIOS.read_text()) if RATIOS.exists() else {}
    ratios[module] = {figure.name: float(f"{figure.ratio:.3g}") for figure in figures}
    RATIOS.write_text(json.dumps(ratios, indent=2, sort_keys=True) + "\n")


def losses(module: str, figures: list[Figure]) -> Iterator[str]:
    """Yield a line for each committed ratio that is much worse now, or was not measured."""
    measured = {figure.name: figure for figure in figures}
    for name, before in json.loads(RATIOS.read_text()).get(module, {}).items():
        figure = measured.get(name)
        if figure is None:
            yield f"{name}: not measured"
        elif figure.is_worse(figure.ratio, before * (1 - LOSS if figure.more_is_better else 1 + LOSS)):
            yield f"{name}: {figure.ratio:.3f}, but {before:.3f} in {RATIOS.name}"


def main() -> None:
    """Measure and write, or measure and compare; exit with status 1 after a loss."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    parser.add_argument("--check", action="store_true", help="compare with ratios.json")
    options = parser.parse_args()
    if unknown := set(options.modules) - set(MODULES):
        parser.error(f"no such module: {', '.join(sorted(unknown))}")
    lost = []
    for module in options.modules or MODULES:
        print(f"{module}:", flush=True)
        figures = measure(module)
        if options.check:
            lost += list(losses(module, figures))
        elif figures:
            write(module, figures)
    sys.exit("\n".join(lost) or None)


if __name__ == "__main__":
    main()
