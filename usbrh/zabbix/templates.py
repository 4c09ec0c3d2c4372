"""The template files, and one template in a Zabbix: find, compare and import it."""

import re
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any, Literal

from usbrh.errors import ZabbixApiError, ZabbixPermissionError
from usbrh.system.files import read_regular
from usbrh.system.resources import resource
from usbrh.zabbix.answers import unusable
from usbrh.zabbix.api import Api

Method = Literal["trapper", "agent", "agent-active"]
Language = Literal["en", "ja"]
METHODS: tuple[Method, ...] = ("trapper", "agent", "agent-active")
TEMPLATES: dict[Method, str] = {method: f"USB-RH by Zabbix {method.replace('-', ' ')}" for method in METHODS}
LANGUAGES: dict[Language, str] = {"en": "English", "ja": "Japanese"}
"""Languages of the templates, with their names."""
RELEASES = ((7, 4), (7, 0), (6, 0))
"""Zabbix releases with template files, newest first. A newer Zabbix accepts an older file."""
GROUP = "Templates/Server hardware"
"""The template group in the files. Every Zabbix has it."""
KINDS = ("templates", "items", "triggers", "graphs", "discoveryRules", "valueMaps", "templateDashboards")
OLD_GROUPS = ("host", "hostgroup", "groups")
"""What the group of a template is before Zabbix 6.2: the word, the API's object, the rule of an import."""
DASHBOARD_MISSING = re.compile('dashboard ".*" is missing')
_MAX_BYTES = 1 << 24
"""Of a file that is compared; a template has 30,000."""


def _file(method: Method, release: tuple[int, int], language: Language) -> str:
    suffix = "" if language == "en" else f".{language}"
    return f"{release[0]}.{release[1]}/usbrh_{method.replace('-', '_')}{suffix}.yaml"


def template_text(method: Method, version: tuple[int, int], language: Language) -> str:
    """Return the content of the template file for this version of Zabbix."""
    release = next(each for each in RELEASES if each <= version)
    return resource(f"zabbix/templates/{_file(method, release, language)}").read_text(encoding="utf-8")


def template_files(folder: Path, language: Language) -> Iterator[tuple[Path, str]]:
    """Yield the path below ``folder`` and the content of each template file."""
    for release in RELEASES:
        for method in METHODS:
            yield folder / _file(method, release, language), template_text(method, release, language)


def difference_from(path: Path, text: str) -> str:
    """Return the unified diff from the file at ``path`` to ``text``; empty if they are the same or there is no file.

    Raises:
        OSError: The file can't be read, or is not a regular file.
    """
    try:
        found = read_regular(path, _MAX_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return ""
    now, new = (each.splitlines(keepends=True) for each in (found, text))
    return "".join(unified_diff(now, new, f"{path} (now)", f"{path} (new)"))


class Template:
    """The template for one method, in the Zabbix behind an API."""

    def __init__(self, api: Api, method: Method) -> None:
        self.method = method
        self.name = TEMPLATES[method]
        self._api = api
        self._sources = {language: template_text(method, api.version, language) for language in LANGUAGES}

    def id(self) -> str | None:
        """Return the id of the template in Zabbix, or None. A renamed template is found by its UUID."""
        uuid = re.search(r"^  templates:\n +- uuid: (\w+)$", self._sources["en"], re.MULTILINE)
        for same in ({"host": [self.name]}, {"uuid": [uuid[1] if uuid else ""]}):
            found = self._api.call("template.get", filter=same, output=["templateid"])
            if found:
                return str(found[0]["templateid"])
        return None

    def load(self, language: Language) -> None:
        """Import the template.

        Raises:
            ZabbixApiError: Zabbix rejected the template, or left parts of it out.
        """
        self._with_file(language, "configuration.import", "Read-write")
        # 7.0 reports no error when it leaves a trigger out.
        missing = [line for line in self.differences(language) if line.endswith("is missing")]
        if missing:
            raise ZabbixApiError(f'Zabbix did not import the whole template "{self.name}": {", ".join(missing)}')

    def present(self) -> tuple[Language, list[str]]:
        """Return the language of the template in Zabbix, and what an import in this language would change.

        It is the language with the fewest differences: somebody may have changed texts by hand.
        """
        found: dict[Language, list[str]] = {}
        for language in LANGUAGES:
            found[language] = self.differences(language)
            if not found[language]:
                break
        language = min(found, key=lambda each: len(found[each]))
        return language, found[language]

    def differences(self, language: Language) -> list[str]:
        """Return what an import would change, as Zabbix itself compares it: one line per change."""
        answer = self._with_file(language, "configuration.importcompare", "Read")
        try:
            changes = list(_changes(answer)) if answer else []
        except (AttributeError, LookupError, RecursionError, TypeError):
            raise unusable("a comparison of templates that is not one") from None
        return [line for line in changes if not (DASHBOARD_MISSING.fullmatch(line) and self._has_dashboard())]

    def _with_file(self, language: Language, method: str, permission: str) -> Any:
        """Call ``method`` with the file of ``language``; it needs ``permission`` for the template group."""
        version = self._api.version
        kind, get, rule = ("template", "templategroup", "template_groups") if version >= (6, 2) else OLD_GROUPS
        wanted = {"filter": {"name": [GROUP]}, "output": ["groupid"]}
        exists = bool(self._api.call(f"{get}.get", **wanted))
        rules = {
            **{each: {"createMissing": True, "updateExisting": True} for each in KINDS},
            # Only a Super admin may create groups. 6.0 needs every rule.
            rule: {"createMissing": not exists, "updateExisting": False},
            "templateLinkage": {"createMissing": False},
        }
        try:
            return self._api.call(method, format="yaml", source=self._sources[language], rules=rules)
        except ZabbixPermissionError:
            if exists and (permission == "Read" or self._api.call(f"{get}.get", editable=True, **wanted)):
                raise
        message = f'{self._api.url}: the user has no {permission} permission for the {kind} group "{GROUP}"'
        raise ZabbixPermissionError(message, remedy="give it to the user's user group")

    def _has_dashboard(self) -> bool:
        """Whether Zabbix has the dashboard, although its comparison does not show it.

        6.0 shows a user who is not Super admin the dashboards of templates that are linked to one of the user's hosts.
        """
        template = self.id()
        found = "0"
        if template:
            found = self._api.call("templatedashboard.get", templateids=[template], editable=True, countOutput=True)
        return found != "0"


def _changes(answer: dict[str, Any]) -> Iterator[str]:
    """Flatten Zabbix's nested comparison to one line per change. ``before`` is in Zabbix, ``after`` in the file."""
    for kind, sorts in answer.items():
        for sort, entities in sorts.items() if isinstance(sorts, dict) else ():
            for entity in entities:
                before, after = entity.get("before", {}), entity.get("after", {})
                named = after or before
                name = f'{kind.rstrip("s").replace("_", " ")} "{named.get("name") or named.get("macro") or ""}"'
                if sort == "added":
                    yield f"{name} is missing"
                    continue
                inner = {key: value for key, value in entity.items() if key not in {"before", "after"}}
                yield from (f"{name}: {line}" for line in _fields(before, after))
                yield from _changes(inner)


def _fields(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for key in sorted({*before, *after} - {"uuid"}):
        old, new = before.get(key), after.get(key)
        if key == "macros":
            yield from _macro_changes(
                *({row["macro"]: row.get("value", "") for row in rows or ()} for rows in (old, new))
            )
        elif old != new and isinstance(old or new, str):
            yield f"{key} is {old or 'the default'}, not {new or 'the default'}"
        elif old != new:
            yield f"{key} is different"


def _macro_changes(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    yield from (f"macro {name} is missing" for name in new if name not in old)
    yield from (f"{name} is {old[name]}, not {value}" for name, value in new.items() if old.get(name, value) != value)
    yield from (f"macro {name} is not from usbrh" for name in old if name not in new)
