"""The Zabbix agents of a machine: where each looks for its UserParameters, and the file for it."""

import re
import shlex
from fnmatch import fnmatch
from pathlib import Path

from usbrh.machine import Machine
from usbrh.resources import resource

AGENTS = {"zabbix-agent": "/etc/zabbix/zabbix_agentd.conf", "zabbix-agent2": "/etc/zabbix/zabbix_agent2.conf"}
"""The service of each Zabbix agent, and its configuration."""
AGENT_USER = "zabbix"
AGENT_FILE = "usbrh.conf"


def agent_directory(machine: Machine, config: str) -> str | None:
    """The directory in which a file usbrh.conf is read by the agent of ``config``; None if it includes none."""
    text = machine.path(config).read_text(encoding="utf-8", errors="replace")
    for pattern in re.findall(r"^Include=(/\S+)", text, re.MULTILINE):
        parent, _, last = pattern.rpartition("/")
        if fnmatch(AGENT_FILE, last):
            return str(parent)
        if machine.path(pattern).is_dir():
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
