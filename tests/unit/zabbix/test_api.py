"""Sessions with a scripted front end. tests/zabbix uses real ones."""

import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.support.frontend import FrontEnd, Rejection
from usbrh.errors import ConfigError, ZabbixApiError, ZabbixUnreachable
from usbrh.zabbix import api as api_module
from usbrh.zabbix import websession
from usbrh.zabbix.api import Api


def no(text: str) -> Any:
    def reject(params: dict[str, Any]) -> Any:
        raise Rejection(text)

    return reject


@pytest.mark.parametrize(
    ("version", "header", "body"),
    [("6.0.14", None, "a-session"), ("6.4.0", "Bearer a-session", None), ("7.2.0", "Bearer a-session", None)],
)
def test_how_a_release_is_told_who_asks(version: str, header: str | None, body: str | None) -> None:
    with FrontEnd(version, {"host.get": lambda params: [params]}) as front_end:
        with Api(front_end.url, user="a", password="b") as api:
            assert api.call("host.get", output=["host"]) == [{"output": ["host"]}]
        assert [(call.method, call.authorization, call.auth) for call in front_end.calls] == [
            ("apiinfo.version", None, None),
            ("user.login", None, None),
            ("host.get", header, body),
            ("user.logout", header, body),
        ]


def test_a_token_is_tried_and_not_logged_out() -> None:
    with FrontEnd() as front_end:
        with Api(front_end.url, token="secret"):
            pass
        assert [(call.method, call.authorization) for call in front_end.calls] == [
            ("apiinfo.version", None),
            ("host.get", "Bearer secret"),
        ]


def test_who_does_not_answer_is_not_told_of_the_end() -> None:
    with FrontEnd() as front_end:
        with pytest.raises(ZabbixUnreachable), Api(front_end.url, user="a", password="b"):
            raise ZabbixUnreachable("gone")
        assert front_end.calls[-1].method == "user.login"


def test_the_end_is_told_for_a_moment_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging front end does not delay the end of a command."""
    monkeypatch.setattr(api_module, "LOGOUT_SECONDS", 0.2)

    def hang(params: dict[str, Any]) -> Any:
        time.sleep(3)
        return True

    with FrontEnd(answers={"user.logout": hang}) as front_end:
        with Api(front_end.url, user="a", password="b"):
            start = time.monotonic()
        assert time.monotonic() - start < 2


@pytest.mark.parametrize("token", ["topsecret\r", "topsécret", "top\nsecret"])
def test_what_can_be_no_token_is_rejected_without_being_shown(token: str) -> None:
    with FrontEnd() as front_end, pytest.raises(ConfigError) as caught:
        Api(front_end.url, token=token)
    assert "secret" not in str(caught.value)


def test_netrc_takes_no_place_of_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password of-another-program\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with FrontEnd() as front_end:
        Api(front_end.url, token="secret")
        assert [call.authorization for call in front_end.calls] == [None, "Bearer secret"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_told_and_not_followed(status: int) -> None:
    with FrontEnd() as target:

        def redirect(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            handler.send_header("Location", target.url + "/api_jsonrpc.php")
            handler.end_headers()

        with FrontEnd(other=redirect) as front_end:
            with pytest.raises(ZabbixUnreachable) as caught:
                Api(front_end.url, user="a", password="b")
            assert caught.value.message == f"{front_end.url} redirects to {target.url}"
            assert caught.value.remedy == "give the second address if it is the front end's"
        assert target.paths == []


def test_an_answer_without_end_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte arrives within the time-out of a read."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(50):
            handler.wfile.write(b" ")
            time.sleep(0.1)

    monkeypatch.setattr(api_module, "CALL_SECONDS", 0.5)
    with FrontEnd(other=drip) as front_end:
        start = time.monotonic()
        with pytest.raises(ZabbixUnreachable, match="no complete answer within"):
            Api(front_end.url, token="secret")
        assert time.monotonic() - start < 3


def test_an_answer_without_end_in_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(3):
            handler.wfile.write(bytes(1 << 20))

    monkeypatch.setattr(websession, "MAX_BYTES", 2 << 20)
    with (
        FrontEnd(other=flood) as front_end,
        pytest.raises(ZabbixUnreachable, match="sent an answer of more than 2 MiB"),
    ):
        Api(front_end.url, token="secret")


def test_no_compressed_answer_is_asked_for() -> None:
    """A short one could become huge."""
    asked: list[str | None] = []

    def note(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.headers["Accept-Encoding"])
        handler.send_error(503)

    with FrontEnd(other=note) as front_end, pytest.raises(ZabbixUnreachable, match="HTTP 503"):
        Api(front_end.url, token="secret")
    assert asked == ["identity"]


def test_an_answer_that_breaks_off() -> None:
    def break_off(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"{")

    with FrontEnd(other=break_off) as front_end, pytest.raises(ZabbixUnreachable, match="can't be reached"):
        Api(front_end.url, token="secret")


def test_zabbix_says_the_same_of_a_wrong_password_and_of_a_blocked_account() -> None:
    text = "Incorrect user name or password or account is temporarily blocked."
    with FrontEnd(answers={"user.login": no(text)}) as front_end, pytest.raises(ZabbixApiError) as caught:
        Api(front_end.url, user="a", password="b")
    assert "wrong user or password, or Zabbix has blocked the account" in caught.value.message
    assert caught.value.remedy == "check the password, and try again in a minute"


@pytest.mark.parametrize("url", ["http://[::1/zabbix", "http://zabbix.example:99999/", "ftp://zabbix.example", "http:"])
def test_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="is not the address of a Zabbix front end"):
        Api(url, token="secret")


@pytest.mark.parametrize("name", ["zabbix..example", f"{'a' * 64}.example"])
def test_a_name_that_can_be_none(name: str) -> None:
    with pytest.raises(ZabbixUnreachable, match="can't be reached: "):
        Api(f"http://{name}/zabbix", token="secret")


def test_certificates_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    with pytest.raises(ConfigError, match="/nonexistent; check REQUESTS_CA_BUNDLE"):
        Api("https://127.0.0.1:9/zabbix", token="secret")
