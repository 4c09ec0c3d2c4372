"""The file of ``usbrh verify``: JSON lines with every transfer, every call of the driver, and every result.

docs/verify.md describes the format. The file names neither the machine nor its user, and no serial number.
"""

import json
import os
import platform
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from usbrh import __version__
from usbrh.clock import NS, Clock
from usbrh.errors import ConfigError
from usbrh.reading import Reading, SensorInfo, format_time
from usbrh.system.files import check_regular, open_output

SCHEMA = 1
"""Value of ``usbrh_capture`` in the first line. New keys keep it."""
_TEXTS = ("text", "seen", "detail", "firmware", "product", "manufacturer")
"""Keys whose values can contain the serial number, because the device or a message says it."""


class Capture:
    """Keeps the records of one run, and writes them to a file if there is one.

    A record that can't be written must not stop the command before the heater is off. ``check`` raises that error.
    """

    def __init__(self, path: Path | None = None, *, replace: bool = False) -> None:
        """Make the file. Raises ConfigError: it exists, and is not to be replaced, or it can't be written."""
        self.records: list[dict[str, Any]] = []
        self.serial: str | None = None
        """The serial number of the sensor, which appears as ``x`` in the file."""
        self._path = path
        self._problem: OSError | None = None
        self._file = None
        if path is None:
            return
        flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | (0 if replace else os.O_EXCL)
        try:
            self._file = os.fdopen(open_output(path, flags), "w", encoding="utf-8")
            check_regular(os.fstat(self._file.fileno()), path)
            if replace:
                self._file.truncate(0)
        except FileExistsError:
            remedy = "set another file with -o, or replace it with --force"
            raise ConfigError(f"{path} exists", remedy=remedy) from None
        except OSError as error:
            self._failed(error)
            self.close()
            self.check()

    def __enter__(self) -> Self:
        """Return itself; the end of the block closes the file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            try:
                self._file.close()
            except OSError as error:
                self._failed(error)
            self._file = None

    def write(self, record: dict[str, Any]) -> None:
        """Keep a record, and write it at once, so that the file is whole whenever the command ends."""
        self.records.append(record)
        if self._file is None or self._problem:
            return
        try:
            self._file.write(json.dumps(self._without_serial(record)) + "\n")
            self._file.flush()
        except OSError as error:
            self._failed(error)

    def check(self) -> None:
        """Raise ConfigError if a record could not be written."""
        if self._problem:
            message = f"can't write {self._path}: {self._problem.strerror}"
            raise ConfigError(message, remedy="set another file with -o") from self._problem

    def _failed(self, error: OSError) -> None:
        self._problem = self._problem or error

    def _without_serial(self, record: dict[str, Any]) -> dict[str, Any]:
        if not self.serial:
            return record
        hidden = dict(record)
        for key, value in record.items():
            if isinstance(value, dict):
                hidden[key] = self._without_serial(value)
            elif key in _TEXTS and isinstance(value, str):
                hidden[key] = value.replace(self.serial, "x" * len(self.serial))
        return hidden


def header(info: SensorInfo, clock: Clock, sys: Path = Path("/sys")) -> dict[str, Any]:
    """Return the first record: the versions, the day, and how the sensor is connected.

    ``controller`` is the kernel's driver of the USB host controller, ``hubs`` the number of hubs up to the sensor.
    """
    bus, _, ports = info.port.partition("-")
    driver = (sys / "bus/usb/devices" / f"usb{bus}" / ".." / "driver").resolve()
    return {
        "usbrh_capture": SCHEMA,
        "usbrh": __version__,
        "date": format_time(clock.time_ns() // NS * NS)[:10],
        "model": info.model,
        "simulated": info.simulated,
        "kernel": ".".join(platform.release().split("-", maxsplit=1)[0].split(".")[:3]),
        "controller": driver.name if driver.parent.name == "drivers" else None,
        "hubs": ports.count(".") if bus.isdigit() else None,
    }


def values(reading: Reading) -> dict[str, Any]:
    """Return the part of a reading that comes from the device, and that a replay must give again."""
    keys = ("temperature", "humidity", "raw", "conversion", "status")
    return {key: value for key, value in reading.to_dict().items() if key in keys}
