"""``usbrh watch``: in a separate terminal (a pty), and where there is none."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from rich.console import Console

from tests.support import command
from tools import watch_picture
from usbrh.cli import extras
from usbrh.errors import SensorBusy
from usbrh.output.screen import Screen
from usbrh.reading import Reading, SensorInfo

ENTER_SCREEN, LEAVE_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
WATCH = ["watch", "--interval", "1s"]
SESSION = "import os; os.setsid()\n"
COLOUR = re.compile(r"\x1b\[[\d;]*3[1-6]m")


class Terminal:
    """``usbrh watch`` in a terminal of 90 by 30 characters."""

    def __init__(self, *arguments: str, stdin: int | None = None, **environment: str) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(30, 90)
        self.before = termios.tcgetattr(self.slave)
        # COLUMNS and LINES would count for more than the terminal's own size.
        inherited = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "COLUMNS", "LINES"}}
        self.process = command.start(
            [*WATCH, *arguments],
            inherited | {"USBRH_SIMULATE": "2", "TERM": "xterm-256color", **environment},
            before=SESSION,
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave,
            stderr=subprocess.PIPE,
        )
        self.shown = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def wait_for(self, pattern: str, after: int = 0) -> None:
        self.wait_until(lambda: re.search(pattern, self.shown[after:]) is not None)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Read what is shown meanwhile: changes of the terminal wait for that."""
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, self.shown
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65536).decode(errors="replace")

    def end(self) -> tuple[int, str]:
        """Exit status and stderr."""
        end = time.monotonic() + 15
        while self.process.poll() is None or select.select([self.master], [], [], 0)[0]:
            assert time.monotonic() < end, "it does not end"
            if select.select([self.master], [], [], 0.1)[0]:
                self.shown += os.read(self.master, 65536).decode(errors="replace")
        assert self.process.stderr is not None
        return self.process.returncode, self.process.stderr.read()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=5)
        assert self.process.stderr is not None
        self.process.stderr.close()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


@pytest.mark.parametrize("way", ["q", signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_leaves_the_terminal_as_it_was(terminal: Terminal, way: str | signal.Signals) -> None:
    terminal.wait_for("sim-2")
    if isinstance(way, str):
        terminal.press(way)
    else:
        terminal.process.send_signal(way)
    assert terminal.end() == (0, "")
    assert terminal.shown.count(ENTER_SCREEN) == terminal.shown.count(LEAVE_SCREEN) == 1
    assert terminal.shown.index(ENTER_SCREEN) < terminal.shown.index(LEAVE_SCREEN)
    assert "\x1b[?25h" in terminal.shown.rpartition("\x1b[?25l")[2]  # the cursor is there again
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_a_terminal_that_is_closed_ends_it_without_a_word() -> None:
    master, slave = pty.openpty()
    process = command.start(
        WATCH,
        {**os.environ, "USBRH_SIMULATE": "1", "TERM": "xterm-256color"},
        before=SESSION + "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)",
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
    )
    with process:
        os.close(slave)
        shown = b""
        while b"dew point" not in shown:
            shown += os.read(master, 65536)
        os.close(master)
        assert process.communicate(timeout=10)[1] == ""
        assert process.returncode == 1


def test_ctrl_z_gives_the_terminal_back_and_fg_shows_the_chart_again(terminal: Terminal) -> None:
    terminal.wait_for("sim-2")
    state = Path(f"/proc/{terminal.process.pid}/stat")
    during = termios.tcgetattr(terminal.slave)
    assert not during[3] & (termios.ECHO | termios.ICANON)
    terminal.process.send_signal(signal.SIGTSTP)
    terminal.wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T")
    terminal.wait_for(re.escape(LEAVE_SCREEN))  # written, but perhaps not read yet
    assert termios.tcgetattr(terminal.slave) == terminal.before
    seen = len(terminal.shown)
    terminal.process.send_signal(signal.SIGCONT)
    terminal.wait_for(rf"(?s){re.escape(ENTER_SCREEN)}.*sim-2", after=seen)
    terminal.wait_until(lambda: termios.tcgetattr(terminal.slave) == during)
    terminal.press("q")
    assert terminal.end() == (0, "")
    assert termios.tcgetattr(terminal.slave) == terminal.before


def test_without_keys_it_goes_on_until_a_signal() -> None:
    terminal = Terminal(stdin=subprocess.DEVNULL)
    try:
        terminal.wait_for("sim-2")
        terminal.wait_for("[\u2801-\u28ff]")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.end() == (0, "")
    finally:
        terminal.close()


def test_values_a_chart_and_colours(terminal: Terminal) -> None:
    terminal.wait_for("[\u2801-\u28ff]")
    assert "dew point" in terminal.shown
    assert "virtual sensors" in terminal.shown
    assert COLOUR.search(terminal.shown)


def test_a_new_size_is_drawn_at_once(terminal: Terminal) -> None:
    terminal.wait_for("dew point")
    seen = len(terminal.shown)
    terminal.resize(20, 40)
    # A whole screen with no room for the dew point. Before it may come some of the old size, drawn and not yet read.
    terminal.wait_for(r"(?s)\x1b\[H((?!dew point|\x1b\[H).)*sim-1((?!dew point|\x1b\[H).)*\x1b\[H", after=seen)


def test_no_color_is_honoured() -> None:
    terminal = Terminal(NO_COLOR="1")
    try:
        terminal.wait_for("[\u2801-\u28ff]")
        assert not COLOUR.search(terminal.shown)
    finally:
        terminal.close()


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (["--fahrenheit"], r"\d+\.\d\d °F   \d+\.\d\d %RH"),
        (["--show", "vapour_pressure_deficit", "--show", "temperature"], r"VPD \d\.\d\d kPa   \d+\.\d\d °C   \(sim"),
    ],
)
def test_plain_lines_where_there_is_no_terminal(options: list[str], values: str) -> None:
    environment = {**os.environ, "USBRH_SIMULATE": "2"}
    with command.start([*WATCH, *options], environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=10)
    assert (process.returncode, words) == (0, "")
    for line in lines:
        assert re.match(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  sim-[12]: {values}", line), line


def test_a_missing_library_is_one_line_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.live", None)
    with pytest.raises(click.ClickException, match=r"^usbrh watch needs rich; .* install rich$") as caught:
        extras.need("rich.live", "watch")
    assert caught.value.exit_code == 1


def good(sensor: str, second: int, temperature: float = 21.5) -> Reading:
    return Reading(sensor, sensor, "USB-RH", second * 10**9, temperature, 45.0, 9.0, 8.6)


def lines(screen: Screen, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, color_system=None, force_terminal=True, legacy_windows=False)
    with console.capture() as capture:
        console.print(screen.render(width, height))
    return capture.get().rstrip("\n").split("\n")


@pytest.mark.parametrize("sensors", [1, 3, 16, 60])
@pytest.mark.parametrize("size", [(200, 60), (80, 24), (60, 15), (40, 10), (30, 6)])
def test_it_fits_every_terminal(sensors: int, size: tuple[int, int]) -> None:
    screen = Screen(5, now=lambda: 1000)
    for second in range(900, 1000, 5):
        screen.add([good(f"room-{number}", second) for number in range(sensors)])
    shown = lines(screen, *size)
    assert len(shown) <= size[1]
    assert all(len(line) <= size[0] for line in shown)
    assert "room-0" in shown[2]
    assert "21.50" in shown[2]
    hidden = sensors - sum("room-" in line for line in shown)
    assert not hidden or any(f"and {hidden} more" in line for line in shown)


def test_chosen_quantities_each_have_a_column_and_a_chart() -> None:
    screen = Screen(
        5, ["vapour_pressure_deficit", "frost_point", "discomfort_index"], fahrenheit=True, now=lambda: 1000
    )
    for second in range(900, 1000, 5):
        values = {"vapour_pressure_deficit": 1.41, "frost_point": -10.0, "discomfort_index": 68.2}
        screen.add([Reading("cellar", "cellar", "USB-RH", second * 10**9, 21.5, 45.0, **values)])  # type: ignore[arg-type]
    shown = lines(screen, 100, 40)
    assert re.search(r"sensor +VPD +frost point +discomfort index$", shown[1].rstrip())
    assert re.search(r"cellar +1\.41 +14\.00 +68\.20", shown[2])
    assert [line.rstrip() for line in shown if line.strip() in ("VPD", "frost point", "discomfort index")] == [
        *("VPD", "frost point", "discomfort index"),
    ]


@pytest.mark.parametrize("width", [30, 40, 50, 80, 120])
def test_no_value_of_a_chosen_quantity_is_cut(width: int) -> None:
    screen = Screen(5, ["discomfort_index", "temperature", "vapour_deficit", "humidity"], now=lambda: 1000)
    values = {"vapour_deficit": 9.41, "discomfort_index": 68.2}
    screen.add([Reading("attic", "a", "USB-RH", 990 * 10**9, -21.5, 45.0, **values)])  # type: ignore[arg-type]
    shown = lines(screen, width, 30)
    assert "…" not in shown[1] + shown[2]
    assert re.search(r"attic +68\.20", shown[2])


def test_a_sensor_that_fails_keeps_its_last_value_and_says_so() -> None:
    screen = Screen(5, now=lambda: 1030)
    screen.add([good("cellar", 1000)])
    info = SensorInfo("1-1", "USB-RH", "cellar")
    screen.add([Reading.failed(info, 1005 * 10**9, SensorBusy("cellar is in use by another program", "1-1"))])
    assert re.search(r"cellar +21\.50 +45\.00 +9\.00 +8\.60 +busy, 30 s ago", lines(screen, 80, 24)[2])


def test_a_sensor_that_never_answered_has_no_value() -> None:
    screen = Screen(5, now=lambda: 1000)
    info = SensorInfo("1-1", "USB-RH", "cellar")
    screen.add([Reading.failed(info, 1000 * 10**9, SensorBusy("held", "1-1"))])
    assert re.search(r"cellar +- +- +- +- +busy$", lines(screen, 80, 24)[2].rstrip())


def test_the_picture_of_the_documents_is_of_a_real_screen() -> None:
    screen = watch_picture.last_screen(2)
    assert {"living-room", "bathroom", "cellar"} <= set(screen.split())
    image = watch_picture.paint(screen)
    curves = {watch_picture.THEME.ansi_colors[number] for number in (6, 3, 2)}
    assert curves <= {colour for _, colour in image.getcolors(10**6) or []}
