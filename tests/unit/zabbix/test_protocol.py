import json
import logging
import socket
import struct
import subprocess
import sys
import threading
import tracemalloc
import zlib
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from zabbix_utils import ItemValue, Sender
from zabbix_utils.common import ZabbixProtocol

from usbrh.config.addresses import Address
from usbrh.errors import ZabbixUnreachable
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.protocol import (
    MAX_ANSWER,
    Redirect,
    Response,
    Value,
    decode_response,
    encode_request,
    missing,
    pack,
    unpack,
)

VALUES = [
    Value("living-room-pc", "usbrh.get[1-1.4]", '{"v": 1, "temperature": 31.69}', 1795334400, 123456789),
    Value("living-room-pc", "usbrh.get[居間]", 'quotes " \\ tab \t bell \x07 °C', 1795334401, 0),
]
NOW = 1795334402_000000005
SUCCESS = {"response": "success", "info": "processed: 1; failed: 2; total: 3; seconds spent: 0.060753"}


WRONG_REDIRECTS: list[Any] = [
    None, 5, [], {}, {"reset": 1}, {"revision": 1}, {"revision": "1", "address": "a"}, {"address": "a"},
    {"revision": -1, "address": "a"}, {"revision": 2**63, "address": "a"}, {"revision": 1, "address": 5},
    {"revision": 1, "address": "a b"}, {"revision": 1, "address": ""},
]  # fmt: skip


def answer(content: Any, compress: bool = False) -> bytes:
    return pack(json.dumps(content).encode(), compress)


def test_the_example() -> None:
    assert encode_request([Value("h", "k", "21.5", 1, 2)], 3_000000004) == (
        b'ZBXD\x01\x6a\0\0\0\0\0\0\0{"request":"sender data","data":'
        b'[{"host":"h","key":"k","value":"21.5","clock":1,"ns":2}],"clock":3,"ns":4}'
    )


def test_value_of_a_moment() -> None:
    assert Value.at(1795334400_123456789, "h", "k", "v") == Value("h", "k", "v", 1795334400, 123456789)


def sent_by_zabbix_utils(compress: bool) -> bytes:
    """The bytes that the official library sends for VALUES."""
    received = bytearray()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while size := missing(received):
                received.extend(connection.recv(size))
            connection.sendall(answer(SUCCESS, compress))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        sender = Sender("127.0.0.1", listener.getsockname()[1], compression=compress)
        sender.send([ItemValue(v.host, v.key, v.value, v.clock, v.ns) for v in VALUES])
        server.join(10)
    return bytes(received)


@pytest.mark.parametrize("compress", [False, True])
def test_the_same_bytes_as_zabbix_utils(compress: bool) -> None:
    """Framing and escapes are the same. zabbix_utils writes blanks between the JSON tokens and leaves out the
    moment of sending; zabbix_sender, whose bytes are ours (tests/zabbix), does neither.
    """
    theirs = sent_by_zabbix_utils(compress)
    content = unpack(theirs)
    assert pack(content, compress) == theirs
    request = json.loads(content) | {"clock": NOW // 10**9, "ns": NOW % 10**9}
    ours = encode_request(VALUES, NOW, compress)
    assert json.loads(unpack(ours)) == request
    compact = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
    assert ours == ZabbixProtocol.create_packet(compact, logging.getLogger("test"), compress)


def test_zabbix_utils_reads_the_fake_server() -> None:
    for compress in (False, True):
        with FakeServer(reject=lambda value: value.key.endswith("[居間]")) as server:
            sender = Sender("127.0.0.1", server.port, compression=compress)
            taken = sender.send([ItemValue(v.host, v.key, v.value, v.clock, v.ns) for v in VALUES])
        assert (taken.processed, taken.failed, taken.total) == (1, 1, 2)
        assert server.values == VALUES[:1]


@pytest.mark.parametrize("compress", [False, True])
def test_counts(compress: bool) -> None:
    assert decode_response(answer(SUCCESS, compress)) == Response(1, 2)


def test_large_packet() -> None:
    content = json.dumps(SUCCESS).encode()
    assert decode_response(b"ZBXD\x05" + struct.pack("<QQ", len(content), 0) + content) == Response(1, 2)
    inflated = zlib.compress(content)
    packet = b"ZBXD\x07" + struct.pack("<QQ", len(inflated), len(content)) + inflated
    assert decode_response(packet) == Response(1, 2)
    assert [missing(packet[:size]) for size in (0, 4, 5, 13, 20, 21, len(packet))] == (
        [13, 9, 16, 8, 1, len(inflated), 0]
    )


def test_redirects_as_captured_from_a_proxy_of_7_0() -> None:
    moved = b'{"redirect":{"revision":28,"address":"127.0.0.1:11053"},"response":"failed"}'
    packet = b"ZBXD\x01\x4c\0\0\0\0\0\0\0" + moved
    assert decode_response(packet).redirect == Redirect(28, Address("127.0.0.1", 11053))
    packet = b'ZBXD\x01\x2f\0\0\0\0\0\0\0{"redirect":{"reset":true},"response":"failed"}'
    assert decode_response(packet).redirect == Redirect(0, None)
    named = answer({"response": "failed", "redirect": {"revision": 1, "address": "[::1]"}})
    assert decode_response(named).redirect == Redirect(1, Address("::1", 10051))


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (b"", "cut off after 0 bytes"),
        (b"HTTP/1.1 400 Bad Request", "begins with b'HTTP/1.1 400 Bad'; check the port"),
        (b"ZBXE", "begins with b'ZBXE'"),
        (b"ZBXD\x00" + bytes(8), "unknown flags 0x00"),
        (b"ZBXD\x09" + bytes(8), "unknown flags 0x09"),
        (b"ZBXD\x01\xff\xff\xff\xff\0\0\0\0", "announces 4294967295 bytes"),
        (b"ZBXD\x05" + b"\xff" * 16, "announces 18446744073709551615 bytes"),
        (b"ZBXD\x03\x01\0\0\0\xff\xff\xff\xff", "announces 4294967295 bytes"),
        (answer(SUCCESS)[:-1], "cut off"),
        (answer(SUCCESS) + b"x", "1 bytes more than it announces"),
        (b"ZBXD\x03\x04\0\0\0\x04\0\0\0abcd", "can't be decompressed"),
        (pack(b""), "not JSON: b''"),
        (pack(b"\xff\xfe"), "not JSON"),
        (pack(b"[" * 100_000), "not JSON"),
        (pack(b'{"response":' + b"1" * 5000 + b"}"), "not JSON"),
        (answer([]), "not a JSON object"),
        (answer({"response": "success"}), "has no counts"),
        (answer({"response": "success", "info": 5}), "has no counts"),
        (answer({"response": "success", "info": "processed: 1"}), "has no counts"),
        (answer(SUCCESS | {"info": "processed: -1; failed: 2; total: 1; seconds spent: 0.1"}), "has no counts"),
        (answer(SUCCESS | {"info": "processed: 1; failed: 2; total: 4; seconds spent: 0.1"}), "do not add up"),
        (answer({"response": "failed", "info": "no\nway"}), r"rejected the whole request: .*no\\nway"),
        (answer({}), "rejected the whole request"),
        *[
            (answer({"response": "failed", "redirect": redirect}), "redirect that can't be followed")
            for redirect in WRONG_REDIRECTS
        ],
    ],
)
def test_what_is_no_answer(packet: bytes, words: str) -> None:
    with pytest.raises(ZabbixUnreachable, match=words):
        decode_response(packet)


def test_an_answer_may_have_1_mib() -> None:
    assert missing(b"ZBXD\x01" + struct.pack("<II", 1 << 20, 0)) == 1 << 20
    for header in (b"ZBXD\x01" + struct.pack("<II", (1 << 20) + 1, 0), b"ZBXD\x03" + struct.pack("<II", 9, 1 << 21)):
        with pytest.raises(ZabbixUnreachable, match="more than the limit of 1048576"):
            missing(header)


@pytest.mark.parametrize("announced", [10, MAX_ANSWER])
def test_a_bomb_is_not_inflated(announced: int) -> None:
    bomb = zlib.compress(bytes(64 << 20))
    assert len(bomb) < MAX_ANSWER
    packet = b"ZBXD\x03" + struct.pack("<II", len(bomb), announced) + bomb
    tracemalloc.start()
    try:
        with pytest.raises(ZabbixUnreachable, match=f"does not decompress to the announced {announced} bytes"):
            decode_response(packet)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("more", [-1, 1, 1000])
def test_data_of_another_length_than_announced_is_no_answer(more: int) -> None:
    text = json.dumps(SUCCESS).encode()
    body = zlib.compress(text)
    packet = b"ZBXD\x03" + struct.pack("<II", len(body), len(text)) + body
    assert decode_response(packet)
    packet = b"ZBXD\x03" + struct.pack("<II", len(body), len(text) + more) + body
    with pytest.raises(ZabbixUnreachable, match="does not decompress to the announced"):
        decode_response(packet)


def test_every_cut_is_noticed() -> None:
    for compress in (False, True):
        packet = answer(SUCCESS, compress)
        for size in range(len(packet)):
            wanted = missing(packet[:size])
            assert 0 < wanted <= len(packet) - size, "never reads past the end"
            with pytest.raises(ZabbixUnreachable):
                decode_response(packet[:size])
        assert missing(packet) == 0


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.binary(), st.builds(pack, st.binary(), st.booleans())))
@example(b"ZBXD\x03\0\0\0\0\0\0\0\0")
def test_whatever_bytes_come(packet: bytes) -> None:
    try:
        decode_response(packet)
    except ZabbixUnreachable as error:
        message = str(error)
    assert message.isprintable(), "random bytes are no answer"


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("success"))
JSON = st.one_of(
    SCALARS,
    st.fixed_dictionaries(
        {"response": SCALARS},
        optional={
            "info": SCALARS,
            "redirect": st.one_of(
                SCALARS,
                st.lists(SCALARS, max_size=2),
                st.fixed_dictionaries({}, optional={"revision": SCALARS, "address": SCALARS, "reset": SCALARS}),
            ),
        },
    ),
)


@settings(max_examples=300, deadline=None)
@given(JSON, st.booleans())
def test_whatever_json_comes(content: object, compress: bool) -> None:
    message = ""
    try:
        decode_response(answer(content, compress))
    except ZabbixUnreachable as error:
        message = str(error)
    assert message.isprintable()


@settings(deadline=None)
@given(st.lists(st.builds(Value, st.text(), st.text(), st.text(), st.integers(0, 2**40), st.integers(0, 999_999_999))),
       st.booleans())  # fmt: skip
def test_every_value_survives_the_way(values: list[Value], compress: bool) -> None:
    packet = encode_request(values, NOW, compress)
    assert missing(packet) == 0
    assert [Value(**{"clock": 0, "ns": 0} | value) for value in json.loads(unpack(packet))["data"]] == values


def test_half_a_surrogate_is_sent_as_a_question_mark() -> None:
    packet = encode_request([Value("h", "k", "\udcff", 1, 2)], NOW)
    assert json.loads(unpack(packet))["data"][0]["value"] == "?"


def test_the_protocol_needs_no_socket() -> None:
    code = "import sys, usbrh.zabbix.protocol; print('socket' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
