"""The Zabbix agent: its file, its group and its answer."""

import os
from pathlib import Path

import pytest

from tests.support.closed import closed, reachable
from tests.support.programs import program
from usbrh.doctor import agent
from usbrh.findings import Status
from usbrh.setup.machine import Machine


@pytest.fixture
def agent_machine(machine: Machine, programs: Path) -> Machine:
    """With an agent whose file, group and answer are right."""
    folder = machine.path("/etc/zabbix/zabbix_agentd.d")
    folder.mkdir(parents=True)
    (folder / "usbrh.conf").write_text("UserParameter=usbrh.discovery,usbrh agent discovery\n")
    machine.path("/etc/zabbix/zabbix_agentd.conf").write_text("Include=/etc/zabbix/zabbix_agentd.d/*.conf\n")
    machine.path("/etc/passwd").write_text(f"root:x:{os.getuid()}:0::/:\nzabbix:x:102:105::/:/bin/false\n")
    machine.path("/etc/group").write_text("root:x:0:\nusbrh:x:54321:zabbix\n")
    program(programs, "zabbix_agentd", 'usbrh.sensors                               [t|[{"{#SENSOR}":"sim-1"}]]')
    return machine


def process(machine: Machine, groups: str) -> None:
    folder = machine.path("/proc/4242")
    folder.mkdir(parents=True)
    (folder / "comm").write_text("zabbix_agentd\n")
    (folder / "status").write_text(f"Uid:\t102\t102\t102\t102\nGid:\t105\t105\t105\t105\nGroups:\t{groups} \n")


def test_an_agent_that_answers(agent_machine: Machine) -> None:
    process(agent_machine, "105 54321")
    [found] = agent.agents(agent_machine)
    assert found.status is Status.OK


def test_no_agent(machine: Machine) -> None:
    [found] = agent.agents(machine)
    assert found.status is Status.NOT_CHECKED


def test_an_agent_without_the_file(agent_machine: Machine) -> None:
    agent_machine.path("/etc/zabbix/zabbix_agentd.d/usbrh.conf").unlink()
    [found] = agent.agents(agent_machine)
    assert found.status is Status.NOT_CHECKED  # nobody asked for readings through the agent
    assert "has no file for usbrh (to read the sensors through it: sudo usbrh setup)" in found.message


def test_an_agent_that_is_not_in_the_group(agent_machine: Machine) -> None:
    agent_machine.path("/etc/group").write_text("root:x:0:\nusbrh:x:54321:\n")
    [found] = agent.agents(agent_machine)
    assert (found.status, found.exit_status) == (Status.FAULT, 4)
    assert (found.check, found.message) == (
        "Zabbix agent",
        "zabbix-agent: its user zabbix is not in the group usbrh",
    )
    assert found.remedy == "sudo usermod -aG usbrh zabbix && sudo systemctl restart zabbix-agent"


@pytest.mark.parametrize("user", ["zabbix", "somebody"])
def test_an_agent_on_a_machine_without_the_group(agent_machine: Machine, user: str) -> None:
    agent_machine.path("/etc/passwd").write_text(f"root:x:0:0::/:\n{user}:x:102:105::/:/bin/false\n")
    agent_machine.path("/etc/group").write_text("root:x:0:\n")
    [found] = agent.agents(agent_machine)
    assert (found.status, found.exit_status) == (Status.FAULT, 4)
    assert found.remedy == "sudo usbrh setup && sudo systemctl restart zabbix-agent"


def test_an_agent_that_was_not_restarted_since_it_is_in_the_group(agent_machine: Machine) -> None:
    process(agent_machine, "105")
    [found] = agent.agents(agent_machine)
    assert (found.status, found.remedy) == (Status.FAULT, "sudo systemctl restart zabbix-agent")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("usbrh.sensors     [m|ZBX_NOTSUPPORTED] [Unsupported item key.]", "Unsupported item key."),
        ("usbrh.sensors     [t|sh: 1: usbrh: not found]", "sh: 1: usbrh: not found"),
        ("", "nothing"),
    ],
)
def test_an_agent_whose_answer_is_none(agent_machine: Machine, programs: Path, answer: str, shown: str) -> None:
    program(programs, "zabbix_agentd", answer)
    [found] = agent.agents(agent_machine)
    assert (found.check, found.status) == ("Zabbix agent", Status.FAULT)
    assert found.message == f"zabbix-agent answers usbrh.discovery with: {shown}"
    assert found.remedy == "sudo usbrh setup && sudo systemctl restart zabbix-agent"


@pytest.mark.parametrize("place", ["/etc/zabbix", "/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d"])
def test_an_agent_that_is_closed_to_who_asks(place: str) -> None:
    with reachable() as folder:
        machine = Machine(folder)
        machine.path("/etc/zabbix/zabbix_agentd.d").mkdir(parents=True)
        machine.path("/etc/zabbix/zabbix_agentd.conf").write_text("Include=/etc/zabbix/zabbix_agentd.d/*.conf\n")
        with closed(machine.path(place)):
            [found] = agent.agents(machine)
        assert found.status is Status.NOT_CHECKED
        assert found.message.startswith(f"this user can't read {machine.path(place)}")
        assert found.message.endswith("; sudo usbrh doctor can")
