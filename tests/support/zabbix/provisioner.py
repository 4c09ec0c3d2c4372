"""``usbrh zabbix provision`` on a real server, and the host that it creates there."""

from typing import Any

from tests.support.zabbix.command import usbrh
from tests.support.zabbix.server import PASSWORD, USER, ZabbixServer


class Provisioner:
    """The command with the address and login of one server, for one host."""

    def __init__(self, server: ZabbixServer, host: str) -> None:
        self.server = server
        self.host = host
        self.login = {"USBRH_ZABBIX_URL": server.url, "USBRH_ZABBIX_USER": USER, "USBRH_ZABBIX_PASSWORD": PASSWORD}

    def __call__(self, *arguments: str, **environment: str) -> list[str]:
        done = usbrh("zabbix", "provision", "--host", self.host, *arguments, **self.login | environment)
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
        return done.stdout.splitlines()

    def get(self, **more: Any) -> dict[str, Any]:
        found = self.server.api.host.get(
            filter={"host": [self.host]}, selectParentTemplates=["host"], selectMacros=["macro", "value"],
            selectInterfaces=["ip", "dns", "port", "useip"], **more,
        )  # fmt: skip
        return dict(found[0]) if found else {}


def remove_template(server: ZabbixServer, name: str) -> None:
    """Remove a template, and what other tests left that uses it. Later tests import it again."""
    api = server.api
    actions = api.action.get(search={"name": "Autoregistration of usbrh"}, startSearch=True, output=["actionid"])
    if actions:
        api.action.delete(*(action["actionid"] for action in actions))
    for each in api.template.get(filter={"host": [name]}, output=["templateid"]):
        hosts = api.host.get(templateids=each["templateid"], output=["hostid"])
        if hosts:
            api.host.delete(*(host["hostid"] for host in hosts))
        api.template.delete(each["templateid"])
