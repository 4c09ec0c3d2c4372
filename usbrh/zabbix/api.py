"""The API of a Zabbix front end, through pyzabbix, with errors that have a remedy."""

import json
import logging
import re
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from pyzabbix import ZabbixAPI, ZabbixAPIException  # type: ignore[attr-defined]  # 0.8.2 has no pyzabbix.api

from usbrh.config.addresses import check_url
from usbrh.errors import ConfigError, ZabbixApiError, ZabbixError, ZabbixPermissionError, ZabbixUnreachable
from usbrh.zabbix.answers import REMEDY, checked, unusable
from usbrh.zabbix.proxy import environment_proxy, is_this_machine
from usbrh.zabbix.secrets import Secrets
from usbrh.zabbix.sockets import within
from usbrh.zabbix.websession import WebSession, base

OLDEST = (6, 0)
BEARER = (6, 4)
"""The oldest version that accepts the session in an ``Authorization`` header. 7.2 accepts nothing else."""
CONNECT_SECONDS = 5
LOGOUT_SECONDS = 2.0
ANSWER_SECONDS = 60  # a small server needs several seconds to import a template
CALL_SECONDS = 90.0
"""Deadline for a whole call. requests has a time-out for one read only."""

SECRET_PARAMETERS = ("password", "tls_psk")

_log = logging.getLogger(__name__)
# pyzabbix logs whole requests at DEBUG, including passwords and keys, and its address at INFO.
logging.getLogger("pyzabbix").setLevel(logging.WARNING)
# urllib3 logs the headers of an answer that it can't parse, and they can repeat ours.
logging.getLogger("urllib3").setLevel(logging.ERROR)

_GIVE_LOGIN = (
    "give --token-file, or --user and --password-file; or set USBRH_ZABBIX_TOKEN, or USBRH_ZABBIX_USER and "
    "USBRH_ZABBIX_PASSWORD"
)
_NESTED = "an answer that is nested too deeply"
_NO_RESPONSE = "an answer that is not a JSON-RPC response"
_USE_LOGIN_PAGE = "give the address of the login page, which often ends with /zabbix"


class Api:
    """A session with one front end, as a context manager. ``version`` is that of the API, such as ``(6, 0)``."""

    def __init__(
        self, url: str, *, user: str | None = None, password: str | None = None, token: str | None = None
    ) -> None:
        """Log in with a token, or with user and password.

        Raises:
            ConfigError: The address is invalid or contains a login, or the login is missing or invalid.
            ZabbixUnreachable: No answer, or the answer is not from a Zabbix front end.
            ZabbixApiError: The version is too old, or Zabbix rejected the login.
        """
        check_url(url)
        if not token and not (user and password):
            raise ConfigError("no login for the Zabbix API", remedy=_GIVE_LOGIN)
        if token and not (token.isascii() and token.isprintable()):
            raise ConfigError("the token for the Zabbix API contains characters other than printable ASCII")
        self.url = base(url)
        self._secrets = Secrets(password, token)
        self._proxy = environment_proxy(self.url)
        if self._proxy:
            self._secrets.add(*self._proxy.secrets)
        self._session = WebSession(self._secrets)
        self._pyzabbix = ZabbixAPI(self.url, session=self._session, timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
        self._by_password = False
        version = self.call("apiinfo.version")
        found = re.match(r"(\d{1,3})\.(\d{1,3})(?!\d)", version, re.ASCII)
        version = self._secrets.quote(version)
        if not found:
            message = f"{self.url} is not a Zabbix front end: it reports version {version!r}"
            raise ZabbixApiError(message, remedy=REMEDY)
        self.version = int(found[1]), int(found[2])
        if self.version < OLDEST:
            raise ZabbixApiError(f"Zabbix {version} at {self.url} is too old: usbrh needs 6.0 or newer")
        self._log_in(user, password, token)

    def _log_in(self, user: str | None, password: str | None, token: str | None) -> None:
        """Log in without pyzabbix's own login: Zabbix 7.0 rejects that of 0.8.2 (Debian 12), and it knows no tokens."""
        local = is_this_machine(urlsplit(self.url).hostname or "") and not self._proxy
        if self.url.lower().startswith("http:") and not local:
            _log.warning("%s: passwords, tokens and keys travel without encryption; fix: use https://", self.url)
        secret = token or self.call("user.login", username=user, password=password)
        self._secrets.add(secret)
        if self.version >= BEARER:
            self._session.token = secret
        else:
            self._pyzabbix.auth = secret
        self._by_password = not token
        if token:
            self.call("host.get", countOutput=True)  # Zabbix checks a token only when it is used

    def close(self) -> None:
        """Close the connection and log out. Zabbix would keep a session for days. Errors are ignored."""
        if self._by_password:
            self._by_password = False
            with suppress(ZabbixError):
                self._guard(self._pyzabbix.user.logout, LOGOUT_SECONDS)
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, ZabbixUnreachable):
            self._by_password = False  # a logout would not arrive
        self.close()

    def call(self, method: str, /, *args: Any, **params: Any) -> Any:
        """Call an API method and return its result: ``call("host.get", output=["host"])``.

        Raises:
            ZabbixUnreachable: No answer, or the answer is not from a Zabbix front end.
            ZabbixApiError: Zabbix reported an error, or its answer is unusable.
        """
        self._secrets.add(*(params.get(name) for name in SECRET_PARAMETERS))
        group, _, name = method.partition(".")
        result = self._guard(lambda: getattr(getattr(self._pyzabbix, group), name)(*args, **params))
        try:
            return checked(method, params, self._secrets.redact_result(result))
        except RecursionError:
            raise unusable(_NESTED) from None

    def _guard(self, call: Any, limit: float | None = None) -> Any:
        seconds = limit or CALL_SECONDS
        try:
            return within(seconds, call)
        except ZabbixAPIException as error:
            raise self._rejected(error) from None
        except requests.exceptions.SSLError as error:
            remedy = "name the trusted certificates with REQUESTS_CA_BUNDLE=FILE"
            raise self._unreachable(f": TLS failed: {self._reason(error)}", remedy) from None
        except requests.exceptions.Timeout:
            raise self._unreachable(" did not answer in time", "check the address") from None
        except requests.exceptions.HTTPError as error:
            status = error.response.status_code if error.response is not None else "an error"
            raise self._unreachable(f": HTTP {status}", _USE_LOGIN_PAGE, "no Zabbix front end at ") from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            # urllib3 raises its own error for a host name with an empty or too long label.
            raise self._unreachable(f" can't be reached: {self._reason(error)}") from None
        except TimeoutError:
            raise self._unreachable(f": no complete answer within {seconds:.0f} s") from None
        except OSError as error:  # requests reports a missing certificate file like this
            raise ConfigError(self._secrets.quote(error), remedy="check REQUESTS_CA_BUNDLE") from None
        except RecursionError:
            raise unusable(_NESTED) from None
        except (AttributeError, LookupError, TypeError, ValueError):  # pyzabbix expects the members of JSON-RPC
            raise unusable(_NO_RESPONSE) from None

    def _unreachable(self, what: str, remedy: str | None = None, before: str = "") -> ZabbixUnreachable:
        """Return the error with the proxy, if the environment sets one for this front end."""
        if not self._proxy:
            return ZabbixUnreachable(f"{before}{self.url}{what}", remedy=remedy)
        message = f"{before}{self.url} through the proxy {self._proxy.name} ({self._proxy.variable}){what}"
        host = urlsplit(self.url).hostname
        route = f"check {self._proxy.variable}, or add {host} to no_proxy"
        return ZabbixUnreachable(message, remedy=f"{remedy}; or {route}" if remedy else route)

    def _reason(self, error: Exception) -> str:
        """Return the innermost cause of an error of requests or urllib3, as one line."""
        inner: BaseException = error
        while isinstance(
            deeper := getattr(inner, "reason", None) or inner.__cause__ or inner.__context__, BaseException
        ):
            inner = deeper
        found = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(inner))
        return self._secrets.quote(found[1] if found else inner)

    def _rejected(self, error: ZabbixAPIException) -> ZabbixApiError | ZabbixUnreachable:
        details = getattr(error, "error", None)
        cause = error.__cause__
        if isinstance(cause, ValueError) and not isinstance(cause, json.JSONDecodeError):
            return unusable(_NO_RESPONSE)  # for example, a number with more digits than Python converts
        if not isinstance(details, dict):  # pyzabbix's own error: the answer is empty or not JSON
            what = ": the answer is not from the Zabbix API"
            return self._unreachable(what, _USE_LOGIN_PAGE, "no Zabbix front end at ")
        text = next((each for each in (details.get("data"), details.get("message")) if isinstance(each, str)), "")
        text = self._secrets.quote(text or "an error without a reason")
        lower = text.lower()
        if "incorrect user name or password" in lower or "login name or password" in lower:
            # Zabbix has one message for both.
            return ZabbixApiError(
                f"{self.url}: wrong user or password, or Zabbix has blocked the account after several failed logins",
                remedy="check the password, and try again in a minute",
            )
        if "not authori" in lower or "session terminated" in lower or "token expired" in lower:
            return ZabbixApiError(f"{self.url}: the token is invalid or has expired")
        if found := re.search(r'permissions? to call "([a-z]+\.[a-z]+)"', text):
            remedy = f"allow the API method {found[1]} in that role (methods that change something: user type Admin)"
            return ZabbixPermissionError(f"{self.url}: the user's role does not allow {found[1]}", remedy=remedy)
        if "no permission" in lower:
            remedy = "give the user's user group Read-write permission for the host group and the template group"
            return ZabbixPermissionError(f"{self.url}: no permission: {text}", remedy=remedy)
        return ZabbixApiError(f"{self.url}: {text}")
