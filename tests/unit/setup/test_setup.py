"""``usbrh setup`` on a machine that is a folder: what it writes, asks about, leaves alone and takes away."""

import os
import re
import shutil
import stat
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.closed import closed, reachable
from tests.support.computer import ROOT, SERVICE, USBRH, Computer, words
from usbrh import config
from usbrh.cli.setup import setup as setup_command
from usbrh.config.model import key_types
from usbrh.errors import AccessDenied, ConfigError
from usbrh.setup import actions as setup_actions
from usbrh.setup import agents as setup_agents
from usbrh.setup import init_systems, machine
from usbrh.setup import install as setup
from usbrh.setup.uninstall import plan_removal
from usbrh.system import installation
from usbrh.system.resources import resource

TOP = Path(__file__).parents[3]


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
    # What the timer leaves. systemd removes that of the service.
    (computer.root / "run/usbrh/readings").mkdir(parents=True)
    (computer.root / "run/usbrh/readings/attic").write_bytes(b"a reading")
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


def test_the_configuration_belongs_to_those_who_edit_it(computer: Computer) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    file = computer.root / "etc/usbrh/usbrh.toml"
    file.write_text(file.read_text().replace("#host", "host"))
    assert words(setup.plan(computer.machine, USBRH)) == []
    assert any(a.question for a in plan_removal(computer.machine).steps if a.text.endswith("usbrh.toml"))


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
    machine.path("/var/lib/usbrh").chmod(0o755)  # a closed folder is a separate case
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


def test_a_path_with_odd_characters_is_quoted(computer: Computer) -> None:
    odd = Path("/opt/my 100%/usbrh")
    assert 'ExecStart="/opt/my 100%%/usbrh" run' in init_systems.unit_text("usbrh.service", odd)
    assert "usbrh.discovery,'/opt/my 100%/usbrh' agent" in setup_agents.agent_text(odd)
    # systemd.service(5): a backslash begins an escape.
    assert r"ExecStart=/opt/a\\b/usbrh run" in init_systems.unit_text("usbrh.service", Path(r"/opt/a\b/usbrh"))


def test_a_failing_command_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^ls .* failed: .*No such file"):
        machine.run(("ls", "/no/such/file"))
    with pytest.raises(ConfigError, match="is not installed"):
        machine.run(("usbrh-no-such-command",))


def test_a_command_that_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "COMMAND_TIMEOUT", 0.1)
    with pytest.raises(ConfigError, match=r"^sleep 60 did not end within 0\.1 s; run it by hand$"):
        machine.run(("sleep", "60"))


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


@pytest.fixture
def as_administrator(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """A computer on which root runs the command."""
    monkeypatch.setattr("usbrh.cli.setup.os.geteuid", lambda: 0)
    monkeypatch.setattr("usbrh.cli.setup.Machine", lambda: computer.machine)
    monkeypatch.setattr(sys, "argv", [str(USBRH), "setup"])
    return computer


def result(*options: str) -> list[str]:
    """Run the command. Return the lines that it prints after its steps."""
    done = CliRunner().invoke(setup_command, options)
    assert (done.exit_code, done.exception) == (0, None), done.output
    return [line for line in done.output.splitlines() if not line.startswith(("+ ", "! "))]


def test_the_last_lines_say_what_was_done_and_what_comes_next(as_administrator: Computer) -> None:
    done, *following = result()
    assert (done, following[:2]) == ("done", ["", "Next:"])
    assert any("sudoedit /etc/usbrh/usbrh.toml" in line for line in following)
    assert result()[0] == "nothing to do: everything is in place"
    assert result("--remove") == ["removed"]
    assert result("--remove") == ["nothing to remove"]


def test_a_dry_run_does_not_say_what_comes_next(as_administrator: Computer) -> None:
    assert result("--dry-run") == ["Nothing was changed: a dry run."]


def test_what_is_left_undone_is_no_success(as_administrator: Computer) -> None:
    result()
    (as_administrator.root / "etc/usbrh/usbrh.toml").write_text("# mine\n")
    lines = result("--remove")
    assert lines
    assert not {"removed", "nothing to remove"} & set(lines)


def test_the_command_prints_the_notes_of_the_plan(as_administrator: Computer) -> None:
    rule = as_administrator.machine.path("/usr/lib/udev/rules.d/70-usbrh.rules")
    rule.parent.mkdir(parents=True)
    rule.touch()
    as_administrator.run(("groupadd", "usbrh"))
    notes = plan_removal(as_administrator.machine).notes
    assert notes
    assert result("--remove") == ["nothing to remove", *(f"note: {note}" for note in notes)]
