"""16 sensors behind one agent, each polled every 10 s by a real Zabbix server.

python -m benchmarks.polling [--minutes 3]     as root, with the packages of `make test-zabbix-deps`
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.document import put
from tests.support.daemon import Daemon
from tests.support.zabbix.machine import ZABBIX_60, ZABBIX_70, Release, why_not
from tests.support.zabbix.server import CHECKOUT, PASSWORD, USER, Agent, AgentKind, ZabbixServer
from usbrh.journal.store import Journal

SENSORS = 16
INTERVAL = 10
CONF = CHECKOUT / "zabbix" / "zabbix_agentd.d" / "usbrh.conf"
START_AGENTS = {"6.0": "3", "7.0": "10"}
"""zabbix_agentd's defaults."""
TROUBLE = re.compile(r"time[d-]? ?out|not supported|network error|temporarily disabling|unavailable", re.IGNORECASE)


@dataclass(frozen=True)
class Case:
    """One combination of release, agent and service."""

    release: Release
    agent: AgentKind
    service: bool
    """Whether `usbrh run` measures in parallel with the agent."""
    timeout: int | None = None
    """Timeout of server and agent in seconds. None: 4 (server, set by Debian) and 3 (agent, its default)."""


CASES = (
    Case(ZABBIX_60, "zabbix_agentd", service=True),
    Case(ZABBIX_60, "zabbix_agentd", service=True, timeout=10),
    Case(ZABBIX_60, "zabbix_agent2", service=True, timeout=10),
    Case(ZABBIX_60, "zabbix_agentd", service=False, timeout=10),
    Case(ZABBIX_70, "zabbix_agentd", service=True),
    Case(ZABBIX_70, "zabbix_agent2", service=True),
    Case(ZABBIX_70, "zabbix_agentd", service=False),
)
"""The template for 7.0 sets its own time-out."""


@dataclass(frozen=True)
class Polled:
    """The result of polling all sensors for some minutes."""

    due: int
    answered: int
    """Rows in the history of the state; each answer adds one."""
    values: int
    """Rows in the history of the temperature."""
    unsupported: int
    """Unsupported items, summed over all checks."""
    trouble: tuple[str, ...]
    """Lines in the logs of server and agent about a time-out or an unsupported item."""
    at_once: int
    """Largest number of answers in one second."""
    load: float
    """Mean load of the machine, including other processes."""

    @property
    def missed(self) -> int:
        """Polls without an answer."""
        return max(0, self.due - self.answered)


@contextlib.contextmanager
def service(journal: Path) -> Iterator[None]:
    """Run `usbrh run`, which sends nothing itself."""
    runtime = journal.parent.parent
    (runtime / "readings").mkdir()
    (runtime / "readings").chmod(0o755)  # for the agent's user, who is not in the group here
    settings = journal.parent / "usbrh.toml"
    settings.write_text("[zabbix]\nservers = []\n")
    environment = {
        "USBRH_CONFIG": str(settings),
        "USBRH_SIMULATE": str(SENSORS),
        "USBRH_ALLOW_SIMULATED": "1",
        "USBRH_JOURNAL_PATH": str(journal),
        "RUNTIME_DIRECTORY": str(runtime),
        "USBRH_BRIDGE_INTERVAL": f"{INTERVAL}s",
    }
    command = ["env", *(f"{name}={value}" for name, value in environment.items())]
    daemon = Daemon("usbrh", [*command, sys.executable, "-m", "usbrh", "run"], journal.parent / "usbrh.log")
    try:
        daemon.wait_until(journal.exists)
        yield
    finally:
        daemon.stop()


def provision(server: ZabbixServer, agent: Agent) -> str:
    """Provision the host, wait until each sensor has a value, and return its id."""
    environment = os.environ | {
        "USBRH_ZABBIX_URL": server.url,
        "USBRH_ZABBIX_USER": USER,
        "USBRH_ZABBIX_PASSWORD": PASSWORD,
        "USBRH_BRIDGE_INTERVAL": f"{INTERVAL}s",
    }
    command = [sys.executable, "-m", "usbrh", "zabbix", "provision", "--host", agent.host, "--method", "agent"]
    command += ["--interface", f"127.0.0.1:{agent.port}"]
    subprocess.run(command, env=environment, capture_output=True, check=True)
    server.sync()
    host: str = server.api.host.get(filter={"host": [agent.host]}, output=["hostid"])[0]["hostid"]
    for rule in server.api.discoveryrule.get(hostids=host, output=["itemid"]):
        server.check_now(rule["itemid"])
    for number in range(1, SENSORS + 1):
        server.wait_history(agent.host, f"usbrh.state[sim-{number}]", 1, 120)
    return host


def unsupported(server: ZabbixServer, host: str) -> list[dict[str, Any]]:
    """Return the unsupported items of a host."""
    found: list[dict[str, Any]] = server.api.item.get(host=host, filter={"state": 1}, output=["key_", "error"])
    return found


def count(server: ZabbixServer, agent: Agent, seconds: float) -> Polled:
    """Wait, and count the answers. The count starts and ends in the middle between two polls of a sensor."""
    first = {}
    for number in range(1, SENSORS + 1):
        first[number] = server.history(agent.host, f"usbrh.state[sim-{number}]")[-1].clock + INTERVAL / 2
    assert server.server
    logs = {daemon.log: daemon.log.stat().st_size for daemon in (server.server, agent.daemon)}
    end = max(first.values()) + seconds + INTERVAL / 2
    bad, load = 0, []
    while time.time() < end:
        bad += len(unsupported(server, agent.host))
        load.append(os.getloadavg()[0])
        time.sleep(min(5.0, max(0.0, end - time.time())))

    def clocks(key: str) -> list[int]:
        return [
            value.clock
            for number, begin in first.items()
            for value in server.history(agent.host, f"{key}[sim-{number}]")
            if begin <= value.clock < begin + seconds
        ]

    lines = []
    for log, size in logs.items():
        lines += log.read_bytes()[size:].decode(errors="replace").splitlines()
    answers = clocks("usbrh.state")
    return Polled(
        due=SENSORS * round(seconds / INTERVAL),
        answered=len(answers),
        values=len(clocks("usbrh.temperature")),
        unsupported=bad,
        trouble=tuple(line for line in lines if TROUBLE.search(line)),
        at_once=max(Counter(answers).values()),
        load=mean(load),
    )


def from_the_journal(server: ZabbixServer, host: str, journal: Path) -> bool:
    """Return whether the service measured each value in the history."""
    with Journal(journal) as opened:
        measured = {(entry.sensor, entry.reading.temperature) for entry, _ in opened.export()}
    found = {
        (f"sim-{number}", float(value.value))
        for number in range(1, SENSORS + 1)
        for value in server.history(host, f"usbrh.temperature[sim-{number}]")
    }
    return found <= measured


def poll(server: ZabbixServer, case: Case, seconds: float) -> Polled:
    """Poll one agent with 16 virtual sensors, and remove agent, service and host afterwards."""
    environment = f"USBRH_SIMULATE={SENSORS}\nUSBRH_JOURNAL_PATH={{directory}}/journal/journal.db\n"
    environment += f"USBRH_BRIDGE_INTERVAL={INTERVAL}s\n"
    settings = {"StartAgents": START_AGENTS[server.release.name]} if case.agent == "zabbix_agentd" else {}
    if case.timeout:
        settings["Timeout"] = str(case.timeout)
    with contextlib.ExitStack() as stack:
        agent = stack.enter_context(contextlib.closing(server.agent(case.agent, CONF, environment, **settings)))
        journal = agent.directory / "journal" / "journal.db"
        journal.parent.mkdir()
        if case.service:
            stack.enter_context(service(journal))
        host = provision(server, agent)
        polled = count(server, agent, seconds)
        assert not case.service or from_the_journal(server, agent.host, journal)
        server.api.host.delete(host)
    return polled


@contextlib.contextmanager
def running(case: Case) -> Iterator[ZabbixServer]:
    """Run a server with the settings of Debian's packages, except its time-out."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = ZabbixServer(case.release)
    try:
        server.stop()
        server.settings |= {"StartPollers": "5", "Timeout": str(case.timeout or 4)}
        server.start()
        yield server
    finally:
        server.close()


def row(case: Case, polled: Polled) -> str:
    """Return a row of the document's table."""
    how = case.release.name, case.agent, "yes" if case.service else "no", f"{case.timeout} s" if case.timeout else ""
    counts = polled.due, polled.at_once, polled.answered, polled.values, polled.unsupported, len(polled.trouble)
    return f"| {' | '.join([*how, *map(str, counts)])} | {polled.load:.1f} |"


def main() -> None:
    """Measure all cases, and print and document the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=3)
    options = parser.parse_args()
    table = [
        "| Zabbix | agent | service | Timeout | polls | at once | answered | values | unsupported | time-outs | load |",
        "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for case in CASES:
        reason = why_not(case.release)
        if reason:
            sys.exit(reason)
        with running(case) as server:
            polled = poll(server, case, options.minutes * 60)
        table.append(row(case, polled))
        print("\n".join([*polled.trouble, table[-1]]), flush=True)
    table += ["", f"{options.minutes:g} minutes each, {os.cpu_count()} cores."]
    print("\n".join(table))
    if options.minutes >= parser.get_default("minutes"):
        put("docs/reliability.md", "polling", "\n".join(table))


if __name__ == "__main__":
    main()
