"""Files with a secret, and warnings about their permissions."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.command import run
from tests.support.waits import within
from usbrh.config import secret_file
from usbrh.config.secret_file import read_secret
from usbrh.errors import ConfigError

KEY = "0123456789abcdef" * 4


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("secret\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"secret", "secret"),
        (b"secret\r\n", "secret"),
        (b" with blanks \n", " with blanks "),
        ("£5\n".encode(), "£5"),
        (b"\xef\xbb\xbfsecret\r\n", "secret"),  # the byte order mark of editors on Windows
    ],
)
def test_one_line_with_its_blanks(secret: Path, content: bytes, line: str) -> None:
    secret.write_bytes(content)
    assert read_secret(secret) == line


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"a" * 5000, b"\xff"])
def test_no_secret(secret: Path, content: bytes) -> None:
    secret.write_bytes(content)
    with pytest.raises(ConfigError, match=r"must contain one line|not UTF-8 text"):
        read_secret(secret)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_longest_secret(secret: Path, end: bytes) -> None:
    secret.write_bytes(b"a" * 4096 + end)
    assert read_secret(secret) == "a" * 4096
    for more in (b"a" * 4097 + end, b"a" * 4096 + b"\nb" + end):
        secret.write_bytes(more)
        with pytest.raises(ConfigError, match="must contain one line"):
            read_secret(secret)


@pytest.mark.parametrize(("mode", "words"), [(0o644, "be read by everyone"), (0o660, "be changed by others")])
def test_others_can_get_at_it(secret: Path, mode: int, words: str, caplog: pytest.LogCaptureFixture) -> None:
    secret.chmod(mode)
    assert read_secret(secret) == "secret"
    assert caplog.messages == [f"{secret} is secret, but can {words} (mode {mode:o}); fix: chmod 600 {secret}"]


def test_a_service_may_read_it_by_its_group(secret: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret.chmod(0o640)
    assert read_secret(secret) == "secret"
    assert not caplog.messages


def test_a_pipe_of_the_shell() -> None:
    read, write = os.pipe()
    os.write(write, b"secret\n")
    os.close(write)
    assert read_secret(Path(f"/dev/fd/{read}")) == "secret"
    os.close(read)


def test_a_program_that_still_asks_for_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in ``--password-file <(pass zabbix)``."""
    with subprocess.Popen(["sh", "-c", "sleep 0.3; echo secret"], stdout=subprocess.PIPE) as asking:
        assert asking.stdout is not None
        assert read_secret(Path(f"/dev/fd/{asking.stdout.fileno()}")) == "secret"
    monkeypatch.setattr(secret_file, "PIPE_SECONDS", 0.2)
    read, write = os.pipe()
    with within(5), pytest.raises(ConfigError, match=r"can't be read: nothing arrived within 0\.2 s"):
        read_secret(Path(f"/dev/fd/{read}"))
    os.close(read)
    os.close(write)


def test_a_named_pipe_and_a_device_are_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with within(5), pytest.raises(ConfigError, match="must contain one line"):
        read_secret(pipe)
    for device in (Path("/dev/zero"), Path("/dev/tty")):
        with within(5), pytest.raises(ConfigError, match="not a regular file"):
            read_secret(device)


def provision(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    clean = {key: value for key, value in os.environ.items() if not key.startswith("USBRH_")}
    return run(["zabbix", "provision", "--url", "http://127.0.0.1:9/", *arguments], clean | environment)


@pytest.mark.parametrize("option", ["--password-file", "--token-file"])
def test_the_command_warns_of_an_open_file(secret: Path, option: str) -> None:
    secret.chmod(0o644)
    done = provision("--user", "a", option, str(secret))
    first, last = done.stderr.splitlines()
    assert first.endswith(f"chmod 600 {secret}")
    assert (done.returncode, "can't be reached" in last) == (6, True), done


def test_the_command_rejects_an_open_key(secret: Path) -> None:
    secret.write_text(KEY)
    secret.chmod(0o644)
    psk = {"USBRH_ZABBIX_TLS_CONNECT": "psk", "USBRH_ZABBIX_TLS_PSK_IDENTITY": "a", "USBRH_ZABBIX_TLS_PSK_FILE": ""}
    done = provision("--user", "a", **psk | {"USBRH_ZABBIX_TLS_PSK_FILE": str(secret), "USBRH_ZABBIX_PASSWORD": "b"})
    assert (done.returncode, "can be read by everyone" in done.stderr) == (2, True), done
    assert KEY not in done.stderr


def test_a_key_in_the_place_of_the_agents_configuration_is_not_shown(secret: Path) -> None:
    secret.write_text(KEY)
    done = provision("--user", "a", USBRH_ZABBIX_AGENT_CONFIG=str(secret), USBRH_ZABBIX_PASSWORD="b")
    assert (done.returncode, KEY in done.stderr) == (2, False), done
