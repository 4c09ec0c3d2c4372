"""1,000 hosts with usbrh, two real proxies and a real Zabbix 7.0: what arrives, when, and what each part needs.

python -m benchmarks.fleet [--hosts 1000]      as root, with the packages of `make test-zabbix-deps`; 10 minutes

Each host is a whole bridge of usbrh with its virtual sensor, its journal and its name in Zabbix. The hosts have the
template, with all items and triggers, and the default interval. First each of two proxies monitors half of the hosts.
Then 200 hosts belong to a group of two proxies, and one of them is killed. The history of each host is compared with
its journal. PostgreSQL reports when each value became visible.
"""

import argparse
import contextlib
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from benchmarks import processes
from benchmarks.bridges import SENSOR, Bridges
from benchmarks.document import put
from benchmarks.figures import LANGUAGES, machine
from benchmarks.fleet_tables import Killed, Load, Outcome, compare, tables
from tests.support.daemon import wait_for
from tests.support.zabbix.machine import PREPARE, ZABBIX_70, why_not
from tests.support.zabbix.proxies import Proxy, ProxyGroup
from tests.support.zabbix.server import PASSWORD, USER, ZabbixServer
from usbrh.bridge import reconcile
from usbrh.clock import NS
from usbrh.journal.reader import JournalReader
from usbrh.journal.store import Journal
from usbrh.zabbix.api import Api
from usbrh.zabbix.items import state_key

HOSTS = 1000
INTERVAL = 60
"""Of each host, in s."""
GROUPED = 200
"""So many hosts belong to the proxy group."""
SERVER_SETTINGS = {
    "CacheUpdateFrequency": "10",
    "CacheSize": "256M",
    "HistoryCacheSize": "64M",
    "ValueCacheSize": "64M",
    "StartTrappers": "10",
    "StartPollers": "1",
    "StartDBSyncers": "4",
}
PROXY_SETTINGS = MappingProxyType(
    {"ProxyConfigFrequency": "10", "CacheSize": "128M", "StartTrappers": "5", "ProxyBufferMode": "disk"}
)
HISTORY = ("history", "history_uint", "history_str", "history_text", "history_log")


class Fleet:
    """A server, and hosts with the template for trapper items. The caller closes it."""

    def __init__(self, scratch: Path) -> None:
        """Start the server."""
        self.scratch = scratch
        self.names: list[str] = []
        """The hosts."""
        self.ids: list[str] = []
        """Of the hosts."""
        self.server = server = ZabbixServer(ZABBIX_70)
        try:
            server.stop()
            server.database.psql("-c", "ALTER SYSTEM SET track_commit_timestamp = on")
            server.database.stop()
            server.database.start()
            server.settings |= SERVER_SETTINGS
            server.start()
        except BaseException:
            server.close()
            raise

    def close(self) -> None:
        """Stop the server and delete its data."""
        self.server.close()

    def create(self, hosts: int, proxy: str) -> None:
        """Create hosts that this proxy, an id, monitors; a tenth of a second for each."""
        api, group, template = self.server.api, self.server.group("fleet"), self.server.template("trapper")
        common = {
            "groups": [{"groupid": group}],
            "templates": [{"templateid": template}],
            "monitored_by": 1,
            "proxyid": proxy,
        }
        names = [f"fleet-{len(self.names) + number:04}" for number in range(1, hosts + 1)]
        for start in range(0, hosts, 50):
            self.ids += api.host.create(*({"host": name, **common} for name in names[start : start + 50]))["hostids"]
        self.names += names

    def keep(self, hosts: int) -> None:
        """Use only so many hosts from now on, of all parts of the fleet."""
        step = max(1, len(self.names) // hosts)
        self.names, self.ids = self.names[::step], self.ids[::step]

    def move(self, group: str) -> None:
        """Let a proxy group, an id, monitor all hosts."""
        for start in range(0, len(self.ids), 50):
            hosts = [{"hostid": each} for each in self.ids[start : start + 50]]
            self.server.api.host.massupdate(hosts=hosts, monitored_by=2, proxy_groupid=group)

    def rows(self, since: float) -> list[tuple[str, int, float]]:
        """Return the readings with a clock from ``since``: host, time in ns, and when each became visible."""
        answer = self._query(
            "SELECT host, clock * 1000000000::bigint + ns, extract(epoch FROM pg_xact_commit_timestamp(stored.xmin)) "
            "FROM history_str AS stored JOIN items USING (itemid) JOIN hosts USING (hostid) "
            f"WHERE key_ = '{state_key(SENSOR)}' AND clock >= {int(since)}"
        )
        split = (line.split("|") for line in answer.splitlines())
        return [(host, int(time_ns), float(visible)) for host, time_ns, visible in split]

    def values(self, start: float, end: float) -> int:
        """Return how many values with a clock from ``start`` to ``end`` the history has."""
        each = (f"SELECT clock FROM {name} WHERE clock BETWEEN {int(start)} AND {int(end)}" for name in HISTORY)
        return int(self._query(f"SELECT count(*) FROM ({' UNION ALL '.join(each)}) AS every"))

    def bytes_per_value(self) -> float:
        """Return the size of the tables of the history with their indexes, by row."""
        size = " + ".join(f"pg_total_relation_size('{name}')" for name in HISTORY)
        rows = " + ".join(f"(SELECT count(*) FROM {name})" for name in HISTORY)
        return float(self._query(f"SELECT ({size})::float / ({rows})"))

    def wait_until_all_arrive(self, since: float) -> None:
        """Wait until a reading of each host with a clock from ``since`` is visible."""

        def all_arrive() -> bool:
            return len({host for host, _, _ in self.rows(since)}) == len(self.names)

        wait_for("values of all hosts", all_arrive, 900, 3)

    def _query(self, statement: str) -> str:
        sockets = str(self.server.database.sockets)
        done = self.server.run("psql", "-h", sockets, "-U", "zabbix", "-qAtX", "-c", statement, "zabbix")
        if done.returncode:
            raise ChildProcessError(done.stdout)
        return done.stdout


@contextlib.contextmanager
def running(fleet: Fleet, name: str, servers: Mapping[str, str]) -> Iterator[Bridges]:
    """Run the bridges; begin when values of all hosts arrive."""
    start = time.time()
    bridges = Bridges(fleet.scratch / name, servers, INTERVAL)
    bridges.start()
    try:
        fleet.wait_until_all_arrive(start)
        time.sleep(INTERVAL / 2)  # meanwhile, what was rejected before its item existed is sent again
        yield bridges
    finally:
        bridges.stop()


def arrived(fleet: Fleet, bridges: Bridges, start: float, end: float) -> Outcome:
    """Compare the history with the journals when the bridges have ended and nothing more arrives."""
    bridges.flush()
    assert bridges.waiting() == 0
    found: list[int] = []

    def steady() -> bool:
        found.append(len(fleet.rows(start)))
        return len(found) > 3 and len(set(found[-3:])) == 1

    wait_for("the last values", steady, 120, 3)
    measured = {each for each in bridges.measured() if start <= each[1] / NS <= end}
    return compare(measured, [row for row in fleet.rows(start) if start <= row[1] / NS <= end])


def load(fleet: Fleet, proxies: Sequence[Proxy], seconds: float) -> Load:
    """Let the two proxies monitor half of the hosts each, and measure what every part needs."""
    half = len(fleet.names) // 2
    servers = {name: proxies[index >= half].address for index, name in enumerate(fleet.names)}
    with running(fleet, "alone", servers) as bridges:
        database = fleet.server.database.daemon
        assert fleet.server.server
        assert database
        daemons = [each.daemon for each in proxies if each.daemon] + [fleet.server.server, database]
        pids = [each.process.pid for each in daemons] + [each.pid for each in bridges.processes]
        start, before = time.time(), [processes.snapshot(pid) for pid in pids]
        time.sleep(seconds)
        end, after = time.time(), [processes.snapshot(pid) for pid in pids]
    outcome = arrived(fleet, bridges, start, end)
    used = [processes.used(*pair) for pair in zip(before, after, strict=True)]
    parts, own = used[: len(daemons)], sum(each.seconds for each in used[len(daemons) :])
    return Load(INTERVAL, end - start, len(fleet.names), outcome, fleet.values(start, end), own, parts)


def kill(fleet: Fleet, group: ProxyGroup, seconds: float) -> Killed:
    """Kill one proxy of the group; when all values arrive again, start it; then compare and send again."""
    api = fleet.server.api
    members = list(group.proxies.values())
    entry = ";".join(each.address for each in members)
    with running(fleet, "group", dict.fromkeys(fleet.names, entry)) as bridges:
        start = time.time()
        time.sleep(seconds)
        number, victim = next(iter(group.proxies.items()))
        found = api.host.get(hostids=fleet.ids, output=["assigned_proxyid"])
        orphans = sum(each["assigned_proxyid"] == number for each in found)
        victim.kill()
        killed = time.time()
        fleet.wait_until_all_arrive(killed + 1)
        failover = time.time() - killed
        time.sleep(seconds)
        end = time.time()
    outcome = arrived(fleet, bridges, start, end)
    victim.start()
    time.sleep(30)
    later = arrived(fleet, bridges, start, end)
    send_again(fleet, bridges, {host for host, _ in later.missing}, start)
    return Killed(len(fleet.names), orphans, failover, outcome, later, arrived(fleet, bridges, start, end))


def send_again(fleet: Fleet, bridges: Bridges, hosts: set[str], since: float) -> None:
    """Do for some hosts what `usbrh zabbix check --since` does."""
    with Api(fleet.server.url, user=USER, password=PASSWORD) as api:
        for host in sorted(hosts):
            config = bridges.configs[host]
            found = list(reconcile.compare(config, api, JournalReader(config.journal.path), int(since * NS)))
            with Journal(config.journal.path) as journal:
                errors = reconcile.send_again(config, journal, found, allow_simulated=True)
            reconcile.wait_until_stored(api, found, errors)


@contextlib.contextmanager
def standing_alone(server: ZabbixServer) -> Iterator[list[tuple[str, Proxy]]]:
    """Start two proxies without a group. Yields their ids and themselves."""
    proxies = []
    for suffix in "ab":
        proxy = Proxy(server, f"proxy-{suffix}", PROXY_SETTINGS)
        number = server.api.proxy.create(name=proxy.name, operating_mode=0)["proxyids"][0]
        proxy.start()
        proxies.append((number, proxy))
    try:
        yield proxies
    finally:
        for _, proxy in proxies:
            proxy.stop()


def online(group: ProxyGroup) -> bool:
    """Return whether the server has recently heard from all proxies of the group."""
    found = group.server.api.proxy.get(proxyids=list(group.proxies), output=["state"])
    return all(each["state"] == "2" for each in found)


def trial(hosts: int, report: Callable[[str], None]) -> tuple[Load, Killed, float]:
    """Measure both shapes. The number is the size of a value in the database, in bytes."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:  # each host has a disk of its own
        fleet = Fleet(Path(name))
        try:
            report("the server runs")
            with standing_alone(fleet.server) as proxies:
                for number, _ in proxies:
                    fleet.create(hosts // 2, number)
                report(f"{hosts} hosts exist")
                pair = [proxy for _, proxy in proxies]
                loaded = load(fleet, pair, INTERVAL)
                report(f"measured: {loaded}")
                size = fleet.bytes_per_value()
            group = ProxyGroup(fleet.server, PROXY_SETTINGS)
            wait_for("both proxies are online", lambda: online(group), 120, 1)  # otherwise one of them gets all hosts
            fleet.keep(GROUPED)
            fleet.move(group.number)
            report("the hosts belong to a group")
            killed = kill(fleet, group, INTERVAL / 2)
            report(f"killed: {killed}")
        finally:
            fleet.close()
    return loaded, killed, size


def main() -> None:
    """Measure, print and document the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=HOSTS)
    options = parser.parse_args()
    if reason := why_not(ZABBIX_70):
        sys.exit(reason)
    if not ZABBIX_70.proxy.is_file():
        sys.exit(f"the proxy of Zabbix 7.0 is not unpacked: {PREPARE}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that everything is stopped and removed
    logging.getLogger("usbrh").setLevel(logging.CRITICAL)  # what is sent again is part of the trial
    begun = time.monotonic()

    def report(text: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s  {text}"[:600], file=sys.stderr, flush=True)

    loaded, killed, size = trial(options.hosts, report)
    write(loaded, killed, size)
    sys.exit(bool(loaded.outcome.lost or loaded.outcome.twice or killed.after.lost or killed.after.twice))


def write(loaded: Load, killed: Killed, size: float) -> None:
    """Print the tables in both languages, and document them if there were enough hosts."""
    for index, language in enumerate(LANGUAGES):
        for place, text in tables(loaded, killed, size, machine(), index).items():
            print(f"\n{text}")
            if loaded.hosts >= HOSTS:
                put(f"docs/scale{'' if language == 'en' else '.' + language}.md", place, text)


if __name__ == "__main__":
    main()
