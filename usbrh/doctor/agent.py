"""The checks of the Zabbix agents on this machine: usbrh's file, the group, the answer."""

import re
from collections.abc import Iterator

from usbrh.doctor.service import output
from usbrh.errors import AccessDenied
from usbrh.findings import Finding, fault, not_checked, ok
from usbrh.setup.actions import read
from usbrh.setup.agents import AGENT_FILE, AGENT_USER, agent_directory, restart_command
from usbrh.setup.agents import agents as installed_agents
from usbrh.setup.machine import Machine
from usbrh.system.access import GROUP
from usbrh.zabbix.items import DISCOVERY

CHECK = "Zabbix agent"
_TIMEOUT = 10.0
_PROGRAMS = {"zabbix-agent": "zabbix_agentd", "zabbix-agent2": "zabbix_agent2"}


def agents(machine: Machine) -> Iterator[Finding]:
    """Check each agent that has a configuration on this machine."""
    try:
        found = installed_agents(machine)
    except PermissionError as error:
        yield _closed(error)
        return
    if not found:
        yield not_checked(CHECK, "none is installed (only readings through an agent need one)")
    for service, config in found.items():
        try:
            yield _agent(machine, service, config)
        except PermissionError as error:
            yield _closed(error)


def _closed(error: PermissionError) -> Finding:
    return not_checked(CHECK, f"this user can't read {error.filename}; sudo usbrh doctor can")


def _agent(machine: Machine, service: str, config: str) -> Finding:
    directory = agent_directory(machine, config)
    if directory is None or read(machine, f"{directory}/{AGENT_FILE}") is None:
        # Readings come through an agent only if somebody set it up.
        return not_checked(CHECK, f"{service} has no file for usbrh (to read the sensors through it: sudo usbrh setup)")
    restart = restart_command(machine, service)
    if not machine.has_group(GROUP):  # somebody copied the file instead of running setup
        message = f"{service}: the group {GROUP}, which gives access to the sensor, does not exist"
        return fault(CHECK, message, f"sudo usbrh setup && {restart}", AccessDenied.exit_status)
    if machine.has_user(AGENT_USER) and not machine.is_member(AGENT_USER, GROUP):
        message = f"{service}: its user {AGENT_USER} is not in the group {GROUP}"
        return fault(CHECK, message, f"sudo usermod -aG {GROUP} {AGENT_USER} && {restart}", AccessDenied.exit_status)
    if _started_before_group(machine, _PROGRAMS[service]):
        message = f"{service} was started before its user was added to the group {GROUP}"
        return fault(CHECK, message, restart, AccessDenied.exit_status)
    answer = output((_PROGRAMS[service], "-c", str(machine.path(config)), "-t", DISCOVERY), _TIMEOUT)
    if answer is None:
        return not_checked(CHECK, f"{service}: {_PROGRAMS[service]} -t is missing or does not answer")
    value = re.search(r"\[(?:m\|ZBX_NOTSUPPORTED\] \[|[a-z]\|)(.*)\]\s*$", answer, re.DOTALL)
    if value is None or not value[1].lstrip().startswith("["):
        lines = (value[1] if value else answer).strip().splitlines() or ["nothing"]
        return fault(CHECK, f"{service} answers {DISCOVERY} with: {lines[-1]}", f"sudo usbrh setup && {restart}")
    return ok(CHECK, f"{service} answers {DISCOVERY}")


def _started_before_group(machine: Machine, program: str) -> bool:
    """Whether an agent's process lacks the group: a process gets its groups only when it starts."""
    _, gid = machine.ids("root", GROUP)
    for process in machine.path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().strip() != program:
                continue
            status = (process / "status").read_text()
        except OSError:  # the process ended meanwhile
            continue
        numbers = re.findall(r"^(?:Groups|Gid|Uid):(.*)$", status, re.MULTILINE)
        uid = re.search(r"^Uid:\s+\d+\s+(\d+)", status, re.MULTILINE)
        if uid and uid[1] != "0" and str(gid) not in " ".join(numbers[1:]).split():
            return True
    return False
