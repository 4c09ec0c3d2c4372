"""The files with the latest readings, and the shell command of the agent file that answers from them."""

import json
import logging
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.closed import closed, reachable
from usbrh.bridge import agent
from usbrh.bridge.latest import LatestFiles
from usbrh.clock import NS, SYSTEM_CLOCK
from usbrh.config import Config, JournalConfig
from usbrh.errors import TransferFailed
from usbrh.journal.store import Journal
from usbrh.reading import Reading, SensorInfo
from usbrh.system.resources import resource

INTERVAL = 60.0
FRESH = 95 * NS
SHELLS = [shell for shell in (["sh"], ["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])]
"""What /bin/sh is on Debian, Gentoo, Alpine and others."""
ASKED = "usbrh was asked"

Ask = Callable[[str], str]


def measured(sensor: str = "attic", ago_ns: int = 7 * NS, **more: Any) -> Reading:
    """Return a reading of ``ago_ns`` ago, by both clocks."""
    return Reading(
        *(sensor, "1-1.4", "USB-RH", time.time_ns() - ago_ns, 12.5, 60.0, 5.0, 6.6),
        **{"boot_ns": SYSTEM_CLOCK.boot_ns() - ago_ns, **more},
    )


def write(folder: Path, *readings: Reading) -> Path:
    """Write the files as a unit's process does; return their folder."""
    LatestFiles(INTERVAL, {"RUNTIME_DIRECTORY": str(folder)}).write(readings)
    return folder / "readings"


def command(key: str, folder: Path) -> str:
    """Return the shell command of the agent file for ``key``. The agent replaces $1 as text.

    Before that, it has rejected all characters that end a word in quotes.
    """
    text = resource("zabbix/zabbix_agentd.d/usbrh.conf").read_text(encoding="utf-8")
    _, found, rest = text.partition("UserParameter=usbrh.get[*],")
    assert found
    return rest.partition("\n")[0].replace("/run/usbrh", str(folder)).replace("$1", key)


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Ask:
    """Ask as an agent does, and return stdout and stderr."""
    usbrh = tmp_path / "bin" / "usbrh"
    usbrh.parent.mkdir()
    usbrh.write_text(f'#!/bin/sh\necho "{ASKED}: $*"\n')
    usbrh.chmod(0o755)
    environment = {"PATH": f"{usbrh.parent}:{os.environ['PATH']}"}

    def ask(key: str) -> str:
        shell = [*request.param, "-c", command(key, tmp_path)]
        done = subprocess.run(
            shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=tmp_path, check=False
        )
        return done.stdout.decode()

    return ask


def failed() -> Reading:
    return Reading.failed(
        SensorInfo("1-1.4", "USB-RH", "attic"),
        time.time_ns(),
        TransferFailed('50% of "a\\nb" is \x07 不明', remedy="see: $(usbrh) `doctor` \\"),
        SYSTEM_CLOCK.boot_ns(),
    )


@pytest.mark.parametrize(
    "make",
    [
        measured,
        partial(measured, "居間 あいう"),
        partial(measured, "-n"),
        partial(measured, "x" * 64, simulated=True),
        failed,
    ],
    ids=["good", "japanese", "option", "long", "failed"],
)
def test_the_answer_is_that_of_usbrh(ask: Ask, tmp_path: Path, make: Callable[[], Reading]) -> None:
    reading = make()  # now: it is fresh for a short time only
    write(tmp_path, reading)
    with Journal(tmp_path / "journal.db") as journal:
        journal.add([reading])
    fast = ask(reading.sensor)
    slow = agent.get(reading.sensor, lambda: Config(journal=JournalConfig(path=tmp_path / "journal.db")))
    assert fast.count("\n") == 1
    answer = json.loads(fast)
    assert list(answer) == list(slow)
    assert answer.pop("age") == pytest.approx(slow.pop("age"), abs=1.0)
    assert answer == slow
    assert reading.sensor in fast, "with the characters themselves, not with escapes"


@pytest.mark.parametrize(
    "key",
    [
        *("", ".", "..", "/", "attic/", "./attic", "../secret", "../readings/attic", "x/../attic", "Attic", "attic "),
        *("--help", "-- -v", "%s%n", "a,b", "n" * 65536, "/etc/passwd", "readings", "^", "=", "from", "居間"),
    ],
)
def test_any_other_key_reaches_usbrh_as_it_is(ask: Ask, tmp_path: Path, key: str) -> None:
    content = (write(tmp_path, measured()) / "attic").read_bytes()
    (tmp_path / "secret").write_bytes(content)
    assert ask(key) == f"{ASKED}: agent get -- {key}\n"
    assert '"temperature":12.5' in ask("attic")


@pytest.mark.parametrize("ago_ns", [FRESH + NS, 3600 * NS, -NS, -3600 * NS])
def test_a_reading_that_is_too_old_is_no_answer(ask: Ask, tmp_path: Path, ago_ns: int) -> None:
    """The service has died; or the machine has restarted, and the folder is no tmpfs."""
    write(tmp_path, measured(ago_ns=ago_ns))
    assert ask("attic").startswith(ASKED)


@pytest.mark.parametrize("step_s", [3600, -3600, 90, -90])
def test_setting_the_wall_clock_changes_neither_age_nor_freshness(ask: Ask, tmp_path: Path, step_s: int) -> None:
    for age_s, answers in ((7, True), (94, True), (96, False)):
        reading = measured(ago_ns=age_s * NS)
        write(tmp_path, replace(reading, time_ns=reading.time_ns - step_s * NS))
        answer = ask("attic")
        assert answer.startswith(ASKED) is not answers
        if answers:
            assert json.loads(answer)["age"] == pytest.approx(age_s, abs=0.9)


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\n", b"\0\0\0\0", b"0", b"0 \n", b"x y {}\n", b"0 x {}\n", b"0 99999999999999999999999999 {}\n"),
        b"$(touch witness) 999999999999 {}\n",
        b"a[$(touch witness)] 999999999999 {}\n",
        b"0 a[$(touch witness)] {}\n",
        b'0 999999999999 {"v": 1',  # without the end of the line: a full disk
    ],
)
def test_a_damaged_file_is_no_answer_and_no_program(ask: Ask, tmp_path: Path, content: bytes) -> None:
    folder = write(tmp_path, measured())
    (folder / "attic").write_bytes(content)
    assert ask("attic").startswith(ASKED)
    assert not (tmp_path / "witness").exists()


def test_the_group_may_read_the_files_and_others_may_not(tmp_path: Path) -> None:
    before = os.umask(0o027)  # of the units
    try:
        folder = write(tmp_path, measured())
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((folder / "attic").stat().st_mode) == 0o640


def test_nobody_else_may_enter_the_folder_even_without_an_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = write(tmp_path, measured())
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_user_without_permission_is_answered_by_usbrh() -> None:
    with reachable() as folder:
        shell = command("attic", folder).replace("exec usbrh", "echo usbrh")
        readings = write(folder, measured())
        with closed(readings):
            done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("usbrh agent get -- attic\n", "")


def test_what_is_no_name_of_a_file_has_none(tmp_path: Path) -> None:
    names = ["a/b", "../evil", ".", "..", "/etc/evil", "\N{THERMOMETER}" * 100, "attic"]
    folder = write(tmp_path, *(measured(name) for name in names), measured("elsewhere", boot_ns=None))
    assert [path.name for path in folder.iterdir()] == ["attic"]
    assert [path.name for path in tmp_path.iterdir()] == ["readings"]


def test_a_name_that_is_not_unicode_text(tmp_path: Path) -> None:
    """The kernel passes on the serial number of a device as the bytes that the device sends."""
    folder = write(tmp_path, measured("caf\udce9"))
    assert [path.name for path in folder.iterdir()] == ["caf?"]
    assert b'"sensor":"caf?"' in (folder / "caf?").read_bytes()


def test_nothing_is_written_without_the_folder_of_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    LatestFiles(INTERVAL, {}).write([measured()])
    assert list(tmp_path.iterdir()) == []


def test_a_problem_is_logged_when_it_begins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runtime = tmp_path / "run"
    files = LatestFiles(INTERVAL, {"RUNTIME_DIRECTORY": f"{runtime}:{tmp_path}"})
    with caplog.at_level(logging.WARNING):
        for there in (False, False, True, False):
            if there:
                runtime.mkdir()
            files.write([measured()])
            shutil.rmtree(runtime, ignore_errors=True)
    message = (
        f"can't write {runtime}/readings (No such file or directory); the Zabbix agent starts usbrh for each answer"
    )
    assert caplog.messages == [message, message]
