"""Values for a host of a proxy group, sent to the proxy that it does not belong to."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.zabbix.command import usbrh
from tests.support.zabbix.machine import PREPARE
from tests.support.zabbix.proxies import ProxyGroup
from tests.support.zabbix.server import TEXT, UNSIGNED, ZabbixServer
from usbrh.clock import NS, Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.reading import parse_time
from usbrh.zabbix.protocol import Response, Value
from usbrh.zabbix.sender import Sender


@pytest.fixture
def group(zabbix_70: ZabbixServer) -> Iterator[ProxyGroup]:
    if not zabbix_70.release.proxy.is_file():
        pytest.skip(f"the proxy of Zabbix 7.0 is not unpacked: {PREPARE}")
    with closing(ProxyGroup(zabbix_70)) as group:
        yield group


def test_the_wrong_proxy_redirects(group: ProxyGroup, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A reading that is sent there is stored once, and when the host is moved the sender follows again."""
    server = group.server
    host = f"grouped-{time.time_ns()}"
    group.make_host(host, {"usbrh.get[sim-1]": TEXT, "sent": TEXT, "probe": UNSIGNED})
    own, other = group.owner(host, "probe")
    first = group.redirect(host, "probe", other)

    done = usbrh(
        *("send", "--allow-simulated", "--json"),
        USBRH_SIMULATE="1", USBRH_JOURNAL_PATH=str(tmp_path / "journal.db"),
        USBRH_ZABBIX_SERVERS=other.address, USBRH_ZABBIX_HOST=host,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    measured, _ = map(json.loads, done.stdout.splitlines())

    caplog.set_level(logging.DEBUG, "usbrh.zabbix.sender")
    sender = Sender(Destination.parse(other.address), ZabbixConfig())
    values = [Value(host, "sent", str(number), int(time.time()), number) for number in range(3)]

    def send(value: Value) -> str:
        """The address that accepted it."""
        caplog.clear()
        assert sender.send([value], Deadline(10)) == Response(1, 0)
        assert not [record for record in caplog.records if record.levelno > logging.DEBUG]
        address, _, words = caplog.messages[-1].rpartition(": ")
        assert words == "1 of 1 values accepted"
        return address

    assert [send(values[0]), send(values[1])] == [own.address] * 2
    group.move(host)
    new, old = group.owner(host, "probe")
    assert (new, old) == (other, own)
    then = group.redirect(host, "probe", old)
    assert (first.address, then.address) == (own.address, other.address)
    assert then.revision > first.revision
    # The sender still believes the first redirect, and asks the proxy that was right then.
    assert send(values[2]) == other.address

    stored = server.wait_history(host, "sent", 3)
    assert [(value.value, value.ns) for value in stored] == [(value.value, value.ns) for value in values]
    (kept,) = server.history(host, "usbrh.get[sim-1]")
    assert (kept.clock * NS + kept.ns, json.loads(kept.value)) == (parse_time(measured["time"]), measured)
