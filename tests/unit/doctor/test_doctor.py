"""``usbrh doctor`` as a command."""

import json
import os
import subprocess
from pathlib import Path

from tests.support.command import run as command
from usbrh.config import Config, JournalConfig, SensorConfig
from usbrh.doctor import service
from usbrh.findings import Status


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return command(["doctor", *arguments], os.environ | environment)


def test_json_is_an_object_a_line() -> None:
    result = run("--json", USBRH_SIMULATE="2")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["check"] for line in lines][:4] == ["libusb", "USB bus", "sensor", "sensor"]
    assert {line["status"] for line in lines} <= {status.value for status in Status}
    assert all(line.keys() == {"check", "status", "message", "fix"} for line in lines)
    assert all(line["fix"] for line in lines if line["status"] in ("warning", "fault"))
    assert result.stderr == ""


def test_no_sensor_is_exit_status_3_and_what_hangs_on_it_is_not_checked() -> None:
    result = run(USBRH_SIMULATE="0")
    assert result.returncode == 3
    assert "fault        sensor         no sensor is on the bus" in result.stdout
    assert "not checked  reading        no sensor" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_wrong_configuration_is_exit_status_2(tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    file.write_text("[zabbix]\nhots = 1\n")
    result = run("--config", str(file), USBRH_SIMULATE="1")
    assert result.returncode == 2
    assert f"{file}, line 2" in result.stdout
    assert JournalConfig().path.name not in result.stderr


def test_a_semicolon_in_a_message_does_not_start_its_remedy(tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    file.write_text('[zabbix]\nhost = "a;b"\n')
    lines = run("--json", "--config", str(file), USBRH_SIMULATE="1").stdout.splitlines()
    [found] = [each for each in map(json.loads, lines) if each["check"] == "configuration"]
    assert found["message"].startswith(f"{file}, line 2: ")
    assert '"a;b"' in found["message"]
    assert found["fix"]
    assert 'b"' not in found["fix"]
    text = run("--config", str(file), USBRH_SIMULATE="1").stdout.splitlines()
    line = text.index(f"fault        configuration  {found['message']}")
    assert text[line + 1] == f"{'':28}fix: {found['fix']}"


def test_a_sensor_that_is_named_and_not_plugged_in(tmp_path: Path) -> None:
    file = tmp_path / "usbrh.toml"
    file.touch(0o600)
    config = Config(path=file, sensor={"1-2": SensorConfig(name="attic"), "1-1": SensorConfig()})
    _, found = service.configuration(config, config, {"1-1"})
    assert (found.status, found.message) == (Status.WARNING, "attic (1-2) is not plugged in")
