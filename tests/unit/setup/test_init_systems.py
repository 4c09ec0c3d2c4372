"""``usbrh setup`` for OpenRC, and for cron where no init system is known."""

import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.computer import USBRH, Computer, words
from usbrh.setup import actions as setup_actions
from usbrh.setup import install as setup
from usbrh.setup import openrc
from usbrh.setup.uninstall import plan_removal

TOP = Path(__file__).parents[3]


def test_without_systemd_cron_is_named(computer: Computer) -> None:
    (computer.root / "run/systemd/system").rmdir()
    planned = setup.plan(computer.machine, USBRH)
    [note] = planned.notes
    assert note.splitlines()[-1].strip() == (
        "* * * * * usbrh /opt/usbrh/bin/usbrh send 2>&1 >/dev/null | logger -t usbrh"
    )
    assert not any("systemctl" in line or ".service" in line for line in words(planned))


def test_a_crontab_line_with_a_percent_sign(computer: Computer) -> None:
    (computer.root / "run/systemd/system").rmdir()
    [note] = setup.plan(computer.machine, Path("/opt/my 100%/usbrh")).notes
    assert note.splitlines()[-1].strip().startswith(r"* * * * * usbrh '/opt/my 100\%/usbrh' send ")


def test_a_crontab_is_named_once_and_asked_about_at_the_removal(computer: Computer) -> None:
    (computer.root / "run/systemd/system").rmdir()
    computer.carry_out(setup.plan(computer.machine, USBRH))
    (computer.root / "etc/cron.d").mkdir()
    (computer.root / "etc/cron.d/usbrh").write_text("* * * * * usbrh usbrh send\n")
    planned = setup.plan(computer.machine, USBRH)
    assert (words(planned), planned.notes) == ([], [])
    asked = [step.text for step in plan_removal(computer.machine).steps if step.question]
    assert asked == ["remove /etc/cron.d/usbrh", "remove user and group usbrh"]


@pytest.fixture
def openrc_computer(computer: Computer) -> Computer:
    """A computer that OpenRC has booted."""
    (computer.root / "run/systemd/system").rmdir()
    for folder in (
        "sbin",
        "run/openrc/started",
        "run/openrc/failed",
        "run/openrc/options/usbrh",
        "etc/runlevels/default",
    ):
        (computer.root / folder).mkdir(parents=True)
    (computer.root / "sbin/openrc-run").touch()
    (computer.root / "run/openrc/softlevel").write_text("default")
    return computer


def test_openrc_gets_a_service(openrc_computer: Computer) -> None:
    machine = openrc_computer.machine
    planned = setup.plan(machine, USBRH)
    assert planned.notes == []
    openrc_computer.carry_out(planned)
    script = openrc_computer.text("/etc/init.d/usbrh")
    assert script.startswith("#!/sbin/openrc-run\n# Written by usbrh setup")
    assert "\ncommand=/opt/usbrh/bin/usbrh\n" in script
    assert stat.S_IMODE(machine.path("/etc/init.d/usbrh").stat().st_mode) == 0o755
    assert stat.S_IMODE(machine.path("/etc/conf.d/usbrh").stat().st_mode) == 0o644
    assert not any("systemctl" in line for line in openrc_computer.commands)
    assert words(setup.plan(machine, USBRH)) == []
    following = [command for command, _ in setup.next_steps(machine, USBRH, None)]
    assert following[-2:] == ["sudo rc-service usbrh start", "sudo rc-update add usbrh default"]


def test_the_openrc_service_is_renewed_and_its_settings_stay(openrc_computer: Computer) -> None:
    openrc_computer.carry_out(setup.plan(openrc_computer.machine, USBRH))
    script, settings = openrc_computer.root / "etc/init.d/usbrh", openrc_computer.root / "etc/conf.d/usbrh"
    script.write_text(setup_actions.stamped("#!/sbin/openrc-run\n# an older script\n"))
    settings.write_text("usbrh_args=--debug\n")
    planned = setup.plan(openrc_computer.machine, USBRH)
    assert words(planned) == ["renew /etc/init.d/usbrh", "run rc-service --ifstarted usbrh restart"]
    assert not any(step.question for step in planned.steps)
    script.write_text(f"{script.read_text()}# by hand\n")
    [replace, _] = setup.plan(openrc_computer.machine, USBRH).steps
    assert replace.question


def test_the_openrc_service_is_stopped_and_removed(openrc_computer: Computer) -> None:
    openrc_computer.carry_out(setup.plan(openrc_computer.machine, USBRH))
    (openrc_computer.root / "etc/runlevels/default/usbrh").symlink_to("/etc/init.d/usbrh")
    (openrc_computer.root / "var/log").mkdir()
    (openrc_computer.root / "var/log/usbrh.log").touch()
    openrc_computer.commands.clear()
    openrc_computer.carry_out(plan_removal(openrc_computer.machine))
    commands = openrc_computer.commands
    assert commands[:2] == ["rc-service usbrh stop", "rc-update delete usbrh default"]
    assert "rm -f /var/log/usbrh.log" in commands
    for name in ("/etc/init.d/usbrh", "/etc/conf.d/usbrh", "/etc/usbrh/usbrh.toml"):
        assert not openrc_computer.machine.path(name).exists()


def test_the_openrc_service_of_a_package_stays(openrc_computer: Computer) -> None:
    for name in ("usr/lib/udev/rules.d/70-usbrh.rules", "etc/init.d/usbrh", "etc/conf.d/usbrh"):
        file = openrc_computer.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("# of the package\n")
    assert not any("init.d" in line or "conf.d" in line for line in words(setup.plan(openrc_computer.machine, USBRH)))
    assert not any("init.d" in line or "conf.d" in line for line in words(plan_removal(openrc_computer.machine)))


def test_the_state_of_the_openrc_service(openrc_computer: Computer) -> None:
    root, machine = openrc_computer.root, openrc_computer.machine
    assert openrc.service_state(machine) == openrc.ServiceState(installed=False, enabled=False, started=False)
    openrc_computer.carry_out(setup.plan(machine, USBRH))
    (root / "etc/runlevels/default/usbrh").symlink_to("/etc/init.d/usbrh")
    (root / "run/openrc/started/usbrh").symlink_to("/etc/init.d/usbrh")
    values = {"child_pid": "4711\n", "start_count": "2\n", "start_time": "2026-11-28 18:12:10\n"}
    for name, value in values.items():
        (root / "run/openrc/options/usbrh" / name).write_text(value)
    state = openrc.service_state(machine)
    assert (state.installed, state.enabled, state.started) == (True, True, True)
    assert (state.pid, state.respawns, state.since) == (None, 2, "2026-11-28 18:12:10"), "no such process"
    (root / "proc/4711").mkdir(parents=True)
    assert openrc.service_state(machine).pid == 4711


def test_a_path_with_a_blank_in_the_openrc_service() -> None:
    """OpenRC evaluates the value of command once more."""
    shell = openrc.script_text(Path("/opt/my 100%/usbrh"))
    [line] = [line for line in shell.splitlines() if line.startswith("command=")]
    assert subprocess.check_output(["sh", "-c", f'{line}; eval printf "%s." $command']) == b"/opt/my 100%/usbrh."


@pytest.mark.parametrize(
    ("systemd", "openrc", "expected"),
    [(True, False, "systemd"), (False, True, "openrc"), (True, True, "systemd"), (False, False, None)],
)
def test_the_init_system_that_runs(computer: Computer, systemd: bool, openrc: bool, expected: str | None) -> None:
    if not systemd:
        (computer.root / "run/systemd/system").rmdir()
    if openrc:
        (computer.root / "run/openrc").mkdir()
        (computer.root / "run/openrc/softlevel").touch()
    assert computer.machine.init_system == expected
