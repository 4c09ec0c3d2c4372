"""Host group, template, host, macros and encryption in a Zabbix, through its API.

First everything is looked at and a plan is made, then the plan is carried out: what is missing is made, what is as it
should be is left, and what somebody changed by hand is kept, and said so, unless it is to be overwritten.
"""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from usbrh.config.kinds import Duration, Unfit, format_duration
from usbrh.errors import ConfigError
from usbrh.zabbix.api import Api
from usbrh.zabbix.templates import TEMPLATES, Method, Template

AGENT_PORT = 10050
UNENCRYPTED, PSK = 1, 2
ENCRYPTION = {UNENCRYPTED: "no encryption", PSK: "PSK", 4: "certificates"}
INTERVAL = "{$USBRH.INTERVAL}"
SPANS = {
    "{$USBRH.BRIDGE.SILENT}": (300, 3),
    "{$USBRH.RISE.WINDOW}": (900, 6),  # its trigger compares the last three with what was before
    "{$USBRH.SILENT}": (600, 4),  # longer than the bridge's, on which it depends
    "{$USBRH.STUCK.WINDOW}": (21600, 36),  # its trigger wants thirty
    "{$USBRH.WINDOW}": (300, 3),
}
"""Macros that are a time: the template's own in s, and how many readings it has to span for its triggers to mean what
they say."""
DIFFERENCES = 20


@dataclass(frozen=True)
class Wanted:
    """What the Zabbix should have."""

    host: str
    group: str = "USB hygrometers"
    method: Method = "trapper"
    address: str | None = None
    """Where the server finds the agent: an address or a DNS name."""
    port: int = AGENT_PORT
    psk_identity: str | None = None
    psk: str | None = field(default=None, repr=False)
    """The key, in hexadecimal digits."""
    interval: float = 60.0
    """s between two readings."""


@dataclass(frozen=True)
class Step:
    """One thing: as it should be, to be done, or kept as somebody changed it."""

    text: str
    do: Callable[[], None] | None = None
    kept: bool = False


def plan(api: Api, wanted: Wanted, *, force: bool = False) -> list[Step]:
    """The steps to what is wanted; those without ``do`` need nothing.

    Raises:
        ConfigError: something is not given that is needed.
        ZabbixApiError, ZabbixUnreachable: the API says no, or nothing.
    """
    return list(_Planner(api, wanted, force).steps())


def carry_out(steps: Sequence[Step]) -> Iterator[Step]:
    """Do each step, and give it when it is done. Raises as ``plan``."""
    for step in steps:
        if step.do:
            step.do()
        yield step


class _Planner:
    def __init__(self, api: Api, wanted: Wanted, force: bool) -> None:
        self.api = api
        self.wanted = wanted
        self.force = force
        self.template = Template(api, wanted.method)

    def steps(self) -> Iterator[Step]:
        yield self._template()
        host = self._find_host()
        if host is None:
            yield self._group()
            yield self._new_host()
        else:
            yield from self._old_host(host)

    def _template(self) -> Step:
        template = self.template
        name = f'template "{template.name}"'
        if not template.id():
            return Step(f"import {name}", template.load)
        different = template.differences()
        if not different:
            return Step(f"{name} is up to date")
        what = "; ".join(different[:DIFFERENCES]) + (
            f"; and {len(different) - DIFFERENCES} more" if different[DIFFERENCES:] else ""
        )
        if self.force:
            return Step(f"import {name} again: {what}", template.load)
        return Step(f"{name} is not as in this version of usbrh: {what}; kept, --force imports it again", kept=True)

    # -- group and host ------------------------------------------------------------------------------------------

    def _group(self) -> Step:
        name = f'host group "{self.wanted.group}"'
        if self._group_id():
            return Step(f"{name} is there")
        return Step(f"create {name}", lambda: self.api.call("hostgroup.create", name=self.wanted.group))

    def _group_id(self) -> str | None:
        found = self.api.call("hostgroup.get", filter={"name": [self.wanted.group]}, output=["groupid"])
        return str(found[0]["groupid"]) if found else None

    def _find_host(self) -> dict[str, Any] | None:
        found = self.api.call(
            "host.get",
            filter={"host": [self.wanted.host]},
            output=["hostid", "status", "tls_accept", "tls_connect"],
            selectParentTemplates=["templateid", "host"],
            selectInterfaces=["interfaceid", "type", "main", "useip", "ip", "dns", "port"],
            selectMacros=["hostmacroid", "macro", "value"],
        )
        return dict(found[0]) if found else None

    def _new_host(self) -> Step:
        wanted = self.wanted
        if wanted.method == "agent" and not wanted.address:
            raise ConfigError(
                "the server has to know where the agent is; give --interface ADDRESS[:PORT], or --method agent-active"
            )
        how = f' with template "{self.template.name}"'
        if wanted.method == "agent":
            how += f", agent at {wanted.address}:{wanted.port}"
        if wanted.psk:
            how += ", PSK"

        def create() -> None:
            self.api.call(
                "host.create",
                host=wanted.host,
                groups=[{"groupid": self._group_id()}],
                templates=[{"templateid": self.template.id()}],
                interfaces=[self._interface()] if wanted.method == "agent" else [],
                macros=[{"macro": macro, "value": value} for macro, value in self._macros().items()],
                **self._encryption(),
            )

        macros = "".join(f", {macro}={value}" for macro, value in self._macros().items())
        return Step(f'create host "{wanted.host}"{how}{macros}', create)

    def _old_host(self, host: dict[str, Any]) -> Iterator[Step]:
        name = f'host "{self.wanted.host}"'
        off = str(host["status"]) != "0"
        yield Step(f"{name} is there" + (", and is disabled" if off else ""), kept=off)
        if self.wanted.method == "agent":
            yield self._old_interface(host)  # first: items that are polled need it
        yield self._link(host)
        for macro, value in self._macros([each["macro"] for each in host["macros"]]).items():
            yield self._old_macro(host, macro, value)
        if self.wanted.psk:
            yield self._old_encryption(host)

    def _link(self, host: dict[str, Any]) -> Step:
        name = f'template "{self.template.name}"'
        linked = {each["host"]: str(each["templateid"]) for each in host["parentTemplates"]}
        if self.template.id() in linked.values():
            return Step(f"{name} is linked")
        others = [each for each in linked if each in TEMPLATES.values()]
        keep = [{"templateid": number} for each, number in linked.items() if each not in others]

        def link() -> None:
            # Unlinked without clearing, and linked again by the same keys: history stays.
            self.api.call("host.update", hostid=host["hostid"], templates=[*keep, {"templateid": self.template.id()}])

        if not others:
            return Step(f"link {name}", link)
        change = f'change over from template "{others[0]}" to "{self.template.name}"'
        if self.force:
            return Step(f"{change}; items and their history stay", link)
        return Step(f'template "{others[0]}" is linked; kept, --force changes over to {self.template.name}', kept=True)

    def _interface(self) -> dict[str, Any]:
        address = self.wanted.address or ""
        is_ip = _is_ip(address)
        place = {"ip": address if is_ip else "", "dns": "" if is_ip else address, "port": str(self.wanted.port)}
        return {"type": 1, "main": 1, "useip": int(is_ip), **place}

    def _old_interface(self, host: dict[str, Any]) -> Step:
        agents = [each for each in host["interfaces"] if str(each["type"]) == "1" and str(each["main"]) == "1"]
        if not self.wanted.address:
            if agents:
                return Step("agent interface is there")
            raise ConfigError(f'host "{self.wanted.host}" has no agent interface; give --interface ADDRESS[:PORT]')
        there = f"agent interface {self.wanted.address}:{self.wanted.port}"
        new = self._interface()
        if not agents:
            return Step(f"create {there}", lambda: self.api.call("hostinterface.create", hostid=host["hostid"], **new))
        old = agents[0]
        if all(str(old[key]) == str(value) for key, value in new.items()):
            return Step(f"{there} is there")
        now = f"{old['ip'] if str(old['useip']) == '1' else old['dns']}:{old['port']}"
        if self.force:
            return Step(
                f"change the agent interface from {now} to {self.wanted.address}:{self.wanted.port}",
                lambda: self.api.call("hostinterface.update", interfaceid=old["interfaceid"], **new),
            )
        return Step(f"agent interface is {now}; kept, --force changes it", kept=True)

    # -- macros and encryption -----------------------------------------------------------------------------------

    def _macros(self, there: Collection[str] = ()) -> dict[str, str]:
        """What the interval of the readings asks for, where the template's own values, or what is there, do not fit."""
        interval = self.wanted.interval
        polled = self.wanted.method != "trapper" and (interval != 60 or INTERVAL in there)
        times = {INTERVAL: interval} if polled else {}
        times |= {name: interval * count for name, (own, count) in SPANS.items() if interval * count > own}
        return {name: format_duration(round(seconds)) for name, seconds in times.items()}

    def _old_macro(self, host: dict[str, Any], macro: str, value: str) -> Step:
        found = [each for each in host["macros"] if each["macro"] == macro]
        if not found:
            return Step(
                f"set {macro}={value}",
                lambda: self.api.call("usermacro.create", hostid=host["hostid"], macro=macro, value=value),
            )
        now = found[0].get("value", "")
        if now == value or (macro in SPANS and _seconds(now) >= _seconds(value)):
            return Step(f"{macro}={now} is set")
        if self.force:
            return Step(
                f"change {macro} from {now} to {value}",
                lambda: self.api.call("usermacro.update", hostmacroid=found[0]["hostmacroid"], value=value),
            )
        return Step(f"{macro} is {now}; kept, --force changes it to {value}", kept=True)

    def _encryption(self, accepts: int = 0) -> dict[str, Any]:
        """PSK for what comes from the host, beside what it ``accepts``; for an agent that is asked, to it as well."""
        if not self.wanted.psk:
            return {}
        connect = {"tls_connect": PSK} if self.wanted.method == "agent" else {}
        secret = {"tls_psk_identity": self.wanted.psk_identity, "tls_psk": self.wanted.psk}
        return {"tls_accept": accepts | PSK, **connect, **secret}

    def _old_encryption(self, host: dict[str, Any]) -> Step:
        """A host has one key for both directions, and may have an agent that knows it, or none."""
        accepts, connects = int(host["tls_accept"]), int(host["tls_connect"])
        polled = self.wanted.method == "agent"
        new = self._encryption(accepts)
        change = f"take PSK beside {_kinds(accepts)}" if not accepts & PSK else "set PSK"
        if polled and connects != PSK:
            change += f", and ask the agent by PSK instead of {_kinds(connects)}"
        if self.force or (accepts == UNENCRYPTED and connects != PSK and not polled):
            return Step(change, lambda: self.api.call("host.update", hostid=host["hostid"], **new))
        if accepts & PSK and (connects == PSK or not polled):
            return Step("PSK is set; Zabbix does not show which, --force sets it again")
        return Step(f"the host's encryption is kept; --force: {change}", kept=True)


def _seconds(time: str) -> float:
    try:
        return Duration(0, math.inf).from_toml(time)
    except Unfit:
        return 0.0


def _kinds(bits: int) -> str:
    return ", ".join(name for bit, name in ENCRYPTION.items() if bits & bit)


def _is_ip(address: str) -> bool:
    return ":" in address or address.replace(".", "").isdigit()
