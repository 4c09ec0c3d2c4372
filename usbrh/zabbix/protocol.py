"""The sender protocol of Zabbix as bytes: requests with values, announcements of a host, and their answers.

Source: https://www.zabbix.com/documentation/current/en/manual/appendix/protocols/header_datalen,
https://www.zabbix.com/documentation/7.0/en/manual/appendix/protocols/zabbix_sender and, for announcements,
https://www.zabbix.com/documentation/7.0/en/manual/appendix/items/activepassive. Proxies of 7.0 send redirects.

A packet is ``ZBXD``, flags (1 byte), the length of the data and a reserved number (4 bytes each, little-endian;
8 bytes each in a large packet), and the data. In a compressed packet the reserved number is the length before
compression.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple, Self

from usbrh.clock import NS
from usbrh.config.addresses import Address
from usbrh.errors import ConfigError, ZabbixUnreachable

MAGIC = b"ZBXD"
PROTOCOL, COMPRESSED, LARGE = 0x01, 0x02, 0x04
MAX_ANSWER = 1 << 20
"""Largest answer in bytes, before and after decompression. A real answer has about 100 bytes."""
MAX_REVISION = 2**63 - 1

_SMALL_HEADER = struct.Struct("<4sBII")
_LARGE_HEADER = struct.Struct("<4sBQQ")
_INFO = re.compile(
    r"processed: (\d{1,9}); failed: (\d{1,9}); total: (\d{1,9}); seconds spent: (\d{1,9}\.\d{1,9})", re.ASCII
)


class Value(NamedTuple):
    """One value for one item, with its timestamp."""

    host: str
    """Technical name of the Zabbix host."""
    key: str
    value: str
    clock: int
    """Whole seconds since 1970-01-01 UTC. With 0 here and in ``ns``, the value has no time, and the server uses its
    own when it receives the value."""
    ns: int
    """Nanoseconds, 0 to 999,999,999. Zabbix keeps one value per item, clock and ns; it drops others without error."""

    @classmethod
    def now(cls, host: str, key: str, value: str) -> Self:
        """A value that gets its time from the server, which is right even if this machine's clock is not."""
        return cls(host, key, value, 0, 0)

    @classmethod
    def at(cls, time_ns: int, host: str, key: str, value: str) -> Self:
        """A value with the timestamp ``time_ns``, nanoseconds since 1970-01-01 UTC."""
        return cls(host, key, value, *divmod(time_ns, NS))


@dataclass(frozen=True, slots=True)
class HostMetadata:
    """The announcement of a host, as each agent sends it with the request for its active checks.

    If no such host exists, the server runs its autoregistration actions, whose conditions may check ``metadata``.
    """

    host: str
    metadata: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """The answer of a proxy group: another proxy is responsible for the host of the first value."""

    revision: int
    """Grows with each change of the group. A redirect with a lower revision than an earlier one is out of date."""
    address: Address | None
    """The responsible proxy. None: forget the last redirect and ask the original address."""


@dataclass(frozen=True, slots=True)
class Response:
    """The answer of a server or proxy to one request; with a redirect, nothing was accepted."""

    accepted: int = 0
    """Values that Zabbix counts as processed. It may still drop some later: of the wrong type, or too old."""
    rejected: int = 0
    """Values that Zabbix counts as failed. The answer never names them, or the reason."""
    redirect: Redirect | None = None
    info: str = ""
    """The reason for a rejection, in the words of the server. It gives one for an announcement only."""


def _encode_values(values: Iterable[Value]) -> Iterator[str]:
    """The JSON object of each value. A backlog has many of them, and ``json.dumps`` of dicts is slower."""
    starts: dict[tuple[str, str], str] = {}
    for host, key, content, clock, ns in values:
        start = starts.get((host, key))
        if start is None:
            start = starts[host, key] = f'{{"host":{quoted(host)},"key":{quoted(key)},"value":'
        text = quoted(content)
        yield f'{start}{text},"clock":{clock},"ns":{ns}}}' if clock or ns else f"{start}{text}}}"


def encode_request(content: Iterable[Value] | HostMetadata, now_ns: int, compress: bool = False) -> bytes:
    """The request with values, byte by byte as ``zabbix_sender -T -N`` sends it at ``now_ns``; or an announcement.

    All values belong to one host, because a redirect depends on the first. ``compress`` applies to the answer too.
    """
    if isinstance(content, HostMetadata):
        host, metadata = quoted(content.host), quoted(content.metadata)
        text = f'{{"request":"active checks","host":{host},"host_metadata":{metadata}}}'
    else:
        clock, ns = divmod(now_ns, NS)
        data = ",".join(_encode_values(content))
        text = f'{{"request":"sender data","data":[{data}],"clock":{clock},"ns":{ns}}}'
    return pack(text.encode(errors="replace"), compress)


def pack(data: bytes, compress: bool = False) -> bytes:
    """A packet that contains ``data``."""
    flags, reserved = PROTOCOL, 0
    if compress:
        flags, reserved, data = PROTOCOL | COMPRESSED, len(data), zlib.compress(data)
    return _SMALL_HEADER.pack(MAGIC, flags, len(data), reserved) + data


class _Header(NamedTuple):
    size: int
    """Bytes of the header itself."""
    length: int
    """Bytes of data after the header."""
    decompressed: int | None
    """Bytes after decompression; None if the data is not compressed."""


def _decode_header(received: bytes | bytearray, limit: int) -> _Header | None:
    """The header at the start of ``received``; None if more bytes are needed. Raises at the first impossible byte."""
    if received[: len(MAGIC)] != MAGIC[: len(received)]:
        raise ZabbixUnreachable(
            f"not the answer of a Zabbix server: it begins with {bytes(received[:16])!r}", remedy="check the port"
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
    decompressed = reserved if flags & COMPRESSED else None
    larger = max(length, decompressed or 0)
    if larger > limit:
        raise ZabbixUnreachable(f"the answer announces {larger} bytes, more than the limit of {limit}")
    return _Header(layout.size, length, decompressed)


def missing(received: bytes | bytearray, limit: int = MAX_ANSWER) -> int:
    """The number of bytes to read next; 0 when the packet is complete.

    Raises:
        ZabbixUnreachable: at the first byte that no Zabbix sends, or if the packet has more than ``limit`` bytes.
    """
    header = _decode_header(received, limit)
    if header:
        return max(0, header.size + header.length - len(received))
    large = len(received) > len(MAGIC) and received[len(MAGIC)] & LARGE
    return (_LARGE_HEADER if large else _SMALL_HEADER).size - len(received)


def unpack(packet: bytes | bytearray, limit: int = MAX_ANSWER) -> bytes:
    """The data of one complete packet, decompressed.

    Raises:
        ZabbixUnreachable: the packet is incomplete, too long, larger than ``limit``, or not a packet.
    """
    header = _decode_header(packet, limit)
    if not header or len(packet) < header.size + header.length:
        raise ZabbixUnreachable(f"the answer is cut off after {len(packet)} bytes")
    data = bytes(packet[header.size :])
    if len(data) > header.length:
        raise ZabbixUnreachable(f"the answer has {len(data) - header.length} bytes more than it announces")
    if header.decompressed is None:
        return data
    decompressor = zlib.decompressobj()
    try:
        data = decompressor.decompress(data, header.decompressed + 1)  # the announced length is within the limit
    except zlib.error as error:
        raise ZabbixUnreachable(f"the answer can't be decompressed: {error}") from None
    if len(data) != header.decompressed or not decompressor.eof or decompressor.unused_data:
        raise ZabbixUnreachable(f"the answer does not decompress to the announced {header.decompressed} bytes")
    return data


def decode_response(packet: bytes | bytearray) -> Response:
    """The answer to values in one complete packet.

    Raises:
        ZabbixUnreachable: the packet is not such an answer, or the server rejected the whole request.
    """
    data, answer = _unpack_json(packet)
    if "redirect" in answer:
        return Response(redirect=_redirect(answer["redirect"]))
    info = answer.get("info")
    if answer.get("response") != "success":
        raise ZabbixUnreachable(f"the server rejected the whole request: {data[:200].decode(errors='replace')}")
    counts = _INFO.fullmatch(info) if isinstance(info, str) else None
    if not counts:
        raise ZabbixUnreachable(f"the answer has no counts: {data[:200].decode(errors='replace')}")
    accepted, rejected, total = (int(counts[group]) for group in (1, 2, 3))
    if accepted + rejected != total:
        raise ZabbixUnreachable(f"the answer's counts do not add up: {info}")
    return Response(accepted, rejected)


def decode_announcement(packet: bytes | bytearray) -> Response:
    """The answer to an announcement: accepted if the server knows the host and monitors it.

    Raises:
        ZabbixUnreachable: the packet is not such an answer.
    """
    data, answer = _unpack_json(packet)
    if "redirect" in answer:
        return Response(redirect=_redirect(answer["redirect"]))
    if answer.get("response") == "success":
        return Response(accepted=1)
    info = answer.get("info")
    if answer.get("response") != "failed" or not isinstance(info, str):
        raise ZabbixUnreachable(f"not an answer to an announcement: {data[:200].decode(errors='replace')}")
    return Response(rejected=1, info=info[:200])


def _unpack_json(packet: bytes | bytearray) -> tuple[bytes, dict[str, Any]]:
    """The data of a packet, for messages, and the JSON object in it."""
    data = unpack(packet)
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        raise ZabbixUnreachable(f"the answer is not JSON: {data[:80]!r}") from None
    if not isinstance(answer, dict):
        raise ZabbixUnreachable(f"the answer is not a JSON object: {data[:80]!r}")
    return data, answer


def _redirect(redirect: Any) -> Redirect:
    with suppress(AttributeError, KeyError, TypeError, ConfigError):
        if redirect.get("reset") is True:
            return Redirect(0, None)
        revision, address = redirect["revision"], redirect["address"]
        if isinstance(revision, int) and 0 <= revision <= MAX_REVISION:
            return Redirect(revision, Address.parse(address))
    raise ZabbixUnreachable(f"the answer is a redirect that can't be followed: {str(redirect)[:200]}")
