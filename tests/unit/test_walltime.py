"""What this machine reports about its clock."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from usbrh import walltime
from usbrh.clock import NS, SYSTEM_CLOCK, Moment
from usbrh.walltime import BUILT_NS, SYNCHRONISING_NS, Doubt, Known, doubt

NOW = BUILT_NS + 10 * 86400 * NS


@pytest.fixture(autouse=True)
def other_boot_id() -> Iterator[None]:
    """A test may change where the id of the boot comes from."""
    walltime._boot.cache_clear()
    yield
    walltime._boot.cache_clear()


def moment(time_ns: int = NOW, synchronised: bool | None = False, hardware_ns: int | None = None) -> Moment:
    return Moment(time_ns, 20 * NS, 1, synchronised, hardware_ns)


def test_the_clocks_of_this_machine() -> None:
    one, other = SYSTEM_CLOCK.moment(), SYSTEM_CLOCK.moment()
    assert one.boot == other.boot
    assert 0 < one.boot < 2**60
    assert 0 < one.boot_ns <= other.boot_ns
    assert abs(one.offset_ns - other.offset_ns) < NS
    assert one.synchronised in {True, False, None}
    assert abs(one.time_ns - time.time_ns()) < 60 * NS


def test_inside_the_sandbox_of_the_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = walltime.BOOT_ID.read_text()
    number = walltime._boot()
    walltime._boot.cache_clear()
    monkeypatch.setattr(walltime, "BOOT_ID", tmp_path / "missing")
    monkeypatch.setenv("USBRH_BOOT_ID", text.strip().replace("-", ""))  # as systemd writes it
    assert walltime._boot() == number


@pytest.mark.parametrize("text", ["", "nonsense"])
def test_a_machine_without_an_id_of_its_boot(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walltime, "BOOT_ID", tmp_path / "missing")
    monkeypatch.setenv("USBRH_BOOT_ID", text)
    assert walltime._boot() == 0


def test_the_file_of_systemd_timesyncd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoLibrary:
        """A process that may not call adjtimex."""

        def adjtimex(self, timex: object) -> int:
            return -1

    monkeypatch.setattr("ctypes.CDLL", lambda name: NoLibrary())
    monkeypatch.setattr(walltime, "TIMESYNC", tmp_path / "timesync")
    assert walltime._synchronised(NOW) is None
    (tmp_path / "timesync").mkdir()
    assert walltime._synchronised(NOW) is False
    file = tmp_path / "timesync/synchronized"
    file.touch()
    os.utime(file, ns=(NOW, NOW))
    assert walltime._synchronised(NOW + 2048 * NS) is True
    assert walltime._synchronised(NOW + 10 * 365 * 86400 * NS) is False, "somebody has set the clock since"


@pytest.mark.parametrize(("result", "expected"), [(0, True), (1, True), (4, True), (5, False), (-1, None)])
def test_what_the_kernel_reports(
    result: int, expected: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Library:
        """The C library."""

        def adjtimex(self, timex: object) -> int:
            return result

    monkeypatch.setattr("ctypes.CDLL", lambda name: Library())
    monkeypatch.setattr(walltime, "TIMESYNC", tmp_path / "timesync")
    assert walltime._synchronised(NOW) is expected


def test_the_hardware_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walltime, "RTC", tmp_path)
    assert walltime._hardware_ns() is None
    for name, used in (("rtc0", "0"), ("rtc1", "1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "hctosys").write_text(f"{used}\n")
        (tmp_path / name / "since_epoch").write_text("1790000000\n")
    assert walltime._hardware_ns() == 1_790_000_000 * NS
    (tmp_path / "rtc1/since_epoch").write_text("")
    assert walltime._hardware_ns() is None


def test_without_knowledge_only_the_date_of_the_version_counts() -> None:
    assert doubt(moment(BUILT_NS - 1)) is Doubt.BEFORE_BUILD
    assert doubt(moment(BUILT_NS - 1, synchronised=True)) is Doubt.BEFORE_BUILD
    for synchronised in (True, False, None):
        assert doubt(moment(synchronised=synchronised)) is None


def test_a_synchronised_clock_is_right_whatever_the_journal_says() -> None:
    known = Known(newest_ns=NOW + 400 * 86400 * NS, synchronised=True, doubt=Doubt.BEHIND)
    assert doubt(moment(synchronised=True), known) is None
    assert doubt(moment(), known) is Doubt.BEHIND


def test_the_start_of_the_machine() -> None:
    known = Known(synchronised=True)
    assert doubt(moment(), known) is Doubt.STARTING
    assert doubt(moment(hardware_ns=NOW + NS), known) is None
    assert doubt(moment(hardware_ns=NOW - 3600 * NS), known) is Doubt.STARTING
    assert doubt(Moment(NOW, SYNCHRONISING_NS, 1, False), known) is None
    assert doubt(Moment(NOW, 599 * NS, 1, False), known) is Doubt.STARTING
    assert doubt(Moment(NOW, 600 * NS, 1, False), known) is None


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        (NOW + 60 * NS, None),
        (NOW + 60 * NS + 1, Doubt.BEHIND),
        (NOW - NS, None),
        (NOW - 365 * 86400 * NS, None),
        (NOW - 365 * 86400 * NS - 1, Doubt.AHEAD),
    ],
)
def test_a_clock_is_compared_with_the_newest_reading(newest: int, expected: Doubt | None) -> None:
    assert doubt(moment(), Known(newest_ns=newest)) is expected
    assert doubt(moment(), Known(newest_ns=NOW - NS, doubt=expected)) is (
        expected if expected is Doubt.BEHIND else None
    )


@pytest.mark.parametrize(("seconds", "starting"), [(60, False), (-60, False), (61, True), (-61, True)])
def test_a_hardware_clock_may_be_a_minute_wrong(seconds: int, starting: bool) -> None:
    found = doubt(moment(hardware_ns=NOW + seconds * NS), Known(synchronised=True))
    assert found is (Doubt.STARTING if starting else None)
    behind = Known(newest_ns=NOW - NS, doubt=Doubt.BEHIND)
    assert doubt(moment(hardware_ns=NOW + seconds * NS), behind) is (Doubt.BEHIND if starting else None)


@pytest.mark.parametrize(
    ("systemd", "not_set", "starting"),
    [
        (True, "sudo timedatectl set-ntp true", "; see: timedatectl"),
        (False, "start a time service, such as chrony", ""),
    ],
)
def test_each_remedy_works_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, systemd: bool, not_set: str, starting: str
) -> None:
    monkeypatch.setattr(walltime, "SYSTEMD", tmp_path if systemd else tmp_path / "none")
    found = walltime.problem(Doubt.BEFORE_BUILD)
    assert found.remedy == f"{not_set}, or set it: sudo date -s 'YYYY-MM-DD hh:mm'"
    found = walltime.problem(Doubt.STARTING)
    assert found.remedy == f"no action is needed in the first 10 minutes after the start{starting}"
