"""Values for a host of a proxy group, sent to the proxy that it does not belong to."""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.daemon import wait_for
from tests.support.journal import readings, states
from tests.support.zabbix.command import usbrh
from tests.support.zabbix.machine import PREPARE
from tests.support.zabbix.proxies import ProxyGroup
from tests.support.zabbix.server import TEXT, UNSIGNED, ZabbixServer
from tests.support.zabbix.server import Value as Stored
from usbrh.bridge.delivery import Delivery
from usbrh.bridge.route import Route
from usbrh.clock import NS, Deadline
from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.errors import ZabbixUnreachable
from usbrh.journal.store import Journal, State
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


def test_a_proxy_that_dies_while_redirects_are_followed(group: ProxyGroup, tmp_path: Path) -> None:
    """Readings wait until the group gives the host to the other proxy, and each is stored once."""
    server = group.server
    host, key = f"orphan-{time.time_ns()}", "usbrh.get[living-room]"
    group.make_host(host, {key: TEXT, "probe": UNSIGNED})
    own, other = group.owner(host, "probe")
    group.redirect(host, "probe", other)
    start = time.time_ns() - 60 * NS
    given = [replace(each, time_ns=start + number * NS) for number, each in enumerate(readings(6))]
    destination = Destination.parse(other.address)
    with Journal(tmp_path / "journal.db") as journal:
        journal.sync_destinations([destination.name])
        delivery = Delivery(journal, Route(destination.name, Sender(destination, ZabbixConfig()), host))
        journal.add(given[:3])
        assert delivery.deliver(Deadline(10)).delivered == 3
        server.wait_history(host, key, 3)  # the proxy has sent them on

        own.kill()
        journal.add(given[3:])
        result = delivery.deliver(Deadline(10))
        assert isinstance(result.error, ZabbixUnreachable)
        assert own.address in result.error.message
        assert (result.delivered, len(journal.waiting(destination.name, 10))) == (0, 3)

        def delivered() -> bool:
            """Retries what the other proxy rejects while it has the host, but not its items."""
            result = delivery.deliver(Deadline(10), retry=True)
            return result.error is None and not result.rejected

        wait_for(f"{other.name} accepts the values of {host}", delivered, 120, 1)
        assert states(journal, destination.name) == [State.DELIVERED] * 6
    expected = [Stored(*divmod(each.time_ns, NS), each.to_json()) for each in given]
    assert server.wait_history(host, key, len(expected)) == expected
