"""The start of the command line, and readings through the Python API."""

import sys
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, interleaved, seconds, spend
from usbrh.sensors import find, measure_all
from usbrh.simulator import SimulatorBackend, VirtualUsbRh, backend_from_environment

MEASURING = 0.302
"""s: the virtual USB-RH measures."""
UNPLUGGED = 1.0
TIMES = 9


def measure() -> Iterator[Figure]:
    """Yield each figure."""
    version, click = interleaved(
        TIMES,
        lambda: 1000 * spend(sys.executable, "-m", "usbrh", "--version").processor,
        lambda: 1000 * spend(sys.executable, "-c", "import click").processor,
    )
    what = ("`usbrh --version`, processor", "`usbrh --version` の CPU 時間")
    yield Figure("version", what, "ms", version, ("`python -c 'import click'`",) * 2, click, ratio_aim=1.5)

    (sensor,) = find(backend=backend_from_environment("1"))
    sixteen = find(backend=backend_from_environment("16"))
    all_of_them, one, asleep = interleaved(
        TIMES,
        lambda: 1000 * seconds(lambda: measure_all(sixteen)),
        lambda: 1000 * seconds(sensor.read),
        lambda: 1000 * seconds(lambda: time.sleep(MEASURING)),
    )
    what = ("one reading through the Python API", "Python API による 1 回の測定")
    peer = ("the measuring time of the device", "機器の測定時間")
    yield Figure("reading", what, "ms", one, peer, asleep, ratio_aim=1.02)
    what = ("readings of 16 sensors", "センサー 16 台の測定")
    yield Figure("16-sensors", what, "ms", all_of_them, ("one sensor", "1 台"), one, ratio_aim=1.2)

    def unplugged() -> float:
        model = VirtualUsbRh()
        (found,) = find(backend=SimulatorBackend([model]))
        model.fault("unplug_while_measuring", 1, seconds=UNPLUGGED)
        return 1000 * seconds(found.read)

    again, plain = interleaved(3, unplugged, lambda: 1000 * (seconds(sensor.read) + UNPLUGGED))
    what = ("one reading, with the sensor unplugged for one second", "測定中にセンサーを 1 秒間抜いた 1 回の測定")
    peer = ("one second, and a reading", "1 秒と 1 回の測定")
    yield Figure("unplugged", what, "ms", again, peer, plain, ratio_aim=2)
