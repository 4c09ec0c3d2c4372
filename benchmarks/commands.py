"""Whole commands, from the shell to the value: `usbrh read` with a virtual sensor in its process, and with a kernel."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.figures import Figure, Unavailable, interleaved, spend
from benchmarks.starting import MEASURING
from tests.support.kernel import guest, image
from tests.support.kernel.vm import Machine

TIMES = 15
IN_GUEST = 9


def beyond(*command: str) -> float:
    """Return how long the command takes beyond the measuring time, in ms."""
    return 1000 * (spend(*command, USBRH_SIMULATE="1").elapsed - MEASURING)


def in_guest() -> Iterator[Figure]:
    """Yield the figure of a real kernel in an emulated machine, which is slow: there, Python weighs more."""
    missing = image.missing_commands()
    if missing:
        raise Unavailable(f"no {', '.join(missing)}; as root: make test-kernel-deps")
    built = image.build()
    with tempfile.TemporaryDirectory() as name:
        disk = image.copy(built, Path(name))
        with Machine(disk) as machine, guest.Simulator(1) as simulator:
            guest.install(machine, Path(name), built)
            sensor = guest.Plugged(machine, simulator, 1)
            bus, address = (int(part) for part in sensor.node.split("/")[-2:])

            def timed(command: str) -> Callable[[], float]:
                script = f"begin=$(date +%s%N) && {command} >&2 && echo $(($(date +%s%N) - begin))"
                return lambda: int(machine.run(script, user="alice").check()) / 1e6

            program = timed(f"libusb_reader {bus} {address} 0 1")
            ours, theirs = interleaved(IN_GUEST, timed("usbrh read"), program)
    what = ("`usbrh read`, real kernel in an emulated machine", "エミュレーター内の実カーネルでの `usbrh read`")
    peer = ("C program with libusb and the usual sleep of 1 s", "libusb の C プログラム（よくある 1 秒の sleep 付き）")
    yield Figure("read-kernel", what, "ms", ours, peer, theirs, ratio_aim=0.95)


def measure() -> Iterator[Figure]:
    """Yield each figure."""
    waiting = f"import click, time; time.sleep({MEASURING})"
    ours, click = interleaved(
        TIMES,
        lambda: beyond(sys.executable, "-m", "usbrh", "read"),
        lambda: beyond(sys.executable, "-c", waiting),
    )
    what = ("`usbrh read` beyond the measuring time", "`usbrh read` の測定以外の時間")
    peer = ("`python -c 'import click'` and the same wait", "`python -c 'import click'` と同じ待ち時間")
    yield Figure("read", what, "ms", ours, peer, click, own_aim=50)
    yield from in_guest()
