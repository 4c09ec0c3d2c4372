"""Create docs/images/plot.png and docs/images/doctor.png, the pictures of the README.

    python -m tools.readme_pictures

``usbrh plot`` draws a journal with two made-up winter nights of a living room and a greenhouse. ``usbrh doctor`` runs
on a pseudo-terminal, with a virtual sensor and a server that does not exist.
"""

import math
import os
import pty
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image

from benchmarks.document import TOP
from tools.watch_picture import paint
from usbrh import psychrometry
from usbrh.journal.store import Journal
from usbrh.reading import Reading

IMAGES = TOP / "docs" / "images"
DAY = 86400
STEP = 600
"""Seconds between two readings of the picture."""
WIDTH = 118
"""Columns of the terminal."""
CONFIG = """[zabbix]
servers = ["127.0.0.1:9"]
[sensor.sim-1]
name = "living-room"
"""


def climate(sensor: str, seconds: float) -> tuple[float, float]:
    """Return °C and %RH of a room, ``seconds`` after the first noon; both rooms are coldest at seven."""
    night = (1 - math.cos(2 * math.pi * (seconds / DAY - 0.79))) / 2
    ripple = 0.25 * math.sin(seconds / 2900) + 0.1 * math.sin(seconds / 700)
    if sensor == "living-room":
        return 21.0 - 2.6 * (1 - night) + ripple, 44.0 + 5.0 * (1 - night) - 2 * ripple
    return 19.0 - 9.5 * (1 - night) + 2 * ripple, 62.0 + 17.0 * (1 - night) - 3 * ripple


def readings(until: float) -> list[Reading]:
    """Return the readings of two days before ``until``, in seconds since 1970, with a gap of an hour."""
    result = []
    for number in range(2 * DAY // STEP):
        seconds = number * STEP
        if 1.30 * DAY < seconds < 1.34 * DAY:
            continue
        moment = int((until - 2 * DAY + seconds) * 1e9)
        for sensor in ("living-room", "greenhouse"):
            temperature, humidity = climate(sensor, seconds)
            dew_point = psychrometry.dew_point(temperature, humidity)
            reading = Reading(
                sensor, "1-1", "USB-RH", moment, temperature=temperature, humidity=humidity, dew_point=dew_point
            )
            result.append(reading)
    return result


def plot() -> None:
    """Draw the picture of the history."""
    noon = datetime.now().astimezone().replace(hour=12, minute=0, second=0, microsecond=0)
    if noon.timestamp() > time.time():
        noon -= timedelta(days=1)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal.db"
        with Journal(path) as journal:
            journal.add(readings(noon.timestamp()))
        environment = os.environ | {"USBRH_JOURNAL_PATH": str(path), "USBRH_SIMULATE": "1"}
        span = ["--since", f"{noon - timedelta(days=2):%Y-%m-%d %H:%M}", "--until", f"{noon:%Y-%m-%d %H:%M}"]
        command = [sys.executable, "-m", "usbrh", "plot", *span, "-o", str(IMAGES / "plot.png")]
        subprocess.run(command, env=environment, check=True)
    with Image.open(IMAGES / "plot.png") as image:
        small = image.convert("RGB").quantize(64)
    small.save(IMAGES / "plot.png", optimize=True)


def doctor() -> None:
    """Draw what ``usbrh doctor`` prints, with the colours of a terminal."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "usbrh.toml"
        config.write_text(CONFIG)
        variables = {
            "USBRH_SIMULATE": "1", "USBRH_CONFIG": str(config), "USBRH_JOURNAL_PATH": f"{name}/journal.db",
            "COLUMNS": str(WIDTH),
        }  # fmt: skip
        environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | variables
        shown = _on_a_terminal([sys.executable, "-m", "usbrh", "doctor"], environment)
    lines = shown.replace("\r\n", "\n").replace(name, "~").rstrip()
    paint(lines, WIDTH, lines.count("\n") + 1).quantize(64).save(IMAGES / "doctor.png", optimize=True)


def _on_a_terminal(command: list[str], environment: dict[str, str]) -> str:
    """Return what ``command`` prints on a pseudo-terminal."""
    master, slave = pty.openpty()
    with subprocess.Popen(command, stdout=slave, stderr=slave, env=environment):
        os.close(slave)
        shown = b""
        with suppress(OSError):  # the terminal has no other side any more
            while data := os.read(master, 65536):
                shown += data
    os.close(master)
    return shown.decode()


def main() -> None:
    """Create both pictures."""
    plot()
    doctor()


if __name__ == "__main__":
    main()
