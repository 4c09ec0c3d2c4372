"""The configuration, the service, the journal and the clock."""

import re
import time
from pathlib import Path

import pytest

from tests.support.clocks import WoundClock
from tests.support.closed import closed, reachable
from tests.support.programs import program
from usbrh import doctor, walltime
from usbrh.clock import NS
from usbrh.config import Config, JournalConfig
from usbrh.doctor import service
from usbrh.errors import ConfigError
from usbrh.findings import Status
from usbrh.journal.store import Journal
from usbrh.reading import Reading
from usbrh.setup.machine import Machine
from usbrh.walltime import BUILT_NS


def test_a_wrong_configuration_is_a_fault_and_the_rest_is_still_looked_at(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    error = ConfigError(
        '/etc/usbrh/usbrh.toml, line 3: there is no key "hots" in [zabbix]', remedy="did you mean host?"
    )
    findings = list(doctor.examine(error, machine))
    [found] = [each for each in findings if each.check == "configuration"]
    assert (found.status, found.exit_status, found.remedy) == (Status.FAULT, 2, "did you mean host?")
    assert [each.status for each in findings if each.check == "reading"] == [Status.OK]


def test_a_configuration_that_anybody_may_change(machine: Machine, tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    file.touch()
    config = Config(path=file)
    file.chmod(0o666)
    [found] = service.configuration(config, config)
    assert (found.check, found.status, found.remedy) == ("configuration", Status.WARNING, f"sudo chmod o-w {file}")
    assert found.message == f"every user can change {file}"
    file.chmod(0o640)
    [found] = service.configuration(config, config)
    assert found.status is Status.OK


def show(service_state: str, timer_state: str, enabled: str = "enabled", load: str = "loaded") -> str:
    """What systemctl show prints, with the empty lines between units."""
    states = {"usbrh.service": service_state, "usbrh-send.service": "inactive", "usbrh-send.timer": timer_state}
    return "\n\n".join(
        f"Result={'exit-code' if state == 'failed' else 'success'}\nId={unit}\nLoadState={load}\nActiveState={state}\n"
        f"UnitFileState={enabled}"
        for unit, state in states.items()
    )


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (show("active", "inactive"), (Status.OK, "usbrh.service runs", None)),
        (show("inactive", "active"), (Status.OK, "usbrh-send.timer runs", None)),
        (show("active", "inactive", "disabled"), (Status.WARNING, "not after the next boot", "enable usbrh.service")),
        (show("active", "active"), (Status.WARNING, "sent twice", "disable --now usbrh-send.timer")),
        (
            show("failed", "inactive"),
            (Status.FAULT, "usbrh.service failed (exit-code)", "journalctl -u usbrh.service"),
        ),
        (show("inactive", "inactive"), (Status.WARNING, "nothing is sent", "enable --now usbrh.service")),
        (show("inactive", "inactive", "", "not-found"), (Status.WARNING, "no units", "sudo usbrh setup")),
    ],
)
def test_units(machine: Machine, programs: Path, shown: str, expected: tuple[Status, str, str | None]) -> None:
    status, says, remedy = expected
    program(programs, "systemctl", shown)
    [found] = service.units(machine)
    assert found.status is status
    assert says in found.message
    assert (remedy in (found.remedy or "")) if remedy else found.remedy is None


def restarted(active: str, sub: str, times: int) -> str:
    """What systemctl show prints of a service that systemd has started again."""
    shown = show(active, "inactive")
    return shown.replace("Id=usbrh.service\n", f"Id=usbrh.service\nSubState={sub}\nNRestarts={times}\n")


@pytest.mark.parametrize(("sub", "times"), [("auto-restart", 0), ("auto-restart-queued", 0), ("start", 7)])
def test_a_service_that_ends_again_and_again(machine: Machine, programs: Path, sub: str, times: int) -> None:
    program(programs, "systemctl", restarted("activating", sub, times))
    [found] = service.units(machine)
    assert (found.status, found.remedy) == (Status.FAULT, "see why: sudo journalctl -u usbrh.service -n 20")
    assert found.message == f"usbrh.service keeps failing (restarts: {times})"


def test_a_service_that_starts_for_the_first_time(machine: Machine, programs: Path) -> None:
    program(programs, "systemctl", restarted("activating", "start", 0))
    [found] = service.units(machine)
    assert found.status is Status.OK


def test_a_service_that_runs_after_it_had_failed(machine: Machine, programs: Path) -> None:
    program(programs, "systemctl", restarted("active", "running", 2))
    first, second = service.units(machine)
    assert (first.status, second.status) == (Status.WARNING, Status.OK)
    assert first.message == "usbrh.service runs, but failed before (restarts: 2)"
    assert "sudo systemctl reset-failed usbrh.service" in (first.remedy or "")


def test_a_service_that_had_failed_and_was_stopped_since(machine: Machine, programs: Path) -> None:
    program(programs, "systemctl", restarted("inactive", "dead", 2))
    [found] = service.units(machine)
    assert "neither service nor timer runs" in found.message


def test_units_without_systemd(machine: Machine) -> None:
    machine.path("/run/systemd/system").rmdir()
    [found] = service.units(machine)
    assert found.status is Status.NOT_CHECKED
    crontab = machine.path("/etc/cron.d/usbrh")
    crontab.parent.mkdir()
    crontab.touch()
    [found] = service.units(machine)
    assert (found.status, found.message) == (Status.OK, "cron reads and sends (/etc/cron.d/usbrh)")


OPENRC = {
    "etc/init.d/usbrh": "",
    "etc/runlevels/default/usbrh": None,
    "run/openrc/started/usbrh": None,
    "run/openrc/options/usbrh/child_pid": "4711\n",
    "run/openrc/options/usbrh/start_count": "0\n",
    "proc/4711/comm": "usbrh\n",
}
"""A service that runs and is enabled. None stands for a symbolic link."""


RESPAWNED = {"run/openrc/options/usbrh/start_count": "3"}


def booted_by_openrc(machine: Machine, files: dict[str, str | None]) -> Machine:
    machine.path("/run/systemd/system").rmdir()
    for name, text in {"run/openrc/softlevel": "default", **files}.items():
        path = machine.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to("/etc/init.d/usbrh") if text is None else path.write_text(text)
    return machine


@pytest.mark.parametrize(
    ("changes", "absent", "expected"),
    [
        ({}, "", (Status.OK, "usbrh runs", None)),
        (
            {},
            "etc/runlevels/default/usbrh",
            (Status.WARNING, "usbrh runs, but not after the next boot", "sudo rc-update add usbrh default"),
        ),
        (
            {},
            "etc/init.d/usbrh",
            (Status.WARNING, "no service is installed: nothing is sent automatically", "sudo usbrh setup"),
        ),
        (
            {},
            "run/openrc/started/usbrh",
            (
                Status.WARNING,
                "the service does not run: nothing is sent",
                "sudo rc-service usbrh start && sudo rc-update add usbrh default",
            ),
        ),
        (
            RESPAWNED,
            "",
            (
                Status.WARNING,
                "usbrh runs, but failed before (restarts: 3)",
                "see why: sudo tail -n 20 /var/log/usbrh.log; to reset the count: sudo rc-service usbrh restart",
            ),
        ),
        (
            RESPAWNED,
            "proc/4711/comm",
            (
                Status.FAULT,
                "usbrh has failed, and restarts soon (restarts: 3)",
                "see why: sudo tail -n 20 /var/log/usbrh.log",
            ),
        ),
    ],
)
def test_the_openrc_service(
    machine: Machine, changes: dict[str, str | None], absent: str, expected: tuple[Status, str, str | None]
) -> None:
    files = {name: text for name, text in {**OPENRC, **changes}.items() if name != absent}
    [found] = service.units(booted_by_openrc(machine, files))
    assert (found.status, found.message, found.remedy) == expected


def test_the_openrc_service_seen_by_a_user(machine: Machine) -> None:
    """Only root may read what supervise-daemon notes."""
    files = {name: text for name, text in OPENRC.items() if not name.startswith("run/openrc/options")}
    [found] = service.units(booted_by_openrc(machine, files))
    assert (found.status, found.message) == (Status.OK, "usbrh runs")


def with_journal(tmp_path: Path) -> Config:
    return Config(journal=JournalConfig(path=tmp_path / "journal.db"))


def reading(seconds_ago: float) -> Reading:
    return Reading("cellar", "1-1", "USB-RH", time.time_ns() - int(seconds_ago * 1e9), 20.0, 50.0, 9.0, 8.0)


def test_no_journal_yet_and_none_is_made(tmp_path: Path) -> None:
    config = with_journal(tmp_path)
    [found] = service.journal(config)
    assert found.status is Status.OK
    assert not config.journal.path.exists()


def test_a_journal_in_which_readings_wait_or_were_rejected(tmp_path: Path) -> None:
    config = with_journal(tmp_path)
    with Journal(config.journal.path) as journal:
        journal.sync_destinations(["zabbix.example:10051"])
        [fresh] = journal.add([reading(5)])
    [found] = service.journal(config)
    assert (found.check, found.status) == ("journal", Status.OK)
    assert re.fullmatch(rf"{config.journal.path}: 1 reading, 0\.\d MB", found.message)
    with Journal(config.journal.path) as journal:
        journal.acknowledge("zabbix.example:10051", [fresh])
        [late] = journal.add([reading(3600)])
    assert [found.remedy for found in service.journal(config)] == [None, "usbrh journal flush"]
    with Journal(config.journal.path) as journal:
        journal.acknowledge("zabbix.example:10051", [], {late: "there is no such host"})
    found = list(service.journal(config))[1]
    assert (found.status, found.remedy) == (Status.WARNING, "see: usbrh journal status")
    assert "there is no such host" in found.message


def test_a_journal_that_is_closed_to_who_asks() -> None:
    with reachable() as folder:
        config = with_journal(folder / "state")
        config.journal.path.parent.mkdir()
        with closed(config.journal.path.parent):
            [found] = service.journal(config)
    assert (found.check, found.status) == ("journal", Status.NOT_CHECKED)
    assert found.message == f"{config.journal.path} belongs to the service; sudo usbrh doctor can check it"


def test_a_journal_that_is_none(tmp_path: Path) -> None:
    config = with_journal(tmp_path)
    config.journal.path.mkdir()
    [found] = service.journal(config)
    assert found.status is Status.FAULT


@pytest.mark.parametrize(
    ("synchronised", "status", "words", "remedy"),
    [
        (True, Status.OK, "synchronised", None),
        (False, Status.WARNING, "not synchronised, so readings may have a wrong time", walltime.synchronise()),
        (None, Status.NOT_CHECKED, "does not report", None),
    ],
)
def test_whether_the_clock_is_synchronised(
    tmp_path: Path, synchronised: bool | None, status: Status, words: str, remedy: str | None
) -> None:
    settings = Config(journal=JournalConfig(path=tmp_path / "journal.db"))
    clock = WoundClock(BUILT_NS + NS, synchronised=synchronised)
    (found,) = service.system_clock(settings, clock)
    assert (found.check, found.status, found.remedy) == ("clock", status, remedy)
    assert words in found.message


def test_a_clock_that_is_not_set(tmp_path: Path) -> None:
    settings = Config(journal=JournalConfig(path=tmp_path / "journal.db"))
    (found,) = service.system_clock(settings, WoundClock(0))
    assert (found.status, found.exit_status) == (Status.FAULT, 1)
    assert "the system clock is not set" in found.message
    assert "sudo date -s " in str(found.remedy)


def test_a_clock_that_the_journal_proves_wrong(tmp_path: Path) -> None:
    clock = WoundClock(BUILT_NS + 86400 * NS)
    path = tmp_path / "journal.db"
    with Journal(path, clock=clock) as journal:
        journal.add([Reading("x", "1-1", "USB-RH", clock.time_ns(), 20.0, 50.0, boot_ns=clock.boot_ns())])
        clock.restart(BUILT_NS + NS)
        journal.add([])
    (found,) = service.system_clock(Config(journal=JournalConfig(path=path)), clock)
    assert (found.status, "is behind an earlier reading (" in found.message) == (Status.FAULT, True)
    assert "usbrh journal trust-clock" in str(found.remedy)
