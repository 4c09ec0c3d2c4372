"""The results of API calls, checked in one place: a front end, or what answers in its place, can send anything."""

import re
from collections.abc import Mapping
from typing import Any, Self

from usbrh.errors import ZabbixApiError

REMEDY = "check that the address is that of a Zabbix front end"


class Row(dict[str, Any]):
    """One object of a result. To read a field that is missing or of the wrong type raises ZabbixApiError."""

    def __missing__(self, key: str) -> Any:
        raise unusable(f"an object without {key}")

    def integer(self, key: str) -> int:
        """Return the field as a whole number of up to 18 digits. The API writes numbers as strings."""
        if not re.fullmatch(r"-?\d{1,18}", str(self[key]), re.ASCII):
            raise unusable(f"{key} that is not a number")
        return int(self[key])

    def rows(self, key: str) -> list[Self]:
        """Return the field as a list of objects."""
        value = self[key]
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise unusable(f"{key} that is not a list of objects")
        return [type(self)(each) for each in value]


def unusable(what: str) -> ZabbixApiError:
    """Return the error for an answer with ``what``."""
    return ZabbixApiError(f"the front end sent {what}", remedy=REMEDY)


def checked(method: str, params: Mapping[str, Any], result: Any) -> Any:
    """Return the result of ``method``, with ``Row`` for each object of a list.

    Raises:
        ZabbixApiError: Zabbix never sends such a result for this method. The message does not show the result.
    """
    _, _, verb = method.partition(".")
    if method in {"autoregistration.get", "history.push"}:
        if not isinstance(result, dict):
            raise _wrong(method, "an object", result)
        return Row(result)
    if verb == "get" and not params.get("countOutput"):
        if not isinstance(result, list) or not all(isinstance(each, dict) for each in result):
            raise _wrong(method, "a list of objects", result)
        for field in params.get("output", ()):
            if any(isinstance(each.get(field), list | dict) for each in result):
                raise unusable(f"{field} that is neither text nor a number, as an answer to {method}")
        return [Row(each) for each in result]
    fits: object
    if method in {"apiinfo.version", "user.login"}:
        expected, fits = "text", isinstance(result, str) and result.isascii() and result.isprintable() and result
    elif verb == "get":
        expected, fits = "a number", re.fullmatch(r"\d{1,18}", str(result), re.ASCII)
    elif verb in {"create", "update"} and method != "autoregistration.update":
        ids = next(iter(result.values()), None) if isinstance(result, dict) else None
        expected = "the id of the object"
        fits = isinstance(ids, list) and ids and all(isinstance(each, str | int) for each in ids)
    elif verb == "importcompare":
        expected, fits = "an object", isinstance(result, dict) or result == []  # PHP writes an empty object as []
    else:
        expected, fits = "true", result is True
    if not fits:
        raise _wrong(method, expected, result)
    return result


def _wrong(method: str, expected: str, result: Any) -> ZabbixApiError:
    names = {type(None): "null", bool: "true or false", str: "other text", list: "a list", dict: "an object"}
    found = names.get(type(result), "a number")
    if found == expected:
        found = f"another {expected.partition(' ')[2]}"
    return unusable(f"{found} as an answer to {method}, not {expected}")
