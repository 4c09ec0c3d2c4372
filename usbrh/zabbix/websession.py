"""HTTP for the API: who asks is told to that front end alone, and an answer is bounded in size and in time."""

import re
from collections.abc import Callable
from concurrent.futures import Future
from io import BytesIO
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urljoin

import requests
import urllib3
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url

from usbrh.errors import ZabbixUnreachable

LARGEST = 32 << 20
"""Bytes of one answer. A comparison of templates has some 100 KB, six hours of readings every second 1 MB."""

T = TypeVar("T")


class WebSession(requests.Session):
    """A session of requests for one front end.

    A redirect is rejected: requests would make a GET of some, and take a password to wherever others lead. Proxies and
    certificates of the environment count (HTTPS_PROXY, REQUESTS_CA_BUNDLE), ~/.netrc does not: its Basic would take
    the place of our Bearer.

    Attributes:
        token: Sent as ``Authorization: Bearer`` once it is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token: str | None = None
        self.headers["Accept-Encoding"] = "identity"  # so that few bytes can't become many
        self.auth = self._authorize  # with one of our own, requests leaves ~/.netrc alone
        self.hooks["response"] = [_reject_redirect, _read]

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
            return request
        user, password = get_auth_from_url(request.url or "")  # of a web server before the front end
        return HTTPBasicAuth(user, password)(request) if user else request


def _reject_redirect(response: requests.Response, **_: Any) -> None:
    if response.is_redirect:
        target = urljoin(response.url, response.headers["location"]).partition("?")[0]
        response.close()
        raise ZabbixUnreachable(
            f"{base(response.url)} redirects to {base(target)}; give that address, if it is the front end's"
        )


def base(url: str) -> str:
    """``url`` of a page of the front end or of its API, as far as all pages have it in common."""
    return re.sub(r"/(index\.php|zabbix\.php|api_jsonrpc\.php)?$", "", url.partition("?")[0])


def _read(response: requests.Response, **_: Any) -> None:
    """Read the body here, before requests does so without end."""
    body = bytearray()
    try:
        while len(body) <= LARGEST and (part := response.raw.read(1 << 20, decode_content=False)):
            body += part
    except urllib3.exceptions.ReadTimeoutError as error:
        raise requests.exceptions.ReadTimeout(error) from None
    except urllib3.exceptions.HTTPError as error:
        raise requests.exceptions.ConnectionError(error) from None
    response.close()
    if len(body) > LARGEST:
        raise ZabbixUnreachable(f"{base(response.url)} answers more than {LARGEST >> 20} MiB; is it a Zabbix?")
    response.raw = BytesIO(body)


def within(seconds: float, work: Callable[[], T]) -> T:
    """What ``work`` gives. requests knows a time-out for each read only, so it is left behind when ours is over.

    Raises:
        TimeoutError: it is.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - raised again by result()
            future.set_exception(error)

    Thread(target=run, name="api", daemon=True).start()
    return future.result(seconds)
