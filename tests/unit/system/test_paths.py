"""What is behind a closed folder: nothing says that it is not there, and nothing ends in a traceback."""

import errno
import importlib
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.support.clocks import FixedClock
from tests.support.closed import closed, nobody, reachable
from usbrh.bridge import agent
from usbrh.cli.context import Context
from usbrh.cli.journal import journal as journal_command
from usbrh.cli.plot import plot as plot_command
from usbrh.clock import NS
from usbrh.config import Config, JournalConfig, load
from usbrh.errors import ConfigError, JournalError
from usbrh.journal.store import Journal
from usbrh.reading import Reading
from usbrh.system.paths import stat_or_none


def test_what_is_there_what_is_not_and_what_nobody_knows() -> None:
    with reachable() as folder:
        (folder / "file").touch()
        (folder / "link").symlink_to("nowhere")
        (folder / "circle").symlink_to("circle")
        assert stat_or_none(folder)
        assert stat_or_none(folder / "file")
        for name in ("none", "file/none", "none/none", "link"):
            assert stat_or_none(folder / name) is None
        assert stat_or_none(folder / "link", follow_symlinks=False)
        (folder / "other").symlink_to("file")
        found = stat_or_none(folder / "other")
        assert found
        assert os.path.samestat(found, (folder / "file").stat())
        with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
            stat_or_none(folder / "circle")
        with closed(folder), pytest.raises(PermissionError):
            stat_or_none(folder / "none")


@pytest.mark.parametrize("made", [True, False])
@pytest.mark.parametrize(
    ("command", "arguments"),
    [(journal_command, ["status"]), (journal_command, ["export"]), (plot_command, ["-o", "x.svg"])],
)
def test_a_journal_that_is_the_services(
    command: click.Command, arguments: list[str], made: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command is plot_command:
        importlib.import_module("matplotlib")  # now, because the user nobody may not be able to read it
    with reachable() as folder:
        path = folder / "state" / "journal.db"
        path.parent.mkdir()
        if made:
            path.touch()
        monkeypatch.setenv("USBRH_JOURNAL_PATH", str(path))
        with closed(path.parent):
            result = CliRunner().invoke(command, arguments, obj=Context())
    assert isinstance(result.exception, JournalError)
    assert str(result.exception) == (
        f"the journal {path} can't be read: no permission;"
        ' run it with sudo, or join the group that may read it: sudo usermod -aG usbrh "$USER"'
    )


def test_the_agent_says_so_in_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    with reachable() as folder:
        path = folder / "state" / "journal.db"
        path.parent.mkdir()
        config = Config(journal=JournalConfig(path=path))
        assert agent.bridge(lambda: config)["error"] is None
        with closed(path.parent):
            answer = agent.bridge(lambda: config)
    assert answer["error"] == f"the journal {path} can't be read: no permission"
    assert "sudo usermod -aG usbrh" in answer["remedy"]
    assert (answer["sensors"], answer["waiting"]) == (1, None), "what it knows it says: Zabbix hears that it lives"


def test_the_agent_reads_a_journal_that_nobody_writes_and_it_may_not_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the timer leaves it: no log beside it, which only its owner could make."""
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    with reachable() as folder:
        path = folder / "journal.db"
        config = Config(journal=JournalConfig(path=path))
        with Journal(path) as journal:
            journal.sync_destinations(["zabbix.example"])
            journal.add([Reading("attic", "1-1", "USB-RH", NS, 20.0, 50.0, 9.3, 8.6)])
        path.chmod(0o644)  # the group may read the journal, and nobody is not in it
        with nobody():
            answer = agent.bridge(lambda: config)
        assert (answer["error"], answer["waiting"]) == (None, 1)
        with nobody():
            latest = agent.get("attic", lambda: config, FixedClock(NS))
        assert (latest["temperature"], latest["age"]) == (20.0, 0), "and the timer's latest reading is an answer"
        damaged = path.read_bytes().replace(b"zabbix.example", b"zabbix.exampla")
        path.write_bytes(damaged)
        with nobody():
            error = agent.bridge(lambda: config)["error"]
        assert error.startswith(f"the journal {path} can't be read: the checksum of the cursor 1 is wrong")
        left = {file.name for file in folder.iterdir()}
        assert left == {"journal.db", "journal.db.lock"}, "a question replaces nothing"
        assert path.read_bytes() == damaged


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_configuration_that_is_closed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with reachable() as top:
        path = top / "usbrh" / "usbrh.toml"
        path.parent.mkdir()
        path.touch()
        monkeypatch.setattr("usbrh.config.loader.DEFAULT_PATH", path)
        with closed(path if what == "file" else path.parent), pytest.raises(ConfigError) as caught:
            load(None, {})
    assert str(caught.value) == (
        f"{path}: can't be read by this user; use sudo, or check the permissions: sudo namei -l {path}"
    )


def test_a_journal_behind_a_link_is_read_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    disk, link = tmp_path / "disk" / "journal.db", tmp_path / "journal.db"
    link.symlink_to(disk)
    with Journal(disk) as journal:  # the service's, which writes
        journal.sync_destinations(["zabbix.example"])
        for number in range(3):
            journal.add([Reading("attic", "1-1", "USB-RH", NS + number, 20.0, 50.0, 9.3, 8.6)])
            assert agent.bridge(lambda: Config(journal=JournalConfig(path=link)))["waiting"] == number + 1
