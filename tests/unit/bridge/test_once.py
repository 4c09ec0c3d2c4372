"""One ``usbrh send``, in this process."""

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.journal import readings
from usbrh.bridge.batches import BATCH
from usbrh.bridge.once import send_once
from usbrh.config import Config, JournalConfig, ZabbixConfig
from usbrh.journal.store import Journal
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
