"""Create docs/images/watch.png: run ``usbrh watch`` in a terminal and draw its last screen.

    python -m tools.watch_picture [--minutes 10] [--to FILE]

The program runs on a pseudo-terminal with virtual sensors that play the rooms below. The font is DejaVu Sans Mono from
matplotlib. Dots of a curve are drawn as circles, as many terminals do.
"""

import argparse
import fcntl
import math
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

from benchmarks.document import TOP
from usbrh import sht1x

PICTURE = TOP / "docs" / "images" / "watch.png"
COLUMNS, ROWS = 92, 29
INTERVAL = 5
"""Seconds between readings."""
FONT_SIZE = 25
MARGIN = 24
HOME = b"\x1b[H"
"""rich moves the cursor to the upper left corner before it draws the whole screen again."""
LEAVE = b"\x1b[?1049l"
THEME = MONOKAI
_START = 30.0
"""Time limit in seconds for the first values, and for the end."""

Rgb = tuple[int, int, int]
Room = Callable[[float], tuple[float, float]]
"""Returns °C and %RH at a time from 0 (start of the picture) to 1 (end)."""


def aired(moment: float) -> tuple[float, float]:
    """A room with an open window for some time on a damp, cool day."""
    out = _rise((moment - 0.25) / 0.10) - _rise((moment - 0.42) / 0.22)
    return 22.4 - 2.6 * out, 44.0 + 13.0 * out


def bathroom(moment: float) -> tuple[float, float]:
    """A bathroom during a shower."""
    steam = _rise((moment - 0.48) / 0.06) - _rise((moment - 0.60) / 0.25)
    return 23.6 + 0.9 * steam, 52.0 + 27.0 * steam


def cellar(moment: float) -> tuple[float, float]:
    """A cellar with constant climate."""
    return 16.1 + 0.1 * math.sin(9 * moment), 66.0 + 0.8 * math.sin(7 * moment + 1)


def _rise(x: float) -> float:
    return 0.0 if x <= 0 else 1 - math.exp(-x)


def script(readings: int) -> str:
    """Return the script of the virtual sensors: two USB-RH and one USBRH2."""
    moments = [
        (number + 1) / readings for number in range(readings + 10)
    ]  # more than needed, because a script repeats at its end
    ticks = [[_ticks(*room(moment)) for moment in moments] for room in (aired, bathroom)]
    values = [[round(number, 2) for number in cellar(moment)] for moment in moments]
    usbrh2 = f'[sensor.sim-3]\nmodel = "USBRH2"\nvalues = {values}\n'
    return "".join(f"[sensor.sim-{number}]\nticks = {each}\n" for number, each in enumerate(ticks, 1)) + usbrh2


def _ticks(temperature: float, humidity: float) -> list[int]:
    """Return the ticks whose conversion is nearest to these values."""
    words = range(round((temperature + 35) * 100), round((temperature + 45) * 100))
    t = min(words, key=lambda word: abs(sht1x.temperature(word) - temperature))
    return [t, min(range(4096), key=lambda word: abs(sht1x.humidity(word, temperature) - humidity))]


CONFIG = """[sensor.sim-1]
name = "living-room"
[sensor.sim-2]
name = "bathroom"
[sensor.E003]
name = "cellar"
"""


def last_screen(seconds: float) -> str:
    """Run ``usbrh watch`` for ``seconds`` and return its last complete screen with ANSI colours."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sensors.toml").write_text(script(max(2, round(seconds / INTERVAL))))
        (folder / "usbrh.toml").write_text(CONFIG)
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {
            "USBRH_SIMULATE": str(folder / "sensors.toml"),
            "USBRH_CONFIG": str(folder / "usbrh.toml"),
            "TERM": "xterm-256color",
        }
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        command = [sys.executable, "-m", "usbrh", "watch", "--interval", f"{INTERVAL}s"]
        shown = b""
        with subprocess.Popen(command, stdin=slave, stdout=slave, env=environment, cwd=TOP) as process:
            end = time.monotonic() + _START
            begun = False
            try:
                while process.poll() is None or select.select([master], [], [], 0)[0]:
                    if select.select([master], [], [], 0.1)[0]:
                        shown += os.read(master, 65536)
                    if not begun and b"dew point" in shown:
                        begun, end = True, time.monotonic() + seconds
                    if time.monotonic() > end and process.poll() is None:
                        os.write(master, b"q")
                    if time.monotonic() > end + _START:
                        break
            finally:
                process.kill()
        os.close(slave)
        os.close(master)
    if process.returncode or not begun:
        raise SystemExit(f"usbrh watch ended with {process.returncode}: {shown.decode(errors='replace')}")
    return shown.partition(LEAVE)[0].rpartition(HOME)[2].decode().replace("\r\n", "\n")


def paint(screen: str, columns: int = COLUMNS, rows: int = ROWS) -> Image.Image:
    """Draw a screen of ``columns`` and ``rows``."""
    regular, bold = (
        ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / f"DejaVuSansMono{weight}.ttf", FONT_SIZE)
        for weight in ("", "-Bold")
    )
    cell, height = round(regular.getlength("M")), sum(regular.getmetrics())
    console = Console(width=columns, force_terminal=True, color_system="truecolor", legacy_windows=False)
    size = columns * cell + 2 * MARGIN, rows * height + 2 * MARGIN
    image = Image.new("RGB", size, THEME.background_color)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(console.render_lines(Text.from_ansi(screen), pad=False)[:rows]):
        for column, (character, style) in enumerate(_cells(line)):
            left, top = MARGIN + column * cell, MARGIN + row * height
            if 0x2800 <= ord(character) <= 0x28FF:
                _dots(draw, ord(character) - 0x2800, (left, top, cell, height), _colour(style))
            else:
                draw.text((left, top), character, font=bold if style.bold else regular, fill=_colour(style))
    return image


def _cells(line: list[Segment]) -> Iterator[tuple[str, Style]]:
    for segment in line:
        for character in segment.text:
            yield character, segment.style or Style()


def _colour(style: Style) -> Rgb:
    front, back = THEME.foreground_color, THEME.background_color
    if style.color is not None:
        front = style.color.get_truecolor(THEME)
    if style.dim:
        front = tuple((2 * a + b) // 3 for a, b in zip(front, back, strict=True))  # type: ignore[assignment]
    return front[0], front[1], front[2]


def _dots(draw: ImageDraw.ImageDraw, bits: int, box: tuple[int, int, int, int], colour: Rgb) -> None:
    left, top, width, height = box
    radius = width / 6
    for bit, (x, y) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)]):
        if bits >> bit & 1:
            middle_x, middle_y = left + (2 * x + 1) * width / 4, top + (2 * y + 1) * height / 8
            draw.ellipse((middle_x - radius, middle_y - radius, middle_x + radius, middle_y + radius), fill=colour)


def main() -> None:
    """Create the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="duration of the run")
    parser.add_argument("--to", type=Path, default=PICTURE, metavar="FILE", help="the PNG file to write")
    arguments = parser.parse_args()
    paint(last_screen(arguments.minutes * 60)).quantize(64).save(arguments.to, optimize=True)
    print(arguments.to)


if __name__ == "__main__":
    main()
