"""The data that all parts of usbrh exchange: a sensor and one reading of it, immutable and convertible to JSON."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from usbrh.clock import NS
from usbrh.errors import UsbrhError, joined

SCHEMA_VERSION = 1
"""Value of ``v`` in a reading's JSON. New keys keep the version; no key is removed or changes its meaning."""
QUANTITIES = (
    *("temperature", "humidity", "dew_point", "absolute_humidity"),
    *("frost_point", "vapour_deficit", "vapour_pressure_deficit", "discomfort_index"),
)
"""The numbers of a reading: attributes of ``Reading``, keys of its JSON, columns of CSV."""
SUMMARISED = QUANTITIES[:3]
"""What the summaries of the history contain."""


class SensorInfo(NamedTuple):
    """One sensor that is plugged in."""

    port: str
    """USB port path, such as ``1-1.4``: the bus, then the port of each hub. Survives unplugging and reboots."""
    model: str
    name: str
    """The name from the configuration, or the ``identity`` if there is none."""
    serial: str | None = None
    """Serial number; None for a USB-RH, which has none."""
    simulated: bool = False

    @property
    def identity(self) -> str:
        """The serial number, or the port of a sensor without one. Unique on this machine."""
        return self.serial or self.port


class Ticks(NamedTuple):
    """The raw values of one USB-RH report."""

    temperature: int
    """SO_T in the SHT1x data sheet, 14 bits."""
    humidity: int
    """SO_RH in the SHT1x data sheet, 12 bits."""
    reserved: bytes
    """The last three bytes of the report. Their meaning is not published."""


class Calibration(NamedTuple):
    """The correction of the converted values: value × scale + offset."""

    temperature_offset: float = 0.0
    """°C."""
    temperature_scale: float = 1.0
    humidity_offset: float = 0.0
    """%RH."""
    humidity_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement, or one failed attempt, which has an ``error`` and no values."""

    sensor: str
    port: str
    model: str
    time_ns: int
    """Time of the measurement in nanoseconds since 1970-01-01 UTC."""
    temperature: float | None = None
    """°C, calibrated."""
    humidity: float | None = None
    """%RH, 0 to 100, calibrated."""
    dew_point: float | None = None
    """°C, over water at every temperature; None at 0 %RH, where it is not defined."""
    absolute_humidity: float | None = None
    """g/m³."""
    raw: Ticks | None = None
    conversion: str | None = None
    """The conversion from ticks, such as ``sht1x-v3@5V``; ``device`` if the device converts."""
    calibration: Calibration | None = None
    """None if the configuration has no correction."""
    serial: str | None = None
    heater: bool = False
    """The sensor's heater was on, so the values are not those of the room."""
    status: str | None = None
    """The status word of the sensor chip, such as ``0x8010``; None for a USB-RH, which reports none."""
    repeated: bool = False
    """The second result, because the first one jumped by more than ``spike`` in the configuration."""
    simulated: bool = False
    state: str = "ok"
    """``ok``, or the ``kind`` of the error."""
    error: str | None = None
    remedy: str | None = None
    frost_point: float | None = None
    """°C; None at 0 °C and above, where frost does not form."""
    vapour_deficit: float | None = None
    """g/m³ (飽差): how much more vapour the air can contain."""
    vapour_pressure_deficit: float | None = None
    """kPa (VPD)."""
    discomfort_index: float | None = None
    """不快指数, without a unit."""
    boot_ns: int | None = field(default=None, compare=False)
    """Nanoseconds from the start of this machine to the measurement; None if it was made elsewhere. Not in the JSON."""

    @property
    def problem(self) -> str | None:
        """The error and its remedy as one line of text; None without an error."""
        return None if self.error is None else joined(self.error, self.remedy)

    @classmethod
    def failed(cls, sensor: SensorInfo, time_ns: int, error: UsbrhError, boot_ns: int | None = None) -> "Reading":
        """Return the reading that stands for an attempt that failed at ``time_ns`` (by the boot clock: ``boot_ns``)."""
        return cls(
            sensor=sensor.name,
            port=sensor.port,
            model=sensor.model,
            serial=sensor.serial,
            time_ns=time_ns,
            boot_ns=boot_ns,
            simulated=sensor.simulated,
            state=error.kind,
            error=error.message,
            remedy=error.remedy,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of this reading. Numbers have two decimals, the resolution of the sensor."""
        raw = self.raw and {
            "temperature": self.raw.temperature,
            "humidity": self.raw.humidity,
            "reserved": self.raw.reserved.hex(),
        }
        return {
            "v": SCHEMA_VERSION,
            "sensor": self.sensor,
            "port": self.port,
            "model": self.model,
            "serial": self.serial,
            "time": format_time(self.time_ns),
            **{key: rounded(getattr(self, key)) for key in QUANTITIES},
            "raw": raw,
            "conversion": self.conversion,
            "calibration": self.calibration and self.calibration._asdict(),
            "heater": self.heater,
            "status": self.status,
            "repeated": self.repeated,
            "simulated": self.simulated,
            "state": self.state,
            "error": self.error,
            "remedy": self.remedy,
        }

    def to_json(self) -> str:
        """Return the JSON object as one line without spaces: what the journal keeps, and Zabbix gets."""
        import json  # noqa: PLC0415 - not needed to start

        return json.dumps(self.to_dict(), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Reading":
        """Return the reading whose ``to_dict`` is ``data``. Unknown keys are ignored.

        Raises:
            KeyError, ValueError, TypeError: ``data`` is not the JSON object of a reading.
        """
        older = dict.fromkeys(("serial", "status", "remedy", *QUANTITIES))  # older readings lack some keys
        if data["temperature"] is not None and "frost_point" not in data:
            from usbrh.psychrometry import derived  # noqa: PLC0415 - only for readings of earlier versions

            older |= derived(data["temperature"], data["humidity"])
        data = {**older, "repeated": False, **data}
        raw = data.get("raw")
        calibration = data.get("calibration")
        return cls(
            **{key: data[key] for key in _COPIED},
            time_ns=parse_time(data["time"]),
            raw=raw and Ticks(raw["temperature"], raw["humidity"], bytes.fromhex(raw["reserved"])),
            calibration=calibration and Calibration(**{key: calibration[key] for key in Calibration._fields}),
        )


_COPIED = (
    *("sensor", "port", "model", "serial", *QUANTITIES),
    *("conversion", "heater", "status", "repeated", "simulated", "state", "error", "remedy"),
)


def rounded(value: float | None) -> float | None:
    """Round to two decimals, the resolution of the sensor."""
    return None if value is None else round(value, 2) + 0.0  # + 0.0 turns -0.0 into 0.0


def counted(readings: int) -> str:
    """Write a number of readings: ``1 reading``, ``2 readings``."""
    return f"{readings} reading{'' if readings == 1 else 's'}"


def format_time(time_ns: int) -> str:
    """Write nanoseconds since 1970 as ``2026-11-22T08:00:00.123456789Z``; datetime has only microseconds."""
    seconds, ns = divmod(time_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def parse_time(text: str) -> int:
    """Return the nanoseconds since 1970 that ``format_time`` wrote.

    Raises:
        ValueError: ``text`` has another format.
    """
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * NS + int(fraction.ljust(9, "0") or 0)
