"""One exchange over networks and with servers that fail: an error or an answer, and never past the deadline."""

import json
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from tests.support.faultproxy import Fault, FaultProxy
from tests.support.sender import INFO, VALUE, at_most, rejecting, sender_to
from usbrh.clock import Deadline, SystemClock
from usbrh.config import ZabbixConfig
from usbrh.errors import ZabbixUnreachable
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.protocol import Value, encode_request, pack
from usbrh.zabbix.sockets import POLL_SECONDS


class Noon(SystemClock):
    """The wall clock stands still, so that a request has always the same size."""

    def time_ns(self) -> int:
        return 1795348800_000000000


REQUEST_SIZE = len(encode_request([VALUE], Noon().time_ns()))
ANSWER_SIZE = len(pack(json.dumps({"response": "success", "info": INFO}).encode()))


@pytest.mark.parametrize("reset", [False, True])
def test_cut_at_each_byte(reset: bool) -> None:
    """An error at once wherever the connection ends, and never a value that is thought to be delivered and is not."""
    with FakeServer() as server, FaultProxy(server.address) as proxy:
        sender = sender_to(proxy.address)
        faults = [Fault(cut_request=n, reset=reset) for n in range(REQUEST_SIZE)]
        faults += [Fault(cut_answer=n, reset=reset) for n in range(ANSWER_SIZE)]
        for fault in faults:
            proxy.fault = fault
            before = len(server.values)
            with at_most(1.0), pytest.raises(ZabbixUnreachable, match=f"^{proxy.address}: "):
                sender.send([VALUE], Deadline(10, Noon()))
            assert fault.cut_request is None or len(server.values) == before
        proxy.fault = Fault(cut_answer=ANSWER_SIZE, reset=False)
        assert sender.send([VALUE], Deadline(10, Noon())).accepted == 1


@pytest.mark.parametrize(
    "fault",
    [
        *[Fault(cut_request=n, silent=True) for n in (0, 1, 13, REQUEST_SIZE - 1)],
        *[Fault(cut_answer=n, silent=True) for n in (0, 1, 4, 5, 12, 13, 14, ANSWER_SIZE - 1)],
        Fault(delay=5),
        Fault(pace=0.05),
    ],
    ids=str,
)
def test_never_past_the_deadline(fault: Fault) -> None:
    with FakeServer() as server, FaultProxy(server.address, fault) as proxy:
        with at_most(0.4), pytest.raises(ZabbixUnreachable, match=r"no complete answer within 0\.4 s"):
            sender_to(proxy.address).send([VALUE], Deadline(0.4, Noon()))
        with at_most(0.3), pytest.raises(ZabbixUnreachable, match=r"no complete answer within 0\.3 s"):
            sender_to(proxy.address, ZabbixConfig(timeout=0.3)).send([VALUE], Deadline(10, Noon()))


def test_a_server_that_does_not_read() -> None:
    large = Value("h", "k", "x" * (16 << 20), 1, 0)
    with socket.create_server(("127.0.0.1", 0)) as listener, at_most(1.0):
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ZabbixUnreachable, match=r"no complete answer within 0\.5 s"):
            sender_to(address).send([large], Deadline(0.5))


def test_a_slow_link_that_moves_is_not_dead() -> None:
    with FakeServer() as server, FaultProxy(server.address, Fault(uplink=100_000)) as proxy:
        large = Value("h", "k", "x" * 200_000, 1, 0)
        start = time.monotonic()
        assert sender_to(proxy.address, ZabbixConfig(timeout=1)).send([large], Deadline(10)).accepted == 1
        assert time.monotonic() - start > 1.5


def test_a_slow_link_has_no_more_than_its_multiple_of_the_timeout() -> None:
    with FakeServer() as server, FaultProxy(server.address, Fault(uplink=100_000)) as proxy, at_most(2.0):
        large = Value("h", "k", "x" * 400_000, 1, 0)
        with pytest.raises(ZabbixUnreachable, match=r"no complete answer within 2\.0 s"):
            sender_to(proxy.address, ZabbixConfig(timeout=0.5)).send([large], Deadline(10))


def test_a_slow_answer_within_the_deadline_is_an_answer() -> None:
    with FakeServer() as server, FaultProxy(server.address, Fault(delay=3 * POLL_SECONDS, pace=0.001)) as proxy:
        assert sender_to(proxy.address).send([VALUE], Deadline(10)).accepted == 1


def test_who_shortens_the_deadline_ends_the_exchange() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, at_most(0.3 + POLL_SECONDS):
        deadline = Deadline(300)
        threading.Timer(0.3, deadline.shorten, (0,)).start()
        with pytest.raises(ZabbixUnreachable, match=r"no complete answer within 0\.3 s"):
            sender_to(f"127.0.0.1:{silent.getsockname()[1]}", ZabbixConfig(timeout=60)).send([VALUE], deadline)


def test_a_deadline_that_has_passed() -> None:
    with FakeServer() as server, pytest.raises(ZabbixUnreachable):
        sender_to(server.address).send([VALUE], Deadline(0))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"ZBXD\x01\xff\xff\xff\x7f\0\0\0\0", "announces 2147483647 bytes"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "begins with b'SSH-2.0-OpenS'; check the port"),
        ({"response": "failed", "info": "no"}, "rejected the whole request"),
        (
            {"response": "success", "info": INFO.replace("1", "2", 1).replace("total: 1", "total: 2")},
            "reports 2 accepted values of the 1 sent",
        ),
        (None, "closed the connection without an answer; check the server's log"),
    ],
)
def test_answers_that_are_none(answer: Any, words: str) -> None:
    with FakeServer(answers=[answer]) as server, pytest.raises(ZabbixUnreachable, match=words):
        sender_to(server.address).send([VALUE], Deadline(5))


def test_no_connection_is_left_open(recwarn: pytest.WarningsRecorder) -> None:
    import gc

    with FakeServer() as server, FaultProxy(server.address, Fault(cut_answer=3)) as proxy, rejecting() as nobody:
        for address in (server.address, proxy.address, nobody):
            with suppress(ZabbixUnreachable):
                sender_to(address).send([VALUE], Deadline(5))
    gc.collect()
    assert not [warning for warning in recwarn if warning.category is ResourceWarning]
