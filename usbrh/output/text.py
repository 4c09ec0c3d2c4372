"""Readings as text, JSON lines, CSV, and in formats that the user defines."""

import io
import sys
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from usbrh.clock import NS
from usbrh.output.quantities import Quantity, to_fahrenheit
from usbrh.output.times import UTC_STYLE, TimeStyle
from usbrh.reading import QUANTITIES, Reading

CSV_COLUMNS = (
    *("time", "sensor", "port", "model", "serial"),
    *QUANTITIES,
    *("heater", "simulated", "state", "error"),
)
UNKNOWN = "U"
"""Output of --format for a missing value. RRDtool and munin use the same word."""


def text(reading: Reading, shown: Sequence[Quantity]) -> str:
    """Write the quantities ``shown`` of a reading as one line for people. A value that does not exist is left out."""
    if reading.error:
        return f"{reading.sensor}: {reading.state}"
    values = [each.text(reading) for each in shown]
    notes = [note for note, applies in (("heater on", reading.heater), ("simulated", reading.simulated)) if applies]
    words = [*filter(None, values), *([f"({', '.join(notes)})"] if notes else [])]
    return f"{reading.sensor}: {'   '.join(words)}"


def json_line(value: Any) -> str:
    """Write JSON as one line for stdout: in UTF-8, or in ASCII if stdout has another encoding."""
    import json  # noqa: PLC0415 - usbrh read for people does without it

    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(value, ensure_ascii=not utf8)


def csv_line(values: Sequence[Any]) -> str:
    """Write one line of CSV (RFC 4180), without a line end."""
    import csv  # noqa: PLC0415 - as json

    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def csv_reading(reading: Reading, times: TimeStyle = UTC_STYLE) -> str:
    """Write a reading as CSV in the order of ``CSV_COLUMNS``; a missing value is empty."""
    data = {**reading.to_dict(), "time": times.text(reading.time_ns)}
    return csv_line([_plain(data[column]) for column in CSV_COLUMNS])


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


class _LocalTime:
    """The value ``{local}``: ISO 8601 in local time, or as a format in strftime notation says: ``{local:%H:%M}``."""

    def __init__(self, time_ns: int) -> None:
        self._time_ns = time_ns

    def __format__(self, form: str) -> str:
        return TimeStyle(local=True, form=form or None).text(self._time_ns)

    def __str__(self) -> str:
        return format(self)

    __repr__ = __str__


class ReadingFormatter(Formatter):
    """Formats fields such as ``{temperature:.1f}``. Attributes and indices of a value are not accessible."""

    def __init__(self, unknown: str) -> None:
        """``unknown``: the text for a missing value."""
        self._unknown = unknown

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        """Look up a key; raises KeyError."""
        return kwargs[field_name], field_name

    def convert_field(self, value: Any, conversion: Any) -> Any:
        """Convert a value, as ``!s`` and ``!r`` ask; a missing one stays missing."""
        return None if value is None else super().convert_field(value, conversion)

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format a value."""
        return self._unknown if value is None else str(format(value, format_spec))


def formatted(template: str, reading: Reading, *, unknown: str = UNKNOWN, times: TimeStyle = UTC_STYLE) -> str:
    """Insert the reading's values into ``template``. The characters ``\\n`` and ``\\t`` mean a line feed and a tab.

    ``unknown`` stands for a missing value. ``times`` is the style of ``{time}``.

    Raises:
        KeyError: A field does not exist.
        ValueError: The template is not a valid format, or a format does not fit its value.
    """
    text = template.replace("\\n", "\n").replace("\\t", "\t")
    return ReadingFormatter(unknown).vformat(text, (), format_values(reading, times))


def format_values(reading: Reading, times: TimeStyle = UTC_STYLE) -> dict[str, Any]:
    """Return the values that a template of ``formatted`` can name, by their names."""
    data = reading.to_dict()
    raw = data.pop("raw") or {}
    return {
        **data,
        "time": times.text(reading.time_ns),
        "local": _LocalTime(reading.time_ns),
        **{f"raw_{key}": raw.get(key) for key in ("temperature", "humidity", "reserved")},
        **{f"{key}_f": to_fahrenheit(data[key]) for key in ("temperature", "dew_point", "frost_point")},
        "unix": reading.time_ns // NS,
    }
