"""The data files for udev, systemd and Zabbix, in the installed wheel or in a checkout."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path


def resource(name: str) -> Traversable:
    """Return the data file ``name``, such as ``udev/70-usbrh.rules``.

    The wheel contains these folders in ``usbrh/data``; a checkout has them at its top.
    """
    packaged = files("usbrh").joinpath("data", name)
    return packaged if packaged.is_file() else Path(__file__).parents[2] / name
