"""``usbrh run`` in this process: what comes at moments that another process can't hit."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.zabbix.daemon import wait_for
from usbrh.cli import cli, run
from usbrh.cli.context import Context
from usbrh.config import Config
from usbrh.zabbix.standin import StandIn


@pytest.fixture
def server() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


@pytest.fixture
def toml(tmp_path: Path, server: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The configuration's file."""
    path = tmp_path / "usbrh.toml"
    for name, value in {
        "USBRH_SIMULATE": "1",
        "USBRH_ALLOW_SIMULATED": "1",
        "USBRH_ZABBIX_SERVERS": server.address,
        "USBRH_ZABBIX_HOST": "pc",
        "USBRH_CONFIG": str(path),
    }.items():
        monkeypatch.setenv(name, value)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    yield path
    for number, handler in before.items():
        signal.signal(number, handler)


def named(name: str, journal: Path) -> str:
    return f'[journal]\npath = "{journal}"\n[sensor."sim-1"]\nname = "{name}"\n'


def test_a_reload_that_is_asked_for_during_another_is_done(
    toml: Path, server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "journal.db"
    toml.write_text(named("one", journal))
    load = run._reloaded

    def meanwhile(context: Context, old: Config) -> Config:
        config = load(context, old)
        if "two" in toml.read_text():
            toml.write_text(named("three", journal))
            os.kill(os.getpid(), signal.SIGHUP)
        return config

    monkeypatch.setattr(run, "_reloaded", meanwhile)

    def administrator() -> None:
        try:
            for name in ("one", "three"):
                wait_for(name, lambda name=name: f"usbrh.get[{name}]" in [each.key for each in server.values], 10)  # type: ignore[misc]
                if name == "one":
                    toml.write_text(named("two", journal))
                    os.kill(os.getpid(), signal.SIGHUP)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=administrator)
    thread.start()
    cli.main(["run"], standalone_mode=False, obj=Context())
    thread.join()
    assert {"usbrh.get[one]", "usbrh.get[three]"} <= {each.key for each in server.values}
