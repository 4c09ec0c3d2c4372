"""One ``usbrh send``, in this process."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.journal import readings
from usbrh.bridge.batches import BATCH
from usbrh.bridge.once import send_once
from usbrh.config import Config, JournalConfig, ZabbixConfig
from usbrh.journal.store import Journal
from usbrh.simulator import VirtualClock, backend_from_environment
from usbrh.zabbix.fake_server import FakeServer


def test_a_backlog_too_long_for_one_send_leaves_time_for_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    monkeypatch.setattr("usbrh.bridge.once.SEND_SECONDS", 3.0)
    monkeypatch.setattr("usbrh.bridge.once.BACKLOG_SHARE", 0.5)
    with FakeServer() as server:
        take = server.respond

        def slowly(request: dict[str, Any], packet: bytes) -> Any:
            time.sleep(0.1)
            return take(request, packet)

        server.respond = slowly  # type: ignore[method-assign]
        path = tmp_path / "journal.db"
        with Journal(path) as journal:
            journal.sync_destinations([server.address])
            journal.add(readings(20 * BATCH))
        config = Config(zabbix=ZabbixConfig(servers=(server.address,), host="pc"), journal=JournalConfig(path=path))
        result = send_once(config, allow_simulated=True).results[server.address]
        assert (result.out_of_time, result.error) == (True, None)
        assert server.values[-1].key == "usbrh.bridge"
        readings_sent = [value for value in server.values if value.key.startswith("usbrh.get")]
        assert readings_sent[0].key == "usbrh.get[sim-1]", "the new reading goes first"
        assert len(readings_sent) == 1 + result.delivered
        assert len(server.values) == 1 + len(readings_sent) + 1


def test_the_last_tenth_of_the_time_is_for_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usbrh.bridge.batches.BATCH", 10)
    clock = VirtualClock()
    monkeypatch.setattr("usbrh.sensors.default_bus", lambda: backend_from_environment("1", clock))
    sent: list[tuple[float, str]] = []
    with FakeServer() as server, Journal(tmp_path / "journal.db", clock=clock) as journal:
        take = server.respond

        def slowly(request: dict[str, Any], packet: bytes) -> Any:
            sent.append((clock.monotonic(), request["data"][0]["key"]))
            clock.sleep(0.25)
            return take(request, packet)

        server.respond = slowly  # type: ignore[method-assign]
        journal.sync_destinations([server.address])
        journal.add([replace(each, time_ns=clock.time_ns() - number) for number, each in enumerate(readings(1000))])
        zabbix = ZabbixConfig(servers=(server.address,), host="pc")
        config = Config(zabbix=zabbix, journal=JournalConfig(path=journal.path))
        assert send_once(config, allow_simulated=True, clock=clock).results[server.address].out_of_time
    *_, (last, key), (moment, state) = sent
    assert (sent[0][1], key, state) == ("usbrh.discovery", "usbrh.get[living-room]", "usbrh.bridge")
    assert 20 < last < moment < 23.2, "25 s for all of it"


def test_a_server_that_hangs_at_readings_gets_the_state_nevertheless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise Zabbix would report that usbrh sends no data. After some runs the readings count as rejected."""
    monkeypatch.setenv("USBRH_SIMULATE", "1")
    monkeypatch.setattr("usbrh.bridge.once.SEND_SECONDS", 4.0)
    end = threading.Event()
    with FakeServer() as server:
        respond = server.respond

        def hang(request: dict[str, Any], packet: bytes) -> Any:
            if any(value["key"] == "usbrh.get[sim-1]" for value in request["data"]):
                end.wait(5)
                return None
            return respond(request, packet)

        server.respond = hang  # type: ignore[method-assign]
        zabbix = ZabbixConfig(servers=(server.address,), host="pc", timeout=1.5)
        config = Config(zabbix=zabbix, journal=JournalConfig(path=tmp_path / "journal.db"))
        for count in (1, 2, 3):
            result = send_once(config, allow_simulated=True).results[server.address]
            assert [value.key for value in server.values] == ["usbrh.discovery", "usbrh.bridge"] * count
        assert (result.waiting, result.rejected, result.error) == (0, 3, None)
        end.set()
