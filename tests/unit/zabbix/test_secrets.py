"""No message of the API side contains a secret, whatever the front end or the proxy answers."""

import json
import logging
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.support.command import usbrh
from tests.support.frontend import Answer, FrontEnd, Rejection
from usbrh.errors import ConfigError, UsbrhError, ZabbixApiError, ZabbixUnreachable
from usbrh.zabbix.api import Api
from usbrh.zabbix.proxy import environment_proxy, is_this_machine
from usbrh.zabbix.secrets import REDACTED, Secrets

SESSION = "0123456789abcdef0123456789abcdef"
PSK = "AB" * 32


def echo(params: Any) -> Any:
    raise Rejection(f"Invalid request: {json.dumps(params)} {params} {json.dumps(json.dumps(params))}")


@pytest.mark.parametrize(
    "password", ["correct horse", "two  spaces", 'quo"te', "back\\slash", "sl/ash", "ünïcödé", "q"]
)
def test_a_rejected_login_that_echoes_the_request(password: str) -> None:
    with FrontEnd(answers={"user.login": echo}) as front_end, pytest.raises(ZabbixApiError) as caught:
        Api(front_end.url, user="somebody", password=password)
    text = str(caught.value)
    assert "Invalid request" in text
    assert REDACTED in text
    words = [password, " ".join(password.split()), json.dumps(password)[1:-1]] if len(password) > 1 else ['"q"', "'q'"]
    assert not [word for word in words if word in text]


@pytest.mark.parametrize("version", ["6.0.14", "7.0.22"])
def test_later_errors_with_session_token_or_key(version: str) -> None:
    def reject(params: Any) -> Any:
        raise Rejection(f"{SESSION} {SESSION.upper()} {params} /{PSK.lower()}/")

    answers: dict[str, Answer] = {"user.login": lambda params: SESSION, "host.create": reject}
    with (
        FrontEnd(version, answers) as front_end,
        Api(front_end.url, user="a", password="b") as api,
        pytest.raises(ZabbixApiError) as caught,
    ):
        api.call("host.create", host="pc", tls_psk=PSK)
    assert not {SESSION, SESSION.upper(), PSK, PSK.lower()} & set(caught.value.message.replace("/", " ").split())
    assert PSK not in caught.value.message


def test_a_result_with_the_session() -> None:
    answers = {"user.login": lambda params: SESSION, "host.get": lambda params: [{"host": f"pc {SESSION}"}]}
    with FrontEnd(answers=answers) as front_end, Api(front_end.url, user="a", password="b") as api:
        assert api.call("host.get", output=["host"]) == [{"host": f"pc {REDACTED}"}]


@pytest.mark.parametrize("session", [f"{SESSION}\r\nX: 1", "\x1b]0;owned\x07", f"{SESSION}é", "", 5, None, [SESSION]])
def test_an_unusable_session_is_not_shown(session: Any) -> None:
    with FrontEnd(answers={"user.login": lambda params: session}) as front_end:
        with pytest.raises(ZabbixApiError) as caught:
            Api(front_end.url, user="a", password="b")
        assert [call.method for call in front_end.calls] == ["apiinfo.version", "user.login"]
    assert "an answer to user.login" in caught.value.message
    assert not [word for word in (SESSION, "X: 1", "owned") if word in str(caught.value)]


def test_a_redirect_with_the_password() -> None:
    def redirect(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "http://somebody:of-another@192.0.2.1/correct-horse/")
        handler.end_headers()

    with FrontEnd(other=redirect) as front_end, pytest.raises(ZabbixUnreachable) as caught:
        Api(front_end.url, user="a", password="correct-horse")
    assert caught.value.message == f"{front_end.url} redirects to http://192.0.2.1/{REDACTED}"


def test_headers_that_repeat_the_token(caplog: pytest.LogCaptureFixture) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(f"HTTP/1.0 200 OK\r\nno header {SESSION}\r\n\r\n{{}}".encode())

    with FrontEnd(other=answer) as front_end, pytest.raises(UsbrhError):
        Api(front_end.url, token=SESSION)
    assert SESSION not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://somebody:topsecret@zabbix.example/zabbix",
        "https://topsecret@zabbix.example",
        "somebody:topsecret@zabbix.example",
        "http://somebody:topsecret?@zabbix.example/",
        "http://somebody:topsecret/x@zabbix.example/",
        "http://somebody:topsecret@[::1",
    ],
)
def test_a_login_in_the_address(url: str) -> None:
    with pytest.raises(ConfigError, match="must not contain a user or a password") as caught:
        Api(url, token="secret")
    assert not [word for word in ("topsecret", "somebody") if word in str(caught.value)]
    done = usbrh("zabbix", "provision", "--dry-run", "--debug", USBRH_ZABBIX_URL=url, USBRH_ZABBIX_TOKEN="secret")
    assert done.returncode == 2
    assert "topsecret" not in done.stderr + done.stdout


def test_forms_of_a_secret() -> None:
    secrets = Secrets('a/b"c d', None, " ")
    for form in ['a/b"c d', r"a\/b\"c d", "a%2Fb%22c%20d", "a%2Fb%22c+d", "a/b&quot;c d", "YS9iImMgZA=="]:
        assert secrets.redact(f"<{form}>") == f"<{REDACTED}>"
    assert secrets.redact("nothing of it") == "nothing of it"
    assert Secrets('ü"x').redact(r"ü\"x \u00fc\"x") == f"{REDACTED} {REDACTED}"


def test_a_short_secret_leaves_other_words() -> None:
    assert Secrets("abc").redact("abcd abc, Zabc") == f"abcd {REDACTED}, Zabc"
    assert Secrets("abcd").redact("abcde abcd") == "***e ***"


def test_a_result_keeps_all_but_the_long_secrets() -> None:
    secrets = Secrets(SESSION, "short")
    result = {"a": [1, 1.5, True, None, "short"], SESSION: {"b": f"x{SESSION}"}}
    assert secrets.redact_result(result) == {"a": [1, 1.5, True, None, "short"], REDACTED: {"b": f"x{REDACTED}"}}


def test_a_quotation_is_one_short_line() -> None:
    assert Secrets().quote("a\n b") == "a b"
    assert len(Secrets().quote("9" * 5000)) < 310


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


class TestProxy:
    @pytest.fixture(autouse=True)
    def _no_proxies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)

    @pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
    def test_a_proxy_that_is_away(self, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
        monkeypatch.setenv(variable, "http://me:proxy%2Dlogin@127.0.0.1:9")
        with pytest.raises(ZabbixUnreachable) as caught:
            Api("http://zabbix.example/zabbix", token="secret")
        through = f"http://zabbix.example/zabbix through the proxy 127.0.0.1:9 ({variable})"
        assert caught.value.message.startswith(f"{through} can't be reached: ")
        assert caught.value.remedy == f"check {variable}, or add zabbix.example to no_proxy"
        assert "login" not in str(caught.value)

    @pytest.mark.parametrize("proxy", ["http://me:proxylogin@[::1", "http://me:proxylogin@host:port", "me:proxylogin@"])
    def test_an_unusable_proxy(self, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
        monkeypatch.setenv("http_proxy", proxy)
        with pytest.raises(UsbrhError, match="http_proxy") as caught:
            Api("http://zabbix.example/zabbix", token="secret")
        assert "proxylogin" not in str(caught.value)

    @pytest.mark.parametrize("status", [403, 407, 502])
    def test_a_proxy_that_rejects(self, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
        with FrontEnd(other=lambda handler: handler.send_error(status)) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            with pytest.raises(ZabbixUnreachable, match=rf"\(http_proxy\): HTTP {status}; .*/zabbix; or .*no_proxy"):
                Api("http://zabbix.example/zabbix", token="secret")

    @pytest.mark.parametrize(
        ("address", "name", "secrets"),
        [
            ("http://192.0.2.8:3128/", "192.0.2.8:3128", set()),
            ("192.0.2.8:3128", "192.0.2.8:3128", set()),
            (
                "http://me:log%2Din@proxy.example:3128",
                "proxy.example:3128",
                {"me:log%2Din", "me:log-in", "log%2Din", "log-in"},
            ),
            ("http://me@proxy.example", "proxy.example", {"me"}),
        ],
    )
    def test_the_name_and_the_login_of_a_proxy(
        self, monkeypatch: pytest.MonkeyPatch, address: str, name: str, secrets: set[str]
    ) -> None:
        monkeypatch.setenv("https_proxy", address)
        assert environment_proxy("http://zabbix.example/zabbix") is None
        proxy = environment_proxy("https://zabbix.example/zabbix")
        assert proxy
        assert (proxy.name, proxy.variable, set(proxy.secrets)) == (name, "https_proxy", secrets)
        assert len(repr(proxy)) < 70 + len(name), "without the login"

    def test_no_proxy_for_this_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(ZabbixUnreachable) as caught:
            Api("http://127.0.0.1:9/zabbix", token="secret")
        assert "proxy" not in str(caught.value)

    def test_one_warning_before_a_secret_travels(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        with FrontEnd() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            with Api("http://zabbix.example/zabbix", user="a", password="b") as api:
                api.call("host.get")
        (message,) = warnings(caplog)
        assert message.startswith("http://zabbix.example/zabbix: passwords, tokens and keys travel without encryption")

    def test_no_warning_on_this_machine(self, caplog: pytest.LogCaptureFixture) -> None:
        with FrontEnd() as front_end, Api(front_end.url, token="secret"):
            pass
        assert not warnings(caplog)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("zabbix.localhost", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("192.0.2.1", False),
        ("2001:db8::1", False),
        ("zabbix.example", False),
        ("", False),
    ],
)
def test_what_is_this_machine(host: str, expected: bool) -> None:
    assert is_this_machine(host) is expected
