"""Summaries of the history as tables for people, and as CSV."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from usbrh.clock import NS
from usbrh.output.quantities import Quantity, quantities
from usbrh.output.text import csv_line
from usbrh.periods import local
from usbrh.reading import SUMMARISED
from usbrh.summary import Summary

CSV_COLUMNS = (
    *("sensor", "period", "start", "end", "readings", "failed", "heated", "simulated"),
    *(f"{name}_{key}" for name in SUMMARISED for key in ("min", "min_time", "mean", "max", "max_time")),
)
_NO_VALUE = "-"
_ALIGNED = (str.ljust, str.rjust, str.rjust, str.ljust, str.rjust, str.rjust, str.ljust)


def csv_summary(summary: Summary) -> str:
    """Write a summary as CSV in the order of ``CSV_COLUMNS``; a missing value is empty."""
    data = summary.to_dict()
    data["simulated"] = str(data["simulated"]).lower()
    for name in SUMMARISED:
        data |= {f"{name}_{key}": value for key, value in (data[name] or {}).items()}
    return csv_line([data.get(column) for column in CSV_COLUMNS])


def tables(summaries: Iterable[Summary], *, fahrenheit: bool = False) -> Iterator[str]:
    """Yield the lines of one table per sensor and quantity, at most 80 columns wide except for a long name."""
    shown = quantities(SUMMARISED, fahrenheit=fahrenheit)
    ordered = sorted(summaries, key=lambda each: each.sensor)  # stable: by period within a sensor
    for number, (sensor, group) in enumerate(groupby(ordered, key=lambda each: each.sensor)):
        rows = list(group)
        if number:
            yield ""
        yield f"{sensor}   (simulated)" if any(each.simulated for each in rows) else sensor
        lines = [line for quantity in shown for line in _lines(quantity, rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            cells = (align(cell, width) for align, cell, width in zip(_ALIGNED, line, widths, strict=True))
            yield "  ".join(cells).rstrip()
        if left_out := _left_out(rows):
            yield left_out


def _lines(quantity: Quantity, rows: Sequence[Summary]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the heading and of each period."""
    yield f"{quantity.label}, {quantity.unit}", "readings", "min", "", "mean", "max", ""
    for each in rows:
        spread = each.spreads[quantity.key]
        cells = (_NO_VALUE, "", _NO_VALUE, _NO_VALUE, "")
        if spread:
            low, mean, high = (f"{quantity.convert(value):.2f}" for value in (spread.min, spread.mean, spread.max))
            cells = (low, _time(each, spread.min_ns), mean, high, _time(each, spread.max_ns))
        yield each.period.label, str(each.readings), *cells


def _time(summary: Summary, time_ns: int) -> str:
    """The local time of an extreme, as exact as its period needs."""
    moment = local(time_ns)
    if summary.period.end_ns - summary.period.start_ns > 2 * 86400 * NS:
        return f"{moment:%m-%d %H:%M}"
    changes = local(summary.period.start_ns).utcoffset() != local(summary.period.end_ns).utcoffset()
    return f"{moment:%H:%M%z}" if changes else f"{moment:%H:%M}"


def _left_out(rows: Sequence[Summary]) -> str | None:
    failed, heated = sum(each.failed for each in rows), sum(each.heated for each in rows)
    words = [f"{failed} failed"] * bool(failed) + [f"{heated} with the heater on"] * bool(heated)
    return f"not included: {', '.join(words)}" if words else None
