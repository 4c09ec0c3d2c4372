"""The sender protocol of Zabbix as bytes: requests with values, and the answers. No sockets here.

Source: https://www.zabbix.com/documentation/current/en/manual/appendix/protocols/header_datalen and
https://www.zabbix.com/documentation/7.0/en/manual/appendix/protocols/zabbix_sender; redirects
as proxies of 7.0 send them.

A packet is ``ZBXD``, flags (1 byte), the length of the data and a reserved number (4 bytes each, little-endian;
8 bytes each in a large packet), and the data. In a compressed packet the reserved number is the length before
compression.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from usbrh.config.addresses import Address
from usbrh.errors import ConfigError, ZabbixUnreachable

MAGIC = b"ZBXD"
PROTOCOL, COMPRESSED, LARGE = 0x01, 0x02, 0x04
MAX_ANSWER = 1 << 20
"""Bytes of an answer, before and after inflation. A real one has about a hundred."""
MAX_REVISION = 2**63 - 1

_SMALL_HEADER = struct.Struct("<4sBII")
_LARGE_HEADER = struct.Struct("<4sBQQ")
_INFO = re.compile(
    r"processed: (\d{1,9}); failed: (\d{1,9}); total: (\d{1,9}); seconds spent: (\d{1,9}\.\d{1,9})", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Value:
    """One value for one item, with the moment it is of."""

    host: str
    """Technical name of the Zabbix host."""
    key: str
    """Key of a trapper item."""
    value: str
    clock: int
    """Whole seconds since 1970-01-01 UTC."""
    ns: int
    """Nanoseconds, 0 to 999,999,999. Zabbix keeps one value an item, clock and ns, and drops a second in silence."""

    @classmethod
    def at(cls, time_ns: int, host: str, key: str, value: str) -> Self:
        """A value of the moment ``time_ns``, nanoseconds since 1970-01-01 UTC."""
        return cls(host, key, value, *divmod(time_ns, 1_000_000_000))


@dataclass(frozen=True, slots=True)
class Redirect:
    """A proxy group's word that another proxy is in charge of the host of the first value."""

    revision: int
    """Grows with each change of the group; an older one than the last seen is out of date."""
    address: Address | None
    """None: forget the last redirect and ask the original address."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a server or proxy says to a request."""

    processed: int = 0
    """Values taken, which is not stored: one that its item can't hold, or that is too old for it, is dropped later."""
    failed: int = 0
    """Values rejected; the answer never says which, or why."""
    total: int = 0
    seconds: float = 0.0
    """What the server says it needed."""
    redirect: Redirect | None = None
    """If there is one, nothing was taken."""


def encode_request(values: Iterable[Value], now_ns: int, compress: bool = False) -> bytes:
    """The request that gives ``values`` to a server: the bytes of ``zabbix_sender -T -N``.

    Args:
        values: all of one Zabbix host, since a redirect looks at the first one only.
        now_ns: the moment of sending, nanoseconds since 1970-01-01 UTC.
        compress: by zlib; the answer is then compressed too.
    """
    clock, ns = divmod(now_ns, 1_000_000_000)
    data = [{"host": v.host, "key": v.key, "value": v.value, "clock": v.clock, "ns": v.ns} for v in values]
    request = {"request": "sender data", "data": data, "clock": clock, "ns": ns}
    text = json.dumps(request, ensure_ascii=False, separators=(",", ":"))
    return pack(text.encode(errors="replace"), compress)


def pack(data: bytes, compress: bool = False) -> bytes:
    """One packet with ``data``."""
    flags, reserved = PROTOCOL, 0
    if compress:
        flags, reserved, data = PROTOCOL | COMPRESSED, len(data), zlib.compress(data)
    return _SMALL_HEADER.pack(MAGIC, flags, len(data), reserved) + data


@dataclass(frozen=True, slots=True)
class Header:
    """The first bytes of a packet."""

    flags: int
    length: int
    """Bytes of data that follow."""
    reserved: int

    @property
    def size(self) -> int:
        """Bytes of the header itself."""
        return (_LARGE_HEADER if self.flags & LARGE else _SMALL_HEADER).size


def decode_header(received: bytes | bytearray, limit: int = MAX_ANSWER) -> Header | None:
    """The header that ``received`` begins with; None if more bytes are needed.

    Raises:
        ZabbixUnreachable: no Zabbix sends this, or it is of more than ``limit`` bytes. Said at the first wrong byte.
    """
    if received[: len(MAGIC)] != MAGIC[: len(received)]:
        raise ZabbixUnreachable(
            f"not the answer of a Zabbix server: it begins with {bytes(received[:16])!r}; is the port right?"
        )
    if len(received) <= len(MAGIC):
        return None
    flags = received[len(MAGIC)]
    if not flags & PROTOCOL or flags & ~(PROTOCOL | COMPRESSED | LARGE):
        raise ZabbixUnreachable(f"not the answer of a Zabbix server: unknown flags 0x{flags:02x}")
    layout = _LARGE_HEADER if flags & LARGE else _SMALL_HEADER
    if len(received) < layout.size:
        return None
    _, _, length, reserved = layout.unpack_from(received)
    larger = max(length, reserved if flags & COMPRESSED else 0)
    if larger > limit:
        raise ZabbixUnreachable(f"the answer is said to be of {larger} bytes, more than the {limit} that are read")
    return Header(flags, length, reserved)


def missing(received: bytes | bytearray, limit: int = MAX_ANSWER) -> int:
    """How many bytes have to be read next: 0 when the packet is whole.

    Raises:
        ZabbixUnreachable: as ``decode_header``.
    """
    header = decode_header(received, limit)
    if header:
        return max(0, header.size + header.length - len(received))
    large = len(received) > len(MAGIC) and received[len(MAGIC)] & LARGE
    return (_LARGE_HEADER if large else _SMALL_HEADER).size - len(received)


def unpack(packet: bytes | bytearray, limit: int = MAX_ANSWER) -> bytes:
    """The data of one whole packet, inflated if it is compressed.

    Raises:
        ZabbixUnreachable: it is cut off, too long, larger than ``limit``, or not a packet.
    """
    header = decode_header(packet, limit)
    if not header or len(packet) < header.size + header.length:
        raise ZabbixUnreachable(f"the answer is cut off after {len(packet)} bytes")
    data = bytes(packet[header.size :])
    if len(data) > header.length:
        raise ZabbixUnreachable(f"the answer has {len(data) - header.length} bytes more than it says")
    if not header.flags & COMPRESSED:
        return data
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(data, header.reserved + 1)  # never more than it says, which is within the limit
    except zlib.error as error:
        raise ZabbixUnreachable(f"the answer can't be decompressed: {error}") from None
    if len(data) != header.reserved or not inflater.eof or inflater.unused_data:
        raise ZabbixUnreachable(f"the answer does not decompress to the {header.reserved} bytes that it says")
    return data


def decode_response(packet: bytes | bytearray) -> Response:
    """What one whole packet answers to ``encode_request``.

    Raises:
        ZabbixUnreachable: it is no such answer, or the server says that the request as a whole failed.
    """
    data = unpack(packet)
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        raise ZabbixUnreachable(f"the answer is not JSON: {data[:80]!r}") from None
    if not isinstance(answer, dict):
        raise ZabbixUnreachable(f"the answer is not a JSON object: {data[:80]!r}")
    if "redirect" in answer:
        return Response(redirect=_redirect(answer["redirect"]))
    info = answer.get("info")
    if answer.get("response") != "success":
        raise ZabbixUnreachable(f"the server rejected the whole request: {data[:200].decode(errors='replace')}")
    counts = _INFO.fullmatch(info) if isinstance(info, str) else None
    if not counts:
        raise ZabbixUnreachable(f"the answer has no counts: {data[:200].decode(errors='replace')}")
    processed, failed, total = (int(counts[group]) for group in (1, 2, 3))
    if processed + failed != total:
        raise ZabbixUnreachable(f"the answer's counts do not add up: {info}")
    return Response(processed, failed, total, float(counts[4]))


def _redirect(redirect: Any) -> Redirect:
    try:
        if redirect.get("reset") is True:
            return Redirect(0, None)
        revision, address = redirect["revision"], redirect["address"]
        if isinstance(revision, int) and 0 <= revision <= MAX_REVISION:
            return Redirect(revision, Address.parse(address))
    except (AttributeError, KeyError, TypeError, ConfigError):
        pass
    raise ZabbixUnreachable(f"the answer is a redirect that can't be followed: {str(redirect)[:200]}")
