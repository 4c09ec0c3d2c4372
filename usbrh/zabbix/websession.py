"""HTTP for the API: the login is sent to one front end only, and answers have a limit in size and time."""

import re
from contextlib import suppress
from io import BytesIO
from typing import Any
from urllib.parse import urljoin

import requests
import urllib3

from usbrh.errors import ZabbixUnreachable
from usbrh.zabbix.secrets import Secrets

MAX_BYTES = 32 << 20
"""Limit for one answer. A comparison of templates has some 100 KB, six hours of readings per second have 1 MB."""


class WebSession(requests.Session):
    """A requests session with one front end.

    It rejects redirects: requests would turn some of them into a GET, and would send a password to another server. It
    uses proxy and certificates from the environment (HTTPS_PROXY, REQUESTS_CA_BUNDLE), but not ~/.netrc, whose Basic
    login would replace the Bearer ``token``.
    """

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self.token: str | None = None
        self._secrets = secrets
        self.headers["Accept-Encoding"] = "identity"  # no compression: a short answer must not become huge
        self.auth = self._authorize  # requests then ignores ~/.netrc
        self.hooks["response"] = [self._reject_redirect, _read]

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request

    def _reject_redirect(self, response: requests.Response, **_: Any) -> None:
        if response.is_redirect:
            response.close()
            target = base(_absolute(response.url, response.headers["location"]))
            message = f"{base(response.url)} redirects to {self._secrets.quote(target)}"
            raise ZabbixUnreachable(message, remedy="give the second address if it is the front end's")


def _absolute(url: str, location: str) -> str:
    """Return the target of a redirect without a login, which a message must not show."""
    with suppress(ValueError):  # half an IPv6 address
        location = urljoin(url, location)
    return re.sub(r"//[^/?#]*@", "//", location)


def base(url: str) -> str:
    """Return the part of ``url`` that all pages of the front end have in common."""
    return re.sub(r"/(index\.php|zabbix\.php|api_jsonrpc\.php)?$", "", url.partition("?")[0])


def _read(response: requests.Response, **_: Any) -> None:
    """Read the body with a size limit. requests itself has none."""
    body = bytearray()
    try:
        while len(body) <= MAX_BYTES and (part := response.raw.read(1 << 20, decode_content=False)):
            body += part
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error) from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from None
    response.close()
    if len(body) > MAX_BYTES:
        message = f"{base(response.url)} sent an answer of more than {MAX_BYTES >> 20} MiB"
        raise ZabbixUnreachable(message, remedy="check the address")
    response.raw = BytesIO(body)
