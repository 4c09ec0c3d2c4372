"""The file of the Zabbix agent: where it goes, and where it can't."""

import os
from pathlib import Path

import pytest

from tests.support.computer import USBRH, Computer, words
from tests.support.waits import within
from usbrh.setup import agents as setup_agents
from usbrh.setup import install as setup

TOP = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("config", "include", "file"),
    [
        ("zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.conf.d/*.conf", "zabbix_agentd.conf.d/usbrh.conf"),  # Debian
        ("zabbix_agentd.conf", "/etc/zabbix/zabbix_agentd.d/*.conf", "zabbix_agentd.d/usbrh.conf"),  # Zabbix's own
        ("zabbix_agent2.conf", "/etc/zabbix/zabbix_agent2.d/*.conf", "zabbix_agent2.d/usbrh.conf"),
        ("zabbix_agentd.conf", "/etc/zabbix/", "usbrh.conf"),
        ("zabbix_agentd.conf", "/etc/zabbix/my agent.d/*.conf", "my agent.d/usbrh.conf"),
    ],
)
def test_each_agent_gets_its_file_where_it_looks_for_it(
    computer: Computer, config: str, include: str, file: str
) -> None:
    computer.install_agent(f"/etc/zabbix/{config}", include)
    computer.carry_out(setup.plan(computer.machine, USBRH))
    text = computer.text(f"/etc/zabbix/{file}")
    assert "UserParameter=usbrh.discovery,/opt/usbrh/bin/usbrh agent discovery" in text
    assert '|| exec /opt/usbrh/bin/usbrh agent get -- "$n"\n' in text
    assert "UserParameter=usbrh.bridge,/opt/usbrh/bin/usbrh agent bridge" in text
    assert computer.machine.is_member("zabbix", "usbrh")


@pytest.mark.parametrize("line", ["Include = {}", "  Include={}", "\tInclude\t=\t{} \t", "Include={}\r"])
def test_an_agents_folder_is_found_as_the_agent_finds_it(computer: Computer, line: str) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/nowhere/other.conf")
    config = computer.machine.path("/etc/zabbix/zabbix_agentd.conf")
    config.write_bytes(f"#Include=/a/*.conf\nNoInclude=/b/*.conf\n{line.format('/etc/zabbix/c.d/*.conf')}\n".encode())
    assert setup_agents.agent_directory(computer.machine, "/etc/zabbix/zabbix_agentd.conf") == "/etc/zabbix/c.d"


def test_a_comment_in_latin_1_is_no_obstacle(computer: Computer) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/nowhere/other.conf")
    config = computer.machine.path("/etc/zabbix/zabbix_agentd.conf")
    config.write_bytes("# für den Keller\nInclude=/etc/zabbix/c.d/*.conf\n".encode("latin-1"))
    assert setup_agents.agent_directory(computer.machine, "/etc/zabbix/zabbix_agentd.conf") == "/etc/zabbix/c.d"


def test_a_pipe_is_neither_a_configuration_nor_a_file_of_ours(computer: Computer) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/d/*.conf")
    folder = computer.machine.path("/etc/zabbix")
    os.mkfifo(folder / "zabbix_agent2.conf")
    (folder / "d").mkdir()
    os.mkfifo(folder / "d/usbrh.conf")
    with within(5):
        planned = setup.plan(computer.machine, USBRH)
    [question] = [step.question for step in planned.steps if step.question]
    assert question == "/etc/zabbix/d/usbrh.conf was not written by setup, or was changed since"
    assert not any("zabbix_agent2" in each for each in (*words(planned), *planned.notes))


def test_an_agent_without_a_folder_is_a_note(computer: Computer) -> None:
    computer.install_agent("/etc/zabbix/zabbix_agentd.conf", "/etc/zabbix/other.conf")
    assert any("includes no directory" in note for note in setup.plan(computer.machine, USBRH).notes)
