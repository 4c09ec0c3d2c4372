"""Real Zabbix servers, started when a test first uses one. Without their packages the tests are skipped."""

from collections.abc import Iterator

import pytest

from tests.support.zabbix.browser import Browser, find_chromium
from tests.support.zabbix.machine import PREPARE, ZABBIX_60, ZABBIX_70, Release, why_not
from tests.support.zabbix.server import ZabbixServer

_running: list[ZabbixServer] = []


def _serve(release: Release) -> Iterator[ZabbixServer]:
    reason = why_not(release)
    if reason:
        pytest.skip(reason)
    server = ZabbixServer(release)
    _running.append(server)
    try:
        yield server
    finally:
        _running.remove(server)
        server.close()


@pytest.fixture(scope="session")
def zabbix_60() -> Iterator[ZabbixServer]:
    yield from _serve(ZABBIX_60)


@pytest.fixture(scope="session")
def zabbix_70() -> Iterator[ZabbixServer]:
    yield from _serve(ZABBIX_70)


@pytest.fixture(params=["6.0", "7.0"])
def server(request: pytest.FixtureRequest) -> ZabbixServer:
    """Run the test with each release."""
    found = request.getfixturevalue("zabbix_60" if request.param == "6.0" else "zabbix_70")
    assert isinstance(found, ZabbixServer)
    return found


@pytest.fixture(scope="module", autouse=True)
def _delete_hosts() -> Iterator[None]:
    """Delete the hosts that the tests of a file leave: each import of a template changes all hosts with it."""
    yield
    for server in _running:
        server.delete_hosts()


@pytest.fixture
def browser() -> Iterator[Browser]:
    program = find_chromium()
    if not program:
        pytest.skip(f"no Chromium to look with: {PREPARE}")
    browser = Browser(program)
    try:
        yield browser
    finally:
        browser.close()
