"""What goes wrong outside of a command: a full disk behind stderr, Ctrl-C while Python starts, a deleted folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import USBRH, start, usbrh

SIMULATED = {"USBRH_SIMULATE": "1"}


def run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=os.environ | SIMULATED)


def status(*words: str, stderr: int) -> int:
    return start(words, os.environ | SIMULATED, stdout=subprocess.DEVNULL, stderr=stderr).wait(60)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["list"], 0),
        (["read", "nobody"], 3),
        (["read", "--debug"], 0),
        (["--nonsense"], 2),
        (["nonsense"], 2),
        (["send"], 2),
        ([], 0),
        (["--config", "/nonexistent", "read"], 2),
    ],
    ids=str,
)
def test_a_message_that_nobody_can_read_changes_no_exit_status(words: list[str], expected: int) -> None:
    read, write = os.pipe()
    os.close(read)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        assert status(*words, stderr=full) == expected
        assert status(*words, stderr=write) == expected
    finally:
        os.close(full)
        os.close(write)


INTERRUPT_AT = """\
import os, signal, sys
def interrupt(event, arguments):
    if event == "import" and arguments[0] == {module!r}:
        os.kill(os.getpid(), signal.SIGINT)
sys.addaudithook(interrupt)
sys.argv = ["usbrh", "read"]
from usbrh.__main__ import main
main()
"""


@pytest.mark.parametrize("module", ["gc", "usbrh.cli", "click", "typing", "usbrh.errors", "usbrh.sensors", "usb"])
def test_ctrl_c_while_it_starts(module: str) -> None:
    """The tests of other moments need luck; imports are most of the start, and known."""
    program = INTERRUPT_AT.format(module=module)
    done = run(sys.executable, "-c", program)
    assert done.returncode in (128 + signal.SIGINT, -signal.SIGINT), "it was not interrupted"
    assert (done.stdout, done.stderr.strip()) == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_ends(number: signal.Signals) -> None:
    program = (
        f"import atexit, os, sys\natexit.register(lambda: os.kill(os.getpid(), {int(number)}))\n"
        "sys.argv = ['usbrh', 'read']\nfrom usbrh.__main__ import main\nmain()\n"
    )
    done = run(sys.executable, "-c", program)
    assert (done.returncode, done.stderr) == (-number, "")
    assert done.stdout.startswith("sim-1: 31.69 °C")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["read"], 0),
        (["send"], 1),
        (["doctor"], 1),
        (["log", "-o", "room.csv"], 2),
        (["zabbix", "template", "folder"], 2),
        (["--config", "usbrh.toml", "read"], 2),
        (["agent", "get", "sim-1"], 0),
    ],
    ids=str,
)
def test_in_a_folder_that_was_deleted(tmp_path: Path, words: list[str], expected: int) -> None:
    folder = tmp_path / "deleted"
    folder.mkdir()
    # A relative path of the journal needs the folder.
    settings = (
        'export USBRH_JOURNAL_PATH=journal.db USBRH_ZABBIX_SERVERS=127.0.0.1:9 USBRH_ALLOW_SIMULATED=1; exec "$@"'
    )
    script = f'cd "{folder}" && rmdir "{folder}" && {settings}'
    done = run("sh", "-c", script, "sh", USBRH, *words)
    assert done.returncode == expected, done
    assert "report its output" not in done.stderr + done.stdout
    if expected == 1:
        assert "usbrh: the current folder was deleted; change to another one: cd\n" in done.stderr


def test_the_streams_are_still_those_of_the_caller() -> None:
    done = usbrh("read", "nobody", USBRH_SIMULATE="1")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("usbrh: no sensor")
