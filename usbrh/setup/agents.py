"""The Zabbix agents of a machine: where each reads its UserParameters, and the file with those of usbrh."""

import re
import shlex
import stat
from fnmatch import fnmatch
from pathlib import Path

from usbrh.setup.machine import Machine
from usbrh.system.paths import stat_or_none
from usbrh.system.resources import resource

AGENTS = {"zabbix-agent": "/etc/zabbix/zabbix_agentd.conf", "zabbix-agent2": "/etc/zabbix/zabbix_agent2.conf"}
"""The configuration of each Zabbix agent, by its service."""
AGENT_USER = "zabbix"
AGENT_FILE = "usbrh.conf"


def agents(machine: Machine) -> dict[str, str]:
    """The configuration, by service, of each agent that has one on this machine.

    Raises:
        PermissionError: this user may not look into its directory.
    """
    found = {service: stat_or_none(machine.path(config)) for service, config in AGENTS.items()}
    return {service: AGENTS[service] for service, each in found.items() if each and stat.S_ISREG(each.st_mode)}


def restart_command(machine: Machine, service: str) -> str:
    """The command that restarts an agent. Gentoo's OpenRC service has the name of the program, zabbix-agentd."""
    if not machine.openrc_runs:
        return f"sudo systemctl restart {service}"
    gentoo = f"{service}d"
    return f"sudo rc-service {gentoo if machine.path(f'/etc/init.d/{gentoo}').exists() else service} restart"


def agent_directory(machine: Machine, config: str) -> str | None:
    """The directory where the agent of ``config`` reads a file usbrh.conf; None if it includes no such directory.

    Raises:
        PermissionError: this user may not read that file or that directory.
    """
    text = machine.path(config).read_text(encoding="utf-8-sig", errors="replace")
    # Agents ignore blanks at both ends of a line and around "=".
    for pattern in re.findall(r"^[ \t]*Include[ \t]*=[ \t]*(/.*?)[ \t\r]*$", text, re.MULTILINE):
        parent, _, last = pattern.rpartition("/")
        if fnmatch(AGENT_FILE, last):
            return str(parent)
        found = stat_or_none(machine.path(pattern))
        if found and stat.S_ISDIR(found.st_mode):
            return pattern.rstrip("/")  # type: ignore[no-any-return]
    return None


def agent_text(usbrh: Path) -> str:
    """The text of the agent file, with the path of the executable."""
    return re.sub(
        r"^(UserParameter=.*[, ])usbrh agent ",
        lambda match: f"{match[1]}{shlex.quote(str(usbrh))} agent ",
        resource(f"zabbix/zabbix_agentd.d/{AGENT_FILE}").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
