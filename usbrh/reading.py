"""What travels through the house: which sensor, and one reading of it. Immutable, and JSON at both ends."""

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from usbrh.clock import NS
from usbrh.errors import UsbrhError, joined

SCHEMA_VERSION = 1
"""``v`` of a reading's JSON. Keys may be added without a new version; none is removed or changes its meaning."""


@dataclass(frozen=True, slots=True)
class SensorInfo:
    """One instrument that is plugged in."""

    port: str
    """USB port path, ``1-1.4``: bus, then the ports on the way. Stays the same over unplugging and reboots."""
    model: str
    name: str
    """The name given to it in the configuration; its identity without one."""
    serial: str | None = None
    """Serial number; the USB-RH has none."""
    simulated: bool = False

    @property
    def identity(self) -> str:
        """What tells it from all others: the serial number, without one the port."""
        return self.serial or self.port


@dataclass(frozen=True, slots=True)
class Ticks:
    """The raw words of one USB-RH report."""

    temperature: int
    """SO_T of the SHT1x data sheet: 14 bit."""
    humidity: int
    """SO_RH of the SHT1x data sheet: 12 bit."""
    reserved: bytes
    """The report's last three bytes, whose meaning nobody has published."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was done to the converted values: times the scale, plus the offset."""

    temperature_offset: float = 0.0
    """°C."""
    temperature_scale: float = 1.0
    humidity_offset: float = 0.0
    """%RH."""
    humidity_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One measurement, or the error that came instead of one: then there is an ``error`` and no value."""

    sensor: str
    """The sensor's name."""
    port: str
    model: str
    time_ns: int
    """When it was measured: nanoseconds since 1970-01-01 UTC."""
    temperature: float | None = None
    """°C, calibrated."""
    humidity: float | None = None
    """%RH, 0 to 100, calibrated."""
    dew_point: float | None = None
    """°C; None where it is not defined (0 %RH)."""
    absolute_humidity: float | None = None
    """g/m³."""
    raw: Ticks | None = None
    conversion: str | None = None
    """How the values came from the ticks, such as ``sht1x-v3@5V``; ``device`` when the instrument converts."""
    calibration: Calibration | None = None
    """None where the configuration has none."""
    serial: str | None = None
    heater: bool = False
    """Measured with the sensor's heater on: not the temperature of the room."""
    status: str | None = None
    """The status word of the sensor chip, ``0x8010``; the USB-RH tells none."""
    simulated: bool = False
    state: str = "ok"
    """``ok``, or the ``kind`` of the error."""
    error: str | None = None
    """What is wrong."""
    remedy: str | None = None
    """The command or the step that fixes it."""

    @property
    def problem(self) -> str | None:
        """The error and its remedy as one line of text; None for a good reading."""
        return None if self.error is None else joined(self.error, self.remedy)

    @classmethod
    def failed(cls, sensor: SensorInfo, time_ns: int, error: UsbrhError) -> "Reading":
        """The reading that says why there is none."""
        return cls(
            sensor=sensor.name,
            port=sensor.port,
            model=sensor.model,
            serial=sensor.serial,
            time_ns=time_ns,
            simulated=sensor.simulated,
            state=error.kind,
            error=error.message,
            remedy=error.remedy,
        )

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this reading; numbers with two decimals, which is the sensor's resolution."""
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
            "temperature": _rounded(self.temperature),
            "humidity": _rounded(self.humidity),
            "dew_point": _rounded(self.dew_point),
            "absolute_humidity": _rounded(self.absolute_humidity),
            "raw": raw,
            "conversion": self.conversion,
            "calibration": self.calibration and asdict(self.calibration),
            "heater": self.heater,
            "status": self.status,
            "simulated": self.simulated,
            "state": self.state,
            "error": self.error,
            "remedy": self.remedy,
        }

    def to_json(self) -> str:
        """One line of JSON."""
        import json  # noqa: PLC0415  # not for who wants no JSON

        return json.dumps(self.to_dict(), ensure_ascii=False)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Reading":
        """The reading that ``to_dict`` wrote; ignores keys it does not know.

        Raises:
            KeyError, ValueError, TypeError: it is not such an object.
        """
        raw = data.get("raw")
        calibration = data.get("calibration")
        return cls(
            sensor=data["sensor"],
            port=data["port"],
            model=data["model"],
            serial=data.get("serial"),
            time_ns=parse_time(data["time"]),
            temperature=data["temperature"],
            humidity=data["humidity"],
            dew_point=data["dew_point"],
            absolute_humidity=data["absolute_humidity"],
            raw=raw and Ticks(raw["temperature"], raw["humidity"], bytes.fromhex(raw["reserved"])),
            conversion=data["conversion"],
            calibration=calibration and Calibration(**{key: calibration[key] for key in _CALIBRATION}),
            heater=data["heater"],
            status=data.get("status"),
            simulated=data["simulated"],
            state=data["state"],
            error=data["error"],
            remedy=data.get("remedy"),
        )


_CALIBRATION = tuple(field.name for field in fields(Calibration))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2) + 0.0  # + 0.0: never "-0.0"


def counted(readings: int) -> str:
    """``1 reading``, ``2 readings``: for messages, which are worded so that no verb has to agree with it."""
    return f"{readings} reading{'' if readings == 1 else 's'}"


def format_time(time_ns: int) -> str:
    """``2026-11-22T08:00:00.123456789Z``: datetime alone would stop at microseconds."""
    seconds, ns = divmod(time_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def parse_time(text: str) -> int:
    """The nanoseconds of what ``format_time`` wrote.

    Raises:
        ValueError: it is another format.
    """
    whole, _, fraction = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp())
    return seconds * NS + int(fraction.ljust(9, "0") or 0)
