"""The tables of docs/accuracy.md, docs/background.md and their Japanese twins.

python -m benchmarks.accuracy           write the tables
python -m benchmarks.accuracy --check   change nothing; exit with status 1 if a table is outdated
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import humid_air, peers
from benchmarks.peers import PEERS, Numbers, Peer
from usbrh import psychrometry, sht1x

DOCS = Path(__file__).parent.parent / "docs"
TICKS = ((1246, 7169), (1500, 6500), (3200, 3840))
"""(humidity, temperature): the captured exchange, a room, a cold store."""

SHEET = {"v3": (peers.v3_celsius, peers.v3_humidity), "v4": (peers.v4_celsius, peers.v4_humidity)}
RANGE = (-40.0, 123.8)
"""°C: what the sensor can measure."""
SATURATED = 99.0
ROOM_CELSIUS, ROOM_HUMIDITY = (10.0, 35.0), (20.0, 80.0)
Rows = list[tuple[str, ...]]
"""A table: the heads, then the cells."""
ROWS = 32
"""Temperatures per step of the grid, so that it fits into the processor's cache."""


@dataclass(slots=True)
class Errors:
    """The largest differences from the sheet: °C, %RH, and %RH in a room."""

    celsius: float = 0.0
    humidity: float = 0.0
    room: float = 0.0


def errors(programs: Sequence[Peer], step: int = 1) -> list[Errors]:
    """Compute over all pairs of ticks that the sheet converts to -40 to 123.8 °C and 0 to 99 %RH.

    Args:
        programs: Programs that use the same set of coefficients.
        step: Use only every ``step``-th temperature.
    """
    sheet_celsius, sheet_humidity = SHEET[programs[0].coefficients]
    so_rh = np.arange(1 << 12)
    found = [Errors() for _ in programs]
    for so_t in _temperatures(sheet_celsius(np.arange(1 << 14)), step):
        celsius, humidity = sheet_celsius(so_t), sheet_humidity(so_rh, so_t)
        physical = ((humidity >= 0.0) & (humidity < SATURATED)).astype(np.float64)
        room = _within(celsius, ROOM_CELSIUS) & _within(humidity, ROOM_HUMIDITY)
        in_room = room.any()
        for error, program in zip(found, programs, strict=True):
            difference = program.humidity(so_rh, so_t) - humidity
            difference *= physical
            np.abs(difference, out=difference)
            error.celsius = max(error.celsius, float(np.abs(program.celsius(so_t) - celsius).max()))
            error.humidity = max(error.humidity, float(difference.max()))
            if in_room:
                error.room = max(error.room, float((difference * room).max()))
    return found


def _within(values: Numbers, limits: tuple[float, float]) -> Numbers:
    return (values >= limits[0]) & (values <= limits[1])


def _temperatures(celsius: Numbers, step: int) -> Iterator[Numbers]:
    physical = np.flatnonzero(_within(celsius, RANGE))[::step]
    for first in range(0, len(physical), ROWS):
        yield physical[first : first + ROWS, np.newaxis]


def printed(program: Peer, so_rh: int, so_t: int) -> str:
    """Return what the program prints for two tick values: °C / %RH."""
    celsius = float(program.celsius(np.array([so_t]))[0])
    humidity = float(program.humidity(np.array([so_rh]), np.array([so_t])).ravel()[0])
    if program.truncates:
        celsius, humidity = (float(np.trunc(round(value * 100, 6))) / 100 for value in (celsius, humidity))
    return f"{celsius:.2f} / {humidity:.{program.decimals}f}"


def ours(coefficients: str) -> Peer:
    """Return ``usbrh.sht1x``, which converts one value per call, as a peer."""

    def celsius(so_t: Numbers) -> Numbers:
        flat = [sht1x.temperature(ticks, coefficients=coefficients) for ticks in so_t.ravel().tolist()]
        return np.array(flat).reshape(so_t.shape)

    def humidity(so_rh: Numbers, so_t: Numbers) -> Numbers:
        at = celsius(so_t).ravel().tolist()
        return np.array([[sht1x.humidity(rh, t, coefficients=coefficients) for rh in so_rh.tolist()] for t in at])

    return Peer(f"**usbrh**, {coefficients}", coefficients, celsius, humidity, "")


def measure() -> list[tuple[Peer, Errors]]:
    """Return all programs with their errors: ours for every 61st temperature, the others for all."""
    found = [(program, errors([program], step=61)[0]) for program in (ours("v3"), ours("v4"))]
    for coefficients in SHEET:
        group = [peer for peer in PEERS if peer.coefficients == coefficients]
        found += zip(group, errors(group), strict=True)
    order = [program.name for program, _ in found[:2]] + [peer.name for peer in PEERS]
    return sorted(found, key=lambda pair: order.index(pair[0].name))


def programs(measured: Sequence[tuple[Peer, Errors]], *, japanese: bool) -> Rows:
    """Return the table of programs: largest errors, printed values, cause."""
    heads = ("プログラム", "係数") if japanese else ("program", "sheet")
    errors_heads = ("誤差 °C", "誤差 %RH", "室内 %RH") if japanese else ("error °C", "error %RH", "in a room %RH")
    rows: Rows = [(*heads, *errors_heads, *(f"{rh}/{t}" for rh, t in TICKS), "原因" if japanese else "what is wrong")]
    for program, error in measured:
        numbers = (_number(error.celsius), _number(error.humidity), _number(error.room))
        answers = (printed(program, *ticks) for ticks in TICKS)
        name, why = (program.name_ja or program.name, program.why_ja) if japanese else (program.name, program.why)
        rows.append((name, program.coefficients, *numbers, *answers, why))
    return rows


def sets() -> Rows:
    """Return the table that compares both sets of coefficients at 25 °C."""
    rows: Rows = [("SO_RH", "v3 %RH", "v4 %RH", "v4 − v3")]
    for ticks in (300, 700, 1000, 1500, 2000, 2500, 3000):
        v3, v4 = (sht1x.humidity(ticks, 25.0, coefficients=name) for name in ("v3", "v4"))
        rows.append((str(ticks), f"{v3:.2f}", f"{v4:.2f}", f"{v4 - v3:+.2f}"))
    return rows


def supplies() -> Rows:
    """Return the table of the temperature for 6500 ticks at each supply voltage."""
    rows: Rows = [("VDD", "v3 °C", "v4 °C")]
    for supply in (5.0, 4.5, 4.0, 3.5, 3.3, 3.0, 2.5):
        v3, v4 = (sht1x.temperature(6500, coefficients=name, supply=supply) for name in ("v3", "v4"))
        rows.append((f"{supply:g} V", f"{v3:.2f}", f"{v4:.2f}"))
    return rows


def uncertainties(*, japanese: bool) -> Rows:
    """Return the table of the uncertainty of dew point and absolute humidity, with ±0.4 °C and ±3 %RH."""
    rows: Rows = [("°C", "%RH", "露点 °C" if japanese else "dew point °C", "±", "g/m³", "±")]
    for celsius, humidity in ((5.0, 60.0), (20.0, 30.0), (25.0, 50.0), (25.0, 80.0), (35.0, 20.0)):
        corners = [(celsius + dt, humidity + drh) for dt in (-0.4, 0.4) for drh in (-3.0, 3.0)]
        cells = [f"{celsius:.0f}", f"{humidity:.0f}"]
        for quantity in (_dew_point, psychrometry.absolute_humidity):
            value = quantity(celsius, humidity)
            cells += [f"{value:.2f}", f"{max(abs(quantity(*corner) - value) for corner in corners):.1f}"]
        rows.append(tuple(cells))
    return rows


def _dew_point(celsius: float, humidity: float) -> float:
    dew_point = psychrometry.dew_point(celsius, humidity)
    assert dew_point is not None
    return dew_point


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"


def _markdown(rows: Rows) -> str:
    head, *body = rows
    rule = tuple("---:" if re.match(r"[-+]?[\d.,]+( |$)", cell) else "---" for cell in body[0])
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, rule, *body))


def _place(text: str, name: str, path: Path) -> tuple[str, str, str]:
    """Find table ``name`` in ``text``: the line before it, the table, the line after it."""
    begin, end = f"<!-- begin {name}, by python -m benchmarks.accuracy -->\n", "<!-- end -->"
    _, found, rest = text.partition(begin)
    table, closed, _ = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{path} has no place for the table {name}: {begin.strip()} ... {end}")
    return begin, table, end


def stale_documents(measured: Sequence[tuple[Peer, Errors]]) -> dict[Path, str]:
    """Return the outdated documents with their new content."""
    texts = {}
    pages = ("accuracy.md", "accuracy.ja.md", "background.md", "background.ja.md")
    for path in (DOCS / name for name in pages):
        japanese = path.name.endswith(".ja.md")
        if path.name.startswith("background"):
            tables = {"programs": programs(measured, japanese=japanese)}
        else:
            tables = {
                "sets": sets(),
                "supplies": supplies(),
                "uncertainties": uncertainties(japanese=japanese),
                "below_zero": humid_air.below_zero(japanese=japanese),
                "differences": humid_air.differences(japanese=japanese),
                "discomfort": humid_air.discomfort(japanese=japanese),
            }
        text = old = path.read_text(encoding="utf-8")
        for name, rows in tables.items():
            begin, table, end = _place(text, name, path)
            text = text.replace(begin + table + end, begin + _markdown(rows) + end)
        if text != old:
            texts[path] = text
    return texts


def main(arguments: Sequence[str]) -> int:
    """Write the tables, or check them; return the exit status."""
    stale = stale_documents(measure())
    for path, text in stale.items():
        if "--check" in arguments:
            print(f"{path} is stale; python -m benchmarks.accuracy")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
