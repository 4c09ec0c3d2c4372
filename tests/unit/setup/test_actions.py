"""The files that setup writes, whatever it finds in their place."""

import stat
from pathlib import Path

import pytest

from tests.support.computer import ROOT, USBRH, Computer, words
from usbrh.errors import ConfigError
from usbrh.setup import install as setup
from usbrh.setup.actions import command, is_untouched, read, remove_directory, remove_file, stamped, write_file
from usbrh.setup.machine import Machine
from usbrh.steps import Step

NAME = "/etc/a/b/usbrh.conf"


def carry_out(steps: list[Step]) -> None:
    for step in steps:
        assert step.do
        step.do()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("wanted", [0o644, 0o600, 0o755])
def test_missing_parent_folders_are_made(computer: Computer, wanted: int) -> None:
    (step,) = write_file(computer.machine, NAME, "a = 1\n", wanted)
    assert (step.text, step.question, step.difference) == (f"write {NAME}", None, "")
    carry_out([step])
    file = computer.machine.path(NAME)
    assert file.read_text() == stamped("a = 1\n")
    assert [mode(each) for each in (file, file.parent, file.parent.parent)] == [wanted, 0o755, 0o755]
    assert computer.owner(NAME) == ROOT
    assert write_file(computer.machine, NAME, "a = 1\n", wanted) == []


@pytest.mark.parametrize("leftover", ["file", "link"])
def test_the_leftover_of_a_setup_that_was_killed_is_replaced(computer: Computer, leftover: str) -> None:
    file = computer.machine.path(NAME)
    file.parent.mkdir(parents=True)
    new = file.parent / ".usbrh.conf.usbrh-new"
    precious = computer.root / "precious"
    precious.write_text("mine")
    if leftover == "file":
        new.write_text("half a fi")
        new.chmod(0o666)
    else:
        new.symlink_to(precious)
    carry_out(write_file(computer.machine, NAME, "a = 1\n"))
    assert file.read_text() == stamped("a = 1\n")
    assert mode(file) == 0o644
    assert precious.read_text() == "mine"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_can_not_be_written_stays_and_nothing_is_left(computer: Computer) -> None:
    carry_out(write_file(computer.machine, NAME, "a = 1\n"))
    steps = write_file(computer.machine, NAME, "a = 2\n")
    (computer.root / "etc/passwd").write_text("somebody:x:1:1::/:/bin/sh\n")  # nobody to give the file to
    with pytest.raises(ConfigError, match="no user root"):
        carry_out(steps)
    file = computer.machine.path(NAME)
    assert list(file.parent.iterdir()) == [file]
    assert file.read_text() == stamped("a = 1\n")


def test_a_file_in_latin_1_is_asked_about(computer: Computer) -> None:
    file = computer.machine.path(NAME)
    file.parent.mkdir(parents=True)
    file.write_bytes("# für usbrh\na = 2\n".encode("latin-1"))
    (step,) = write_file(computer.machine, NAME, "a = 1\n")
    assert step.text == f"replace {NAME}"
    assert step.question == f"{NAME} was not written by setup, or was changed since"
    assert step.difference.startswith(f"--- {NAME} (now)\n+++ {NAME} (new)\n")
    assert "-a = 2\n" in step.difference
    assert "+a = 1\n" in step.difference
    (remove,) = remove_file(computer.machine, NAME)
    assert remove.question == step.question
    carry_out([step])
    assert file.read_text() == stamped("a = 1\n")


def test_a_link_that_leads_nowhere_is_somebody_elses_configuration(computer: Computer) -> None:
    link = computer.machine.path("/etc/usbrh/usbrh.toml")
    link.parent.mkdir()
    link.symlink_to("/srv/config/usbrh.toml")
    planned = setup.plan(computer.machine, USBRH)
    assert not [line for line in words(planned) if "usbrh.toml" in line]
    computer.carry_out(planned)
    assert str(link.readlink()) == "/srv/config/usbrh.toml"
    assert read(computer.machine, "/etc/usbrh/usbrh.toml") == "-> /srv/config/usbrh.toml\n"
    (remove,) = remove_file(computer.machine, "/etc/usbrh/usbrh.toml")
    assert remove.question


def test_a_folder_in_the_place_of_a_file_is_asked_about(computer: Computer) -> None:
    computer.machine.path(NAME).mkdir(parents=True)
    (step,) = write_file(computer.machine, NAME, "a = 1\n")
    assert step.question
    assert "-not a regular file\n" in step.difference


@pytest.mark.parametrize("content", ["a = 1\n", "#!/bin/sh\necho\n", ""])
def test_a_stamp_fits_until_a_character_changes(content: str) -> None:
    text = stamped(content)
    assert is_untouched(text)
    assert text.startswith("#!/bin/sh" if content.startswith("#!") else "# Written by usbrh setup")
    assert not is_untouched(f"{text}b")
    assert not is_untouched(content)
    assert not is_untouched(f"\n{text}")


def test_a_file_of_ours_is_removed_unasked_after_its_service_was_stopped(computer: Computer) -> None:
    carry_out(write_file(computer.machine, NAME, "a = 1\n"))
    (step,) = remove_file(computer.machine, NAME, [("systemctl", "stop", "a"), ("systemctl", "disable", "a")])
    assert (step.text, step.question) == (f"stop and remove {NAME}", None)
    assert remove_file(computer.machine, NAME)[0].text == f"remove {NAME}"
    carry_out([step])
    assert computer.commands == ["systemctl stop a", "systemctl disable a"]
    assert remove_file(computer.machine, NAME) == []
    carry_out([step])  # it went away meanwhile


def test_a_folder_is_removed_only_if_it_is_empty(computer: Computer) -> None:
    folder = computer.machine.path("/etc/a")
    (folder / "b").mkdir(parents=True)
    carry_out([remove_directory(computer.machine, "/etc/a")])
    assert folder.is_dir()
    (folder / "b").rmdir()
    carry_out([remove_directory(computer.machine, "/etc/a")])
    assert not folder.exists()


def test_a_command_is_run_as_it_is_shown(computer: Computer) -> None:
    step = command(computer.machine, "systemctl", "daemon-reload")
    assert step.text == "run systemctl daemon-reload"
    carry_out([step])
    assert computer.commands == ["systemctl daemon-reload"]


def purposes(machine: Machine, person: str | None) -> list[str]:
    return [line for line, _ in setup.next_steps(machine, USBRH, person)]


def test_the_next_steps_of_members_others_and_root(computer: Computer) -> None:
    computer.carry_out(setup.plan(computer.machine, USBRH))
    group = computer.root / "etc/group"
    group.write_text(group.read_text().replace("usbrh:x:", "usbrh:x:", 1).replace(":\n", ":hanako\n"))
    common = [
        "sudoedit /etc/usbrh/usbrh.toml",
        f"sudo {USBRH} doctor",
        "sudo systemctl enable --now usbrh.service",
        "sudo systemctl enable --now usbrh-send.timer",
    ]
    for person in ("hanako", "root", None):
        assert purposes(computer.machine, person) == common
    assert purposes(computer.machine, "taro") == ["sudo usermod -aG usbrh taro", *common]
    computer.machine.path("/etc/systemd/system/usbrh.service").unlink()
    assert purposes(computer.machine, None) == common[:2]


def test_the_next_steps_restart_the_agents(computer: Computer) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agent2.conf", "/etc/zabbix/zabbix_agent2.d/*.conf")
    assert purposes(computer.machine, None)[-1] == "sudo systemctl restart zabbix-agent2"
    unreachable = setup.next_steps(computer.machine, Path("/home/taro/usbrh"), None)
    assert not [line for line, _ in unreachable if "restart" in line]
