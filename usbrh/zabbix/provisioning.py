"""Host group, template, host, macros and encryption in a Zabbix, created through its API.

What somebody changed by hand is kept and reported, unless ``force`` overwrites it.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from usbrh.config.value_types import Duration, InvalidValue
from usbrh.errors import ConfigError, ZabbixPermissionError
from usbrh.steps import Step
from usbrh.zabbix.answers import Row
from usbrh.zabbix.api import Api
from usbrh.zabbix.templates import LANGUAGES, TEMPLATES, Language, Template
from usbrh.zabbix.wanted import LIMITS, SPANS, Wanted

UNENCRYPTED, PSK = 1, 2
ENCRYPTION = {UNENCRYPTED: "no encryption", PSK: "PSK", 4: "certificates"}  # bits of tls_accept and tls_connect
MAX_DIFFERENCES = 20  # of a template, in the text of its step


def plan(api: Api, wanted: Wanted, *, force: bool = False) -> list[Step]:
    """The steps to what is wanted, in the order in which they have to be carried out.

    Raises:
        ConfigError: the agent's interface is needed and not given.
        ZabbixApiError, ZabbixUnreachable: the API reports an error, or does not answer.
    """
    return list(Planner(api, wanted, force).steps())


class Planner:
    """Plans the steps for one host."""

    def __init__(self, api: Api, wanted: Wanted, force: bool) -> None:
        """Plan for ``wanted``; with ``force``, overwrite what was changed by hand."""
        self.api = api
        self.wanted = wanted
        self.force = force
        self.template = Template(api, wanted.method)

    def steps(self) -> Iterator[Step]:
        """Yield the steps; raises as ``plan`` does."""
        host = self._find_host()
        yield self.template_step(self._other_template(host))
        yield self._whose_limits(host)
        if host is None:
            yield self.group_step()
            yield self._new_host()
        else:
            yield from self._old_host(host)

    def _whose_limits(self, host: Row | None) -> Step:
        """Report whose thresholds the host has after all steps."""
        if self.wanted.limits and (not host or self.force):
            return Step(f"limits are those of {self.wanted.limits}")
        own = {each["macro"]: each.get("value", "") for each in host.rows("macros")} if host else {}
        own = (LIMITS[self.wanted.limits] if self.wanted.limits else {}) | own
        own = {macro: value for macro, value in own.items() if macro in LIMITS["server-room"]}
        if not own:
            return Step("limits are the template's (default: server-room; --limits sets others)")
        found = [name for name, limits in LIMITS.items() if limits == own]
        return Step(f"limits are those of {found[0]}" if found else "limits are set by hand on the host")

    def _other_template(self, host: Row | None) -> Template | None:
        """The template for another method that the host has, to take over from."""
        linked = {each["host"] for each in host.rows("parentTemplates")} if host else set()
        others = [method for method, name in TEMPLATES.items() if name in linked and method != self.wanted.method]
        return Template(self.api, others[0]) if others else None

    def template_step(self, other: Template | None = None) -> Step:
        """The step that imports the template, to replace the ``other`` one if it is given.

        Raises:
            ConfigError: the other template has another language.
        """
        template, name = self.template, f'template "{self.template.name}"'
        present, different = template.present() if template.id() else (None, [])
        before = other.present()[0] if other else None
        language = self.wanted.language or present or before or "en"
        if other and before and before != language:
            _reject_two_changes(other, before, language)
        load = partial(template.load, language)
        if not present:
            return Step(f"import {name}" + ("" if language == "en" else f" in {LANGUAGES[language]}"), load)
        if different:
            rest = len(different) - MAX_DIFFERENCES
            what = "; ".join(different[:MAX_DIFFERENCES]) + (f"; and {rest} more" if rest > 0 else "")
            change = f"import {name} again" + ("" if language == present else f" in {LANGUAGES[language]}")
            return self.overwrite(f"{name} differs from this version of usbrh: {what}", change, load)
        if language != present:
            return Step(f"import {name} in {LANGUAGES[language]} instead of {LANGUAGES[present]}", load)
        return Step(f"{name} is up to date")

    def overwrite(self, now: str, change: str, do: Callable[[], object]) -> Step:
        """The step for what somebody changed by hand: kept, or overwritten by ``force``."""
        if self.force:
            return Step(f"{change} ({now})", do)
        return Step(f"{now}; kept (with --force: {change})", kept=True)

    def _call(self, method: str, **params: Any) -> Callable[[], object]:
        return partial(self.api.call, method, **params)

    def group_step(self) -> Step:
        """The step that creates the host group; raises ZabbixPermissionError if the user may only read it."""
        name = f'host group "{self.wanted.group}"'
        if self.group_id(editable=True):
            return Step(f"{name} exists")
        if self.group_id():
            message = f"{self.api.url}: the user has no Read-write permission for the {name}"
            raise ZabbixPermissionError(message, remedy="give it to the user's user group")
        return Step(f"create {name}", partial(self._create_group, name))

    def _create_group(self, name: str) -> None:
        try:
            self.api.call("hostgroup.create", name=self.wanted.group)
        except ZabbixPermissionError:
            message = f"{self.api.url}: the {name} does not exist, or the user has no permission for it"
            remedy = "as a Super admin, create it and give the user's user group Read-write permission for it"
            raise ZabbixPermissionError(message, remedy=remedy) from None

    def group_id(self, **options: Any) -> str | None:
        """The id of the host group; None if it does not exist."""
        found = self.api.call("hostgroup.get", filter={"name": [self.wanted.group]}, output=["groupid"], **options)
        return str(found[0]["groupid"]) if found else None

    def _find_host(self) -> Row | None:
        found = self.api.call(
            "host.get",
            filter={"host": [self.wanted.host]},
            output=["hostid", "status", "tls_accept", "tls_connect"],
            selectParentTemplates=["templateid", "host"],
            selectInterfaces=["interfaceid", "type", "main", "useip", "ip", "dns", "port"],
            selectMacros=["hostmacroid", "macro", "value"],
        )
        return found[0] if found else None

    def _new_host(self) -> Step:
        wanted = self.wanted
        macros = self.wanted.macros()
        parts = [
            f'create host "{wanted.host}" with template "{self.template.name}"',
            *([f"agent at {wanted.interface}"] if wanted.method == "agent" else []),
            *(["PSK"] if wanted.psk else []),
            *(f"{macro}={value}" for macro, value in macros.items()),
        ]
        interfaces = [self._interface()] if wanted.method == "agent" else []

        def create() -> None:
            self.api.call(
                "host.create",
                host=wanted.host,
                groups=[{"groupid": self.group_id()}],
                templates=[{"templateid": self.template.id()}],
                interfaces=interfaces,
                macros=[{"macro": macro, "value": value} for macro, value in macros.items()],
                **self._encryption(),
            )

        return Step(", ".join(parts), create)

    def _old_host(self, host: Row) -> Iterator[Step]:
        name = f'host "{self.wanted.host}"'
        off = str(host["status"]) != "0"
        yield Step(f"{name} exists" + (", and is disabled" if off else ""), kept=off)
        if self.wanted.method == "agent":
            yield self._old_interface(host)  # first: polled items need it
        yield self._link(host)
        for macro, value in self.wanted.macros([each["macro"] for each in host.rows("macros")]).items():
            yield self._old_macro(host, macro, value)
        if self.wanted.psk:
            yield self._old_encryption(host)

    def _link(self, host: Row) -> Step:
        name = f'template "{self.template.name}"'
        linked = {each["host"]: str(each["templateid"]) for each in host.rows("parentTemplates")}
        if self.template.id() in linked.values():
            return Step(f"{name} is linked")
        others = [each for each in linked if each in TEMPLATES.values()]
        keep = [{"templateid": number} for each, number in linked.items() if each not in others]

        def link() -> None:
            # Not cleared: the new template takes over the items by their keys, and history stays.
            self.api.call("host.update", hostid=host["hostid"], templates=[*keep, {"templateid": self.template.id()}])

        if not others:
            return Step(f"link {name}", link)
        change = f"link {name} instead, and keep the items' history"
        return self.overwrite(f'template "{others[0]}" is linked', change, link)

    def _interface(self) -> dict[str, Any]:
        """The agent's interface, as the API wants it."""
        if not self.wanted.interface:
            message = f'host "{self.wanted.host}" has no agent interface, so the server can\'t poll its agent'
            raise ConfigError(message, remedy="give --interface ADDRESS[:PORT], or --method agent-active")
        host, port = self.wanted.interface.host, self.wanted.interface.port
        is_ip = ":" in host or host.replace(".", "").isdigit()
        where = {"ip": host if is_ip else "", "dns": "" if is_ip else host, "port": str(port)}
        return {"type": 1, "main": 1, "useip": int(is_ip), **where}

    def _old_interface(self, host: Row) -> Step:
        agents = [each for each in host.rows("interfaces") if str(each["type"]) == "1" and str(each["main"]) == "1"]
        wanted = self.wanted.interface
        if agents and not wanted:
            return Step("agent interface exists")
        new = self._interface()
        if not agents:
            create = self._call("hostinterface.create", hostid=host["hostid"], **new)
            return Step(f"create agent interface {wanted}", create)
        old = agents[0]
        if all(str(old[key]) == str(value) for key, value in new.items()):
            return Step(f"agent interface {wanted} exists")
        now = f"{old['ip'] if str(old['useip']) == '1' else old['dns']}:{old['port']}"
        update = self._call("hostinterface.update", interfaceid=old["interfaceid"], **new)
        return self.overwrite(f"agent interface is {now}", f"set agent interface {wanted}", update)

    def _old_macro(self, host: Row, macro: str, value: str) -> Step:
        found = [each for each in host.rows("macros") if each["macro"] == macro]
        if not found:
            create = self._call("usermacro.create", hostid=host["hostid"], macro=macro, value=value)
            return Step(f"set {macro}={value}", create)
        now = found[0].get("value", "")
        if now == value or (macro in SPANS and _seconds(now) >= _seconds(value)):
            return Step(f"{macro}={now} is set")
        update = self._call("usermacro.update", hostmacroid=found[0]["hostmacroid"], value=value)
        return self.overwrite(f"{macro} is {now}", f"set {macro}={value}", update)

    def _encryption(self, accepts: int = 0) -> dict[str, Any]:
        """PSK for connections from the host, besides what it ``accepts``; also to an agent that is polled."""
        if not self.wanted.psk:
            return {}
        connect = {"tls_connect": PSK} if self.wanted.method == "agent" else {}
        secret = {"tls_psk_identity": self.wanted.psk_identity, "tls_psk": self.wanted.psk}
        return {"tls_accept": accepts | PSK, **connect, **secret}

    def _old_encryption(self, host: Row) -> Step:
        """A host has one key for both directions, and its agent may use another one, or none."""
        accepts, connects = host.integer("tls_accept"), host.integer("tls_connect")
        polled = self.wanted.method == "agent"
        update = self._call("host.update", hostid=host["hostid"], **self._encryption(accepts))
        change = f"accept PSK besides {_kinds(accepts)}" if not accepts & PSK else "set PSK"
        if polled and connects != PSK:
            change += f", and poll the agent with PSK instead of {_kinds(connects)}"
        if accepts == UNENCRYPTED and connects != PSK and not polled:
            return Step(change, update)
        if not self.force and accepts & PSK and (connects == PSK or not polled):
            return Step("PSK is set (Zabbix does not show the key; --force sets it again)")
        return self.overwrite("the host has an encryption", change, update)


def _reject_two_changes(linked: Template, before: Language, language: Language) -> None:
    """Reject a change of method and language at once: the triggers of both languages would stay on the host."""
    message = f'the linked template "{linked.name}" is in {LANGUAGES[before]}, and the new one in {LANGUAGES[language]}'
    remedy = f"run first: usbrh zabbix provision --method {linked.method} --language {language}"
    raise ConfigError(message, remedy=remedy)


def _seconds(time: str) -> float:
    """The s of a macro's value; 0 if it is not a time."""
    try:
        return Duration(0, math.inf).from_toml(time)
    except InvalidValue:
        return 0.0


def _kinds(bits: int) -> str:
    return ", ".join(name for bit, name in ENCRYPTION.items() if bits & bit)
