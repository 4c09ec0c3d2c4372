"""The route of readings to one destination."""

from dataclasses import dataclass

from usbrh.zabbix.sender import Sender


@dataclass(frozen=True, slots=True)
class Route:
    """One destination, and what is needed to send to it."""

    destination: str
    """Its name."""
    sender: Sender
    host: str
    """Technical name of the host in Zabbix."""
    metadata: str | None = None
    """Announce the host with this text, for autoregistration."""
