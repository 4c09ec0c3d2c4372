"""Journal and history, with a scripted front end; tests/zabbix has real ones."""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from types import MappingProxyType
from typing import Any

import pytest

from tests.support.command import usbrh
from tests.support.frontend import FrontEnd
from usbrh.bridge.reconcile import compare
from usbrh.clock import NS
from usbrh.config import Config, ZabbixConfig
from usbrh.journal.reader import JournalReader
from usbrh.journal.store import Journal
from usbrh.reading import Reading, format_time
from usbrh.zabbix.api import Api
from usbrh.zabbix.fake_server import FakeServer

MINUTE = 60 * NS


class Zabbix(FrontEnd):
    """One with these items; what is in ``rows`` is in their history, and what ``trapper`` took."""

    def __init__(self, *keys: str, trapper: FakeServer | None = None, kept: str = "90d") -> None:
        self.rows: set[tuple[str, int]] = set()
        """Key of an item and ns since 1970."""

        def item(params: dict[str, Any]) -> list[dict[str, str]]:
            (key,) = params["filter"]["key_"]
            return [{"itemid": key, "key_": key, "value_type": "4", "history": kept}] if key in keys else []

        def history(params: dict[str, Any]) -> list[dict[str, str]]:
            (key,) = params["itemids"]
            taken = {(each.key, each.clock * NS + each.ns) for each in trapper.values} if trapper else set()
            return [
                {"clock": str(moment // NS), "ns": str(moment % NS)}
                for name, moment in self.rows | taken
                if name == key and params["time_from"] <= moment // NS <= params["time_till"]
            ]

        super().__init__(
            answers={"host.get": lambda params: [{"hostid": "1"}], "item.get": item, "history.get": history}
        )


def readings(sensor: str, *moments: int) -> list[Reading]:
    return [Reading(sensor, "1-1", "USB-RH", moment, 20.0, 50.0, 9.3, 8.6) for moment in moments]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db") as journal:
        yield journal


def lines(journal: Journal, zabbix: Zabbix, *servers: str, options: Sequence[str] = ()) -> "CompletedProcess[str]":
    return usbrh(
        "zabbix", "check", "--since", "30d", *options, USBRH_ZABBIX_URL=zabbix.url, USBRH_ZABBIX_TOKEN="secret",
        USBRH_ZABBIX_HOST="pc", USBRH_ZABBIX_SERVERS=",".join(servers), USBRH_JOURNAL_PATH=str(journal.path),
    )  # fmt: skip


def test_what_waits_or_is_rejected_at_a_destination_is_not_missing(journal: Journal) -> None:
    """Nobody knows which of the destinations the front end belongs to."""
    now = time.time_ns()
    journal.sync_destinations(["a", "b"])
    ids = journal.add(readings("attic", *(now - n * MINUTE for n in (4, 3, 2))))
    journal.acknowledge("b", ids)
    journal.acknowledge("a", ids[:1], {ids[1]: "rejected"})
    zabbix = ZabbixConfig(servers=("a", "b"), host="pc", origin=MappingProxyType({"servers": "a test"}))
    with Zabbix("usbrh.get[attic]") as front_end, Api(front_end.url, token="secret") as api:
        (each,) = compare(Config(zabbix=zabbix), api, JournalReader(journal.path), 0)
        assert (each.ids, each.unsettled) == (ids[:1], 2)
        front_end.rows = {("usbrh.get[attic]", now - 4 * MINUTE)}
        done = lines(journal, front_end, "a", "b")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "attic: waiting or rejected, not compared: 2 readings (see: usbrh journal status)",
        "attic: nothing is missing in usbrh.get[attic]: 1 reading",
    ]


def test_what_waits_for_a_cluster_that_has_one_more_node_is_not_missing(journal: Journal) -> None:
    """The journal learns the new name with the next delivery."""
    journal.sync_destinations(["a", "n1;n2"])
    journal.acknowledge("a", journal.add(readings("attic", time.time_ns() - 2 * MINUTE)))
    zabbix = ZabbixConfig(servers=("n3;N2:10051;n1", "a"), host="pc", origin=MappingProxyType({"servers": "a test"}))
    with Zabbix("usbrh.get[attic]") as front_end, Api(front_end.url, token="secret") as api:
        (each,) = compare(Config(zabbix=zabbix), api, JournalReader(journal.path), 0)
    assert (each.ids, each.unsettled) == ([], 1)


def test_what_is_just_on_its_way_is_not_missing(journal: Journal) -> None:
    now = time.time_ns()
    journal.sync_destinations(["a"])
    journal.acknowledge("a", journal.add(readings("attic", now - MINUTE, now)))
    with Zabbix("usbrh.state[attic]") as front_end:
        front_end.rows = {("usbrh.state[attic]", now - MINUTE)}
        done = lines(journal, front_end, "a")
    assert (done.returncode, done.stdout) == (0, "attic: nothing is missing in usbrh.state[attic]: 1 reading\n")


def test_a_sensor_without_an_item_does_not_keep_the_others_from_being_compared(journal: Journal) -> None:
    now = time.time_ns()
    journal.sync_destinations(["a"])
    journal.acknowledge("a", journal.add(readings("1-1.4", now - MINUTE) + readings("attic", now - MINUTE)))
    with Zabbix("usbrh.get[attic]") as front_end:
        front_end.rows = {("usbrh.get[attic]", now - MINUTE)}
        done = lines(journal, front_end, "a")
    assert done.stdout.splitlines() == [
        "1-1.4: the host keeps no history of usbrh.get[1-1.4] or usbrh.state[1-1.4]",
        "attic: nothing is missing in usbrh.get[attic]: 1 reading",
    ]
    assert done.stderr == "usbrh: not compared: 1-1.4; usbrh zabbix provision links the template\n"
    assert done.returncode == 1


def test_a_sensor_that_the_template_leaves_out_is_no_failure(journal: Journal) -> None:
    now = time.time_ns()
    journal.sync_destinations(["a"])
    journal.acknowledge("a", journal.add(readings("spare", now - MINUTE)))
    with Zabbix("usbrh.get[spare]", kept="0") as front_end:
        done = lines(journal, front_end, "a")
    assert (
        done.stdout
        == "spare: Zabbix accepts the readings and keeps no history: the template's macros exclude this sensor\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_long_time_is_asked_for_in_parts(journal: Journal) -> None:
    now = time.time_ns()
    moments = [now - n * 3600 * NS for n in (1, 2, 7, 8, 24 * 20)]
    journal.sync_destinations(["a"])
    journal.acknowledge("a", journal.add(readings("attic", *moments)))
    with Zabbix("usbrh.get[attic]") as front_end:
        front_end.rows = {("usbrh.get[attic]", moment) for moment in moments}
        done = lines(journal, front_end, "a")
        asked = [call.params for call in front_end.calls if call.method == "history.get"]
    assert done.stdout == "attic: nothing is missing in usbrh.get[attic]: 5 readings\n"
    assert len(asked) == 3
    assert all(each["time_till"] - each["time_from"] < 6 * 3600 for each in asked)


def test_sent_again_beside_a_sensor_that_is_rejected(journal: Journal) -> None:
    """What was rejected before is tried with it, rejected again, and is no reason to fail."""
    now = time.time_ns()
    with FakeServer(reject=lambda value: value.key == "usbrh.get[cellar]") as server:
        journal.sync_destinations([server.address])
        attic, cellar = journal.add(readings("attic", now - MINUTE) + readings("cellar", now - MINUTE))
        journal.acknowledge(server.address, [attic], {cellar: "rejected"})
        with Zabbix("usbrh.get[attic]", trapper=server) as front_end:
            done = lines(journal, front_end, server.address)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == ["sent again: 1 reading", "all of them are in Zabbix now"]


def test_compared_and_sent_again_for_programs(journal: Journal) -> None:
    now = time.time_ns()
    with FakeServer() as server:
        journal.sync_destinations([server.address])
        journal.acknowledge(server.address, journal.add(readings("attic", now - 2 * MINUTE, now - MINUTE)))
        with Zabbix("usbrh.get[attic]", trapper=server) as front_end:
            front_end.rows = {("usbrh.get[attic]", now - 2 * MINUTE)}
            done = lines(journal, front_end, server.address, options=["--json"])
    assert (done.returncode, done.stderr.splitlines()) == (
        0,
        ["sent again: 1 reading", "all of them are in Zabbix now"],
    )
    assert json.loads(done.stdout) == {
        "sensor": "attic",
        "item": "usbrh.get[attic]",
        "readings": 2,
        "missing": 1,
        "first_missing": format_time(now - MINUTE),
        "last_missing": format_time(now - MINUTE),
        "unsettled": 0,
        "left_out": False,
    }


def test_sent_again_while_another_destination_is_away(journal: Journal) -> None:
    now = time.time_ns()
    with FakeServer() as server:
        servers = [server.address, "127.0.0.1:1"]
        journal.sync_destinations(servers)
        ids = journal.add(readings("attic", now - MINUTE))
        for each in servers:
            journal.acknowledge(each, ids)
        with Zabbix("usbrh.get[attic]", trapper=server) as front_end:
            done = lines(journal, front_end, *servers)
    assert done.returncode == 0, done
    assert done.stdout.splitlines()[-1] == "all of them are in Zabbix now"
    assert done.stderr.startswith("another destination: 127.0.0.1:1: no connection")


def test_sent_again_and_rejected(journal: Journal) -> None:
    now = time.time_ns()
    with FakeServer(reject=lambda value: True) as server:
        journal.sync_destinations([server.address])
        journal.acknowledge(server.address, journal.add(readings("attic", now - MINUTE)))
        with Zabbix("usbrh.get[attic]", trapper=server) as front_end:
            done = lines(journal, front_end, server.address)
    assert (done.returncode, "rejected 1 of them; see: usbrh journal status" in done.stderr) == (7, True), done


def test_sent_again_and_nobody_there(journal: Journal) -> None:
    now = time.time_ns()
    journal.sync_destinations(["127.0.0.1:1"])
    journal.acknowledge("127.0.0.1:1", journal.add(readings("attic", now - MINUTE)))
    with Zabbix("usbrh.get[attic]") as front_end:
        done = lines(journal, front_end, "127.0.0.1:1")
    assert (done.returncode, "no connection" in done.stderr) == (6, True), done
