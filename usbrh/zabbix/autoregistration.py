"""The autoregistration action: any machine that announces itself with the right metadata becomes a host.

Source: https://www.zabbix.com/documentation/7.0/en/manual/discovery/auto_registration. The login needs the role
Super admin, because one PSK for autoregistration applies to the whole Zabbix.
"""

from collections.abc import Iterator
from typing import Any

from usbrh.steps import Step
from usbrh.zabbix.answers import Row
from usbrh.zabbix.api import Api
from usbrh.zabbix.provisioning import ENCRYPTION, PSK, Planner
from usbrh.zabbix.wanted import Wanted

AUTOREGISTRATION = 2
"""The event source of such actions."""
HOST_METADATA, CONTAINS = 24, 2
ADD_HOST, ADD_TO_GROUP, LINK_TEMPLATE = 2, 4, 6


def plan(api: Api, wanted: Wanted, *, force: bool = False) -> list[Step]:
    """The steps to a Zabbix that creates hosts for machines with the metadata ``wanted.metadata``.

    Raises:
        ZabbixApiError, ZabbixUnreachable: the API reports an error, or does not answer.
    """
    return list(_Planner(api, wanted, force).steps())


class _Planner(Planner):
    def steps(self) -> Iterator[Step]:
        yield self.template_step()
        yield self.group_step()
        yield self._action()
        if self.wanted.psk:
            yield self._psk()

    def _action(self) -> Step:
        metadata = self.wanted.metadata
        name = f"Autoregistration of {metadata}"
        title = f'autoregistration action "{name}"'
        found = self.api.call(
            "action.get",
            filter={"name": [name]},
            output=["actionid", "status"],
            selectFilter=["evaltype", "conditions"],
            selectOperations="extend",
        )
        condition = {"conditiontype": HOST_METADATA, "operator": CONTAINS, "value": metadata}

        def content() -> dict[str, Any]:
            operations = [
                {"operationtype": ADD_HOST},
                {"operationtype": ADD_TO_GROUP, "opgroup": [{"groupid": self.group_id()}]},
                {"operationtype": LINK_TEMPLATE, "optemplate": [{"templateid": self.template.id()}]},
            ]
            return {"filter": {"evaltype": 0, "conditions": [condition]}, "operations": operations, "status": 0}

        if not found:
            text = f'create {title}: template "{self.template.name}", host group "{self.wanted.group}"'
            return Step(
                text, lambda: self.api.call("action.create", name=name, eventsource=AUTOREGISTRATION, **content())
            )
        action = found[0]
        if self._is_wanted(action):
            return Step(f"{title} exists")
        return self.overwrite(
            f"{title} is disabled or differs",
            "set its condition and operations",
            lambda: self.api.call("action.update", actionid=action["actionid"], **content()),
        )

    def _is_wanted(self, action: Row) -> bool:
        """Whether the action is enabled and does what ``content`` contains; it may do more."""
        conditions = action["filter"].get("conditions") if isinstance(action["filter"], dict) else None
        fits = isinstance(conditions, list) and any(
            str(each.get("conditiontype")) == str(HOST_METADATA) and each.get("value") == self.wanted.metadata
            for each in conditions
        )
        operations = action.rows("operations")
        kinds = {each.integer("operationtype") for each in operations}
        groups = {str(one["groupid"]) for each in operations if "opgroup" in each for one in each.rows("opgroup")}
        templates = {
            str(one["templateid"]) for each in operations if "optemplate" in each for one in each.rows("optemplate")
        }
        return (
            fits
            and str(action["status"]) == "0"
            and ADD_HOST in kinds
            and self.group_id() in groups
            and self.template.id() in templates
        )

    def _psk(self) -> Step:
        """The encryption of all announcements: new hosts get the same PSK for their values."""
        accepts = self.api.call("autoregistration.get", output=["tls_accept"]).integer("tls_accept")

        def update() -> None:
            self.api.call(
                "autoregistration.update",
                tls_accept=accepts | PSK,
                tls_psk_identity=self.wanted.psk_identity,
                tls_psk=self.wanted.psk,
            )

        kinds = ", ".join(name for bit, name in ENCRYPTION.items() if bit & accepts)
        if not accepts & PSK:
            return Step(f"accept announcements with PSK besides {kinds}", update)
        if not self.force:
            return Step("announcements with PSK are accepted (Zabbix does not show the key; --force sets it again)")
        return Step("set the PSK of announcements again", update)
