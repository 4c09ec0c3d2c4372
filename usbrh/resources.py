"""The data files for udev, systemd and Zabbix, in the installed wheel or in a checkout."""

from importlib.resources import files
from pathlib import Path
from typing import Protocol


class Resource(Protocol):
    """A data file; the part of Path and Traversable that usbrh uses."""

    def read_text(self, encoding: str) -> str:
        """Return the content."""

    def is_file(self) -> bool:
        """Return whether the file exists."""


def resource(name: str) -> Resource:
    """Return the data file ``name``, such as ``udev/70-usbrh.rules``.

    The wheel contains these folders in ``usbrh/data``; a checkout has them at its top.
    """
    packaged = files("usbrh").joinpath("data", name)
    return packaged if packaged.is_file() else Path(__file__).parent.parent / name
