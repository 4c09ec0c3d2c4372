"""A group of two proxies of a Zabbix 7.0 server."""

import json
import os
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tests.support.daemon import Daemon, free_port, listening, wait_for
from tests.support.zabbix.server import ZabbixServer

SETTINGS = """
ProxyMode=0
ListenIP=127.0.0.1
SourceIP=127.0.0.1
# A change arrives within a second, and a value reaches the server within another.
ProxyConfigFrequency=1
DataSenderFrequency=1
HousekeepingFrequency=0
StartPollers=1
StartPollersUnreachable=1
StartPreprocessors=1
StartTrappers=2
StartPingers=0
StartHTTPPollers=0
StartDiscoverers=0
StartDBSyncers=1
LogType=console
"""


@dataclass(frozen=True)
class Redirect:
    """The answer of a proxy that is not responsible for the host."""

    revision: int
    address: str


class Proxy:
    """One zabbix_proxy, which gets its configuration from the server."""

    def __init__(self, server: ZabbixServer, name: str, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self.server = server
        self.name = name
        self.settings = settings
        """Additional lines of zabbix_proxy.conf."""
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.daemon: Daemon | None = None

    def start(self) -> None:
        scratch = self.server.scratch
        program = scratch / "zabbix_proxy"
        if not program.exists():  # a copy: the user zabbix may have no access to the cache
            shutil.copy(self.server.release.proxy, program)
        own = scratch / "var" / self.name
        own.mkdir(exist_ok=True)
        own.chmod(0o777)
        settings = scratch / f"{self.name}.conf"
        settings.write_text(
            f"{SETTINGS}Server={self.server.trapper}\nHostname={self.name}\nListenPort={self.port}\n"
            f"DBName={own}/proxy.db\nPidFile={own}/proxy.pid\nSocketDir={own}\n"
            + "".join(f"{name}={value}\n" for name, value in self.settings.items())
        )
        command = self.server.release.command([str(program), "-f", "-c", str(settings)], "zabbix", (scratch,))
        self.daemon = Daemon(self.name, command, scratch / f"{self.name}.log")
        self.server.daemons.append(self.daemon)
        self.daemon.wait_until(lambda: listening(self.port))

    def kill(self) -> None:
        """End all its processes at once, as a power failure does."""
        assert self.daemon
        os.killpg(self.daemon.process.pid, signal.SIGKILL)
        self.daemon.process.wait(10)

    def stop(self) -> None:
        if self.daemon:
            self.daemon.stop()


class ProxyGroup:
    """Two proxies. Zabbix assigns each host to one of them. The caller closes the group."""

    def __init__(self, server: ZabbixServer, settings: Mapping[str, str] = MappingProxyType({})) -> None:
        self.server = server
        api = server.api
        name = f"group-{time.time_ns()}"
        # 10 s is the minimum that Zabbix accepts.
        self.number = api.proxygroup.create(name=name, failover_delay="10s", min_online="1")["proxy_groupids"][0]
        self.proxies: dict[str, Proxy] = {}
        """The proxies by their ids."""
        for suffix in "ab":
            proxy = Proxy(server, f"{name}-{suffix}", settings)
            made = api.proxy.create(name=proxy.name, operating_mode=0, **self._membership(proxy))
            self.proxies[made["proxyids"][0]] = proxy
            proxy.start()

    def make_host(self, host: str, items: dict[str, int]) -> str:
        """Create a host of the group and return its id."""
        return self.server.make_host(host, items, monitored_by=2, proxy_groupid=self.number)

    def owner(self, host: str, key: str) -> tuple[Proxy, Proxy]:
        """Wait until the host's proxy accepts a value for ``key``. Return that proxy and the other one."""

        wait_for(f"{host} is given to a proxy", lambda: self._given(host) != "0", 60, 0.2)
        number = self._given(host)
        own = self.proxies[number]
        (other,) = (proxy for each, proxy in self.proxies.items() if each != number)
        wait_for("it takes a value", lambda: b"processed: 1;" in self.server.send(host, key, "1", own.port), 60, 0.2)
        return own, other

    def redirect(self, host: str, key: str, asked: Proxy) -> Redirect:
        """Wait until a proxy redirects the host's values, and return where to."""
        reported: dict[str, Any] = {}

        def says() -> bool:
            reported.update(json.loads(self.server.send(host, key, "2", asked.port)[13:]).get("redirect", {}))
            return "address" in reported

        wait_for(f"{asked.name} redirects", says, 60, 0.2)
        return Redirect(reported["revision"], reported["address"])

    def move(self, host: str) -> None:
        """Move the host to the other proxy, without the delay for one that is down."""
        own = self._given(host)
        self.server.api.proxy.update(proxyid=own, proxy_groupid=0)
        wait_for(f"{host} is given to the other proxy", lambda: self._given(host) not in {"0", own}, 60, 0.2)
        self.server.api.proxy.update(proxyid=own, **self._membership(self.proxies[own]))

    def _membership(self, proxy: Proxy) -> dict[str, str]:
        return {"proxy_groupid": self.number, "local_address": "127.0.0.1", "local_port": str(proxy.port)}

    def _given(self, host: str) -> str:
        found = self.server.api.host.get(filter={"host": [host]}, output=["assigned_proxyid"])
        return str(found[0]["assigned_proxyid"])

    def close(self) -> None:
        for host in self.server.api.host.get(proxy_groupids=self.number, output=["hostid"]):
            self.server.api.host.delete(host["hostid"])
        for number, proxy in self.proxies.items():
            proxy.stop()
            self.server.api.proxy.delete(number)
        self.server.api.proxygroup.delete(self.number)
