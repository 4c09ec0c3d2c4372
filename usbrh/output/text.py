"""Readings as text, JSON lines, CSV, and in formats that the user defines."""

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from usbrh.clock import NS
from usbrh.reading import QUANTITIES, Reading

CSV_COLUMNS = (
    *("time", "sensor", "port", "model", "serial"),
    *QUANTITIES,
    *("heater", "simulated", "state", "error"),
)
UNKNOWN = "U"
"""Output of --format for a missing value. RRDtool and munin use the same word."""


def text(reading: Reading, in_fahrenheit: bool = False) -> str:
    """Write a reading as one line for people."""
    if reading.error:
        return f"{reading.sensor}: {reading.state}"
    unit = "°F" if in_fahrenheit else "°C"
    temperature, point = (
        fahrenheit(value) if in_fahrenheit else value for value in (reading.temperature, reading.dew_point)
    )
    dew_point = "" if point is None else f"   dew point {point:.2f} {unit}"
    notes = [note for note, applies in (("heater on", reading.heater), ("simulated", reading.simulated)) if applies]
    return (
        f"{reading.sensor}: {temperature:.2f} {unit}   {reading.humidity:.2f} %RH{dew_point}"
        f"   {reading.absolute_humidity:.2f} g/m³{'   (' + ', '.join(notes) + ')' if notes else ''}"
    )


def json_line(value: Any) -> str:
    """Write JSON as one line for stdout: in UTF-8, or in ASCII if stdout has another encoding."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(value, ensure_ascii=not utf8)


def csv_line(values: Sequence[Any]) -> str:
    """Write one line of CSV (RFC 4180), without a line end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def csv_reading(reading: Reading) -> str:
    """Write a reading as CSV in the order of ``CSV_COLUMNS``; a missing value is empty."""
    data = reading.to_dict()
    return csv_line([_plain(data[column]) for column in CSV_COLUMNS])


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


class ReadingFormatter(Formatter):
    """Formats fields such as ``{temperature:.1f}``. Attributes and indices of a value are not accessible."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        """Look up a key; raises KeyError."""
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format a value, a missing one as ``UNKNOWN``."""
        return UNKNOWN if value is None else str(format(value, format_spec))


def formatted(template: str, reading: Reading) -> str:
    """Insert the reading's values into ``template``. The characters ``\\n`` and ``\\t`` mean a line feed and a tab.

    Raises:
        KeyError: A field does not exist.
        ValueError: The template is not a valid format, or a format does not fit its value.
    """
    data = reading.to_dict()
    raw = data.pop("raw") or {}
    fields = {
        **data,
        **{f"raw_{key}": raw.get(key) for key in ("temperature", "humidity", "reserved")},
        "temperature_f": fahrenheit(data["temperature"]),
        "dew_point_f": fahrenheit(data["dew_point"]),
        "frost_point_f": fahrenheit(data["frost_point"]),
        "unix": reading.time_ns // NS,
    }
    return ReadingFormatter().vformat(template.replace("\\n", "\n").replace("\\t", "\t"), (), fields)


def fahrenheit(celsius: float | None) -> float | None:
    """Convert °C to °F, with two decimals."""
    return None if celsius is None else round(celsius * 1.8 + 32, 2)
