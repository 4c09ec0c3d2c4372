"""`usbrh zabbix check` with two Zabbixes. This file is the last one, so that the other server runs for it alone."""

import time
from pathlib import Path

from tests.support.zabbix.command import STORED_SOON, usbrh
from tests.support.zabbix.provisioner import Provisioner
from tests.support.zabbix.server import TEXT, ZabbixServer


def test_two_zabbixes(zabbix_70: ZabbixServer, zabbix_60: ZabbixServer, tmp_path: Path) -> None:
    """The front end is that of one of them."""
    host = f"check-{time.time_ns()}"
    for server in (zabbix_70, zabbix_60):
        server.make_host(host, {"usbrh.bridge": TEXT})
        server.sync()
    environment = Provisioner(zabbix_70, host).login | {
        "USBRH_ZABBIX_SERVERS": f"{zabbix_60.trapper},{zabbix_70.trapper}", "USBRH_ZABBIX_HOST": host,
        "USBRH_JOURNAL_PATH": str(tmp_path / "journal.db"), "USBRH_SIMULATE": "1", "USBRH_ALLOW_SIMULATED": "1",
    }  # fmt: skip
    done = usbrh("zabbix", "check", before=STORED_SOON, **environment)
    assert done.returncode == 0, done
    assert f"{zabbix_70.trapper}: the value is in the history of usbrh.bridge after" in done.stdout
    assert (
        f"warning      history        {zabbix_60.trapper}: the value is not in this front end's Zabbix" in done.stdout
    )
