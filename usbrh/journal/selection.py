"""Which sensors of the journal a command shows."""

from collections.abc import Callable, Iterable, Sequence

from usbrh.errors import SensorNotFound
from usbrh.reading import Reading, SensorInfo


def select(
    newest: Sequence[Reading], selectors: Iterable[str], plugged_in: Callable[[], list[SensorInfo]]
) -> list[str]:
    """The names that ``selectors`` select: a name, a port, a serial number, a number in ``usbrh list``, or "all".

    ``newest``: the newest reading of each sensor in the journal. A port and a serial number select all names that their
    sensor has had. ``plugged_in`` is called only for a number. An empty journal has no names.

    Raises:
        SensorNotFound: the journal has no reading of a selected sensor.
        LibusbMissing, ConfigError: as ``plugged_in`` raises them.
    """
    chosen: dict[str, None] = {}
    for selector in selectors if newest else ():
        if not (found := _selected(newest, selector)) and selector.isdecimal():
            found = [info.name for number, info in enumerate(plugged_in(), 1) if str(number) == selector]
            found = [reading.sensor for reading in newest if reading.sensor in found]
        if not found:
            names = ", ".join(reading.sensor for reading in newest)
            raise SensorNotFound(f"the journal has no readings of {selector!r}", remedy=f"choose one of: {names}")
        chosen |= dict.fromkeys(found)
    return list(chosen)


def _selected(newest: Sequence[Reading], selector: str) -> list[str]:
    return [
        reading.sensor
        for reading in newest
        if selector in ("all", reading.sensor, reading.port) or (reading.serial and selector == reading.serial)
    ]
