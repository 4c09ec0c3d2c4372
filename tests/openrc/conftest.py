"""Systems without systemd, with usbrh in them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import openrc
from tests.support.kernel.guest import build_wheel
from usbrh.zabbix.fake_server import FakeServer

SENDMAIL = "#!/bin/sh\ncat >>/var/log/mail\n"
MAILING = "* * * * * root echo this line sends a mail; : another line"
VIRTUAL = "USBRH_SIMULATE=1\nUSBRH_ALLOW_SIMULATED=1\n"


@pytest.fixture(scope="package")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    if reason := openrc.why_not():
        pytest.skip(reason)
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="package", autouse=True)
def cron(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[openrc.CronSystem]:
    """A system without OpenRC. It starts with the first test of the folder, because cron waits for the next minute."""
    with FakeServer() as server, closing(openrc.System(tmp_path_factory.mktemp("cron") / "system")) as system:
        system.install(wheel)
        system.path("/sbin/openrc-run").unlink()
        system.put("/usr/sbin/sendmail", SENDMAIL, mode=0o755)
        note = system.do("usbrh setup")
        [line] = [each.strip() for each in note.splitlines() if "* * * * *" in each]
        system.put("/etc/cron.d/usbrh", f"{VIRTUAL}{line}\n{MAILING}\n")
        servers = f'["{server.address}", "{openrc.ABSENT}"]'
        system.put("/etc/usbrh/usbrh.toml", f'[zabbix]\nservers = {servers}\nhost = "guest"\n')
        assert "cron" not in system.do("usbrh setup")
        system.do("cron")
        yield openrc.CronSystem(system, server)
