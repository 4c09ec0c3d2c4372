"""Names of sensors that people confuse, although programs can tell them apart."""

import logging
import unicodedata
from collections.abc import Iterator

from usbrh.config.model import Config

_log = logging.getLogger(__name__)


def log_confusable_names(config: Config) -> None:
    """Log a warning for each message of ``confusable_names``."""
    for message in confusable_names(config):
        _log.warning("%s", message)


def confusable_names(config: Config) -> Iterator[str]:
    """Yield a message for each two names that differ only in letter case or in width.

    Examples are "room" and "Room", and "１階" and "1階".
    """
    seen: dict[str, tuple[str, str]] = {}
    for port, sensor in config.sensor.items():
        name = sensor.name or port
        other, other_port = seen.setdefault(_folded(name), (name, port))
        if other != name:
            names = f'"{other}" ({other_port}) and "{name}" ({port})'
            yield f"the sensor names {names} are easy to confuse: {_difference(other, name)}"


def _folded(name: str) -> str:
    """Map names that look alike to one text, as the Unicode Standard defines it (3.13, toNFKC_Casefold)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _difference(one: str, other: str) -> str:
    if one.casefold() == other.casefold():
        return "they differ only in letter case"
    return "they differ only in the form of characters, such as their width"
