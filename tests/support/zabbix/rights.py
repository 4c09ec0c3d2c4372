"""Users whose role allows only what docs/zabbix.md lists, and their tokens."""

import re
import time
from collections.abc import Collection
from dataclasses import dataclass

from tests.support.zabbix.server import CHECKOUT, ZabbixServer

USER_TYPES = {"User": 1, "Admin": 2}
PERMISSIONS = {"Read": 2, "Read-write": 3}
TEMPLATE_GROUP = "Templates/Server hardware"


@dataclass(frozen=True)
class Rights:
    """One row of the table."""

    user_type: str
    methods: tuple[str, ...]
    host_group: str
    template_group: str


def documented(document: str, release: str) -> dict[str, Rights]:
    """The rights by command, as the document lists them for this release."""
    text = (CHECKOUT / document).read_text(encoding="utf-8")
    (table,) = re.findall(r"<!-- table of rights -->\n(.*?)<!-- end of rights -->", text, re.DOTALL)
    words = {"ユーザー": "User", "表示のみ": "Read", "表示/設定": "Read-write", "なし": "none"}
    found = {}
    for line in table.splitlines()[2:]:
        cells = (cell.strip() for cell in line.strip("|").split("|"))
        command, user_type, methods, host_group, template_group = (words.get(cell, cell) for cell in cells)
        wanted = [
            method
            for method, only in re.findall(r"`([a-z]+\.[a-z]+)`(?: ?[(（]([0-9.]+)[)）])?", methods)
            if only in {"", release}
        ]
        found[command.strip("`")] = Rights(user_type, tuple(wanted), host_group, template_group)
    return found


def make_token(
    server: ZabbixServer,
    group: str,
    rights: Rights,
    *,
    without: Collection[str] = (),
    read_only: Collection[str] = (),
    also_in: Collection[str] = (),
) -> str:
    """Create role, user group, user and token as the document describes it, and return the token.

    ``group``: the host group of the hosts. ``without``: methods and groups ("host", "template") that are left out.
    ``read_only``: groups for which the user gets less than the document says. ``also_in``: ids of more user groups.
    """
    api, name = server.api, f"limited-{time.time_ns()}"
    role = api.role.create(
        name=name,
        type=USER_TYPES[rights.user_type],
        rules={
            "ui": [{"name": "monitoring.dashboard", "status": 1}],
            "ui.default_access": 0,
            "actions.default_access": 0,
            "modules.default_access": 0,
            "services.read.mode": 0,
            "services.write.mode": 0,
            "api.access": 1,
            "api.mode": 1,  # a list of what is allowed
            "api": [method for method in rights.methods if method not in without],
        },
    )["roleids"][0]
    old = server.release.name == "6.0"
    groups = {"host": (group, rights.host_group), "template": (TEMPLATE_GROUP, rights.template_group)}
    permissions: dict[str, list[dict[str, object]]] = {}
    for kind, (named, wanted) in groups.items():
        if wanted in PERMISSIONS and kind not in without:
            get = api.hostgroup.get if old or kind == "host" else api.templategroup.get
            permission = 2 if kind in read_only else PERMISSIONS[wanted]
            row = {"id": get(filter={"name": [named]}, output=["groupid"])[0]["groupid"], "permission": permission}
            permissions.setdefault("rights" if old else f"{kind}group_rights", []).append(row)
    users = api.usergroup.create(name=name, gui_access=3, **permissions)["usrgrpids"][0]  # no login to the front end
    # A user who must not log in to the front end needs no password, which takes long to hash.
    grouped = [{"usrgrpid": each} for each in (users, *also_in)]
    user = api.user.create(username=name, roleid=role, usrgrps=grouped)["userids"][0]
    number = api.token.create(name=name, userid=user)["tokenids"][0]
    return str(api.token.generate(number)[0]["token"])
