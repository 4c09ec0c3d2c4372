"""The user and group of usbrh, and the folder that belongs to them."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.support.closed import NOBODY, as_root
from tests.support.computer import ROOT, SERVICE, USBRH, Computer, words
from tests.support.waits import within
from usbrh.setup import install as setup
from usbrh.setup.uninstall import plan_removal

TOP = Path(__file__).parents[3]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[Path, tuple[int, int]]:
    """What was given to whom, which the kernel lets only root do."""
    found: dict[Path, tuple[int, int]] = {}

    def fchown(descriptor: int, uid: int, gid: int) -> None:
        found[Path(f"/proc/self/fd/{descriptor}").resolve()] = uid, gid

    monkeypatch.setattr(os, "fchown", fchown)
    return found


@pytest.mark.parametrize("linked", [False, True], ids=["folder", "link"])
def test_an_account_made_again_gets_its_journal_back(
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


@as_root
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


@as_root
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


def test_the_names_of_accounts_are_those_of_the_computer(computer: Computer) -> None:
    for name, entry in (("passwd", "hanako:x:54321:54322::/:/bin/sh\n"), ("group", "staff:x:54321:hanako\n")):
        file = computer.root / "etc" / name
        file.write_text(file.read_text() + entry)
    machine = computer.machine
    assert (machine.user_name(54321), machine.group_name(54321)) == ("hanako", "staff")
    assert (machine.user_name(54322), machine.group_name(54322)) == ("54322", "54322")
