"""The rules of tests/conftest.py: a time limit, the same environment, and no process that outlives its test."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
IMPORTS = """\
import os, signal, subprocess, sys, threading, time
import pytest
from hypothesis import given, strategies
from tests import conftest
from tests.support import processes
KEPT = []
"""
BOTH = pytest.mark.parametrize("workers", ["0", "1"])


def run(folder: Path, text: str, *arguments: str, before: str = ":", **environment: str) -> str:
    """Run pytest on a module with that text, in a shell after the command ``before``. Return what it prints."""
    module = folder / "test_inner.py"
    module.write_text(IMPORTS + text)
    command = [sys.executable, "-m", "pytest", "-c", str(TOP / "pyproject.toml"), "-p", "tests.conftest", "-q"]
    done = subprocess.run(
        ["sh", "-c", f'{before}; exec "$@"', "sh", *command, "-p", "no:cacheprovider", *arguments, str(module)],
        cwd=TOP,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout


@BOTH
def test_processes_that_are_left_are_ended_and_fail_their_test(tmp_path: Path, workers: str) -> None:
    text = """
processes.GRACE_SECONDS = 0.5

@pytest.mark.parametrize("start", ["exec sleep 77", "sleep 78 & exit", "setsid sh -c 'sleep 79; :' & exit"])
def test_leaves(start):
    with pytest.raises(ChildProcessError):
        os.wait()  # nothing is left of the test before
    KEPT.append(subprocess.Popen(["sh", "-c", start]))

def test_ends_soon():
    subprocess.run(["sh", "-c", "sleep 0.2 &"])
"""
    printed = run(tmp_path, text, f"--numprocesses={workers}")
    assert "4 passed, 3 errors" in printed
    for seconds in (77, 78, 79):
        assert re.search(rf"processes left running: .*sleep {seconds}", printed)


def test_a_test_that_hangs_fails_with_the_stacks_of_all_threads(tmp_path: Path) -> None:
    """So does one that hangs again in its cleanup. Its processes are ended."""
    text = """
conftest.AGAIN_SECONDS = 1
processes.GRACE_SECONDS = 0.1

@pytest.fixture
def stubborn():
    yield
    time.sleep(50)

@pytest.mark.timeout(2)
def test_hangs(stubborn):
    threading.Thread(target=lambda: time.sleep(50), daemon=True).start()
    process = subprocess.Popen(["sleep", "77"])
    try:
        process.wait()
    finally:
        process.wait()

def test_next():
    with pytest.raises(ChildProcessError):
        os.wait()

@pytest.mark.timeout(1)
@given(strategies.integers())
def test_hangs_with_any_example(number):
    KEPT.append(number)
    time.sleep(50)

def test_is_not_tried_again():
    assert KEPT == [0]
"""
    printed = run(tmp_path, text, "--numprocesses=1")
    assert "2 failed, 2 passed, 1 error" in printed, printed
    assert printed.count("HangsError: Timeout (>2.0s)") >= 3
    assert "in <lambda>" in printed
    assert "process.wait()" in printed
    assert re.search(r"processes left running: .*sleep 77", printed)


def test_a_thread_does_not_keep_the_run_from_ending(tmp_path: Path) -> None:
    text = """
conftest.EXIT_SECONDS = 1

def test_leaves_a_thread():
    threading.Thread(target=lambda: time.sleep(50)).start()
"""
    printed = run(tmp_path, text)
    assert "1 passed in" in printed
    assert "Timeout (0:00:01)!" in printed
    assert "in <lambda>" in printed


def test_what_a_test_changes_for_others_is_put_back_and_fails_it(tmp_path: Path) -> None:
    text = """
def test_changes():
    os.environ["ANY"] = "1"
    os.umask(0o077)
    os.chdir("/")
    signal.signal(signal.SIGHUP, lambda *_: None)

def test_next():
    assert "ANY" not in os.environ
    assert os.umask(0o022) == 0o022
    assert os.getcwd() != "/"
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
"""
    printed = run(tmp_path, text)
    assert "2 passed, 1 error" in printed
    assert "left changed: ['environment', 'folder', 'umask', 'handlers']" in printed


@BOTH
def test_the_circumstances_are_the_same_wherever_it_is_started(tmp_path: Path, workers: str) -> None:
    text = """
def test_circumstances():
    assert time.tzname == ("UTC", "UTC")
    assert os.umask(0o022) == 0o022
    assert not {"USBRH_SIMULATE", "LC_ALL", "NO_COLOR", "COLUMNS", "TERM"} & os.environ.keys()
    ignored = int(subprocess.check_output(["grep", "SigIgn", "/proc/self/status"], text=True).split()[1], 16)
    # The C library keeps signals 32 and 33 for itself: no program can change how they are handled.
    assert [number for number in signal.valid_signals() if ignored >> number - 1 & 1] == []
"""
    printed = run(
        tmp_path,
        text,
        f"--numprocesses={workers}",
        before="umask 077; trap '' HUP INT QUIT TERM USR1 CHLD",
        USBRH_SIMULATE="9",
        LC_ALL="C",
        TZ="Asia/Tokyo",
        NO_COLOR="1",
        COLUMNS="50",
        TERM="dumb",
    )
    assert "1 passed in" in printed, printed


def test_the_order_is_shuffled_on_request(tmp_path: Path) -> None:
    text = """
@pytest.mark.parametrize("number", range(20))
def test_number(number):
    pass
"""

    def order(*arguments: str) -> list[int]:
        return [int(each) for each in re.findall(r"\[(\d+)\]", run(tmp_path, text, "--collect-only", *arguments))]

    one, other = (order("-p", "randomly", f"--randomly-seed={seed}") for seed in (1, 2))
    assert order() == list(range(20)) == sorted(one) == sorted(other)
    assert order() != one != other
