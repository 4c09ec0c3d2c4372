"""tests/support/command.py: a fork of a process that has imported usbrh does what a new process does."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.command import USBRH, run, start, usbrh


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--version"], 0),
        (["list"], 0),
        (["nonsense"], 2),
        (["read", "nobody"], 3),
        (["journal", "status", "--json"], 1),
        (["--config", "own.toml", "config", "show"], 0),
        (["plot", "-o", "a.svg"], 1),
    ],
    ids=str,
)
def test_it_is_as_a_new_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], status: int) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.toml").write_text('[zabbix]\nhost = "pc"\n')
    environment = os.environ | {"USBRH_SIMULATE": "1", "USBRH_JOURNAL_PATH": "none.db", "TZ": "Asia/Tokyo"}
    new = subprocess.run([USBRH, *words], env=environment, capture_output=True, text=True, timeout=60, check=False)
    fork = run(words, environment)
    assert (fork.returncode, fork.stdout, fork.stderr) == (new.returncode, new.stdout, new.stderr)
    assert fork.returncode == status


def test_nothing_stays_from_one_to_the_next() -> None:
    assert usbrh("read", "--format", "{local:%z}", USBRH_SIMULATE="1", TZ="Asia/Tokyo").stdout == "+0900\n"
    assert '"attic"' in usbrh("config", "show", USBRH_ZABBIX_HOST="attic").stdout
    done = usbrh("config", "show")
    assert (done.returncode, "attic" in done.stdout) == (0, False), done
    assert usbrh("read", "--format", "{local:%z}", USBRH_SIMULATE="1").stdout == "+0000\n"


def test_one_that_takes_too_long_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        run(["--version"], os.environ, timeout=0.2, before="import time; time.sleep(60)")


def test_one_that_runs_is_read_and_ended_as_a_new_process() -> None:
    environment = os.environ | {"USBRH_SIMULATE": "1"}
    with start(["heater", "on", "--seconds", "60"], environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "The heater of sim-1 is on for 60 s; Ctrl-C ends it.\n"
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM


def test_variables_that_python_reads_when_it_starts_have_their_effect() -> None:
    assert "import time:" in usbrh("--version", PYTHONPROFILEIMPORTTIME="1").stderr
