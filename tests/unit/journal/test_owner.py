"""What root does in a folder of another user, what others can do to a journal, and files that are not ours."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.closed import as_root
from tests.support.command import run as run_command
from tests.support.command import usbrh
from tests.support.journal import A, OpenJournal, flip, reading, readings
from tests.support.network import closed_port
from usbrh.errors import JournalError
from usbrh.journal.file import companions
from usbrh.journal.owner import as_owner
from usbrh.journal.reader import JournalReader
from usbrh.journal.store import Journal

ATTACKER = 64_321
"""The id of a user and of a group that nobody has."""
COMMANDS = [
    ("journal", "status"),
    ("journal", "export"),
    ("journal", "flush"),
    ("send",),
    ("doctor",),
    ("agent", "bridge"),
]


@pytest.fixture
def theirs() -> Iterator[Path]:
    """The journal's folder, of another user, below a folder that everybody may search."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        folder = Path(directory, "theirs")
        folder.mkdir()
        os.chown(folder, ATTACKER, ATTACKER)
        yield folder


@pytest.fixture
def secret() -> Iterator[Path]:
    """A folder of root that no other user may search."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


def run(path: Path, *command: str, before: str = "") -> "subprocess.CompletedProcess[str]":
    settings = {
        "USBRH_JOURNAL_PATH": str(path),
        "USBRH_SIMULATE": "1",
        "USBRH_ALLOW_SIMULATED": "1",
        "USBRH_ZABBIX_HOST": "pc",
        "USBRH_ZABBIX_SERVERS": "127.0.0.1:9",
    }
    return run_command(command, os.environ | settings, before=before)


@as_root
@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_for_the_damaged_file_that_is_a_link(theirs: Path, secret: Path, command: tuple[str, ...]) -> None:
    """The set-aside name can be predicted, so the attacker has a dangling link at each name of the next minute."""
    path, target = theirs / "journal.db", secret / "cron"
    path.write_text("* * * * * root id\n" * 100)
    os.chown(path, ATTACKER, ATTACKER)
    code = (
        "import time; from pathlib import Path; from usbrh.journal.recovery import _free_name\n"
        f"path, now = Path({str(path)!r}), time.time_ns()\n"
        f"for second in range(60): _free_name(path, now + second * 10**9).symlink_to({str(target)!r})\n"
    )
    run(path, *command, before=code)
    assert len(list(theirs.glob("*damaged*"))) == 60
    assert not target.exists()
    assert path.read_text().startswith("* * * * * root id")


@as_root
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", ["journal.db", "journal.db.lock", "journal.db.new", "journal.db.rebuilt"])
def test_a_link_to_a_file_of_root(theirs: Path, secret: Path, command: tuple[str, ...], name: str) -> None:
    target = secret / "shadow"
    with Journal(target) as journal:  # even one that would be repaired
        journal.sync_destinations([A])
        journal.add(readings(3))
    flip(target, 2)
    before = target.read_bytes(), target.stat()
    (theirs / name).symlink_to(target)
    run(theirs / "journal.db", *command)
    after = target.read_bytes(), target.stat()
    assert (after[0], after[1].st_uid, after[1].st_mode) == (before[0], before[1].st_uid, before[1].st_mode)
    assert after[1].st_mtime_ns == before[1].st_mtime_ns


@as_root
@pytest.mark.parametrize("command", [("send",), ("journal", "flush")])
def test_what_root_creates_belongs_to_the_owner_of_the_folder(theirs: Path, command: tuple[str, ...]) -> None:
    """Created as that user, so there is no moment at which a change of the owner could meet a link."""
    path = theirs / "journal.db"
    run(path, *command)
    owners = {file.name: (file.stat().st_uid, file.stat().st_gid) for file in theirs.iterdir()}
    assert path.name in owners
    assert set(owners.values()) == {(ATTACKER, ATTACKER)}


@as_root
def test_a_file_that_the_owner_of_the_folder_may_not_read(theirs: Path) -> None:
    """Root reads as that user, so the error is the user's too."""
    path = theirs / "journal.db"
    with Journal(path) as journal:
        journal.add(readings(1))
    os.chown(path, 0, 0)
    path.chmod(0o600)
    with pytest.raises(JournalError, match="can't be read: no permission"):
        JournalReader(path).status()


RACE = """
import os, sys, time
from contextlib import suppress
from pathlib import Path
from tests.support.journal import reading
from usbrh.bridge.once import open_journal
from usbrh.config import Config, JournalConfig
from usbrh.errors import JournalError
from usbrh.journal.reader import JournalReader
path, target, attacker = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
config, end, tries = Config(journal=JournalConfig(path=path)), time.monotonic() + 2, 0
if os.fork() == 0:
    os.setgroups([]); os.setgid(attacker); os.setuid(attacker)
    os.chdir(path.parent)
    Path("mine").touch()
    while time.monotonic() < end:
        with suppress(FileNotFoundError):
            os.symlink(target, "link"); os.rename("link", path.name)
            os.link("mine", "file"); os.rename("file", path.name)
    os._exit(0)
while time.monotonic() < end:
    child = os.fork()
    if child == 0:
        try:
            if tries % 2:
                JournalReader(path).status()
            else:
                open_journal(config).add([reading(tries)])
        except (JournalError, OSError): pass
        os._exit(0)
    os.waitpid(child, 0)
    tries += 1
os.wait()
print(tries)
"""


@as_root
def test_a_race_for_a_link_changes_no_file_of_root(theirs: Path, secret: Path) -> None:
    """The attacker exchanges the journal for a link and back all the time, while root uses it."""

    def everything() -> dict[str, tuple[bytes, tuple[int, ...]]]:
        found = ((file, file.stat()) for file in secret.iterdir())
        return {
            file.name: (file.read_bytes(), (each.st_uid, each.st_gid, each.st_mode, each.st_mtime_ns))
            for file, each in found
        }

    target = secret / "shadow"
    with Journal(target) as journal:
        journal.add(readings(3))
    before = everything()
    command = [sys.executable, "-c", RACE, str(theirs / "journal.db"), str(target), str(ATTACKER)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert int(done.stdout) > 5
    assert everything() == before


@as_root
@pytest.mark.parametrize("how", ["parent", "link", "file"])
def test_a_user_who_can_exchange_a_part_of_the_path_is_its_owner(theirs: Path, how: str) -> None:
    path = {"parent": theirs / "below" / "journal.db", "link": theirs.parent / "link" / "journal.db"}.get(
        how, theirs.parent / "journal.db"
    )
    if how == "link":
        path.parent.symlink_to(theirs)
    elif how == "parent":
        path.parent.mkdir()
    else:
        path.touch()
        os.chown(path, ATTACKER, ATTACKER)
    groups = os.getgroups()
    with as_owner(path):
        assert (os.geteuid(), os.getegid(), os.getgroups()) == (ATTACKER, ATTACKER, [ATTACKER])
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, groups)


@as_root
def test_the_change_is_permanent_for_commands_that_write(theirs: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from usbrh.journal.owner import become_owner\n"
        "become_owner(Path(sys.argv[1])); print(os.getresuid(), os.getresgid(), os.getgroups())\n"
        "os.setuid(0)\n"
    )
    command = [sys.executable, "-c", code, str(theirs / "journal.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    three = (ATTACKER,) * 3
    assert done.stdout == f"{three} {three} {[ATTACKER]}\n"
    assert "PermissionError" in done.stderr


@as_root
def test_no_member_of_the_group_can_hold_the_lock(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory, "journal")
        path = folder / "journal.db"
        with Journal(path) as journal:
            journal.add(readings(1))
        os.chown(directory, -1, ATTACKER)
        Path(directory).chmod(0o750)
        for each in (folder, *folder.iterdir()):
            os.chown(each, -1, ATTACKER)
        code = (
            "import fcntl, os, sys, time; os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))\n"
            "for name in sys.argv[2:]:\n"
            "    try: fcntl.flock(os.open(name, os.O_RDONLY), fcntl.LOCK_EX)\n"
            "    except PermissionError: print('no permission:', name)\n"
            "print('ready', flush=True); time.sleep(60)\n"
        )
        names = [str(folder), *map(str, folder.iterdir())]
        command = [sys.executable, "-c", code, str(ATTACKER), *names]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as member:
            try:
                assert member.stdout
                assert member.stdout.readline() == f"no permission: {path}.lock\n"
                assert member.stdout.readline() == "ready\n"
                with Journal(path) as journal:
                    assert journal.add(readings(2)) == [1, 2]
            finally:
                member.kill()


def test_modes_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "new" / "journal.db"
    old = os.umask(0o077)
    try:
        with Journal(path) as journal:
            journal.add(readings(1))
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert path.parent.stat().st_mode & 0o777 == 0o750
    assert modes.pop("journal.db.lock") == 0o600
    assert modes == dict.fromkeys([path.name, *(file.name for file in companions(path))], 0o640)


def test_a_very_long_time_to_keep(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.db", keep=1e11) as journal:
        assert journal.add(readings(1)) == [1]


# Only our own file


def foreign(kind: str, path: Path) -> None:
    """Make a file of the user's own at ``path``."""
    if kind == "notes":
        path.write_text("buy milk\n")
    elif kind == "key":
        path.write_text("-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n" * 40)
    elif kind == "configuration":
        path.write_text(f'# {"x" * 64}usbrh\n[journal]\npath = "{path}"\n')
    else:
        db = sqlite3.connect(path)
        db.executescript("CREATE TABLE music (title); INSERT INTO music VALUES ('x');")
        db.close()
        path.write_bytes(path.read_bytes()[:100] + bytes(5000))


@pytest.mark.parametrize("kind", ["notes", "key", "configuration", "database"])
@pytest.mark.parametrize("command", [*COMMANDS, ("plot", "-o", "x.png")])
def test_a_file_that_is_not_ours_is_not_touched(tmp_path: Path, kind: str, command: tuple[str, ...]) -> None:
    path = tmp_path / "usbrh.toml"
    foreign(kind, path)
    before = path.read_bytes(), path.stat()
    if command[0] == "plot":
        command = ("plot", "-o", str(tmp_path / "x.png"))
    arguments = ("--config", str(path)) if kind == "configuration" else ()
    done = run(path, *arguments, *command)
    assert (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns, path.stat().st_mode) == (
        before[0],
        before[1].st_ino,
        before[1].st_mtime_ns,
        before[1].st_mode,
    )
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert "can't be used: it is not a file of usbrh" in done.stdout + done.stderr
    assert "set another file as path in [journal]" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode != 0 or command[0] == "agent"


@pytest.mark.parametrize("command", [("journal", "status"), ("journal", "export"), ("doctor",), ("agent", "bridge")])
def test_commands_that_read_leave_damage_alone(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.sync_destinations([A])
        journal.add(readings(3))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    before = {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()}
    done = run(path, *command)
    assert {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in tmp_path.iterdir()} == before
    assert "repair it: usbrh journal flush" in done.stdout + done.stderr


def test_history_without_the_index_and_in_a_folder_that_nobody_can_write(tmp_path: Path) -> None:
    path, copy = tmp_path / "journal.db", tmp_path / "copy" / "journal.db"
    copy.parent.mkdir()
    with Journal(path) as journal:
        journal.sync_destinations([A])
        journal.add(readings(3))
        for file in (path, companions(path)[0]):
            shutil.copy(file, copy.parent)
        wanted = list(journal.export())
        companions(copy)[1].mkdir()  # an index that can't be opened
        reader = JournalReader(copy)
        assert list(reader.export()) == wanted
        assert [entry.reading for entry, _ in reader.export(since_ns=0)] == readings(3)
        assert reader.latest("living-room") == reading(3)


def test_a_named_pipe_does_not_block(tmp_path: Path, open_journal: OpenJournal) -> None:
    path = tmp_path / "journal.db"
    os.mkfifo(path)
    for access in (open_journal(path).status, JournalReader(path).status):
        with pytest.raises(JournalError, match="it is not a file of usbrh"):
            access()


@as_root
def test_send_reaches_the_network_after_root_became_the_owner() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chown(folder, 65534, 65534)
        done = usbrh(
            "send",
            USBRH_SIMULATE="1",
            USBRH_ALLOW_SIMULATED="1",
            USBRH_JOURNAL_PATH=str(folder / "journal.db"),
            USBRH_ZABBIX_SERVERS=closed_port(),
        )
        assert (done.returncode, "connection refused" in done.stderr) == (6, True), done.stderr
        assert (folder / "journal.db").stat().st_uid == 65534
