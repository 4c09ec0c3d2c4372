"""Selecting sensors that have readings in the journal, whether they are plugged in or not."""

from collections.abc import Sequence

from usbrh.cli.context import Context
from usbrh.errors import JournalError, SensorNotFound, UsbrhError
from usbrh.reading import SensorInfo
from usbrh.sensors import find, select


def recorded(context: Context, known: Sequence[SensorInfo], selectors: Sequence[str]) -> list[str]:
    """Return the names of the selected sensors among the ``known`` ones. The selectors are those of ``usbrh read``.

    A port can match several names: of sensors that were plugged in there one after the other, or before it was renamed.

    Raises:
        JournalError: There are no readings at all.
        SensorNotFound: A selector matches no sensor that has readings. The remedy lists those that have.
    """
    chosen: dict[str, None] = {}
    if not known:
        raise JournalError("the journal has no readings", remedy="read the sensors into it: usbrh run, or usbrh send")
    for selector in selectors or ["all"]:
        if not (names := _matches(known, selector) or _matches(known, _by_number(context, selector))):
            there = ", ".join(info.name for info in known)
            raise SensorNotFound(f"no readings of sensor {selector!r}", remedy=f"choose one of: {there}")
        chosen |= dict.fromkeys(names)
    return list(chosen)


def _matches(known: Sequence[SensorInfo], selector: str | None) -> list[str]:
    if selector == "all":
        return [info.name for info in known]
    for field in ("name", "port", "serial"):
        if names := [info.name for info in known if selector is not None and getattr(info, field) == selector]:
            return names
    return []


def _by_number(context: Context, selector: str) -> str | None:
    """Return the name of the sensor with that number in ``usbrh list``; None if there is none."""
    if not selector.isdecimal():
        return None
    try:
        return select(find(context.config), [selector])[0].info.name
    except UsbrhError:
        return None
