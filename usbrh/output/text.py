"""How readings are printed: text, CSV, and formats of the user's own."""

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

from usbrh.clock import NS
from usbrh.reading import Reading

CSV_COLUMNS = (
    *("time", "sensor", "port", "model", "serial"),
    *("temperature", "humidity", "dew_point", "absolute_humidity"),
    *("heater", "simulated", "state", "error"),
)
UNKNOWN = "U"
"""What a value that is not there is printed as by --format: the word of RRDtool and munin for it."""


def text(reading: Reading, in_fahrenheit: bool = False) -> str:
    """One line for a person."""
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
    """JSON in one line for stdout: UTF-8, as programs expect it, or ASCII where stdout has another encoding."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json.dumps(value, ensure_ascii=not utf8)


def csv_line(values: Sequence[Any]) -> str:
    """One line of CSV (RFC 4180), without its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def csv_reading(reading: Reading) -> str:
    """The reading in the order of ``CSV_COLUMNS``; what is not there is empty."""
    data = reading.to_dict()
    return csv_line([_plain(data[column]) for column in CSV_COLUMNS])


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


class ReadingFormatter(Formatter):
    """``{temperature:.1f}`` and the like: the keys of the JSON object, and nothing that can be reached from them."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        return kwargs[field_name], field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        return UNKNOWN if value is None else str(format(value, format_spec))


def formatted(template: str, reading: Reading) -> str:
    """``template`` with the reading's values; ``\\n`` and ``\\t`` written out are a new line and a tab.

    Raises:
        KeyError: there is no such value.
        ValueError: not a format, or not one for such a value.
    """
    data = reading.to_dict()
    raw = data.pop("raw") or {}
    fields = {
        **data,
        "raw_temperature": raw.get("temperature"),
        "raw_humidity": raw.get("humidity"),
        "raw_reserved": raw.get("reserved"),
        "temperature_f": fahrenheit(data["temperature"]),
        "dew_point_f": fahrenheit(data["dew_point"]),
        "unix": reading.time_ns // NS,
    }
    return ReadingFormatter().vformat(template.replace("\\n", "\n").replace("\\t", "\t"), (), fields)


def fahrenheit(celsius: float | None) -> float | None:
    """°F of °C."""
    return None if celsius is None else round(celsius * 1.8 + 32, 2)
