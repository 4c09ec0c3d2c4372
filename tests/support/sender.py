"""A sender, a value to send, and limits for its time."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from usbrh.config import ZabbixConfig
from usbrh.config.addresses import Destination
from usbrh.zabbix.protocol import Value
from usbrh.zabbix.sender import Sender

VALUE = Value("living-room-pc", "usbrh.get[1-1.4]", '{"v": 1}', 1795334400, 123456789)
INFO = "processed: 1; failed: 0; total: 1; seconds spent: 0.000100"
"""Of an answer that accepts ``VALUE``."""
PLAIN = ZabbixConfig()
LATE = 0.35
"""Seconds by which a deadline may be missed: the scheduler's, on a machine with high load."""


def sender_to(text: str, settings: ZabbixConfig = PLAIN) -> Sender:
    return Sender(Destination.parse(text), settings)


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    start = time.monotonic()
    yield
    assert time.monotonic() - start < seconds + LATE


@contextmanager
def rejecting() -> Iterator[str]:
    """An address where nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{reserved.getsockname()[1]}"
