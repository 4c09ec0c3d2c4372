"""The rules of tests/conftest.py: a time limit, the same environment, and no process that outlives its test."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import SECOND_HALF

TOP = Path(__file__).parents[2]
IMPORTS = """\
import os, signal, subprocess, sys, threading, time
import pytest
from hypothesis import given, strategies
from tests import conftest
from tests.support import processes
KEPT = []
conftest.AGAIN_SECONDS = 1
conftest.EXIT_SECONDS = 1
processes.GRACE_SECONDS = 0.5
"""
LEAVES = """
@pytest.mark.parametrize("start", ["exec sleep 77", "sleep 78 & exit", "setsid sh -c 'sleep 79; :' & exit"])
def test_leaves(start):
    with pytest.raises(ChildProcessError):
        os.wait()  # nothing is left of the test before
    KEPT.append(subprocess.Popen(["sh", "-c", start]))

def test_ends_soon():
    subprocess.run(["sh", "-c", "sleep 0.2 &"])
"""
CHANGES = """
def test_changes():
    os.environ["ANY"] = "1"
    os.umask(0o077)
    os.chdir("/")
    KEPT.append(signal.signal(signal.SIGHUP, lambda *_: None))

def test_after_changes():
    assert "ANY" not in os.environ
    assert os.umask(0o022) == 0o022
    assert os.getcwd() != "/"
    assert signal.getsignal(signal.SIGHUP) == KEPT[0]
"""
CIRCUMSTANCES = """
def test_circumstances():
    assert time.tzname == ("UTC", "UTC")
    assert os.umask(0o022) == 0o022
    assert not {"USBRH_SIMULATE", "LC_ALL", "NO_COLOR", "COLUMNS", "TERM"} & os.environ.keys()
    ignored = int(subprocess.check_output(["grep", "SigIgn", "/proc/self/status"], text=True).split()[1], 16)
    # The C library keeps signals 32 and 33 for itself: no program can change how they are handled.
    assert [number for number in signal.valid_signals() if ignored >> number - 1 & 1] == []
"""
HANGS = """
@pytest.fixture
def stubborn():
    yield
    time.sleep(50)

@pytest.mark.timeout(1)
def test_hangs(stubborn):
    threading.Thread(target=lambda: time.sleep(50), daemon=True).start()
    process = subprocess.Popen(["sleep", "76"])
    try:
        process.wait()
    finally:
        process.wait()

def test_after_one_that_hangs():
    with pytest.raises(ChildProcessError):
        os.wait()

@pytest.mark.timeout(0.5)
@given(strategies.integers())
def test_hangs_with_any_example(number):
    KEPT.append(number)
    time.sleep(50)

def test_is_not_tried_again():
    assert KEPT == [0]
"""
THREAD = """
def test_leaves_a_thread():
    threading.Thread(target=lambda: time.sleep(50)).start()
"""
BOTH = [LEAVES, CHANGES, CIRCUMSTANCES]
"""Modules for a run in one process, and for one with a worker of xdist."""


def run(folder: Path, texts: list[str], *arguments: str) -> str:
    """Run pytest on a module with each text, in unusual circumstances. Return what it prints."""
    for number, text in enumerate(texts):
        (folder / f"test_{number}.py").write_text(IMPORTS + text)
    command = [sys.executable, "-m", "pytest", "-c", str(TOP / "pyproject.toml"), "-p", "tests.conftest", "-rA"]
    unusual = "umask 077; trap '' HUP INT QUIT TERM USR1 CHLD"
    environment = {
        "USBRH_SIMULATE": "9", "LC_ALL": "C", "TZ": "Asia/Tokyo", "NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb",
    }  # fmt: skip
    done = subprocess.run(
        ["sh", "-c", f'{unusual}; exec "$@"', "sh", *command, "-p", "no:cacheprovider", *arguments, str(folder)],
        cwd=TOP,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stdout


def outcomes(printed: str, test: str) -> list[str]:
    """Return the words of the summary for each outcome of a test."""
    return sorted(re.findall(rf"^(PASSED|FAILED|ERROR) \S*::{test}\b", printed, re.MULTILINE))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a run in one process prints, and one with a worker of xdist. They mostly wait, so both run at once."""
    with ThreadPoolExecutor() as pool:
        alone = pool.submit(run, tmp_path_factory.mktemp("alone"), [*BOTH, THREAD])
        distributed = pool.submit(run, tmp_path_factory.mktemp("distributed"), [*BOTH, HANGS], "--numprocesses=1")
        return {"alone": alone.result(), "distributed": distributed.result()}


@pytest.fixture
def alone(runs: dict[str, str]) -> str:
    return runs["alone"]


@pytest.fixture
def distributed(runs: dict[str, str]) -> str:
    return runs["distributed"]


@pytest.fixture(params=["alone", "distributed"])
def printed(request: pytest.FixtureRequest) -> str:
    text: str = request.getfixturevalue(request.param)
    return text


def test_processes_that_are_left_are_ended_and_fail_their_test(printed: str) -> None:
    assert outcomes(printed, "test_leaves") == ["ERROR"] * 3 + ["PASSED"] * 3, printed
    assert outcomes(printed, "test_ends_soon") == ["PASSED"]
    for seconds in (77, 78, 79):
        assert re.search(rf"processes left running: .*sleep {seconds}", printed)


def test_a_test_that_hangs_fails_with_the_stacks_of_all_threads(distributed: str) -> None:
    """So does one that hangs again in its cleanup. Its processes are ended."""
    assert outcomes(distributed, "test_hangs") == ["ERROR", "FAILED"], distributed
    assert outcomes(distributed, "test_after_one_that_hangs") == ["PASSED"]
    assert outcomes(distributed, "test_hangs_with_any_example") == ["FAILED"]
    assert outcomes(distributed, "test_is_not_tried_again") == ["PASSED"]
    assert distributed.count("HangsError: Timeout (>1.0s)") >= 3
    assert "in <lambda>" in distributed
    assert "process.wait()" in distributed
    assert re.search(r"processes left running: .*sleep 76", distributed)


def test_a_thread_does_not_keep_the_run_from_ending(alone: str) -> None:
    assert outcomes(alone, "test_leaves_a_thread") == ["PASSED"]
    assert "Timeout (0:00:01)!" in alone
    assert "in <lambda>" in alone


def test_what_a_test_changes_for_others_is_put_back_and_fails_it(printed: str) -> None:
    assert outcomes(printed, "test_changes") == ["ERROR", "PASSED"]
    assert outcomes(printed, "test_after_changes") == ["PASSED"]
    assert "left changed: ['environment', 'folder', 'umask', 'handlers']" in printed


def test_the_circumstances_are_the_same_wherever_it_is_started(printed: str) -> None:
    assert outcomes(printed, "test_circumstances") == ["PASSED"]


def test_the_order_is_shuffled_on_request(tmp_path: Path) -> None:
    module = tmp_path / "test_inner.py"
    module.write_text(
        "import pytest\n@pytest.mark.parametrize('number', range(20))\ndef test_number(number):\n    pass\n"
    )
    common = ["-c", str(TOP / "pyproject.toml"), "-p", "tests.conftest", "-p", "no:cacheprovider", "--collect-only"]
    seeds = [["-p", "randomly", f"--randomly-seed={seed}"] for seed in (1, 2)]
    calls = [[*common, "-q", *arguments, str(module)] for arguments in ([], *seeds)]
    program = f"import pytest\nfor arguments in {calls}:\n    pytest.main(arguments)\n    print('end of run')"
    printed = subprocess.check_output([sys.executable, "-c", program], cwd=TOP, text=True, timeout=100)
    orders = [[int(each) for each in re.findall(r"\[(\d+)\]", part)] for part in printed.split("end of run")[:3]]
    usual, one, other = orders
    assert usual == list(range(20)) == sorted(one) == sorted(other)
    assert usual != one != other


@pytest.mark.parametrize("folder", SECOND_HALF)
def test_the_tests_of_a_folder_are_divided_between_two_processes(folder: str) -> None:
    files = [file.name for file in (TOP / "tests" / folder).glob("test_*.py")]
    assert 1 / 4 < sum(name >= SECOND_HALF[folder] for name in files) / len(files) < 3 / 4
