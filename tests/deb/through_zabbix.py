"""The installed Debian package and the Zabbix of its own Debian: python -m tests.deb.through_zabbix ROOT SUITE.

ROOT is a root directory of SUITE (bookworm, trixie) with the package usbrh in it, which is configured, provisioned for,
and runs as the bridge there, with that Debian's Python and libraries. The server is of that Debian's packages too, but
not in ROOT: it is the one of tests/zabbix, on this machine or in a separate root directory. The two meet on loopback.
"""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.daemon import Daemon
from tests.support.zabbix.machine import RELEASES, why_not
from tests.support.zabbix.server import PASSWORD, USER, ZabbixServer
from usbrh.reading import parse_time

HOST = "clean-system"
ROUNDS = 4
ENVIRONMENT = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "USBRH_SIMULATE=2")
AS_THE_SERVICE = ("setpriv", "--reuid=usbrh", "--regid=usbrh", "--init-groups")
COLUMNS = ("temperature", "humidity", "dew_point")


class System:
    """The root directory with the package."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def command(self, *arguments: str) -> list[str]:
        return ["chroot", str(self.root), "env", "-i", *ENVIRONMENT, *arguments]

    def run(self, *arguments: str) -> str:
        """What a command there prints.

        Raises:
            ChildProcessError: it failed.
        """
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise ChildProcessError(f"{' '.join(arguments)}: status {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout

    def configure(self, server: str) -> None:
        """Take the comment signs off the lines that a person would, with their values."""
        path = self.root / "etc/usbrh/usbrh.toml"
        text = path.read_text(encoding="utf-8")
        for key, value in (("servers", f'["{server}"]'), ("host", f'"{HOST}"'), ("interval", '"5s"')):
            text, found = re.subn(rf"^#{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
            assert found == 1, f"the configuration has no commented-out {key}"
        path.write_text(text, encoding="utf-8")

    def service_command(self) -> list[str]:
        """What the installed unit starts."""
        unit = self.run("sh", "-c", "cat /usr/lib/systemd/system/usbrh.service /lib/systemd/system/usbrh.service || :")
        found = re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        assert found, "no unit is installed"
        return found[1].split()


def provision(system: System, server: ZabbixServer) -> None:
    """Template and host, by the package's own command, with Debian's pyzabbix."""
    where = system.run("python3", "-c", "import pyzabbix; print(pyzabbix.__file__)")
    assert where.startswith("/usr/lib/python3/dist-packages/"), where
    password = system.root / "root/password"
    password.write_text(f"{PASSWORD}\n")
    password.chmod(0o600)
    login = ("--url", server.url, "--user", USER, "--password-file", "/root/password")
    print(system.run("usbrh", "zabbix", "provision", *login), end="")
    again = system.run("usbrh", "zabbix", "provision", *login)
    assert not re.search("^[+!]", again, re.MULTILINE), again
    server.sync()


def bridge(system: System, server: ZabbixServer) -> None:
    """What the service starts, as the service's user, until values are in Zabbix; and to its end."""
    command = system.command(*AS_THE_SERVICE, *system.service_command(), "--allow-simulated")
    daemon = Daemon("usbrh run", command, server.scratch / "usbrh.log")
    try:
        server.wait_history(HOST, "usbrh.temperature[sim-2]", ROUNDS, seconds=120)
        daemon.process.send_signal(signal.SIGTERM)
        status = daemon.process.wait(30)
        assert status == 0, f"usbrh run ended with status {status}:\n{daemon.log.read_text()}"
    finally:
        daemon.stop()


def compare(system: System, server: ZabbixServer) -> int:
    """Journal and history have the same readings with the same time and values; how many."""
    # A server that does not know its new items yet rejects the first ones; they are sent again now.
    system.run(*AS_THE_SERVICE, "usbrh", "journal", "flush", "--allow-simulated")
    export = system.run(*AS_THE_SERVICE, "usbrh", "journal", "export", "--json")
    readings = [json.loads(line) for line in export.splitlines()]
    for sensor in ("sim-1", "sim-2"):
        own = [reading for reading in readings if reading["sensor"] == sensor]
        assert len(own) >= ROUNDS
        assert {each["state"] for reading in own for each in reading["destinations"]} == {"delivered"}, export
        for column in COLUMNS:
            rows = server.wait_history(HOST, f"usbrh.{column}[{sensor}]", len(own), seconds=60)
            stored = [(row.clock * 10**9 + row.ns, float(row.value)) for row in rows]
            kept = [(parse_time(reading["time"]), reading[column]) for reading in own]
            assert stored == kept, f"{column} of {sensor}: Zabbix has {stored}, the journal {kept}"
    return len(readings)


def main() -> None:
    root, suite = Path(sys.argv[1]), sys.argv[2]
    release = next(release for release in RELEASES if release.suite == suite)
    reason = why_not(release)
    if reason:
        sys.exit(reason)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    system = System(root)
    server = ZabbixServer(release)
    try:
        system.configure(server.trapper)
        provision(system, server)
        bridge(system, server)
        count = compare(system, server)
    finally:
        server.close()
    version = release.package_version("zabbix-server-pgsql")
    print(f"{count} readings of 2 virtual sensors: the same in the journal and in Zabbix {version}")


if __name__ == "__main__":
    main()
