"""``usbrh config``: as a process, without a sensor and without a network."""

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.closed import NOBODY, as_root
from tests.support.command import usbrh

RIGHT = '[zabbix]\nservers = ["zabbix.invalid"]\nhost = "pc"\n'
KEY = "0123456789abcdef" * 4


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "usbrh.toml"
    file.write_text(f'{RIGHT}[journal]\npath = "journal.db"\n')
    return file


def add(file: Path, text: str) -> None:
    """Add lines to [zabbix], from line 4 on."""
    file.write_text(file.read_text().replace(RIGHT, RIGHT + text))


def check(file: Path, **environment: Any) -> tuple[int, list[str]]:
    """Return the exit status and the lines on stderr. Programs get the same from --json."""
    done = usbrh("config", "check", "--config", str(file), **environment)
    assert done.stdout == ("" if done.returncode else f"{file}: no errors\n")
    found = usbrh("config", "check", "--config", str(file), "--json", **environment)
    assert (found.returncode, found.stderr) == (done.returncode, "")
    findings = [json.loads(line) for line in found.stdout.splitlines()]
    lines = [
        f"usbrh: {each['message']}" + (f"; {each['fix']}" if each["fix"] else "")
        for each in findings
        if each["status"] != "ok"
    ]
    assert done.stderr.splitlines() == lines
    return done.returncode, lines


def test_a_right_configuration(file: Path) -> None:
    assert check(file) == (0, [])
    assert sorted(each.name for each in file.parent.iterdir()) == [file.name]


def test_all_errors_of_the_file_and_the_environment_are_found_at_once(file: Path) -> None:
    add(file, 'timeout = 0\nhots = "pc"\n[sensor."1-1"]\nname = "a"\nsupply = 9\n[sensor."1-2"]\nname = "a"\n[x]\n')
    status, lines = check(file, USBRH_BRIDGE_INTERVAL="1s", USBRH_BRIDGE_INTERVALL="1m")
    assert status == 2
    assert [line.replace(str(file), "FILE") for line in lines] == [
        "usbrh: USBRH_BRIDGE_INTERVALL is not a variable of usbrh; did you mean USBRH_BRIDGE_INTERVAL?",
        "usbrh: FILE, line 4: timeout must be 1s to 5m, not 0s",
        'usbrh: FILE, line 5: there is no key "hots" in [zabbix]; did you mean host?',
        "usbrh: USBRH_BRIDGE_INTERVAL must be 5s to 1d, not 1s",
        'usbrh: FILE, line 11: there is no section "x"',
        "usbrh: FILE, line 8: supply must be 2.5 to 5, not 9",
        'usbrh: FILE, line 10: name "a" is already the name of sensor "1-1"; choose another name',
    ]


@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_a_file_with_an_error_is_not_reported_as_right_too(file: Path, mode: int) -> None:
    add(file, "timeout = 0\n")
    file.chmod(mode)
    done = usbrh("config", "check", "--config", str(file), "--json")
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    statuses = [each["status"] for each in findings if each["check"] == "configuration"]
    assert statuses == ["fault", *(["warning"] if mode == 0o666 else [])]


def test_a_wrong_value_of_servers_is_one_error(file: Path) -> None:
    """The key is wrong, and not missing."""
    file.write_text('[zabbix]\nservers = ["a b"]\n')
    status, [line] = check(file)
    assert (status, '"a b" is not an address' in line) == (2, True)
    file.write_text("[zabbix]\n")
    status, [line] = check(file, USBRH_ZABBIX_SERVERS="a b")
    assert (status, '"a b" is not an address' in line) == (2, True)


@pytest.mark.parametrize("text", ["[zabbix", "\ufeff[zabbix]\nhost = pc\n"])
def test_a_file_that_is_not_toml(file: Path, text: str) -> None:
    file.write_text(text)
    status, [line] = check(file)
    assert status == 2
    assert "invalid TOML" in line


def test_no_file(tmp_path: Path) -> None:
    status, [line] = check(tmp_path / "none.toml")
    assert status == 2
    assert "can't be read: No such file" in line


def test_what_send_would_reject(file: Path) -> None:
    add(file, 'tls_connect = "psk"\ntls_psk_file = "key"\n')
    assert check(file) == (2, [f'usbrh: {file}, line 4: tls_connect: "psk" also needs tls_psk_identity'])
    add(file, 'tls_psk_identity = "pc"\n')
    status, [line] = check(file)
    assert (status, "tls_psk_file" in line) == (2, True)
    key = file.with_name("key")
    key.write_text(KEY)
    key.chmod(0o644)
    status, [line] = check(file)
    assert line.endswith(f"is secret, and can be read by everyone (mode 644); chmod 640 {key}")
    key.chmod(0o600)
    status, lines = check(file)
    assert status == (2 if any("sslpsk3" in line for line in lines) else 0)  # an extra up to Python 3.12


def test_servers_are_needed_unless_an_agent_fetches_the_readings(file: Path) -> None:
    file.write_text('[zabbix]\nhost = "pc"\n[journal]\npath = "journal.db"\n')
    status, [line] = check(file)
    assert (status, line.startswith("usbrh: no Zabbix server is configured")) == (2, True)
    file.write_text(file.read_text().replace('host = "pc"', "servers = []"))
    assert check(file) == (0, [])
    # provision would need the key all the same
    file.write_text(file.read_text().replace("servers = []", 'servers = []\ntls_connect = "psk"'))
    assert check(file)[0] == 2


def test_the_configuration_of_an_agent(file: Path) -> None:
    add(file, 'agent_config = "agent.conf"\n')
    status, [line] = check(file)
    assert (status, "agent.conf: can't be read" in line) == (2, True)
    file.with_name("agent.conf").write_text("TLSConnect=psk\nTLSPSKIdentity=pc\n")
    status, [line] = check(file)
    assert line.endswith('agent.conf, line 1: tls_connect: "psk" also needs tls_psk_file')


def test_an_address_of_another_machine(file: Path) -> None:
    add(file, 'source_ip = "192.0.2.1"\n')
    status, [line] = check(file)
    assert (status, line) == (
        0,
        f"usbrh: {file}, line 4: this machine does not have 192.0.2.1; ip address shows its addresses",
    )
    file.write_text(file.read_text().replace("192.0.2.1", "127.0.0.1"))
    assert check(file) == (0, [])


def test_a_file_that_is_no_journal(file: Path) -> None:
    file.with_name("journal.db").write_text("These are the notes of last year.\n" * 40)
    status, [line] = check(file)
    assert status == 1
    assert "it is not a file of usbrh; set another file as path in [journal]" in line


def test_virtual_sensors_and_the_front_end(file: Path) -> None:
    assert check(file, USBRH_SIMULATE="2", USBRH_ALLOW_SIMULATED="1") == (0, [])
    assert check(file, USBRH_SIMULATE="2") == (
        2,
        ["usbrh: refusing to send simulated readings; override with --allow-simulated"],
    )
    assert check(file, USBRH_SIMULATE="none.toml", USBRH_ALLOW_SIMULATED="1")[0] == 2
    assert check(file, USBRH_ALLOW_SIMULATED="perhaps")[0] == 2
    assert check(file, USBRH_ZABBIX_URL="zabbix.example")[0] == 2
    status, [line] = check(file, USBRH_ZABBIX_URL="https://Admin:geheim@zabbix.example")
    assert (status, "geheim" in line) == (2, False)


def test_the_token_and_the_address_of_the_front_end(file: Path) -> None:
    add(file, 'url = "zabbix.example"\ntoken_file = "token"\n')
    status, [address, token] = check(file)
    assert (status, "is not the address of a Zabbix front end" in address) == (2, True)
    assert token.startswith(f"usbrh: token_file: {file.parent}/token can't be read")
    file.write_text(file.read_text().replace('url = "', 'url = "https://'))
    file.with_name("token").write_text("geheim")
    file.with_name("token").chmod(0o644)
    status, [line] = check(file)
    assert (status, "is secret, and can be read by everyone" in line) == (0, True)


def test_warnings_are_no_errors(file: Path) -> None:
    add(file, '[sensor."1-1"]\nname = "room"\n[sensor."1-2"]\nname = "Room"\n')
    status, [line] = check(file)
    assert status == 0
    assert "easy to confuse" in line


@pytest.fixture
def of_the_service() -> Iterator[Path]:
    """The folder of a service that runs as nobody, with the journal, and a configuration that all may read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        state = folder / "state"
        state.mkdir()
        os.chown(state, NOBODY, NOBODY)
        (folder / "usbrh.toml").write_text(
            f'{RIGHT}tls_connect = "psk"\ntls_psk_identity = "pc"\ntls_psk_file = "key"\n'
            f'[journal]\npath = "{state}/j.db"\n'
        )
        (folder / "key").write_text(KEY)
        yield folder


@as_root
def test_root_checks_what_the_service_can_read(of_the_service: Path) -> None:
    file, key = of_the_service / "usbrh.toml", of_the_service / "key"
    key.chmod(0o600)
    status, lines = check(file)
    assert status == 2
    assert f"{key} can't be read by this user; sudo chgrp usbrh {key}" in lines[0]
    os.chown(key, 0, NOBODY)
    key.chmod(0o640)
    assert not any("can't be read" in line for line in check(file)[1])
    file.chmod(0o600)
    status, lines = check(file)
    assert (status, f"{file}: can't be read by this user" in lines[0]) == (2, True)


@as_root
def test_root_checks_where_the_service_can_write(of_the_service: Path) -> None:
    file = of_the_service / "usbrh.toml"
    file.write_text(f'{RIGHT}[journal]\npath = "{of_the_service}/state/j.db"')
    assert check(file) == (0, [])
    (of_the_service / "state").chmod(stat.S_IRUSR | stat.S_IXUSR)
    status, [line] = check(file)
    assert (status, line) == (
        1,
        f"usbrh: the user of the service can't write in {of_the_service}/state; sudo usbrh setup",
    )


def show(*words: str, **environment: Any) -> list[str]:
    done = usbrh("config", "show", *words, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_show_names_the_origin_of_each_value(file: Path) -> None:
    agent = file.with_name("agent.conf")
    agent.write_text("# an agent\nSourceIP=127.0.0.1\nHostname=other\n")
    add(file, 'agent_config = "agent.conf"\ncompression = true\n[sensor."1-1.4"]\nname = "居間"\nled = {red = 2}\n')
    environment: Any = {"USBRH_BRIDGE_INTERVAL": "5m", "USBRH_ALLOW_SIMULATED": "yes", "USBRH_ZABBIX_TOKEN": "geheim"}
    lines: list[str] = [" ".join(line.split()) for line in show("--config", str(file), **environment)]
    for line in (
        f'servers = ["zabbix.invalid"] # {file}, line 2',
        f"compression = true # {file}, line 5",
        f'source_ip = "127.0.0.1" # {agent}, line 2',
        f'host = "pc" # {file}, line 3',
        "# tls_ca_file # not set",
        'timeout = "15s" # default',
        'interval = "5m" # USBRH_BRIDGE_INTERVAL',
        f'path = "{file.parent}/journal.db" # {file}, line 10',
        '[sensor."1-1.4"]',
        f'name = "居間" # {file}, line 7',
        f"led = {{red = 2}} # {file}, line 8",
        "supply = 5.0 # default",
        'USBRH_ALLOW_SIMULATED = "yes" # USBRH_ALLOW_SIMULATED',
        'USBRH_ZABBIX_TOKEN = "***" # USBRH_ZABBIX_TOKEN',
    ):
        assert line in lines
    found = [json.loads(line) for line in show("--config", str(file), "--json", **environment)]
    assert {"section": "bridge", "key": "interval", "value": 300.0, "origin": "USBRH_BRIDGE_INTERVAL"} in found
    assert {"section": "zabbix", "key": "tls_ca_file", "value": None, "origin": "default"} in found
    assert [each["origin"] for each in found if each["key"] == "host"] == [f"{file}, line 3"]


def test_what_it_shows_is_toml_with_the_same_meaning(file: Path) -> None:
    add(file, 'timeout = "1500ms"\n[sensor."1-1.4"]\nname = "a b"\n')
    text = "\n".join(show("--config", str(file)))
    again = file.with_name("again.toml")
    again.write_text(text)
    values = [
        [{**json.loads(line), "origin": ""} for line in show("--json", "--config", str(each))] for each in (file, again)
    ]
    assert values[0] == values[1]


def test_secrets_are_not_shown(file: Path) -> None:
    add(
        file,
        f'metadata = "geheim"\ntls_psk_identity = "{KEY}"\ntls_connect = "unencrypted"\n',
    )
    secrets: Any = {
        "USBRH_ZABBIX_PASSWORD": "geheim",
        "USBRH_ZABBIX_TOKEN": "geheim",
        "USBRH_ZABBIX_URL": "https://Admin:geheim@zabbix.example",
    }
    for words in ((), ("--json",)):
        text = "\n".join(show("--config", str(file), *words, **secrets))
        assert "geheim" not in text
        assert KEY not in text
        assert text.count("***") == 5


def test_a_key_in_place_of_its_file_is_not_shown(file: Path) -> None:
    add(file, f'tls_psk_file = "{KEY}"\n')
    problem = "tls_psk_file must be the path of a file, not a key; write the key into a file of mode 640"
    assert check(file) == (2, [f"usbrh: {file}, line 4: {problem}"])


def test_path(file: Path) -> None:
    for words, environment, chosen in (
        (("--config", str(file)), {}, "--config"),
        ((), {"USBRH_CONFIG": str(file)}, "USBRH_CONFIG"),
    ):
        assert _path(words, environment) == (0, f"{file}\n", "")
        data = json.loads(_path((*words, "--json"), environment)[1])
        assert data == {"path": str(file), "chosen_by": chosen, "exists": True}
    none = file.with_name("none.toml")
    assert _path(("--config", str(none)), {}) == (0, f"{none}\n", f"usbrh: {none} does not exist\n")
    assert json.loads(_path(("--json",), {})[1])["chosen_by"] == "default"


def _path(words: tuple[str, ...], environment: dict[str, Any]) -> tuple[int, str, str]:
    done = usbrh("config", "path", *words, **environment)
    return done.returncode, done.stdout, done.stderr
