"""``usbrh run`` in this process: what comes at moments that another process can't hit."""

import io
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import wait_for
from usbrh.bridge import reload as reloading
from usbrh.cli import cli, run
from usbrh.cli.context import Context
from usbrh.zabbix.fake_server import FakeServer


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def toml(tmp_path: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The configuration's file, and signals as they were."""
    (tmp_path / "agent.conf").write_text(f"ServerActive={server.address}\nHostname=pc\n")
    path = tmp_path / "usbrh.toml"
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    monkeypatch.setenv("USBRH_ALLOW_SIMULATED", "1")
    monkeypatch.setenv("USBRH_CONFIG", str(path))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield path
    for number, handler in before.items():
        signal.signal(number, handler)


def configure(toml: Path, name: str, journal: str = "journal.db") -> None:
    """With ``name`` for the sensor."""
    toml.write_text(
        f'[zabbix]\nagent_config = "agent.conf"\n[journal]\npath = "{journal}"\n[sensor."sim-1"]\nname = "{name}"\n'
    )


def run_while(administrator: Callable[[], Any]) -> None:
    """``usbrh run`` until ``administrator`` has done what he does."""

    def work() -> None:
        try:
            administrator()
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=work)
    thread.start()
    cli.main(["run"], standalone_mode=False, obj=Context())
    thread.join()


def reload() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


def count(server: FakeServer, name: str) -> int:
    return [each.key for each in server.values].count(f"usbrh.get[{name}]")


def test_a_reload_that_is_asked_for_during_another_is_done(
    toml: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloaded = reloading._reloaded

    def meanwhile(*old: Any) -> Any:
        new = reloaded(*old)
        if "two" in toml.read_text():
            configure(toml, "three")
            reload()
        return new

    def administrator() -> None:
        wait_for("one", lambda: count(server, "one"), 10)
        configure(toml, "two")
        reload()
        wait_for("three", lambda: count(server, "three"), 10)

    monkeypatch.setattr(reloading, "_reloaded", meanwhile)
    configure(toml, "one")
    run_while(administrator)
    assert count(server, "three") >= 1


def test_the_old_configuration_stays_though_its_own_files_are_gone(
    toml: Path, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    def administrator() -> None:
        wait_for("one", lambda: count(server, "one"), 10)
        (toml.parent / "agent.conf").unlink()
        before = count(server, "one")
        reload()
        wait_for("the next", lambda: count(server, "one") > before, 10)

    configure(toml, "one")
    run_while(administrator)
    assert "agent.conf" in caplog.text
    assert "; the old configuration stays" in caplog.text


def test_what_waits_in_the_old_journal_is_logged(
    toml: Path, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    def administrator() -> None:
        wait_for("one", lambda: "readings wait in the journal" in caplog.text, 10)
        (toml.parent / "agent.conf").write_text(f"ServerActive={server.address}\nHostname=pc\n")
        configure(toml, "two", "other.db")
        reload()
        wait_for("two", lambda: count(server, "two"), 10)

    caplog.set_level(logging.WARNING)
    (toml.parent / "agent.conf").write_text("ServerActive=127.0.0.1:1\nHostname=pc\n")
    configure(toml, "one")
    run_while(administrator)
    old = toml.parent / "journal.db"
    assert f"1 reading waiting in {old}; USBRH_JOURNAL_PATH={old} usbrh journal flush" in caplog.text


def test_only_lines_in_a_file_need_the_time(tmp_path: Path) -> None:
    """journald and terminals show it themselves."""
    with (tmp_path / "log").open("a") as appended, (tmp_path / "output").open("w") as written:
        assert run._is_log_file(appended)
        assert not run._is_log_file(written)
    assert not run._is_log_file(io.StringIO())
    assert not run._is_log_file(None)
