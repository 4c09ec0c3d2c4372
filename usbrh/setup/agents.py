"""The Zabbix agents of a machine: where each looks for its UserParameters, and the file for it."""

import re
import shlex
import stat
from fnmatch import fnmatch
from pathlib import Path

from usbrh.paths import stat_or_none
from usbrh.resources import resource
from usbrh.setup.machine import Machine

AGENTS = {"zabbix-agent": "/etc/zabbix/zabbix_agentd.conf", "zabbix-agent2": "/etc/zabbix/zabbix_agent2.conf"}
"""The service of each Zabbix agent, and its configuration."""
AGENT_USER = "zabbix"
AGENT_FILE = "usbrh.conf"


def agents(machine: Machine) -> dict[str, str]:
    """The service of each agent that has a configuration here, and that file.

    Raises:
        PermissionError: this user may not look for it.
    """
    return {service: config for service, config in AGENTS.items() if stat_or_none(machine.path(config))}


def agent_directory(machine: Machine, config: str) -> str | None:
    """The directory in which a file usbrh.conf is read by the agent of ``config``; None if it includes none.

    Raises:
        PermissionError: this user may not read that file, or not look for the directory.
    """
    text = machine.path(config).read_text(encoding="utf-8", errors="replace")
    # An agent takes blanks at both ends of a line and around "=".
    for pattern in re.findall(r"^[ \t]*Include[ \t]*=[ \t]*(/.*?)[ \t\r]*$", text, re.MULTILINE):
        parent, _, last = pattern.rpartition("/")
        if fnmatch(AGENT_FILE, last):
            return str(parent)
        found = stat_or_none(machine.path(pattern))
        if found and stat.S_ISDIR(found.st_mode):
            return pattern.rstrip("/")  # type: ignore[no-any-return]
    return None


def agent_text(usbrh: Path) -> str:
    """The agent file with the path of the executable."""
    return re.sub(
        r"^(UserParameter=[^,]+,)usbrh ",
        lambda match: f"{match[1]}{shlex.quote(str(usbrh))} ",
        resource(f"zabbix/zabbix_agentd.d/{AGENT_FILE}").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
