"""The checks of a Zabbix agent on this machine: its file, its group, its answer."""

import re
from collections.abc import Iterator

from usbrh.doctor.findings import Finding, fault, not_checked, ok, warning
from usbrh.doctor.service import output
from usbrh.errors import AccessDenied
from usbrh.setup.actions import read
from usbrh.setup.agents import AGENT_FILE, AGENT_USER, agent_directory
from usbrh.setup.agents import agents as installed_agents
from usbrh.setup.install import GROUP
from usbrh.setup.machine import Machine

_TIMEOUT = 10.0
_PROGRAMS = {"zabbix-agent": "zabbix_agentd", "zabbix-agent2": "zabbix_agent2"}


def agents(machine: Machine) -> Iterator[Finding]:
    """Each agent that has a configuration here."""
    try:
        there = installed_agents(machine)
    except PermissionError as error:
        yield _closed(error)
        return
    if not there:
        yield not_checked("Zabbix agent", "none is installed; it is needed only for readings through the agent")
    for service, config in there.items():
        try:
            yield _agent(machine, service, config)
        except PermissionError as error:
            yield _closed(error)


def _closed(error: PermissionError) -> Finding:
    return not_checked("Zabbix agent", f"{error.filename} is closed to this user; sudo usbrh doctor looks at it")


def _agent(machine: Machine, service: str, config: str) -> Finding:
    directory = agent_directory(machine, config)
    if directory is None or read(machine, f"{directory}/{AGENT_FILE}") is None:
        return warning("Zabbix agent", f"{service} does not know usbrh", "for readings through it: sudo usbrh setup")
    restart = f"sudo systemctl restart {service}"
    if not machine.has_group(GROUP):  # the file was put there by other hands than setup's
        return fault(
            "Zabbix agent",
            f"{service}: there is no group {GROUP} that could give it the sensor",
            f"sudo usbrh setup && {restart}",
            AccessDenied.exit_status,
        )
    if machine.has_user(AGENT_USER) and not machine.is_member(AGENT_USER, GROUP):
        return fault(
            "Zabbix agent",
            f"{service}: its user {AGENT_USER} is not in the group {GROUP}",
            f"sudo usermod -aG {GROUP} {AGENT_USER} && {restart}",
            AccessDenied.exit_status,
        )
    if _started_before_group(machine, _PROGRAMS[service]):
        return fault(
            "Zabbix agent",
            f"{service} runs since before it was in the group {GROUP}",
            restart,
            AccessDenied.exit_status,
        )
    answer = output((_PROGRAMS[service], "-c", str(machine.path(config)), "-t", "usbrh.discovery"), _TIMEOUT)
    if answer is None:
        return not_checked("Zabbix agent", f"{service} has {directory}/{AGENT_FILE}; its program does not answer")
    value = re.search(r"\[[a-z]\|(.*)\]\s*$", answer, re.DOTALL)
    if value is None or not value[1].lstrip().startswith("["):
        said = (value[1] if value else answer).strip().splitlines() or ["nothing"]
        return fault(
            "Zabbix agent", f"{service} answers to usbrh.discovery: {said[-1]}", f"sudo usbrh setup && {restart}"
        )
    return ok("Zabbix agent", f"{service} answers to usbrh.discovery")


def _started_before_group(machine: Machine, program: str) -> bool:
    """A process of the agent's user runs that does not have the group, which it gets only when it starts."""
    _, gid = machine.ids("root", GROUP)
    for process in machine.path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() != program:
                continue
            status = (process / "status").read_text()
        except OSError:  # it ended while we looked
            continue
        numbers = re.findall(r"^(?:Groups|Gid|Uid):(.*)$", status, re.MULTILINE)
        uid = re.search(r"^Uid:\s+\d+\s+(\d+)", status, re.MULTILINE)
        if uid and uid[1] != "0" and str(gid) not in " ".join(numbers[1:]).split():
            return True
    return False
