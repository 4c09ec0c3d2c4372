"""A real Zabbix on 127.0.0.1 for one test session: database, server, front end with API, agents on demand."""

import json
import shutil
import socket
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import requests
from pyzabbix.api import ZabbixAPI

from tests.support.daemon import Daemon, free_port, listening, scratch_directory, wait_for
from tests.support.zabbix.database import POOL_PORT, Database
from tests.support.zabbix.machine import Release

CHECKOUT = Path(__file__).parents[3]
USER, PASSWORD = "Admin", "snow-on-9-roofs"
"""Not the default password: that is part of many names, so tests could not search output for it."""
PASSWORD_HASH = "$2y$04$26OSEkgcbsEWBFEreubGIeWMUPOWDBmRNkaZVJAIAsPJkXsc/g/iK"
"""Made with PHP: ``password_hash(PASSWORD, PASSWORD_BCRYPT, ["cost" => 4])``. The tests log in hundreds of times."""
FLOAT, CHARACTER, LOG, UNSIGNED, TEXT = range(5)  # value types
TRAPPER = 2

UPDATE_SECONDS = {"6.0": 2, "7.0": 1}
"""Until a server sees new hosts and items. The default of 60 s is for larger servers. If 6.0 reads its configuration
twice in a second, its preprocessing manager does not notice the second time, and values of new items are lost."""
SERVER_SETTINGS = """
ListenIP=127.0.0.1
SourceIP=127.0.0.1
DBName=zabbix
DBUser=zabbix
AllowUnsupportedDBVersions=1
HousekeepingFrequency=0
ProblemHousekeepingFrequency=3600
StartDBSyncers=2
StartPollers=3
StartPollersUnreachable=1
StartTrappers=5
StartPreprocessors=2
StartPingers=0
StartDiscoverers=0
StartHTTPPollers=0
StartProxyPollers=0
StartEscalators=1
StartAlerters=1
CacheSize=32M
StatsAllowedIP=127.0.0.1
"""

FRONTEND_SETTINGS = """<?php
$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '{sockets}', 'PORT' => '{pool}', 'DATABASE' => 'zabbix', 'USER' => 'zabbix',
    'PASSWORD' => '', 'SCHEMA' => '', 'ENCRYPTION' => false, 'DOUBLE_IEEE754' => true];
$ZBX_SERVER = '127.0.0.1';
$ZBX_SERVER_PORT = '{port}';
$ZBX_SERVER_NAME = '';
$IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
"""

AgentKind = Literal["zabbix_agentd", "zabbix_agent2"]


@dataclass(frozen=True)
class Value:
    """One row of an item's history."""

    clock: int
    ns: int
    value: str


class ZabbixServer:
    """A Zabbix server of one release with its initial data. The caller closes it."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.scratch = scratch_directory(f"zabbix-{release.name}")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{free_port()}"
        self.trapper = f"127.0.0.1:{self.port}"
        self.database = Database(release, self.scratch)
        self.daemons: list[Daemon] = []
        self.server: Daemon | None = None
        self.settings: dict[str, str] = {}
        """Additional lines of zabbix_server.conf, for the next start."""
        self._settings_file = self.scratch / "zabbix_server.conf"
        try:
            self.database.copy(release.loaded_database())
            self.database.start()
            # Zabbix would poll the host of the initial data, whatever program listens on its port.
            self.database.psql("-c", "UPDATE hosts SET status = 1 WHERE host = 'Zabbix server'", "zabbix")
            self.database.psql("-c", f"UPDATE users SET passwd = '{PASSWORD_HASH}' WHERE username = '{USER}'", "zabbix")
            self.start()
            self._start_frontend()
            self.api = self.login()
        except BaseException:
            self.close()
            raise

    def login(self) -> ZabbixAPI:
        """Start a new session of the administrator."""
        session = requests.Session()
        session.trust_env = False  # no proxy between here and 127.0.0.1
        api = ZabbixAPI(self.url, session=session, timeout=60)
        api.login(USER, PASSWORD)
        return api

    def start(self) -> None:
        """Start the Zabbix server, also again after ``stop``. The port stays the same."""
        self._settings_file.write_text(
            f"{SERVER_SETTINGS}ListenPort={self.port}\nDBHost={self.database.sockets}\n"
            f"CacheUpdateFrequency={UPDATE_SECONDS[self.release.name]}\n"
            f"LogType=console\nPidFile={self.scratch}/var/zabbix_server.pid\nSocketDir={self.scratch}/var\n"
            + "".join(f"{name}={value}\n" for name, value in self.settings.items())
        )
        command = ["/usr/sbin/zabbix_server", "-f", "-c", str(self._settings_file)]
        self.server = self._daemon("zabbix_server", command, "zabbix")
        self.server.wait_until(lambda: listening(self.port))

    def stop(self) -> None:
        """Stop the Zabbix server: connections are rejected. The database and the front end keep running."""
        if self.server:
            self.server.stop()

    def close(self) -> None:
        """Stop everything and remove all files."""
        for daemon in self.daemons:
            daemon.stop()
        self.database.stop()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def sync(self) -> None:
        """Wait until the server uses the present configuration.

        For that a new host is made and sent to. Sending to one's own would prove nothing: a server goes on taking
        values for a host that was deleted and made again under its name, and throws them away.
        """
        name = f"sync-{time.time_ns()}"
        host = self.make_host(name, {"probe": UNSIGNED})
        try:
            self._reload()
            wait_for("the server has read its configuration", lambda: self._takes(name, "probe"), 60)
            wait_for("the server has read its triggers, too", self._has_read_all, 60)
        finally:
            self.api.host.delete(host)

    def _has_read_all(self) -> bool:
        """Whether the process that reads the configuration waits, as its title shows. It reads triggers after items."""
        assert self.server
        main = Path("/proc") / str(self.server.process.pid)
        for child in (main / "task" / main.name / "children").read_text().split():
            title = (main.parent / child / "cmdline").read_bytes()
            if b": configuration syncer [" in title:
                return b"idle" in title
        return False

    def _reload(self) -> None:
        """Make Zabbix 7.0 read its configuration now. 6.0 must not (``UPDATE_SECONDS``)."""
        if self.release.name != "6.0":
            done = self.run("/usr/sbin/zabbix_server", "-c", str(self._settings_file), "-R", "config_cache_reload")
            assert done.returncode == 0, done.stdout

    def make_host(self, host: str, items: dict[str, int] | None = None, **more: Any) -> str:
        """Create a host with trapper items (key to value type), and return its id. ``sync`` before sending to it."""
        number: str = self.api.host.create(host=host, groups=[{"groupid": self.group("tests")}], **more)["hostids"][0]
        for key, value_type in (items or {}).items():
            self.api.item.create(hostid=number, name=key, key_=key, type=TRAPPER, value_type=value_type)
        return number

    def group(self, name: str) -> str:
        """Return the id of a host group. Create the group if it is missing."""
        found = self.api.hostgroup.get(filter={"name": [name]}, output=["groupid"])
        return str(found[0]["groupid"] if found else self.api.hostgroup.create(name=name)["groupids"][0])

    def template(self, form: str) -> str:
        """Return the id of a template (``trapper``, ``agent``, ``agent_active``). Import it if it is missing."""
        name = f"USB-RH by Zabbix {form.replace('_', ' ')}"
        found = self.api.template.get(filter={"host": [name]}, output=["templateid"])
        if not found:
            self.import_template(form)
            found = self.api.template.get(filter={"host": [name]}, output=["templateid"])
        return str(found[0]["templateid"])

    def import_template(self, form: str) -> None:
        """Import that template in English, also if it exists."""
        self.import_file(CHECKOUT / "zabbix" / "templates" / self.release.name / f"usbrh_{form}.yaml")

    def delete_hosts(self) -> None:
        """Delete all hosts but that of the initial data."""
        hosts = self.api.host.get(output=["hostid", "host"])
        if own := [host["hostid"] for host in hosts if host["host"] != "Zabbix server"]:
            self.api.host.delete(*own)

    def import_rules(self) -> dict[str, Any]:
        kinds = ["templates", "items", "triggers", "graphs", "discoveryRules", "valueMaps", "templateDashboards"]
        kinds += ["groups"] if self.release.name == "6.0" else ["template_groups", "host_groups"]
        return {kind: {"createMissing": True, "updateExisting": True} for kind in kinds}

    def import_file(self, path: Path) -> None:
        source = path.read_text(encoding="utf-8")
        assert self.api.configuration["import"](format="yaml", source=source, rules=self.import_rules()) is True

    def compare_file(self, path: Path) -> Any:
        """Return what an import of the file would change; [] if nothing."""
        source = path.read_text(encoding="utf-8")
        return self.api.configuration.importcompare(format="yaml", source=source, rules=self.import_rules())

    def check_now(self, itemid: str) -> None:
        """Make the server poll an item of a passive agent at once."""
        self.api.task.create({"type": 6, "request": {"itemid": itemid}})

    def item(self, host: str, key: str) -> dict[str, Any]:
        """Return one item by host name and key."""
        found = self.api.item.get(host=host, filter={"key_": [key]}, output="extend", webitems=False)
        if not found:
            raise LookupError(f"host {host} has no item {key}")
        return dict(found[0])

    def history(self, host: str, key: str) -> list[Value]:
        """Return all stored values of an item, oldest first."""
        item = self.item(host, key)
        rows = self.api.history.get(itemids=[item["itemid"]], history=int(item["value_type"]), output="extend")
        return sorted((Value(int(row["clock"]), int(row["ns"]), row["value"]) for row in rows),
                      key=lambda value: (value.clock, value.ns))  # fmt: skip

    def wait_history(self, host: str, key: str, count: int = 1, seconds: float = 60.0) -> list[Value]:
        """Wait until ``history`` has ``count`` rows, and return them. The server writes once per second."""

        def enough() -> bool:
            try:
                return len(self.history(host, key)) >= count
            except LookupError:  # low-level discovery has not created it yet
                return False

        wait_for(f"{count} values of {host} {key}", enough, seconds, 0.2)
        return self.history(host, key)

    def library(self) -> Path:
        """Return a folder with the package, for the ``usbrh`` of the agents.

        It is a copy, because the user zabbix may have no access to the checkout.
        """
        library = self.scratch / "lib"
        if not library.exists():
            shutil.copytree(CHECKOUT / "usbrh", library / "usbrh", ignore=shutil.ignore_patterns("__pycache__"))
            # As the installation of a package does.
            self.run("/usr/bin/python3", "-m", "compileall", "-q", str(library), user="root")
        return library

    def agent(
        self, kind: AgentKind, user_parameters: Path | None = None, environment: str = "", **settings: str
    ) -> "Agent":
        """Start an agent with the UserParameters of that file, and additional settings. The caller closes it.

        ``environment``: lines of VARIABLE=value for each ``usbrh`` that it runs; ``{directory}`` is the agent's own.
        """
        return Agent(self, kind, user_parameters, environment, settings)

    def run(self, *arguments: str, user: str = "zabbix", **more: Any) -> "subprocess.CompletedProcess[str]":
        """Run a program of this release, such as zabbix_get. ``stdout`` of the result includes stderr."""
        command = self.release.command(list(arguments), user, (self.scratch,))
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)

    def _daemon(self, name: str, command: list[str], user: str, etc: Path | None = None) -> Daemon:
        wrapped = self.release.command(command, user, (self.scratch,), etc)
        daemon = Daemon(name, wrapped, self.scratch / f"{name}.log", lasting=True)
        self.daemons.append(daemon)
        return daemon

    def _start_frontend(self) -> None:
        self.database.start_pool()
        etc = self.scratch / "etc-zabbix"
        etc.mkdir()
        (etc / "zabbix.conf.php").write_text(
            FRONTEND_SETTINGS.replace("{sockets}", str(self.database.sockets))
            .replace("{pool}", str(POOL_PORT))
            .replace("{port}", str(self.port))
        )
        shutil.copytree(self.release.cache / "locale", self.scratch / "locale")
        address = self.url.removeprefix("http://")
        limits = {"max_execution_time": "300", "max_input_time": "300", "post_max_size": "32M", "memory_limit": "256M",
                  "date.timezone": "UTC", "session.save_path": f"{self.scratch}/var", "opcache.enable_cli": "1",
                  "display_errors": "0"}  # fmt: skip
        command = ["env", f"LOCPATH={self.scratch}/locale", "php", "-S", address, "-t", "/usr/share/zabbix"]
        for name, value in limits.items():
            command += ["-d", f"{name}={value}"]
        frontend = self._daemon("php", command, "www-data", etc)
        frontend.wait_until(lambda: listening(int(address.rpartition(":")[2])))

    def add_locale(self, name: str) -> None:
        """Let the front end speak another language, such as ``ja_JP``."""
        target = self.scratch / "locale" / f"{name}.UTF-8"
        if not target.exists():
            made = self.scratch / "var" / target.name
            done = self.run("localedef", "--no-archive", "-i", name, "-f", "UTF-8", str(made), user="root")
            assert done.returncode == 0, done.stdout
            shutil.copytree(made, target)

    def send(self, host: str, key: str, value: str, port: int | None = None) -> bytes:
        """Send one value to the server or a proxy, without the code under test. Return the answer."""
        return self._request([{"host": host, "key": key, "value": value}], port)

    def send_values(self, host: str, values: list[tuple[str, str, int]]) -> None:
        """Send many values (key, value, ns since 1970). The server must accept all of them."""
        data = [
            {"host": host, "key": key, "value": value, "clock": moment // 10**9, "ns": moment % 10**9}
            for key, value, moment in values
        ]
        answer = self._request(data)
        assert f"processed: {len(values)}; failed: 0" in answer.decode(), answer

    def _request(self, data: list[dict[str, Any]], port: int | None = None) -> bytes:
        body = json.dumps({"request": "sender data", "data": data}).encode()
        with socket.create_connection(("127.0.0.1", port or self.port), timeout=10) as link:
            link.sendall(b"ZBXD\x01" + struct.pack("<II", len(body), 0) + body)
            return b"".join(iter(lambda: link.recv(65536), b""))

    def _takes(self, host: str, key: str) -> bool:
        try:
            return b"processed: 1;" in self.send(host, key, "1")
        except OSError:
            return False


class Agent:
    """A running zabbix_agentd or zabbix_agent2. The Python of the release runs the ``usbrh`` of its commands."""

    def __init__(
        self,
        server: ZabbixServer,
        kind: AgentKind,
        user_parameters: Path | None,
        environment: str,
        settings: dict[str, str],
    ) -> None:
        self.server = server
        self.port = free_port()
        self.host = f"{kind}-{self.port}"
        self.directory = server.scratch / self.host
        self.directory.mkdir()
        library = server.library()
        self.environment = self.directory / "environment"
        self.environment.write_text(environment.replace("{directory}", str(self.directory)))
        program = self.directory / "usbrh"
        program.write_text(
            f'#!/bin/sh\nset -a\n. {self.environment}\nPYTHONPATH={library}\nexec /usr/bin/python3 -m usbrh "$@"\n'
        )
        program.chmod(0o755)
        lines = {
            "ListenIP": "127.0.0.1", "ListenPort": str(self.port), "SourceIP": "127.0.0.1", "Server": "127.0.0.1",
            "ServerActive": server.trapper, "Hostname": self.host, "LogType": "console",
            "PidFile": f"{server.scratch}/var/{self.host}.pid", "BufferSend": "1",
            "RefreshActiveChecks": "60" if server.release.name == "6.0" else "1", "UnsafeUserParameters": "0",
        }  # fmt: skip
        if kind == "zabbix_agent2":
            lines["ControlSocket"] = f"{server.scratch}/var/{self.host}.sock"
            lines["PluginSocket"] = f"{server.scratch}/var/{self.host}-plugin.sock"
        else:
            lines["StartAgents"] = "5"
        if user_parameters:
            included = self.directory / user_parameters.name
            # A folder of this agent, instead of that of the machine's own service.
            included.write_text(user_parameters.read_text().replace("/run/usbrh", str(self.directory)))
            lines["Include"] = str(included)
        config = self.directory / f"{kind}.conf"
        config.write_text("".join(f"{key}={value}\n" for key, value in (lines | settings).items()))
        path = f"PATH={self.directory}:/usr/sbin:/usr/bin:/sbin:/bin"
        command = ["env", path, f"/usr/sbin/{kind}", "-f", "-c", str(config)]
        wrapped = server.release.command(command, "zabbix", (server.scratch,))
        self.daemon = Daemon(self.host, wrapped, server.scratch / f"{self.host}.log")
        server.daemons.append(self.daemon)
        self.daemon.wait_until(lambda: listening(self.port))

    def get(self, key: str, seconds: float = 10.0) -> str:
        """Return what zabbix_get prints."""
        done = self.server.run("zabbix_get", "-s", "127.0.0.1", "-p", str(self.port), "-k", key, timeout=seconds)
        return done.stdout.removesuffix("\n")

    def interface(self) -> dict[str, Any]:
        """Return the interface of a host that the server polls through this agent."""
        return {"type": 1, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": str(self.port)}

    def close(self) -> None:
        self.daemon.stop()
