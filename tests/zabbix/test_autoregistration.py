"""A machine that no one created as a host: from two lines of configuration to its first readings in the history."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import wait_for
from tests.support.psk import needs_psk, write_psk
from tests.support.zabbix.command import usbrh
from tests.support.zabbix.machine import PREPARE
from tests.support.zabbix.provisioner import Provisioner
from tests.support.zabbix.proxies import Proxy
from tests.support.zabbix.server import ZabbixServer
from usbrh.reading import parse_time

TRAPPER = "USB-RH by Zabbix trapper"
KEY = "7d1e8a40c6b2935f" * 4
ACCEPTED, REJECTED = 0, 7


def provision(server: ZabbixServer, metadata: str, *more: str, **environment: str) -> list[str]:
    """Run ``usbrh zabbix provision --autoregistration`` and return its lines."""
    login = Provisioner(server, "").login | {"USBRH_ZABBIX_METADATA": metadata} | environment
    done = usbrh("zabbix", "provision", "--autoregistration", *more, **login)
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    return done.stdout.splitlines()


class Machine:
    """A machine with one virtual sensor, which nobody has created as a host."""

    def __init__(self, folder: Path, address: str, metadata: str, **environment: str) -> None:
        self.name = f"fresh-{time.time_ns()}"
        self.config = folder / "usbrh.toml"
        self.config.write_text(f'[zabbix]\nservers = ["{address}"]\nautoregister = true\n')
        self.environment = environment | {
            "USBRH_ZABBIX_HOST": self.name,  # stands for the name of the machine
            "USBRH_ZABBIX_METADATA": metadata,  # the tests share a server
            "USBRH_JOURNAL_PATH": str(folder / "journal.db"),
            "USBRH_SIMULATE": "1",
            "USBRH_ALLOW_SIMULATED": "1",
        }
        self.times: set[int] = set()
        """The time of each reading, in ns since 1970."""

    def send(self) -> bool:
        """Run ``usbrh send``, as a timer does; whether everything was accepted."""
        done = usbrh("send", "--json", "--config", str(self.config), **self.environment)
        assert done.returncode in {ACCEPTED, REJECTED}, done.stderr
        self.times.add(parse_time(json.loads(done.stdout.splitlines()[0])["time"]))
        return done.returncode == ACCEPTED

    def in_history(self, server: ZabbixServer) -> bool:
        """Whether each reading is in the history. Low-level discovery may drop the first ones of a new item: not here.

        Until the item exists, the server rejects what is sent to it, and the readings stay in the journal.
        """
        try:
            history = server.history(self.name, "usbrh.temperature[sim-1]")
        except LookupError:
            return False
        return {value.clock * 10**9 + value.ns for value in history} >= self.times

    def enrol(self, server: ZabbixServer, seconds: float = 90) -> None:
        """Send until everything is accepted and in the history."""
        server.sync()  # an announcement that comes before the server knows the action is ignored for two minutes
        assert not self.send()
        wait_for("the new host accepts everything", self.send, seconds, 1.0)
        wait_for("every reading is in the history", lambda: self.in_history(server), 60, 0.5)


@pytest.fixture
def metadata() -> str:
    """Other than that of other tests, whose actions stay on the server."""
    return f"usbrh {time.time_ns()}"


def test_from_two_lines_to_the_history(server: ZabbixServer, tmp_path: Path, metadata: str) -> None:
    """The readings from the time before the host existed arrive too."""
    planned = provision(server, metadata, "--dry-run")
    assert any(
        line.startswith(f'+ create autoregistration action "Autoregistration of {metadata}"') for line in planned
    )
    assert provision(server, metadata) == planned
    assert all(line.startswith("= ") for line in provision(server, metadata))

    machine = Machine(tmp_path, server.trapper, metadata)
    machine.enrol(server)
    host = server.api.host.get(filter={"host": [machine.name]}, selectParentTemplates=["host"])[0]
    assert [template["host"] for template in host["parentTemplates"]] == [TRAPPER]
    registered = usbrh("zabbix", "register", "--config", str(machine.config), **machine.environment)
    assert registered.returncode == 0, registered.stderr
    assert f'host "{machine.name}" is monitored' in registered.stdout


def test_an_action_that_was_changed_by_hand_is_kept(zabbix_70: ZabbixServer, metadata: str) -> None:
    provision(zabbix_70, metadata)
    found = zabbix_70.api.action.get(filter={"name": [f"Autoregistration of {metadata}"]}, output=["actionid"])
    zabbix_70.api.action.update(actionid=found[0]["actionid"], status=1)
    assert [line[0] for line in provision(zabbix_70, metadata) if "action" in line] == ["!"]
    assert [line[0] for line in provision(zabbix_70, metadata, "--force") if "action" in line] == ["+"]
    assert all(line.startswith("= ") for line in provision(zabbix_70, metadata))


@pytest.fixture
def encrypted(server: ZabbixServer) -> Iterator[ZabbixServer]:
    yield server
    server.api.autoregistration.update(tls_accept=1)


@needs_psk
def test_with_psk(encrypted: ZabbixServer, tmp_path: Path, metadata: str) -> None:
    """The new host gets the key of the announcements; without the key nothing is announced."""
    psk = {
        "USBRH_ZABBIX_TLS_CONNECT": "psk",
        "USBRH_ZABBIX_TLS_PSK_IDENTITY": f"id {metadata}",
        "USBRH_ZABBIX_TLS_PSK_FILE": str(write_psk(tmp_path / "key", KEY)),
    }
    assert "+ accept announcements with PSK besides no encryption" in provision(encrypted, metadata, **psk)
    assert all(line.startswith("= ") for line in provision(encrypted, metadata, **psk))
    encrypted.sync()
    machine = Machine(tmp_path, encrypted.trapper, metadata, **psk)
    machine.enrol(encrypted)
    found = encrypted.api.host.get(filter={"host": [machine.name]}, output=["tls_accept"])
    assert found[0]["tls_accept"] == "2"


@pytest.fixture
def proxy(zabbix_70: ZabbixServer) -> Iterator[Proxy]:
    if not zabbix_70.release.proxy.is_file():
        pytest.skip(f"the proxy of Zabbix 7.0 is not unpacked: {PREPARE}")
    proxy = Proxy(zabbix_70, f"enrolling-{time.time_ns()}")
    (number,) = zabbix_70.api.proxy.create(name=proxy.name, operating_mode=0)["proxyids"]
    proxy.start()
    yield proxy
    proxy.stop()
    for host in zabbix_70.api.host.get(proxyids=number, output=["hostid"]):
        zabbix_70.api.host.delete(host["hostid"])
    zabbix_70.api.proxy.delete(number)


def test_through_a_proxy(proxy: Proxy, tmp_path: Path, metadata: str) -> None:
    provision(proxy.server, metadata)
    machine = Machine(tmp_path, proxy.address, metadata)
    machine.enrol(proxy.server, seconds=120)
    (host,) = proxy.server.api.host.get(filter={"host": [machine.name]}, output=["proxyid", "monitored_by"])
    assert host["monitored_by"] == "1"
