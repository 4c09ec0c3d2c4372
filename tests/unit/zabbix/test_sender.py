"""A sender and its nodes: addresses, clusters, redirects."""

import logging
import socket
import threading
from contextlib import suppress
from typing import Any

import pytest

from tests.support.faultproxy import Fault, FaultProxy, black_hole
from tests.support.sender import INFO, VALUE, at_most, rejecting, sender_to
from usbrh.clock import Deadline
from usbrh.config import ZabbixConfig
from usbrh.errors import ZabbixUnreachable
from usbrh.zabbix import sockets
from usbrh.zabbix.fake_server import FakeServer
from usbrh.zabbix.protocol import Response, Value


def redirect(address: str, revision: int = 1) -> dict[str, Any]:
    return {"response": "failed", "redirect": {"revision": revision, "address": address}}


RESET = {"response": "failed", "redirect": {"reset": True}}


@pytest.mark.parametrize("compression", [False, True])
def test_accepted(compression: bool) -> None:
    with FakeServer() as server:
        response = sender_to(server.address, ZabbixConfig(compression=compression)).send([VALUE], Deadline(5))
    assert server.values == [VALUE]
    assert response == Response(1, 0)
    assert server.packets[0][4] == (3 if compression else 1)


def test_rejected_values_are_counted() -> None:
    values = [Value("pc", f"key{n}", "1", n, 0) for n in range(5)]
    with FakeServer(reject=lambda value: value.key == "key3") as server:
        assert sender_to(server.address).send(values, Deadline(5)) == Response(4, 1)


def test_values_that_the_server_does_not_even_count_are_rejected() -> None:
    # A real server answers this when the clock of every value is wrong.
    info = "processed: 0; failed: 0; total: 0; seconds spent: 0.000100"
    with FakeServer(answers=[{"response": "success", "info": info}]) as server:
        assert sender_to(server.address).send([VALUE], Deadline(5)).accepted == 0


def test_ipv6_and_a_name_with_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer(host="::1") as server:
        assert sender_to(f"[::1]:{server.port}").send([VALUE], Deadline(5)).accepted == 1

        def two(host: str, port: int, family: int, kind: int, flags: int = 0) -> list[Any]:
            if flags:
                raise socket.gaierror("not a number")
            return [
                (socket.AF_INET, kind, 0, "", ("127.0.0.1", port)),
                (socket.AF_INET6, kind, 0, "", ("::1", port, 0, 0)),
            ]

        monkeypatch.setattr(socket, "getaddrinfo", two)
        assert sender_to(f"both.example:{server.port}").send([VALUE], Deadline(5)).accepted == 1
    assert len(server.values) == 2


def test_source_ip() -> None:
    with FakeServer() as server:
        sources = []
        real = server._talk

        def talk(connection: socket.socket) -> None:
            sources.append(connection.getpeername()[0])
            real(connection)

        server._talk = talk  # type: ignore[method-assign]
        assert sender_to(server.address, ZabbixConfig(source_ip="127.0.0.7")).send([VALUE], Deadline(5)).accepted == 1
        assert sources == ["127.0.0.7"]
        with pytest.raises(ZabbixUnreachable, match=r"can't send from source_ip 192\.0\.2\.1: cannot assign"):
            sender_to(server.address, ZabbixConfig(source_ip="192.0.2.1")).send([VALUE], Deadline(5))
        with pytest.raises(ZabbixUnreachable, match=r"no address found for 127\.0\.0\.1: address family"):
            sender_to(server.address, ZabbixConfig(source_ip="::1")).send([VALUE], Deadline(5))


def test_nobody_listens() -> None:
    with (
        rejecting() as address,
        pytest.raises(ZabbixUnreachable, match=f"^{address}: no connection: connection refused$"),
    ):
        sender_to(address).send([VALUE], Deadline(5))


def test_a_name_that_is_none() -> None:
    with pytest.raises(ZabbixUnreachable, match=r"no address found for nothing\.invalid: "):
        sender_to("nothing.invalid").send([VALUE], Deadline(20))
    with pytest.raises(ZabbixUnreachable, match="no address found for"):
        sender_to(f"{'a' * 64}.invalid").send([VALUE], Deadline(20))


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(host: str, port: int, family: int, kind: int, flags: int = 0) -> list[Any]:
        if not flags:
            release.wait(30)
        raise socket.gaierror("not a number")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with at_most(0.5), pytest.raises(ZabbixUnreachable, match=r"no address found for slow.example within 0\.5 s"):
        sender_to("slow.example").send([VALUE], Deadline(0.5))
    release.set()


def test_connecting_has_a_deadline_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "CONNECT_SECONDS", 0.3)
    with black_hole() as address, at_most(0.3), pytest.raises(ZabbixUnreachable, match=r"no connection within 0\.3 s"):
        sender_to(address).send([VALUE], Deadline(20))


class TestCluster:
    def test_any_failure_leads_to_the_next_node(self, caplog: pytest.LogCaptureFixture) -> None:
        faults = [
            Fault(cut_request=0),
            Fault(cut_request=20, reset=True),
            Fault(cut_answer=0),
            Fault(cut_answer=40),
            Fault(garbage=b"HTTP/1.1 400 Bad Request\r\n"),
            Fault(cut_answer=5, silent=True),
        ]
        with FakeServer() as server, rejecting() as nobody:
            for fault in faults:
                with FaultProxy(server.address, fault) as proxy:
                    sender = sender_to(f"{nobody};{proxy.address};{server.address}", ZabbixConfig(timeout=0.5))
                    caplog.clear()
                    assert sender.send([VALUE], Deadline(10)).accepted == 1, fault
                assert [message.partition(": ")[0] for message in caplog.messages] == [nobody, proxy.address]
                assert all(message.endswith(f"; sending to {server.address} instead") for message in caplog.messages)

    def test_the_node_that_worked_is_asked_first(self) -> None:
        with FakeServer() as server, FaultProxy(server.address, Fault(cut_request=0)) as proxy:
            sender = sender_to(f"{proxy.address};{server.address}")
            for _ in range(3):
                assert sender.send([VALUE], Deadline(5)).accepted == 1
            assert proxy.connections == 1
            proxy.fault = Fault()

    def test_it_is_left_when_it_stops_working(self) -> None:
        with FakeServer() as server, FaultProxy(server.address) as one, FaultProxy(server.address) as two:
            sender = sender_to(f"{one.address};{two.address}")
            connections = []
            for faults in ((Fault(), Fault()), (Fault(cut_request=0), Fault()), (Fault(), Fault(cut_request=0))):
                one.fault, two.fault = faults
                assert sender.send([VALUE], Deadline(5)).accepted == 1
                connections.append((one.connections, two.connections))
            assert connections == [(1, 0), (2, 1), (3, 2)]
            assert len(server.values) == 3

    def test_a_silent_node_leaves_time_for_the_others(self, caplog: pytest.LogCaptureFixture) -> None:
        with FakeServer() as server, FaultProxy(server.address, Fault(cut_request=9, silent=True)) as mute, at_most(2):
            sender = sender_to(f"{mute.address};{server.address}")
            assert sender.send([VALUE], Deadline(2)).accepted == 1
        assert caplog.messages == [
            f"{mute.address}: no complete answer within 1.0 s; sending to {server.address} instead"
        ]

    def test_a_node_that_does_not_answer_is_logged_once_and_once_more_when_it_answers_again(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        with FakeServer() as server, FaultProxy(server.address) as one, FaultProxy(server.address) as two:
            sender = sender_to(f"{one.address};{two.address}")
            broken = Fault(cut_request=0)

            def send(*faults: Fault) -> None:
                one.fault, two.fault = faults
                with suppress(ZabbixUnreachable):
                    sender.send([VALUE], Deadline(5))

            def logged() -> list[tuple[str, str]]:
                found = [(record.levelname, record.message.split(": ")[0]) for record in caplog.records]
                caplog.clear()
                return found

            send(broken, Fault())
            assert logged() == [("WARNING", one.address)]
            send(broken, Fault())
            send(broken, broken)  # the error reports both nodes
            send(broken, Fault())
            assert logged() == []
            send(Fault(), broken)
            assert logged() == [("WARNING", two.address), ("INFO", f"{one.address} answers again")]
            send(broken, Fault())
            assert logged() == [("WARNING", one.address), ("INFO", f"{two.address} answers again")]

    def test_two_threads_log_a_node_once(self, caplog: pytest.LogCaptureFixture) -> None:
        with FakeServer() as server, rejecting() as nobody:
            sender = sender_to(f"{nobody};{server.address}")
            threads = [threading.Thread(target=sender.send, args=([VALUE], Deadline(5))) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
        assert len(server.values) == 8
        assert len(caplog.messages) == 1

    def test_all_failures_are_in_the_error(self, caplog: pytest.LogCaptureFixture) -> None:
        with rejecting() as one, rejecting() as two, pytest.raises(ZabbixUnreachable) as caught:
            sender_to(f"{one};{two}").send([VALUE], Deadline(5))
        assert str(caught.value) == (
            f"{one}: no connection: connection refused; {two}: no connection: connection refused"
        )
        assert caplog.messages == []


class TestRedirect:
    def test_is_followed_and_remembered(self, caplog: pytest.LogCaptureFixture) -> None:
        with FakeServer() as second, FakeServer(answers=[redirect(second.address, 28)]) as first:
            sender = sender_to(first.address)
            for _ in range(3):
                assert sender.send([VALUE], Deadline(5)).accepted == 1
        assert (len(first.requests), len(second.values)) == (1, 3)
        assert caplog.messages == []

    def test_is_remembered_for_that_host_only(self) -> None:
        other = Value("other-pc", "k", "1", 1, 0)
        with FakeServer() as second, FakeServer(answers=[redirect(second.address)]) as first:
            sender = sender_to(first.address)
            sender.send([VALUE], Deadline(5))
            sender.send([other], Deadline(5))
            sender.send([VALUE], Deadline(5))
        assert (first.values, second.values) == ([other], [VALUE, VALUE])

    def test_a_second_one_in_a_row_is_an_error(self) -> None:
        with FakeServer() as third, FakeServer(answers=[redirect(third.address)]) as second:  # noqa: SIM117
            with FakeServer(answers=[redirect(second.address)] * 2) as first:
                sender = sender_to(first.address)
                with pytest.raises(ZabbixUnreachable, match=f"^{second.address}: redirected a second time in a row$"):
                    sender.send([VALUE], Deadline(5))
                assert third.values == []
                assert sender.send([VALUE], Deadline(5)).accepted == 1
                assert len(first.requests) == 2, "the redirect that led astray is forgotten"

    def test_in_circles(self) -> None:
        with FakeServer() as first:
            first.answers[:] = [redirect(first.address)] * 10
            with pytest.raises(ZabbixUnreachable, match="second time"):
                sender_to(first.address).send([VALUE], Deadline(5))
            assert len(first.requests) == 2

    def test_an_older_one_is_ignored(self, caplog: pytest.LogCaptureFixture) -> None:
        with FakeServer() as third, FakeServer(answers=[redirect(third.address, 27)]) as second:  # noqa: SIM117
            with FakeServer(answers=[redirect(second.address, 28)]) as first:
                second.answers.insert(0, {"response": "success", "info": INFO})
                sender = sender_to(first.address)
                assert sender.send([VALUE], Deadline(5)).accepted == 1
                assert sender.send([VALUE], Deadline(5)).accepted == 1
        (message,) = caplog.messages
        assert message.startswith(f"{second.address}: redirect of revision 27, older than 28, is ignored; ")
        assert (len(first.values), len(third.values)) == (1, 0)

    def test_a_newer_one_replaces_it(self) -> None:
        with FakeServer() as third, FakeServer(answers=[{"response": "success", "info": INFO}]) as second:  # noqa: SIM117
            with FakeServer(answers=[redirect(second.address, 28)]) as first:
                second.answers.append(redirect(third.address, 29))
                sender = sender_to(first.address)
                for _ in range(3):
                    assert sender.send([VALUE], Deadline(5)).accepted == 1
        assert (len(first.requests), len(second.requests), len(third.values)) == (1, 2, 2)

    def test_reset_at_the_original_address_asks_it_again(self) -> None:
        with FakeServer(answers=[RESET]) as first:
            assert sender_to(first.address).send([VALUE], Deadline(5)).accepted == 1
        assert len(first.requests) == 2

    def test_reset_at_a_redirected_address_leads_back(self) -> None:
        with FakeServer(answers=[{"response": "success", "info": INFO}, RESET]) as second:  # noqa: SIM117
            with FakeServer(answers=[redirect(second.address)]) as first:
                sender = sender_to(first.address)
                requests = []
                for _ in range(3):
                    assert sender.send([VALUE], Deadline(5)).accepted == 1
                    requests.append((len(first.requests), len(second.requests)))
        assert requests == [(1, 1), (2, 2), (3, 2)]
        assert len(first.values) == 2

    def test_a_dead_target_is_forgotten(self) -> None:
        with rejecting() as dead, FakeServer(answers=[redirect(dead)]) as first:
            sender = sender_to(first.address)
            with pytest.raises(ZabbixUnreachable, match=f"^{dead}: no connection") as caught:
                sender.send([VALUE], Deadline(5))
            assert not caught.value.after_connecting, "a redirect is an answer: the values are not to blame"
            assert sender.send([VALUE], Deadline(5)).accepted == 1
