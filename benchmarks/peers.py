"""The conversions of other programs that read a USB-RH, reimplemented from their source or documentation.

Each is a pair of numpy functions of the ticks: °C from the temperature, %RH from both. numpy converts the whole range
of ticks in one call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]
Celsius = Callable[[Numbers], Numbers]
Humidity = Callable[[Numbers, Numbers], Numbers]


@dataclass(frozen=True, slots=True)
class Peer:
    """One program, or several that compute the same."""

    name: str
    coefficients: str
    """The set of the data sheet that the program uses and is compared with."""
    celsius: Celsius
    humidity: Humidity
    why: str
    """The cause of the error, in a few words; empty if there is none."""
    why_ja: str = ""
    name_ja: str = ""
    """The Japanese name, if the name contains words."""
    decimals: int = 2
    """Decimals of the humidity that it prints."""
    truncates: bool = False


def v3_celsius(so_t: Numbers) -> Numbers:
    """Return °C by data sheet v3."""
    return -40.0 + 0.01 * so_t


def v4_celsius(so_t: Numbers) -> Numbers:
    """Return °C by data sheet v4."""
    return -40.1 + 0.01 * so_t


def v3_linear(so_rh: Numbers) -> Numbers:
    """Return %RH by data sheet v3, without temperature compensation."""
    return -4.0 + 0.0405 * so_rh - 2.8e-6 * so_rh * so_rh


def v4_linear(so_rh: Numbers) -> Numbers:
    """Return %RH by data sheet v4, without temperature compensation."""
    return -2.0468 + 0.0367 * so_rh - 1.5955e-6 * so_rh * so_rh


def v3_at(so_rh: Numbers, celsius: Numbers) -> Numbers:
    """Return %RH by data sheet v3, compensated for a temperature in °C."""
    return v3_linear(so_rh) + (celsius - 25.0) * (0.01 + 0.00008 * so_rh)


def v4_at(so_rh: Numbers, celsius: Numbers) -> Numbers:
    """Return %RH by data sheet v4, compensated for a temperature in °C."""
    return v4_linear(so_rh) + (celsius - 25.0) * (0.01 + 0.00008 * so_rh)


def v3_humidity(so_rh: Numbers, so_t: Numbers) -> Numbers:
    """Return %RH by data sheet v3."""
    return v3_at(so_rh, v3_celsius(so_t))


def v4_humidity(so_rh: Numbers, so_t: Numbers) -> Numbers:
    """Return %RH by data sheet v4."""
    return v4_at(so_rh, v4_celsius(so_t))


def _constant_as_temperature(so_rh: Numbers, so_t: Numbers) -> Numbers:
    """osapon: uses the coefficient t1 (0.01) in place of the temperature."""
    return v3_at(so_rh, np.full_like(so_t, 0.01, dtype=np.float64))


def _uncompensated_v4(so_rh: Numbers, so_t: Numbers) -> Numbers:
    return v4_linear(so_rh) + 0.0 * so_t


def _uncompensated_v3(so_rh: Numbers, so_t: Numbers) -> Numbers:
    return v3_linear(so_rh) + 0.0 * so_t


def _signed_bytes(word: Numbers) -> Numbers:
    """higuchi: treats each byte as a C ``char``, which is signed on x86, before combining them."""
    as_int = word.astype(np.int64)
    high, low = as_int >> 8, as_int & 0xFF
    return (high - ((high & 0x80) << 1)) * 256 + (low - ((low & 0x80) << 1))


def _int32(value: Numbers) -> Numbers:
    wrapped: Numbers = (value.astype(np.int64) + 2**31 & 0xFFFFFFFF) - 2**31
    return wrapped


def _kimata_fixed_celsius(so_t: Numbers) -> Numbers:
    """kimata: units of 1/160000; divides both factors of a product by 400; 32-bit integers wrap above 94.21 °C."""
    ticks = np.trunc(_int32(so_t * 160_000) / 400)
    return ticks * 4 - 40 * 160_000


def _kimata_celsius(so_t: Numbers) -> Numbers:
    return _kimata_fixed_celsius(so_t) / 160_000


def _kimata_humidity(so_rh: Numbers, so_t: Numbers) -> Numbers:
    """kimata: truncates c2·400 = 16.2 to 16, which is 0.04 per tick; truncates c3 and t2 to 0; keeps t1."""
    compensation = np.trunc((_kimata_fixed_celsius(so_t) - 25 * 160_000) / 400) * 4
    fixed: Numbers = -4 * 160_000 + 6400 * so_rh + compensation
    return fixed / 160_000


def _unsigned_celsius(so_t: Numbers) -> Numbers:
    """ao-kenji: ``unsigned ticks - 4000``, as a C float."""
    difference: Numbers = so_t.astype(np.int64) - 4000 & 0xFFFFFFFF
    return difference.astype(np.float32) / np.float32(100)


def _unsigned_humidity(so_rh: Numbers, so_t: Numbers) -> Numbers:
    return v3_at(so_rh, _unsigned_celsius(so_t).astype(np.float64))


def _utrh_humidity(so_rh: Numbers, so_t: Numbers) -> Numbers:
    """OpenBSD: units of 1/10000 %RH in unsigned 32-bit integers, ``ticks >> 7`` for t2, 1/1000 %RH kept."""
    rh, t = so_rh.astype(np.int64), so_t.astype(np.int64)
    total = (t - 4010 - 2500) * (1 + (rh >> 7)) - 40_000 + 405 * rh - 7 * rh * rh // 250
    thousandths: Numbers = (total & 0xFFFFFFFF) // 10
    return thousandths / 1000


def _sht15_humidity(so_rh: Numbers, so_t: Numbers) -> Numbers:
    """Linux: 1/1000 %RH in signed 32-bit integers; the compensation's product wraps where it is warm and humid."""
    rh, t = so_rh.astype(np.int64), so_t.astype(np.int64)
    linear = -4000 + 40_500 * rh // 1000 - 28 * rh * rh // 10_000
    return (np.trunc(_int32((10 * t - 40_100 - 25_000) * (10_000 + 80 * rh)) / 1e6) + linear) / 1000


PEERS = (
    Peer(
        "tadokoro/usbrh-hidapi (C and Python)",
        "v3",
        v3_celsius,
        v3_humidity,
        "",
        name_ja="tadokoro/usbrh-hidapi (C と Python)",
    ),
    Peer(
        "m24o8l/usbrh 0.08; `GetTempHumidTrue` of the maker's DLL",
        "v3",
        v3_celsius,
        v3_humidity,
        "",
        name_ja="m24o8l/usbrh 0.08、メーカー DLL の `GetTempHumidTrue`",
    ),
    Peer(
        "`GetTempHumid` of the maker's DLL",
        "v3",
        v3_celsius,
        _uncompensated_v3,
        "humidity not compensated for temperature",
        "湿度を温度補償しない",
        "メーカー DLL の `GetTempHumid`",
    ),
    Peer(
        "osapon/usbrh-linux",
        "v3",
        v3_celsius,
        _constant_as_temperature,
        "compensates for 0.01 °C, whatever the temperature",
        "温度に関係なく 0.01 °C として補償",
    ),
    Peer(
        "stzlab/usbrh",
        "v4",
        v4_celsius,
        _uncompensated_v4,
        "humidity not compensated for temperature",
        "湿度を温度補償しない",
    ),
    Peer(
        "higuchi-toshio-intec/usbrh-usblib-hidapi",
        "v3",
        lambda so_t: v3_celsius(_signed_bytes(so_t)),
        lambda so_rh, so_t: v3_humidity(_signed_bytes(so_rh), _signed_bytes(so_t)),
        "bytes treated as signed: a word whose low byte is 0x80 or more loses 256 ticks",
        "バイトを符号付きで扱う: 下位バイトが 0x80 以上だと生の値が 256 減る",
    ),
    Peer(
        "kimata/usbrh (kernel module)",
        "v3",
        _kimata_celsius,
        _kimata_humidity,
        "fixed point loses c3, t2 and part of c2; wraps above 94.21 °C",
        "固定小数点で c3、t2、c2 の端数が消える。94.21 °C を超えると桁あふれ",
        "kimata/usbrh (カーネルモジュール)",
        truncates=True,
    ),
    Peer(
        "ao-kenji/usbrh",
        "v3",
        _unsigned_celsius,
        _unsigned_humidity,
        "right from 0 °C on; below, an unsigned subtraction wraps",
        "0 °C 以上は正しい。氷点下は符号なし減算で桁あふれ",
        decimals=1,
    ),
    Peer(
        "OpenBSD `utrh(4)`",
        "v3",
        v4_celsius,
        _utrh_humidity,
        "d1 of v4, the rest of v3; t2 in steps; near 0 %RH an unsigned division wraps",
        "d1 だけ v4、他は v3。t2 が階段状。0 %RH 付近で符号なし除算が桁あふれ",
    ),
    Peer(
        "Linux hwmon `sht15` (the same sensor, not this instrument)",
        "v3",
        v4_celsius,
        _sht15_humidity,
        "d1 of v4, the rest of v3; wraps where it is warm and humid",
        "d1 だけ v4、他は v3。高温多湿で桁あふれ",
        "Linux hwmon `sht15` (同じセンサー、別の機器)",
    ),
)
