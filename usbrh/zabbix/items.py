"""The keys of the items in Zabbix that get what usbrh sends. The templates define the items, and many more."""

DISCOVERY = "usbrh.discovery"
"""The sensors that are plugged in or configured: a JSON array for low-level discovery."""
BRIDGE = "usbrh.bridge"
"""The state of usbrh on the machine: a JSON object."""

TEST = "usbrh.test"
"""1 raises the template's test problem, 0 clears it."""


def reading_key(sensor: str) -> str:
    """The key of the item that gets the readings of ``sensor``. The configuration accepts no name that needs quotes."""
    return f"usbrh.get[{sensor}]"


def state_key(sensor: str) -> str:
    """The key of the item that keeps the ``state`` of each reading of ``sensor``."""
    return f"usbrh.state[{sensor}]"
