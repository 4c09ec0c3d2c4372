"""A few kills of the service; ``python -m benchmarks.kill`` does hundreds, with a real Zabbix."""

from pathlib import Path

from benchmarks.kill import FakeZabbix, torture


def test_a_killed_service_loses_nothing_and_sends_nothing_twice(tmp_path: Path) -> None:
    server = FakeZabbix()
    try:
        result = torture(server, 6, 1, tmp_path)
    finally:
        server.close()
    assert result.kills == 6
    assert result.journalled >= result.acknowledged >= 9
    assert result.bad == 0
