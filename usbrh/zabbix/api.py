"""The API of a Zabbix front end, through pyzabbix, with errors that have a remedy."""

import logging
import re
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from pyzabbix import ZabbixAPI, ZabbixAPIException  # type: ignore[attr-defined]  # 0.8.2 has no pyzabbix.api

from usbrh.errors import ConfigError, ZabbixApiError, ZabbixError, ZabbixUnreachable
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

# pyzabbix logs whole requests at DEBUG, including passwords and keys.
logging.getLogger("pyzabbix").setLevel(logging.INFO)

_GIVE_LOGIN = (
    "give --token-file, or --user and --password-file; or set USBRH_ZABBIX_TOKEN, or USBRH_ZABBIX_USER and "
    "USBRH_ZABBIX_PASSWORD"
)
_USE_LOGIN_PAGE = "give the address of the login page, which often ends with /zabbix"


class Api:
    """A session with one front end, as a context manager. ``version`` is that of the API, such as ``(6, 0)``."""

    def __init__(
        self, url: str, *, user: str | None = None, password: str | None = None, token: str | None = None
    ) -> None:
        """Log in with a token, or with user and password.

        Raises:
            ConfigError: The address is invalid, or the login is missing or invalid.
            ZabbixUnreachable: No answer, or the answer is not from a Zabbix front end.
            ZabbixApiError: The version is too old, or Zabbix rejected the login.
        """
        if not _is_address(url):
            message = f"{url!r} is not the address of a Zabbix front end"
            raise ConfigError(message, remedy="give an address such as https://zabbix.example/zabbix")
        if not token and not (user and password):
            raise ConfigError("no login for the Zabbix API", remedy=_GIVE_LOGIN)
        if token and not (token.isascii() and token.isprintable()):
            raise ConfigError("the token for the Zabbix API contains characters other than printable ASCII")
        self.url = base(url)
        self._session = WebSession()
        self._pyzabbix = ZabbixAPI(self.url, session=self._session, timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
        self._by_password = False
        version = str(self.call("apiinfo.version"))
        found = re.match(r"(\d+)\.(\d+)", version)
        if not found:
            raise ZabbixUnreachable(f"{self.url} is not a Zabbix front end: it reports version {version!r}")
        self.version = int(found[1]), int(found[2])
        if self.version < OLDEST:
            raise ZabbixApiError(f"Zabbix {version} at {self.url} is too old: usbrh needs 6.0 or newer")
        self._log_in(user, password, token)

    def _log_in(self, user: str | None, password: str | None, token: str | None) -> None:
        """Log in without pyzabbix's own login: Zabbix 7.0 rejects that of 0.8.2 (Debian 12), and it knows no tokens."""
        secret = token or str(self.call("user.login", username=user, password=password))
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
            ZabbixApiError: Zabbix reported an error.
        """
        group, _, name = method.partition(".")
        return self._guard(lambda: getattr(getattr(self._pyzabbix, group), name)(*args, **params))

    def _guard(self, call: Any, limit: float | None = None) -> Any:
        seconds = limit or CALL_SECONDS
        try:
            return within(seconds, call)
        except ZabbixAPIException as error:
            raise self._rejected(error) from None
        except requests.exceptions.SSLError as error:
            raise ZabbixUnreachable(
                f"{self.url}: TLS failed: {_reason(error)}",
                remedy="name the trusted certificates with REQUESTS_CA_BUNDLE=FILE",
            ) from None
        except requests.exceptions.Timeout:
            raise ZabbixUnreachable(f"{self.url} did not answer in time", remedy="check the address") from None
        except requests.exceptions.HTTPError as error:
            status = error.response.status_code if error.response is not None else "an error"
            raise ZabbixUnreachable(
                f"no Zabbix front end at {self.url}: HTTP {status}", remedy=_USE_LOGIN_PAGE
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            # urllib3 raises its own error for a host name with an empty or too long label.
            raise ZabbixUnreachable(f"{self.url} can't be reached: {_reason(error)}") from None
        except TimeoutError:
            raise ZabbixUnreachable(f"{self.url}: no complete answer within {seconds:.0f} s") from None
        except OSError as error:  # requests reports a missing certificate file like this
            raise ConfigError(" ".join(str(error).split()), remedy="check REQUESTS_CA_BUNDLE") from None

    def _rejected(self, error: ZabbixAPIException) -> ZabbixApiError | ZabbixUnreachable:
        details = getattr(error, "error", None)
        if not isinstance(details, dict):  # pyzabbix's own error: the answer is empty or not JSON
            message = f"no Zabbix front end at {self.url}: the answer is not from the Zabbix API"
            return ZabbixUnreachable(message, remedy=_USE_LOGIN_PAGE)
        text = " ".join(str(details.get("data") or details.get("message")).split())
        lower = text.lower()
        if "incorrect user name or password" in lower or "login name or password" in lower:
            # Zabbix has one message for both.
            return ZabbixApiError(
                f"{self.url}: wrong user or password, or Zabbix has blocked the account after several failed logins",
                remedy="check the password, and try again in a minute",
            )
        if "not authori" in lower or "session terminated" in lower or "token expired" in lower:
            return ZabbixApiError(f"{self.url}: the token is invalid or has expired")
        if "no permission" in lower:
            return ZabbixApiError(
                f"{self.url}: no permission: {text}",
                remedy="give the user a role of type Admin with API access, and write access to the host group",
            )
        return ZabbixApiError(f"{self.url}: {text}")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address; a port beyond 65535
        return False


def _reason(error: Exception) -> str:
    """Return the innermost cause of an error of requests or urllib3, as one line."""
    inner: BaseException = error
    while isinstance(deeper := getattr(inner, "reason", None) or inner.__cause__ or inner.__context__, BaseException):
        inner = deeper
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(inner))
    return found[1] if found else " ".join(str(inner).split())
