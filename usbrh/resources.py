"""The files that udev, systemd and Zabbix are given: from the installed wheel, or from a checkout."""

from importlib.resources import files
from pathlib import Path
from typing import Protocol


class Resource(Protocol):
    """What is needed of a packaged file."""

    def read_text(self, encoding: str) -> str: ...

    def is_file(self) -> bool: ...


def resource(name: str) -> Resource:
    """The file ``name``, such as ``udev/70-usbrh.rules``.

    The wheel carries these folders in ``usbrh/data``; a checkout has them at its top.
    """
    packaged = files("usbrh").joinpath("data", name)
    return packaged if packaged.is_file() else Path(__file__).parent.parent / name
