"""Combinations of parameters in which each two values of two parameters occur together at least once."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any


def pairwise(choices: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return few such combinations, always the same: each begins with a missing pair and adds what completes most."""
    missing = {
        frozenset({(one, i), (other, j)})
        for one, other in combinations(choices, 2)
        for i in range(len(choices[one]))
        for j in range(len(choices[other]))
    }
    rows = []
    while missing:
        row = dict(min(missing, key=sorted))
        for name in choices:
            if name not in row:
                gains = [
                    sum(frozenset({(name, i), known}) in missing for known in row.items())
                    for i in range(len(choices[name]))
                ]
                row[name] = gains.index(max(gains))
        missing -= {frozenset(pair) for pair in combinations(row.items(), 2)}
        rows.append({name: choices[name][row[name]] for name in choices})
    return rows
