"""The UserParameters in real agents: asked by zabbix_get, polled by a server, and by active checks."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import pytest

from tests.support import processes
from tests.support.daemon import wait_for
from tests.support.zabbix.server import CHECKOUT, Agent, AgentKind, ZabbixServer
from usbrh.bridge.latest import LatestFiles
from usbrh.clock import SYSTEM_CLOCK
from usbrh.journal.store import Journal
from usbrh.reading import Reading

CONF = CHECKOUT / "zabbix" / "zabbix_agentd.d" / "usbrh.conf"
SENSORS = 8
SILENT_SENSOR = """
[[sensor.sim-1.fault]]
name = "no_answer"
"""
VIRTUAL = f"USBRH_SIMULATE={SENSORS}\nUSBRH_JOURNAL_PATH={{directory}}/none/journal.db\n"
KINDS: tuple[AgentKind, ...] = ("zabbix_agentd", "zabbix_agent2")
_agents: dict[tuple[str, AgentKind], Agent] = {}


@pytest.fixture(params=KINDS)
def agent(request: pytest.FixtureRequest, server: ZabbixServer) -> Agent:
    """A running agent with virtual sensors and no service beside it; it ends with its server."""
    key = server.release.name, request.param
    if key not in _agents:
        _agents[key] = server.agent(request.param, CONF, VIRTUAL)
        processes.LASTING.add(_agents[key].daemon.process.pid)
    return _agents[key]


@pytest.fixture
def start(server: ZabbixServer) -> Iterator[Callable[..., Agent]]:
    """Starts separate agents for a test."""
    with ExitStack() as stack:

        def start(kind: AgentKind, environment: str = VIRTUAL, **settings: str) -> Agent:
            return stack.enter_context(closing(server.agent(kind, CONF, environment, **settings)))

        yield start


def answer(agent: Agent, key: str) -> Any:
    text = agent.get(key)
    assert "\n" not in text
    return json.loads(text)


def test_a_reading_and_the_discovery(agent: Agent) -> None:
    reading = answer(agent, "usbrh.get[sim-2]")
    assert (reading["sensor"], reading["state"], reading["error"]) == ("sim-2", "ok", None)
    assert 15 < reading["temperature"] < 40
    assert reading["age"] < 3
    found = answer(agent, "usbrh.discovery")
    assert [row["{#SENSOR}"] for row in found] == [f"sim-{n + 1}" for n in range(SENSORS)]
    assert {row["{#MODEL}"] for row in found} == {"USB-RH"}
    assert answer(agent, "usbrh.bridge")["sensors"] == SENSORS


def test_a_strange_parameter_is_only_an_unknown_sensor(agent: Agent) -> None:
    strange = ["--help", "../../etc/passwd", "x y", "居間", "", "-- -v", "%s%n", "9" * 1500, '"sim-1, sim-2"', "all"]
    with ThreadPoolExecutor(2) as pool:
        readings = pool.map(lambda parameter: answer(agent, f"usbrh.get[{parameter}]"), strange)
        for parameter, reading in zip(strange, readings, strict=True):
            assert (reading["state"], reading["temperature"]) == ("not_found", None), parameter
            assert len(reading["error"]) < 400


def test_what_means_something_to_a_shell_reaches_none(agent: Agent) -> None:
    witness = agent.server.scratch / "var" / "witness"
    for parameter in ("$(touch {})", "`touch {}`", "'; touch {}; '", "x|touch {}", "x\ntouch {}"):
        agent.get(f"usbrh.get[{parameter.format(witness)}]")
        assert not witness.exists(), parameter


def test_64_kib_of_name(agent: Agent) -> None:
    text = agent.get(f"usbrh.get[{'n' * 65536}]")
    assert len(text) < 1000  # the agent's own rejection, or ours: nothing of that length comes back


def test_many_at_once(agent: Agent) -> None:
    """Each has its answer in time; on a machine too slow for so many at once, that is a time-out in so many words."""

    def timed(number: int) -> tuple[float, str]:
        begun = time.monotonic()
        state = answer(agent, f"usbrh.get[sim-{number}]")["state"]
        return time.monotonic() - begun, str(state)

    with ThreadPoolExecutor(SENSORS) as pool:
        answers = list(pool.map(timed, range(1, SENSORS + 1)))
    assert max(seconds for seconds, _ in answers) < 6  # 2.5 s, and what it takes to start eight times
    assert {state for _, state in answers} <= {"ok", "timeout"}
    assert timed(1)[1] == "ok"


@pytest.mark.parametrize("kind", KINDS)
def test_a_sensor_that_does_not_answer(start: Callable[..., Agent], kind: AgentKind) -> None:
    agent = start(kind, "USBRH_SIMULATE={directory}/sensors.toml\n")
    (agent.directory / "sensors.toml").write_text(SILENT_SENSOR)
    begun = time.monotonic()
    reading = answer(agent, "usbrh.get[sim-1]")
    assert time.monotonic() - begun < 3
    assert reading["state"] == "timeout"


@pytest.mark.parametrize("kind", KINDS)
def test_the_latest_reading_of_the_service(start: Callable[..., Agent], kind: AgentKind) -> None:
    """Answers without a start of usbrh, and the answer is what usbrh would answer."""
    agent = start(kind, "USBRH_JOURNAL_PATH={directory}/journal/journal.db\n")
    names = ["attic", "居間 あいう", "1-1.4", "x" * 64]
    ago = 7 * 10**9
    readings = [
        Reading(
            name, "1-1.4", "USB-RH", time.time_ns() - ago, 12.5, 60.0, 5.0, 6.6, boot_ns=SYSTEM_CLOCK.boot_ns() - ago
        )
        for name in names
    ]
    files = LatestFiles(60, {"RUNTIME_DIRECTORY": str(agent.directory)})
    files.write(readings)
    (agent.directory / "readings").chmod(0o755)
    for name, reading in zip(names, readings, strict=True):
        got = answer(agent, f"usbrh.get[{name}]")
        assert 7 <= got.pop("age") < 12
        assert got == reading.to_dict()
    for key in ("../readings/attic", "./attic", "Attic", ""):
        assert answer(agent, f"usbrh.get[{key}]")["temperature"] is None
    files.write([replace(reading, boot_ns=1) for reading in readings])
    assert answer(agent, "usbrh.get[attic]")["temperature"] is None, "too old: there is no such service any more"


@pytest.mark.parametrize("kind", KINDS)
def test_the_service_has_measured(start: Callable[..., Agent], kind: AgentKind) -> None:
    """Its latest reading is the answer, without a sensor; read by a user who may not write there."""
    agent = start(kind)
    folder = agent.directory / "journal"
    agent.environment.write_text(f"USBRH_JOURNAL_PATH={folder}/journal.db\n")
    with Journal(folder / "journal.db") as journal:
        journal.add([])
    # usbrh lets its group read the journal. The agent's user, which setup adds to the group, is not in it here.
    folder.chmod(0o755)
    (folder / "journal.db").chmod(0o644)
    with Journal(folder / "journal.db") as journal:
        measured = time.time_ns() - 7 * 10**9
        journal.add([Reading("attic", "1-1.4", "USB-RH", measured, 12.5, 60.0, 5.0, 6.6, conversion="sht1x-v3@5V")])
        reading = answer(agent, "usbrh.get[attic]")
        assert (reading["temperature"], reading["state"]) == (12.5, "ok")
        assert 7 <= reading["age"] < 10
        journal.add([Reading("attic", "1-1.4", "USB-RH", measured - 600 * 10**9, 1.0, 60.0, 5.0, 6.6)])
        assert answer(agent, "usbrh.get[attic]")["temperature"] is None  # too old: there is no such service any more


def test_a_server_gets_values(server: ZabbixServer, start: Callable[..., Agent]) -> None:
    """From both agents, polled and by active checks, all at once because of the waiting."""
    few = VIRTUAL.replace(str(SENSORS), "2")
    agents: list[tuple[AgentKind, str, str]] = []
    polled = []
    for kind in KINDS:
        agent = start(kind, few)
        agents.append((kind, "agent", agent.host))
        polled.append(host_of(server, "agent", agent.host, interfaces=[agent.interface()]))
        active = f"active-{kind}-{time.time_ns()}"
        host_of(server, "agent_active", active)
        agents.append((kind, "agent_active", active))
    server.sync()
    for host in polled:
        for rule in server.api.discoveryrule.get(hostids=host, output=["itemid"]):
            server.check_now(rule["itemid"])
    starts = {name: start(kind, few, Hostname=name) for kind, form, name in agents if form == "agent_active"}
    for kind, form, name in agents:
        wait_for(f"discovery of {name}", lambda name=name: discovered(server, name), 120, 0.3)  # type: ignore[misc]
        if form == "agent_active" and server.release.name == "6.0":
            # Its agents ask once a minute what to check, and when they start.
            server.sync()
            starts[name].close()
            start(kind, few, Hostname=name)
    for _, _, name in agents:
        for sensor in ("sim-1", "sim-2"):
            temperature = server.wait_history(name, f"usbrh.temperature[{sensor}]", 1, 120)
            assert 15 < float(temperature[-1].value) < 40
            assert server.wait_history(name, f"usbrh.state[{sensor}]")[-1].value == "ok"
        assert server.wait_history(name, "usbrh.bridge.sensors", 1, 120)[-1].value == "2"


def discovered(server: ZabbixServer, host: str) -> bool:
    return bool(server.api.item.get(host=host, search={"key_": "usbrh.get"}, output=["itemid"]))


def host_of(server: ZabbixServer, form: str, name: str, **more: Any) -> str:
    """A host with that template, asked more often than people would."""
    host = server.make_host(name, templates=[{"templateid": server.template(form)}],
                            macros=[{"macro": "{$USBRH.INTERVAL}", "value": "8s"}], **more)  # fmt: skip
    for rule in server.api.discoveryrule.get(hostids=host, output=["itemid"]):
        server.api.discoveryrule.update(itemid=rule["itemid"], delay="5s")
    return host
