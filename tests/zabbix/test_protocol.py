import shutil
import subprocess

import pytest

from tests.support.zabbix.machine import PREPARE
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.protocol import Value, encode_request, unpack

VALUES = [
    Value("usbrh-1", "usbrh.get[1-1.4]", '{"v": 1, "temperature": 31.69, "unit": "°C"}', 1795334400, 123456789),
    Value("usbrh 2", "usbrh.get[居間]", "back\\slash /", 1795334401, 0),
]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize("compress", [False, True])
def test_the_same_bytes_as_zabbix_sender(compress: bool) -> None:
    """The program's request, with its moment of sending, is ours byte for byte. It never compresses."""
    program = shutil.which("zabbix_sender")
    if not program:
        pytest.skip(f"zabbix_sender is not installed: {PREPARE}")
    lines = [f"{_quoted(v.host)} {_quoted(v.key)} {v.clock} {v.ns} {_quoted(v.value)}\n" for v in VALUES]
    with FakeServer() as server:
        subprocess.run(
            [program, "-z", "127.0.0.1", "-p", str(server.port), "-T", "-N", "-i", "-"],
            input="".join(lines).encode(), capture_output=True, check=True, timeout=30,
        )  # fmt: skip
    assert server.values == VALUES
    request = server.requests[0]
    now_ns = request["clock"] * 1_000_000_000 + request["ns"]
    packet = encode_request(VALUES, now_ns, compress)
    if compress:
        assert unpack(packet) == unpack(server.packets[0])
    else:
        assert packet == server.packets[0]
