"""The API of a Zabbix front end, by pyzabbix, with errors that say what to do."""

import logging
import re
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from pyzabbix import ZabbixAPI, ZabbixAPIException  # type: ignore[attr-defined]  # 0.8.2 has no pyzabbix.api

from usbrh.errors import ConfigError, ZabbixApiError, ZabbixError, ZabbixUnreachable
from usbrh.zabbix.websession import WebSession, base, within

OLDEST = (6, 0)
BEARER = (6, 4)
"""From here on a header says who asks; 7.2 takes it from nowhere else."""
CONNECT_SECONDS = 5
LOGOUT_SECONDS = 2.0
ANSWER_SECONDS = 60  # an import of a template takes a small machine several seconds
CALL_SECONDS = 90.0
"""For a whole call, however the answer comes in."""

# It writes whole requests, passwords and keys included, into the debug log.
logging.getLogger("pyzabbix").setLevel(logging.INFO)


class Api:
    """A session with one front end, until ``close``, or the end of a ``with``.

    Attributes:
        url: The front end's address, without ``api_jsonrpc.php``.
        version: Of the API: ``(6, 0)``, ``(7, 0)``.
    """

    def __init__(
        self, url: str, *, user: str | None = None, password: str | None = None, token: str | None = None
    ) -> None:
        """Log in, by a token or by a user's password.

        Raises:
            ConfigError: the address is none, or neither a token nor a password is given.
            ZabbixUnreachable: no answer, or it is not a Zabbix that answers.
            ZabbixApiError: too old, or the login is rejected.
        """
        if not _is_address(url):
            raise ConfigError(
                f"{url!r} is no address of a Zabbix front end; give one such as https://zabbix.example/zabbix"
            )
        if not token and not (user and password):
            raise ConfigError(
                "no login for the Zabbix API; set USBRH_ZABBIX_TOKEN, or USBRH_ZABBIX_USER and USBRH_ZABBIX_PASSWORD, "
                "or give --token-file, or --user and --password-file"
            )
        if token and not (token.isascii() and token.isprintable()):
            raise ConfigError("what is given as token for the Zabbix API is none: it has other than plain characters")
        self.url = base(url)
        self._session = WebSession()
        self._pyzabbix = ZabbixAPI(self.url, session=self._session, timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
        self._by_password = False
        version = str(self.call("apiinfo.version"))
        found = re.match(r"(\d+)\.(\d+)", version)
        if not found:
            raise ZabbixUnreachable(f"{self.url} is not a Zabbix front end: its version is {version!r}")
        self.version = int(found[1]), int(found[2])
        if self.version < OLDEST:
            raise ZabbixApiError(f"Zabbix {version} at {self.url} is too old; 6.0 or newer is needed")
        self._log_in(user, password, token)

    def _log_in(self, user: str | None, password: str | None, token: str | None) -> None:
        """Without pyzabbix's own login: that of 0.8.2, which Debian 12 has, is rejected by 7.0, and knows no tokens."""
        secret = token or str(self.call("user.login", username=user, password=password))
        if self.version >= BEARER:
            self._session.token = secret
        else:
            self._pyzabbix.auth = secret
        self._by_password = not token
        if token:
            self.call("host.get", countOutput=True)  # a token is looked at only when it is used

    def close(self) -> None:
        """End what a login by password began: Zabbix would keep it for days. A failure of that changes nothing."""
        if self._by_password:
            self._by_password = False
            with suppress(ZabbixError):
                self._guard(self._pyzabbix.user.logout, LOGOUT_SECONDS)
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if isinstance(error, ZabbixUnreachable):
            self._by_password = False  # nobody is there to be told
        self.close()

    def call(self, method: str, /, *args: Any, **params: Any) -> Any:
        """The result of one API method: ``call("host.get", output=["host"])``.

        Raises:
            ZabbixUnreachable, ZabbixApiError: as above.
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
                f"{self.url}: TLS fails: {_reason(error)}; REQUESTS_CA_BUNDLE=FILE names the certificates to trust"
            ) from None
        except requests.exceptions.Timeout:
            raise ZabbixUnreachable(f"{self.url} does not answer in time; is this the front end's address?") from None
        except requests.exceptions.HTTPError as error:
            status = error.response.status_code if error.response is not None else "an error"
            raise ZabbixUnreachable(
                f"no Zabbix front end at {self.url}: HTTP {status}; give the address of its login page, "
                "which often ends with /zabbix"
            ) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            # urllib3's own: a name with an empty label or one that is too long
            raise ZabbixUnreachable(f"{self.url} can't be reached: {_reason(error)}") from None
        except TimeoutError:
            raise ZabbixUnreachable(f"{self.url}: no whole answer within {seconds:.0f} s") from None
        except OSError as error:  # what requests itself says of a file that is not there
            raise ConfigError(f"{' '.join(str(error).split())}; see REQUESTS_CA_BUNDLE") from None

    def _rejected(self, error: ZabbixAPIException) -> ZabbixApiError | ZabbixUnreachable:
        details = getattr(error, "error", None)
        if not isinstance(details, dict):  # pyzabbix's own words: the answer is empty, or no JSON
            return ZabbixUnreachable(
                f"no Zabbix front end at {self.url}: what answers is no API; give the address of its login page"
            )
        text = " ".join(str(details.get("data") or details.get("message")).split())
        lower = text.lower()
        if "incorrect user name or password" in lower or "login name or password" in lower:
            # Zabbix says the same of both.
            return ZabbixApiError(
                f"{self.url}: wrong user or password, or the account is blocked for a while after several wrong ones; "
                "try again in a minute"
            )
        if "not authori" in lower or "session terminated" in lower or "token expired" in lower:
            return ZabbixApiError(f"{self.url}: the token is not valid, or not any more")
        if "no permission" in lower:
            return ZabbixApiError(
                f"{self.url}: no permission: {text}; the user needs a role of type Admin with API access, "
                "and write access to the host group"
            )
        return ZabbixApiError(f"{self.url}: {text}")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address; a port beyond 65535
        return False


def _reason(error: Exception) -> str:
    """What went wrong at the bottom of requests' and urllib3's wrapping, in one line."""
    inner: BaseException = error
    while (deeper := getattr(inner, "reason", None) or inner.__cause__ or inner.__context__) and isinstance(
        deeper, BaseException
    ):
        inner = deeper
    found = re.search(r"\[Errno -?\d+\] ([^'\")]+)", str(inner))
    return found[1] if found else " ".join(str(inner).split())
