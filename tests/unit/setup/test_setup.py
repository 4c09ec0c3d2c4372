"""``usbrh setup`` on a machine that is a folder: what it writes, asks about, leaves alone and takes away."""

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.closed import NOBODY, closed, reachable
from tests.support.waits import within
from usbrh import config
from usbrh.cli.setup import setup as setup_command
from usbrh.config.model import key_types
from usbrh.errors import AccessDenied, ConfigError
from usbrh.setup import actions as setup_actions
from usbrh.setup import agents as setup_agents
from usbrh.setup import init_systems, machine, openrc
from usbrh.setup import install as setup
from usbrh.setup.machine import Machine
from usbrh.setup.uninstall import plan_removal
from usbrh.system import installation
from usbrh.system.resources import resource

TOP = Path(__file__).parents[3]
USBRH = Path("/opt/usbrh/bin/usbrh")
ROOT = os.getuid(), os.getgid()
"""The user who runs the tests is root of the computer, so that files can be given to it."""
SERVICE = (61001, 61002) if os.geteuid() == 0 else ROOT
"""The numbers of the account usbrh: others than root's, where files can be given to it."""


class Computer:
    """A root directory, and the account tools, which really edit its passwd and group."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands: list[str] = []
        root.chmod(0o755)
        for folder in ("etc/udev", "etc/systemd/system", "run/systemd/system", "run/udev", "var/lib"):
            (root / folder).mkdir(parents=True)
        (root / "etc/passwd").write_text(f"root:x:{ROOT[0]}:{ROOT[1]}::/root:/bin/sh\n")
        (root / "etc/group").write_text(f"root:x:{ROOT[1]}:\n")
        self.machine = Machine(root, self.run)

    def run(self, command: Sequence[str]) -> None:
        self.commands.append(" ".join(command))
        passwd, group = self.root / "etc/passwd", self.root / "etc/group"
        name = command[-1]
        match command[0]:
            case "groupadd":
                group.write_text(f"{group.read_text()}{name}:x:{SERVICE[1]}:\n")
            case "useradd":
                home, shell = (command[command.index(option) + 1] for option in ("--home-dir", "--shell"))
                passwd.write_text(f"{passwd.read_text()}{name}:x:{SERVICE[0]}:{SERVICE[1]}::{home}:{shell}\n")
            case "usermod":
                group.write_text(re.sub(r"^(usbrh:.*:)$", rf"\g<1>{name}", group.read_text(), flags=re.MULTILINE))
            case "gpasswd":
                member = command[command.index("--delete") + 1]
                entry = rf"^({name}:.*[:,]){member}(?:,|$)"
                group.write_text(re.sub(entry, r"\1", group.read_text(), flags=re.MULTILINE))
            case "userdel":
                passwd.write_text(re.sub(rf"^{name}:.*\n", "", passwd.read_text(), flags=re.MULTILINE))
            case "groupdel":
                group.write_text(re.sub(rf"^{name}:.*\n", "", group.read_text(), flags=re.MULTILINE))

    def carry_out(self, planned: setup.Plan) -> None:
        for step in planned.steps:
            if step.do:
                step.do()

    def install_agent(self, config: str, include: str) -> None:
        file = self.machine.path(config)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# Include=/nowhere/*.conf\nServer=127.0.0.1\nInclude={include}\n")
        with (self.root / "etc/passwd").open("a") as passwd:
            passwd.write("zabbix:x:102:105::/:/bin/false\n")

    def owner(self, name: str) -> tuple[int, int]:
        found = self.machine.path(name).stat()
        return found.st_uid, found.st_gid

    def tree(self) -> dict[str, tuple[int, tuple[int, int], bytes | None]]:
        return {
            name: (path.stat().st_mode, self.owner(name), path.read_bytes() if path.is_file() else None)
            for path in self.root.rglob("*")
            if (name := str(path.relative_to(self.root)))
        }

    def text(self, name: str) -> str:
        return self.machine.path(name).read_text()


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    # The Python that runs the tests may be in a home directory, which is a case of its own below.
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    monkeypatch.setattr(setup, "installed", lambda _: True)  # udevadm, which a container does without
    return Computer(tmp_path)


def words(planned: setup.Plan) -> list[str]:
    return [step.text for step in planned.steps]


def test_a_bare_machine_gets_all_of_it(computer: Computer) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    assert computer.machine.has_user("usbrh")
    assert computer.machine.has_group("usbrh")
    assert 'ATTR{idVendor}=="1774"' in computer.text("/etc/udev/rules.d/70-usbrh.rules")
    for name, mode, owner in (
        ("/etc/usbrh", 0o755, ROOT),
        ("/etc/usbrh/usbrh.toml", 0o644, ROOT),
        ("/var/lib/usbrh", 0o750, SERVICE),
    ):
        assert (stat.S_IMODE(computer.machine.path(name).stat().st_mode), computer.owner(name)) == (mode, owner), name
    assert "ExecStart=/opt/usbrh/bin/usbrh run" in computer.text("/etc/systemd/system/usbrh.service")
    assert computer.commands[-2:] == ["systemctl daemon-reload", "systemctl try-restart usbrh.service"]
    assert "udevadm control --reload" in computer.commands or not machine.installed("udevadm")


def test_no_unit_keeps_the_path_of_the_package(computer: Computer) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    units = list((computer.root / "etc/systemd/system").iterdir())
    assert units
    for unit in units:
        assert "/usr/bin/usbrh" not in unit.read_text()


def test_a_second_run_changes_nothing(computer: Computer) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d/*.conf")
    computer.carry_out(setup.plan(computer.machine, USBRH))
    before = computer.tree()
    again = setup.plan(computer.machine, USBRH)
    assert words(again) == []
    computer.carry_out(again)
    assert computer.tree() == before


def test_a_plan_changes_nothing(computer: Computer) -> None:
    before = computer.tree()
    setup.plan(computer.machine, USBRH)
    plan_removal(computer.machine)
    assert computer.tree() == before
    assert computer.commands == []


@pytest.mark.parametrize("journal", [True, False])
def test_removal_leaves_only_the_journal(computer: Computer, journal: bool) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d/*.conf")
    (computer.root / "etc/zabbix/zabbix_agentd.d").mkdir()
    (computer.root / "etc/udev/rules.d").mkdir()
    before = computer.tree()
    computer.carry_out(setup.plan(computer.machine, USBRH))
    if journal:
        (computer.root / "var/lib/usbrh/journal.db").write_bytes(b"readings")
    planned = plan_removal(computer.machine)
    assert [step.question for step in planned.steps if step.question] == []
    computer.carry_out(planned)
    left = computer.tree()
    if journal:
        assert left.pop("var/lib/usbrh/journal.db")
        assert left.pop("var/lib/usbrh")
        assert any("journal stays in /var/lib/usbrh" in note for note in planned.notes)
    assert left == before
    steps = [f"systemctl disable --now usbrh{unit}" for unit in ("-send.timer", "-send.service", ".service")]
    steps.append("userdel usbrh")
    assert [line for line in computer.commands if line in steps] == steps
    assert plan_removal(computer.machine).steps == []


def test_a_file_that_somebody_changed_is_asked_about(computer: Computer) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    unit = computer.root / "etc/systemd/system/usbrh.service"
    unit.write_text(unit.read_text() + "Nice=5\n")
    [replace, *_] = setup.plan(computer.machine, USBRH).steps
    assert replace.text == "replace /etc/systemd/system/usbrh.service"
    assert replace.question is not None
    assert "-Nice=5" in replace.difference
    assert any(step.question and "usbrh.service" in step.text for step in plan_removal(computer.machine).steps)


def test_a_unit_whose_file_stays_goes_on_and_keeps_its_user(computer: Computer) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    unit = computer.root / "etc/systemd/system/usbrh.service"
    unit.write_text(unit.read_text() + "Nice=5\n")
    planned = plan_removal(computer.machine)
    asked = [step for step in planned.steps if step.question]
    assert [step.text for step in asked] == [
        "stop and remove /etc/systemd/system/usbrh.service",
        "remove user and group usbrh",
    ]
    # Each is answered with no.
    computer.carry_out(setup.Plan([step for step in planned.steps if step not in asked]))
    assert "systemctl disable --now usbrh-send.timer" in computer.commands
    assert not any("disable" in line and "usbrh.service" in line for line in computer.commands)
    assert unit.exists()


@pytest.mark.parametrize("unit", init_systems.UNITS)
def test_where_systemd_does_not_run_a_units_file_is_removed_without_it(computer: Computer, unit: str) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    (computer.root / "run/systemd/system").rmdir()
    computer.commands.clear()
    computer.carry_out(plan_removal(computer.machine))
    assert not any("systemctl" in line for line in computer.commands)
    assert not (computer.root / "etc/systemd/system" / unit).exists()


def test_a_masked_unit_is_asked_about_and_its_target_never_written(computer: Computer) -> None:
    target = computer.root / "target"
    target.write_text("precious")
    (computer.root / "etc/systemd/system/usbrh.service").symlink_to(target)
    planned = setup.plan(computer.machine, USBRH)
    assert next(step.question for step in planned.steps if "usbrh.service" in step.text)
    computer.carry_out(planned)
    assert target.read_text() == "precious"


def test_what_an_earlier_version_wrote_is_renewed_unasked(computer: Computer) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    rule = computer.root / "etc/udev/rules.d/70-usbrh.rules"
    rule.write_text(setup_actions.stamped("# an older rule\n"))
    [renew, *_] = setup.plan(computer.machine, USBRH).steps
    assert (renew.text, renew.question) == ("renew /etc/udev/rules.d/70-usbrh.rules", None)


def test_the_configuration_belongs_to_whoever_edits_it(computer: Computer) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    file = computer.root / "etc/usbrh/usbrh.toml"
    file.write_text(file.read_text().replace("#host", "host"))
    assert words(setup.plan(computer.machine, USBRH)) == []
    assert any(a.question for a in plan_removal(computer.machine).steps if a.text.endswith("usbrh.toml"))


@pytest.mark.parametrize(
    ("config", "include", "file"),
    [
        ("zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.conf.d/*.conf", "zabbix_agentd.conf.d/usbrh.conf"),  # Debian
        ("zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d/*.conf", "zabbix_agentd.d/usbrh.conf"),  # Zabbix's own
        ("zabbix_agent2.conf", "/etc/zabbix/zabbix_agent2.d/*.conf", "zabbix_agent2.d/usbrh.conf"),
        ("zabbix_agentd.conf", "/etc/zabbix/", "usbrh.conf"),
        ("zabbix_agentd.conf", "/etc/zabbix/my agent.d/*.conf", "my agent.d/usbrh.conf"),
    ],
)
def test_each_agent_gets_its_file_where_it_looks_for_it(
    computer: Computer, config: str, include: str, file: str
) -> None:
    computer.install_agent(f"/etc/zabbix/{config}", include)
    computer.carry_out(setup.plan(computer.machine, USBRH))
    text = computer.text(f"/etc/zabbix/{file}")
    assert "UserParameter=usbrh.discovery,/opt/usbrh/bin/usbrh agent discovery" in text
    assert 'UserParameter=usbrh.get[*],/opt/usbrh/bin/usbrh agent get -- "$1"' in text
    assert computer.machine.is_member("zabbix", "usbrh")


@pytest.mark.parametrize("line", ["Include = {}", "  Include={}", "\tInclude\t=\t{} \t", "Include={}\r"])
def test_an_agents_folder_is_found_as_the_agent_finds_it(computer: Computer, line: str) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/nowhere/other.conf")
    config = computer.machine.path("/etc/zabbix/zabbix_agentd.conf")
    config.write_bytes(f"#Include=/a/*.conf\nNoInclude=/b/*.conf\n{line.format('/etc/zabbix/c.d/*.conf')}\n".encode())
    assert setup_agents.agent_directory(computer.machine, "/etc/zabbix/zabbix_agentd.conf") == "/etc/zabbix/c.d"


def test_a_pipe_is_neither_a_configuration_nor_a_file_of_ours(computer: Computer) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/d/*.conf")
    folder = computer.machine.path("/etc/zabbix")
    os.mkfifo(folder / "zabbix_agent2.conf")
    (folder / "d").mkdir()
    os.mkfifo(folder / "d/usbrh.conf")
    with within(5):
        planned = setup.plan(computer.machine, USBRH)
    [question] = [step.question for step in planned.steps if step.question]
    assert question == "/etc/zabbix/d/usbrh.conf was not written by setup, or was changed since"
    assert not any("zabbix_agent2" in each for each in (*words(planned), *planned.notes))


def test_an_agent_without_a_folder_is_a_note(computer: Computer) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/other.conf")
    assert any("includes no directory" in note for note in setup.plan(computer.machine, USBRH).notes)


@pytest.fixture
def open_computer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Computer]:
    """One whose files other users may look for, and those that come with usbrh: a checkout may be in root's home."""
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    with reachable() as folder, reachable() as shipped:
        for each in ("etc", "systemd", "udev", "zabbix/zabbix_agentd.d"):
            shutil.copytree(TOP / each, shipped / each)
        for path in shipped.rglob("*"):
            path.chmod(0o755)
        for module in (setup, setup_agents, init_systems):
            monkeypatch.setattr(module, "resource", shipped.joinpath)
        yield Computer(folder)


@pytest.mark.parametrize(
    ("place", "step"),
    [
        ("/etc/zabbix/zabbix_agentd.conf", "remove /etc/zabbix/zabbix_agentd.d/usbrh.conf"),
        ("/etc/zabbix", "remove /etc/zabbix/zabbix_agentd.d/usbrh.conf"),
        ("/etc/zabbix/zabbix_agentd.d", "remove /etc/zabbix/zabbix_agentd.d/usbrh.conf"),
        ("/etc/usbrh", "remove /etc/usbrh/usbrh.toml"),
        ("/etc/udev/rules.d/70-usbrh.rules", "remove /etc/udev/rules.d/70-usbrh.rules"),
        ("/etc/systemd/system/usbrh.service", "stop and remove /etc/systemd/system/usbrh.service"),
        ("/var/lib/usbrh", "remove directory /var/lib/usbrh if it is empty"),
    ],
)
def test_what_is_closed_to_who_asks_is_a_note_and_the_rest_is_planned(
    open_computer: Computer, place: str, step: str
) -> None:
    machine = open_computer.machine
    open_computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d/*.conf")
    open_computer.carry_out(setup.plan(machine, USBRH))
    machine.path("/var/lib/usbrh").chmod(0o755)  # its being closed is a case of its own
    seen = words(plan_removal(machine))
    with closed(machine.path(place)):
        setup.plan(machine, USBRH)
        removal = plan_removal(machine)
    assert [
        note for note in removal.notes if note.startswith(f"not checked: this user can't read {machine.path(place)}")
    ]
    missing = [line for line in seen if line not in words(removal) and "udevadm" not in line]
    assert missing == [step]


def test_a_dry_run_names_what_it_could_not_look_at(open_computer: Computer) -> None:
    machine = open_computer.machine
    open_computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d/*.conf")
    open_computer.install_agent("/etc/zabbix/zabbix_agent2.conf", "/etc/zabbix/zabbix_agent2.d/*.conf")
    config = machine.path("/etc/zabbix/zabbix_agentd.conf")
    with closed(config):
        planned = setup.plan(machine, USBRH)
    assert planned.notes == [f"not checked: this user can't read {config}; root can"]
    assert "write /etc/zabbix/zabbix_agent2.d/usbrh.conf" in words(planned)
    assert "run usermod --append --groups usbrh zabbix" in words(planned)


def test_a_configuration_that_may_not_be_read_is_there(open_computer: Computer) -> None:
    open_computer.carry_out(setup.plan(open_computer.machine, USBRH))
    with closed(open_computer.machine.path("/etc/usbrh/usbrh.toml")):
        planned = setup.plan(open_computer.machine, USBRH)
    assert (words(planned), planned.notes) == ([], [])


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


@pytest.mark.parametrize("place", ["/home/taro/.local/bin/usbrh", "/root/usbrh/bin/usbrh"])
def test_an_executable_in_a_home_directory_gets_no_units(computer: Computer, place: str) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d/*.conf")
    planned = setup.plan(computer.machine, Path(place))
    assert planned.obstacle
    assert f"{place} is in a home directory" in planned.obstacle
    assert not any(".service" in line or "usbrh.conf" in line for line in words(planned))
    assert any("70-usbrh.rules" in line for line in words(planned))


def test_a_closed_folder_on_the_way_is_seen(computer: Computer) -> None:
    (computer.root / "srv/tools").mkdir(parents=True)
    (computer.root / "srv/tools").chmod(0o750)
    assert setup.out_of_reach(computer.machine, Path("/srv/tools/usbrh")) == "/srv/tools is closed to other users"


def test_what_the_distributions_package_brought_is_not_doubled(computer: Computer) -> None:
    for name in ("udev/rules.d/70-usbrh.rules", *(f"systemd/system/{unit}" for unit in init_systems.UNITS)):
        file = computer.root / "usr/lib" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    lines = words(setup.plan(computer.machine, USBRH))
    assert not any("70-usbrh.rules" in line or "usbrh.service" in line for line in lines)
    computer.run(("groupadd", "usbrh"))
    computer.machine.path("/etc/usbrh").mkdir()
    computer.machine.path("/etc/usbrh/usbrh.toml").touch()
    removal = plan_removal(computer.machine)
    assert words(removal) == []
    assert any("apt remove usbrh" in note for note in removal.notes)


def test_the_agents_user_leaves_the_group_that_the_package_keeps(computer: Computer) -> None:
    rule = computer.machine.path("/usr/lib/udev/rules.d/70-usbrh.rules")
    rule.parent.mkdir(parents=True)
    rule.touch()
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d/*.conf")
    computer.carry_out(setup.plan(computer.machine, USBRH))
    assert computer.machine.is_member("zabbix", "usbrh")
    computer.carry_out(plan_removal(computer.machine))
    assert computer.machine.has_group("usbrh")
    assert not computer.machine.is_member("zabbix", "usbrh")
    assert plan_removal(computer.machine).steps == []


@pytest.mark.parametrize("packaged", [False, True])
@pytest.mark.parametrize("kind", ["USB-RH", "USBRH2"])
def test_a_sensor_that_was_plugged_in_before_its_rule(computer: Computer, packaged: bool, kind: str) -> None:
    """The rule is there, but the node is root's: udev applies the rule when the sensor is plugged in."""
    machine = computer.machine
    if packaged:
        rule = machine.path("/usr/lib/udev/rules.d/70-usbrh.rules")
        rule.parent.mkdir(parents=True)
        rule.touch()
    computer.carry_out(setup.plan(machine, USBRH))
    node = machine.path("/dev/bus/usb/001/007" if kind == "USB-RH" else "/dev/ttyACM0")
    node.parent.mkdir(parents=True)
    node.touch()
    node.chmod(0o660)
    if kind == "USB-RH":
        device = machine.path("/sys/bus/usb/devices/1-1.4")
        device.mkdir(parents=True)
        for name, text in (("idVendor", "1774"), ("idProduct", "1001"), ("busnum", "1"), ("devnum", "7")):
            (device / name).write_text(f"{text}\n")
    else:
        link = machine.path("/dev/serial/by-id/usb-Strawberry_Linux_USBRH2_E02A-if00")
        link.parent.mkdir(parents=True)
        link.symlink_to("../../ttyACM0")
    again = setup.plan(machine, USBRH)
    if SERVICE != ROOT:
        assert "run udevadm trigger --subsystem-match=usb --attr-match=idVendor=1774" in words(again)
        assert "run udevadm trigger --subsystem-match=tty --property-match=ID_MODEL=USBRH2" in words(again)
    os.chown(node, -1, SERVICE[1])
    assert words(setup.plan(machine, USBRH)) == []


@pytest.mark.parametrize(
    "places",
    [
        ("bin/usbrh", "/opt/usbrh", "bin/usbrh", "bin/usbrh"),
        ("lib/usbrh/__main__.py", "/opt/usbrh", "scripts/usbrh", "scripts/usbrh"),
        ("lib/usbrh/__main__.py", "/usr", "scripts/usbrh", "scripts/usbrh"),  # pip's, by Debian's Python
        ("lib/usbrh/__main__.py", "/usr", "", "/usr/bin/usbrh"),
        ("lib/python-exec/python3.13/usbrh", "/usr", "", "/usr/bin/usbrh"),  # Gentoo
    ],
)
def test_the_executable_of_what_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: tuple[str, str, str, str]
) -> None:
    """``places``: what was called, the Python's prefix, where a script is, and what is taken for the executable."""
    called, prefix, script, expected = places
    monkeypatch.setattr(sys, "argv", [str(tmp_path / called)])
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path / "scripts"))
    monkeypatch.setattr(installation, "DEBIAN", tmp_path)
    if script:
        (tmp_path / script).parent.mkdir()
        (tmp_path / script).touch()
    assert setup.executable() == tmp_path / expected


def test_a_path_with_a_blank_and_a_percent_sign_is_quoted(computer: Computer) -> None:
    odd = Path("/opt/my 100%/usbrh")
    assert 'ExecStart="/opt/my 100%%/usbrh" run' in init_systems.unit_text("usbrh.service", odd)
    assert "usbrh.discovery,'/opt/my 100%/usbrh' agent" in setup_agents.agent_text(odd)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[Path, tuple[int, int]]:
    """What was given to whom, which the kernel lets only root do."""
    found: dict[Path, tuple[int, int]] = {}

    def fchown(descriptor: int, uid: int, gid: int) -> None:
        found[Path(f"/proc/self/fd/{descriptor}").resolve()] = uid, gid

    monkeypatch.setattr(os, "fchown", fchown)
    return found


@pytest.mark.parametrize("linked", [False, True], ids=["folder", "link"])
def test_an_account_made_anew_gets_its_journal_back(
    computer: Computer, given: dict[Path, tuple[int, int]], linked: bool
) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    state = computer.machine.path("/var/lib/usbrh")
    disk = state.rename(computer.root / "disk") if linked else state
    if linked:
        state.symlink_to(disk)
    (disk / "journal.db").touch()
    (disk / "elsewhere").symlink_to("/etc/passwd")
    group = computer.root / "etc/group"
    group.write_text(re.sub(r"^usbrh:x:\d+:", "usbrh:x:12345:", group.read_text(), flags=re.MULTILINE))
    planned = setup.plan(computer.machine, USBRH)
    assert words(planned) == ["make directory /var/lib/usbrh (0750 usbrh:usbrh)"]
    given.clear()
    computer.carry_out(planned)
    assert given == dict.fromkeys((disk, disk / "journal.db"), (SERVICE[0], 12345)), "a link is nobody's journal"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be led astray")
def test_what_the_folders_owner_put_there_instead_is_not_given_away(computer: Computer) -> None:
    """The account had another number before; its owner prepared the folder for the next setup."""
    computer.carry_out(setup.plan(computer.machine, USBRH))
    state, precious = computer.machine.path("/var/lib/usbrh"), computer.root / "etc/precious"
    precious.write_text("precious")
    for path in (state / "journal.db", state / "mine"):
        path.touch()
        os.chown(path, NOBODY, NOBODY)
    os.chown(state, NOBODY, NOBODY)
    (state / "link").symlink_to(precious)
    os.link(precious, state / "second name")
    (state / "of root").touch()
    os.mkfifo(state / "pipe")
    with within(5):
        computer.carry_out(setup.plan(computer.machine, USBRH))
    given = {path.name for path in state.iterdir() if path.lstat().st_uid == SERVICE[0]}
    assert given == {"journal.db", "mine"}
    assert computer.owner("/var/lib/usbrh") == SERVICE
    assert computer.owner("/etc/precious") == ROOT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be led astray")
@pytest.mark.parametrize("removal", [False, True])
def test_no_link_of_the_agents_user_is_followed(computer: Computer, tmp_path: Path, removal: bool) -> None:
    """An agent whose folder belongs to its own user, who replaces it by a link."""
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/var/lib/zabbix/conf.d/*.conf")
    home = computer.machine.path("/var/lib/zabbix")
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    if removal:
        computer.carry_out(setup.plan(computer.machine, USBRH))
        (home / "conf.d").rename(home / "conf.old")
    elsewhere = computer.root / "etc/elsewhere"
    elsewhere.mkdir()
    if removal:
        shutil.copy(home / "conf.old/usbrh.conf", elsewhere)
    before = [path.name for path in elsewhere.iterdir()]
    (home / "conf.d").symlink_to(elsewhere)
    os.chown(home / "conf.d", NOBODY, NOBODY, follow_symlinks=False)
    planned = plan_removal(computer.machine) if removal else setup.plan(computer.machine, USBRH)
    with pytest.raises(OSError, match=r'root does not follow "conf\.d", a symbolic link of another user'):
        computer.carry_out(planned)
    assert [path.name for path in elsewhere.iterdir()] == before


@pytest.mark.parametrize(
    ("passwd", "says"),
    [
        ("usbrh:x:1000:1000:Usbrh:/home/usbrh:/bin/bash\n", "its home is /home/usbrh, its shell /bin/bash"),
        ("usbrh:x:999:999::/var/lib/usbrh:/bin/bash\n", "its home is /var/lib/usbrh, its shell /bin/bash"),
        ("usbrh:x:999:999\n", "its home is , its shell "),
        ("", "there is a group usbrh without the user that setup creates"),
    ],
)
def test_an_account_of_somebody_else_is_asked_about(computer: Computer, passwd: str, says: str) -> None:
    for name, entry in (("passwd", passwd), ("group", "usbrh:x:1000:\n")):
        file = computer.root / "etc" / name
        file.write_text(file.read_text() + entry)
    [step] = plan_removal(computer.machine).steps
    assert step.text == "remove user and group usbrh"
    assert says in (step.question or "")
    notes = [note for note in setup.plan(computer.machine, USBRH).notes if says in note]
    assert len(notes) == bool(passwd), "where there is none it is made"


@pytest.mark.parametrize("nologin", ["/usr/sbin/nologin", "/sbin/nologin"])
def test_an_account_as_setup_or_the_package_makes_it_is_removed_unasked(computer: Computer, nologin: str) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    passwd = computer.root / "etc/passwd"
    passwd.write_text(passwd.read_text().replace("/usr/sbin/nologin", nologin))
    assert [step.question for step in plan_removal(computer.machine).steps if step.question] == []
    assert setup.plan(computer.machine, USBRH).notes == []


def test_a_folder_of_the_configuration_that_is_there_stays_as_it_is(computer: Computer) -> None:
    folder = computer.machine.path("/etc/usbrh")
    folder.mkdir(mode=0o750)
    # Somebody gave it to another group than root's, to keep a PSK in it.
    group = computer.root / "etc/group"
    group.write_text(group.read_text().replace(f"root:x:{ROOT[1]}:", "root:x:54321:"))
    assert not [line for line in words(setup.plan(computer.machine, USBRH)) if line.startswith("make directory /etc")]


def test_a_failing_command_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^ls .* failed: .*No such file"):
        machine.run(("ls", "/no/such/file"))
    with pytest.raises(ConfigError, match="is not installed"):
        machine.run(("usbrh-no-such-command",))


def _uncommented(text: str) -> str:
    """The configuration file with every key and section in force."""
    return re.sub(r"^#(?=[\[a-z])", "", text, flags=re.MULTILINE)


def test_the_commented_configuration_is_valid_and_all_default(tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    file.write_text(setup_actions.stamped(resource("etc/usbrh.toml").read_text(encoding="utf-8")))
    loaded = config.load(file, {})
    assert (loaded.zabbix, loaded.bridge, loaded.journal, loaded.output) == (
        config.ZabbixConfig(),
        config.BridgeConfig(),
        config.JournalConfig(),
        config.OutputConfig(),
    )


def test_the_commented_configuration_names_every_key_with_a_valid_value(tmp_path: Path) -> None:
    text = _uncommented(resource("etc/usbrh.toml").read_text(encoding="utf-8"))
    file = tmp_path / "usbrh.toml"
    file.write_text(text)
    loaded = config.load(file, {})
    given = tomllib.loads(text)
    assert given["zabbix"].keys() == key_types(config.ZabbixConfig).keys()
    assert given["bridge"].keys() == key_types(config.BridgeConfig).keys()
    assert given["journal"].keys() == key_types(config.JournalConfig).keys()
    assert given["output"].keys() == key_types(config.OutputConfig).keys()
    assert given["sensor"]["1-1.4"].keys() == key_types(config.SensorConfig).keys()
    # What stands behind a "#" is the default, wherever there is one.
    assert loaded.bridge == config.BridgeConfig()
    assert loaded.journal == config.JournalConfig()
    assert loaded.output == config.OutputConfig()
    assert loaded.sensor["1-1.4"].temperature_scale == 1.0


def test_dry_run_needs_no_root_and_root_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.cli.setup.os.geteuid", lambda: 1000)
    runner = CliRunner()
    assert runner.invoke(setup_command, ["--dry-run"]).exit_code == 0
    rejected = runner.invoke(setup_command, [])
    assert isinstance(rejected.exception, AccessDenied)
    assert "needs root" in str(rejected.exception)


def test_the_lines_of_setup_when_the_service_is_left_out(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.cli.setup.os.geteuid", lambda: 0)
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d/*.conf")
    monkeypatch.setattr("usbrh.cli.setup.Machine", lambda: computer.machine)
    monkeypatch.setattr(sys, "argv", ["/home/taro/.local/bin/usbrh", "setup"])
    for _ in range(2):  # the second time, nothing is left to do
        result = CliRunner().invoke(setup_command, [])
        assert (result.exit_code, result.exception) == (0, None), result.output
        lines = result.output.splitlines()
        assert "usbrh: no service and no agent file: /home/taro/.local/bin/usbrh is in a home directory" in lines[0]
        assert lines.count("not complete: everything is in place except the service and the agent file") == 1
        assert not {"done", "nothing to do: everything is in place"} & set(lines)
        following = lines[lines.index("Next:") :]
        assert any("sudoedit /etc/usbrh/usbrh.toml" in line for line in following)
        assert not any("enable" in line or "restart" in line for line in following), following
    assert not list((computer.root / "etc/systemd/system").iterdir())
