"""``usbrh config check``, and the time in a log file."""

import re
from pathlib import Path

import pytest

from tests.support.command import USBRH, usbrh
from tests.support.daemon import Daemon, wait_for


def test_a_right_configuration(tmp_path: Path) -> None:
    """Without a sensor and without a network: the name can't be resolved."""
    file = tmp_path / "usbrh.toml"
    file.write_text('[zabbix]\nservers = ["zabbix.invalid"]\nhost = "pc"\n')
    done = usbrh("config", "check", "--config", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{file}: no errors\n", "")


def test_what_a_service_would_reject(tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    for text, words in (
        ("[bridge]\ninterval = 0\n", f"usbrh: {file}, line 2: interval"),
        ("[bridge]\n", "usbrh: no Zabbix server is configured"),
        ('[zabbix]\nservers = ["a"]\ntls_connect = "psk"\n', f"usbrh: {file}, line 3: tls_connect"),
        ('[zabbix]\nservers = ["a"]\nhost = "h"\ntls_connect = "cert"\ntls_ca_file = "absent"\n', f"usbrh: {file}"),
    ):
        file.write_text(text)
        done = usbrh("config", "check", "--config", str(file))
        assert (done.returncode, done.stdout) == (2, ""), text
        assert done.stderr.startswith(words)


def test_each_line_of_a_log_file_has_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ZABBIX_SERVERS", "127.0.0.1:1"), ("SIMULATE", "1"), ("ALLOW_SIMULATED", "1")):
        monkeypatch.setenv(f"USBRH_{name}", value)
    monkeypatch.setenv("USBRH_JOURNAL_PATH", str(tmp_path / "journal.db"))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    service = Daemon("usbrh run", [str(USBRH), "run"], tmp_path / "usbrh.log")
    try:
        wait_for("a line in the log", lambda: "\n" in service.log.read_text())
    finally:
        service.stop()
    [first, *_] = service.log.read_text().splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0900 usbrh: .+", first)
