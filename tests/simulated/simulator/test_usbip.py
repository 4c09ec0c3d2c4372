"""The USB/IP server, asked by a small client that was written from the protocol's documentation alone.

Layouts and the two packets quoted below: Linux, Documentation/usb/usbip_protocol.rst.
"""

import asyncio
import errno
import json
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.command import start, usbrh
from usbrh.simulator import descriptors, usbip, usbip_wire
from usbrh.simulator.room import room
from usbrh.simulator.unknowns import UsbRhUnknowns
from usbrh.simulator.usbip import UsbIpServer
from usbrh.simulator.usbrh1 import VirtualUsbRh
from usbrh.simulator.usbrh2 import VirtualUsbrh2

CAPTURED = bytes.fromhex("04de1c01000241")
MEASURING = 0.1
"""s for a measurement of the sensors; less than that of a real one, so that the tests wait less."""
PIECES = st.sampled_from(
    [
        bytes.fromhex("0111 8005 00000000"),
        bytes.fromhex("0111 8003 00000000") + b"1-1".ljust(32, b"\0"),
        struct.pack(">IIIIIIiiii8s", 1, 7, 0x10001, 1, 0, 0, 18, 0, 0, 0, bytes.fromhex("8006000100001200")),
        struct.pack(">IIIIIIiiii8x", 1, 8, 0x10001, 1, 1, 0, 8, 0, 0, 0),
        struct.pack(">IIIIII24x", 2, 9, 0x10001, 0, 0, 8),
    ]
)
ASK = bytes.fromhex("2109000200000700")


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.seqnum = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def receive(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionResetError
            data += more
        return data

    def gone(self) -> bool:
        """The server has dropped us."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def devices(self) -> list[bytes]:
        self.socket.sendall(bytes.fromhex("0111 8005 00000000"))
        assert self.receive(8) == bytes.fromhex("0111 0005 00000000")
        count = int.from_bytes(self.receive(4), "big")
        devices = [self.receive(0x138 + 4) for _ in range(count)]
        assert self.gone()
        return devices

    def attach(self, busid: str = "1-1") -> int:
        """The status of the answer."""
        self.socket.sendall(bytes.fromhex("0111 8003 00000000") + busid.encode().ljust(32, b"\0"))
        version, code, status = struct.unpack(">HHI", self.receive(8))
        assert (version, code) == (0x0111, 0x0003)
        if status == 0:
            device = self.receive(0x138)
            assert device[0x100:0x120].rstrip(b"\0").decode() == busid
        return int(status)

    def submit(self, direction: int, endpoint: int, length: int, setup: bytes = bytes(8), data: bytes = b"") -> int:
        self.seqnum += 1
        head = struct.pack(">IIIII", 1, self.seqnum, 0x10001, direction, endpoint)
        self.socket.sendall(head + struct.pack(">IiiiI", 0, length, 0, -1, 0) + setup + data)
        return self.seqnum

    def answer(self, incoming: bool = True) -> tuple[int, int, int, bytes]:
        """Command, seqnum, status and data of the next answer."""
        command, seqnum, devid, direction, endpoint, status, length = struct.unpack(">IIIIIii", self.receive(28))
        assert (devid, direction, endpoint) == (0, 0, 0)
        rest = self.receive(20)
        assert rest[12:] == bytes(8)
        if command == 4:
            assert length == 0
            assert rest == bytes(20)
        return command, seqnum, status, self.receive(length) if incoming and command == 3 else b""

    def control_in(self, setup: str, length: int) -> tuple[int, bytes]:
        seqnum = self.submit(1, 0, length, bytes.fromhex(setup))
        command, answered, status, data = self.answer()
        assert (command, answered) == (3, seqnum)
        return status, data

    def control_out(self, setup: bytes, data: bytes = b"") -> int:
        seqnum = self.submit(0, 0, len(data), setup, data)
        command, answered, status, _ = self.answer(incoming=False)
        assert (command, answered) == (3, seqnum)
        return status

    def ask(self) -> None:
        assert self.control_out(ASK, bytes(7)) == 0

    def read(self, length: int = 8) -> tuple[int, bytes]:
        seqnum = self.submit(1, 1, length)
        command, answered, status, data = self.answer()
        assert (command, answered) == (3, seqnum)
        return status, data

    def unlink(self, unlinked: int) -> tuple[int, int]:
        """Command and status of the answer."""
        self.seqnum += 1
        self.socket.sendall(struct.pack(">IIIIII24x", 2, self.seqnum, 0x10001, 0, 0, unlinked))
        command, seqnum, status, _ = self.answer()
        assert seqnum == self.seqnum
        return command, status


class Server:
    """The server in its own thread; ``by_hand`` does something there, as its command line does."""

    def __init__(self, models: list[VirtualUsbRh], more: Sequence[VirtualUsbrh2] = ()) -> None:
        self.models = models
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.usbip = UsbIpServer([*models, *more])
        asyncio.run_coroutine_threadsafe(self.usbip.start(port=0), self.loop).result(5)
        self.port = self.usbip.address[1]

    def by_hand(self, act: Callable[[], None]) -> None:
        async def acted() -> None:
            act()
            self.usbip.refresh()

        asyncio.run_coroutine_threadsafe(acted(), self.loop).result(5)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.usbip.close(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server([VirtualUsbRh(number, measuring=MEASURING) for number in (1, 2)])
    yield server
    server.close()


@pytest.fixture
def model(server: Server) -> VirtualUsbRh:
    return server.models[0]


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.port) as client:
        assert client.attach() == 0
        yield client


# ---------------------------------------------------------------- layouts


def test_packets_of_the_documentation_are_understood() -> None:
    words = (
        "00000001 00000d05 0001000f 00000001 00000001 00000200 00000040 ffffffff 00000000 00000004 00000000 00000000"
    )
    urb = usbip_wire.Submit.parse(bytes.fromhex(words))
    assert (urb.seqnum, urb.direction, urb.endpoint, urb.flags, urb.length) == (0xD05, 1, 1, 0x200, 64)
    assert (urb.packets, urb.setup) == (0, bytes(8))


def test_lengths_are_those_of_the_documentation() -> None:
    assert len(usbip_wire.device(1)) == 0x138
    both = usbip_wire.device_list([(1, usbip_wire.USBRH1), (2, usbip_wire.USBRH2)])
    assert len(both) == 0xC + (0x138 + 4) + (0x138 + 2 * 4)
    assert len(usbip_wire.ret_submit(1, 0, 7, CAPTURED)) == 48 + 7
    assert len(usbip_wire.ret_unlink(1, 0)) == 48


def test_device_list(server: Server) -> None:
    with Client(server.port) as client:
        first, second = client.devices()
    assert first[:0x100].rstrip(b"\0").endswith(b"/usb1/1-1")
    assert (first[0x100:0x120].rstrip(b"\0"), second[0x100:0x120].rstrip(b"\0")) == (b"1-1", b"1-2")
    numbers = struct.unpack(">IIIHHHBBBBBB", first[0x120:0x138])
    assert numbers == (1, 1, 1, 0x1774, 0x1001, 0x0100, 0, 0, 0, 1, 1, 1)  # bus 1, device 1, low speed, ...
    assert first[0x138:] == bytes([3, 0, 0, 0])


# ---------------------------------------------------------------- what a host does


def test_enumerates_as_a_kernel_does(client: Client) -> None:
    status, device = client.control_in("8006000100001200", 18)
    assert (status, device[:2], device[8:12]) == (0, b"\x12\x01", bytes.fromhex("74170110"))
    assert client.control_in("8006000100000800", 8) == (0, device[:8])
    assert client.control_in("8006000200000900", 9)[1] == bytes.fromhex("090222000101008032")
    status, configuration = client.control_in("800600020000ff00", 255)
    assert (status, len(configuration)) == (0, 34)
    assert client.control_in("800600030000ff00", 255)[1] == bytes.fromhex("04030904")
    assert client.control_in("800602030904ff00", 255)[1].decode("utf-16-le")[1:] == "USBRH"
    assert client.control_in("800603030904ff00", 255) == (-errno.EPIPE, b"")  # no serial number
    assert client.control_in("8006000600000a00", 10) == (-errno.EPIPE, b"")  # no device qualifier
    assert client.control_in("8000000000000200", 2) == (0, bytes(2))
    assert client.control_out(bytes.fromhex("0009010000000000")) == 0
    assert client.control_in("8008000000000100", 1) == (0, b"\1")
    assert client.control_out(bytes.fromhex("210a000000000000")) == 0
    assert client.control_in("8106002200001d00", 29) == (0, descriptors.Descriptors(UsbRhUnknowns()).report)


def test_a_whole_measurement(client: Client) -> None:
    begin = time.monotonic()
    client.ask()
    assert client.read() == (0, CAPTURED)
    assert MEASURING < time.monotonic() - begin < 1


def test_read_that_waits_before_the_request(client: Client) -> None:
    waiting = client.submit(1, 1, 8)
    request = client.submit(0, 0, 7, ASK, bytes(7))
    assert client.answer(incoming=False)[:3] == (3, request, 0)
    assert client.answer() == (3, waiting, 0, CAPTURED)


def test_several_waiting_reads_are_answered_in_turn(client: Client) -> None:
    first, second = client.submit(1, 1, 8), client.submit(1, 1, 8)
    for _ in range(2):
        client.submit(0, 0, 7, ASK, bytes(7))
        client.answer(incoming=False)
    assert [client.answer()[1], client.answer()[1]] == [first, second]


def test_unlinked_read_takes_no_report(client: Client) -> None:
    waiting = client.submit(1, 1, 8)
    assert client.unlink(waiting) == (4, -errno.ECONNRESET)
    client.ask()
    time.sleep(MEASURING + 0.05)
    status, data = client.read()
    assert (status, data) == (0, CAPTURED)
    assert client.unlink(client.seqnum) == (4, 0)
    assert client.unlink(12345) == (4, 0)


def test_led_heater_and_firmware(client: Client, model: VirtualUsbRh) -> None:
    assert client.control_out(bytes.fromhex("2109000300000700"), bytes([3, 1, 0, 0, 0, 0, 0])) == 0
    assert client.control_out(bytes.fromhex("2109000300000700"), bytes([1, 4, 0, 0, 0, 0, 0])) == 0
    assert (model.leds, model.heater) == ((True, False), True)
    assert client.control_in("a101000300000700", 7) == (0, bytes([6, 1, 9, 0, 0, 0, 0]))


def test_answer_is_held_for_the_next_who_attaches(server: Server, client: Client) -> None:
    client.ask()
    client.socket.close()
    deadline = time.monotonic() + 5
    while True:
        with Client(server.port) as second:
            if second.attach() == 0:
                assert second.read() == (0, CAPTURED)
                return
        assert time.monotonic() < deadline


# ---------------------------------------------------------------- two clients


def test_one_host_has_it(server: Server, client: Client) -> None:
    with Client(server.port) as second:
        assert second.attach() == usbip_wire.BUSY
    with Client(server.port) as third:
        assert third.attach("1-2") == 0
        client.ask()
        third.ask()
        assert client.read() == (0, CAPTURED)
        report = third.read()[1]
    assert (int.from_bytes(report[2:4], "big"), int.from_bytes(report[:2], "big")) == room(2)(0)
    with Client(server.port) as fourth:
        assert fourth.attach("1-3") == usbip_wire.NO_DEVICE


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "status", "data"),
    [
        ("short", 0, CAPTURED[:3]),
        ("long", 0, CAPTURED + b"\0"),
        ("empty", 0, b""),
        ("all_ff", 0, b"\xff" * 7),
        ("endpoint_halts", -errno.EPIPE, b""),
        ("read_io_error", -errno.EPROTO, b""),
    ],
)
def test_corrupted_answers(client: Client, model: VirtualUsbRh, fault: str, status: int, data: bytes) -> None:
    model.fault(fault, 1)
    client.ask()
    assert client.read() == (status, data)
    client.control_out(bytes.fromhex("0201000081000000"))  # CLEAR_FEATURE, ENDPOINT_HALT
    client.ask()
    assert len(client.read()[1]) == 7


def test_long_report_overflows_a_short_transfer(client: Client, model: VirtualUsbRh) -> None:
    model.fault("long", 1)
    client.ask()
    assert client.read(7) == (-errno.EOVERFLOW, b"")


def test_short_is_an_error_for_those_who_say_so(client: Client) -> None:
    client.ask()
    client.seqnum += 1
    head = struct.pack(">IIIII", 1, client.seqnum, 0x10001, 1, 1)
    client.socket.sendall(head + struct.pack(">IiiiI8x", 1, 8, 0, 0, 0))  # URB_SHORT_NOT_OK
    assert client.answer() == (3, client.seqnum, -errno.EREMOTEIO, CAPTURED)


@pytest.mark.parametrize(("fault", "status"), [("request_stalls", -errno.EPIPE), ("request_io_error", -errno.EPROTO)])
def test_rejected_requests(client: Client, model: VirtualUsbRh, fault: str, status: int) -> None:
    model.fault(fault, 1)
    assert client.control_out(ASK, bytes(7)) == status


def test_control_transfer_that_hangs_is_unlinked(client: Client, model: VirtualUsbRh) -> None:
    model.fault("request_hangs", 1)
    hanging = client.submit(0, 0, 7, ASK, bytes(7))
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.answer()
    client.socket.settimeout(5)
    assert client.unlink(hanging) == (4, -errno.ECONNRESET)
    client.ask()


@pytest.mark.parametrize("fault", ["unplug_before_request", "unplug_while_measuring", "unplug_during_read"])
def test_unplugged_by_a_fault(server: Server, client: Client, model: VirtualUsbRh, fault: str) -> None:
    model.fault(fault, 1, seconds=0.3)
    client.submit(0, 0, 7, ASK, bytes(7))
    client.submit(1, 1, 8)
    begin = time.monotonic()
    while not client.gone():
        pass
    assert time.monotonic() - begin < 1
    time.sleep(0.3)
    with Client(server.port) as again:
        assert again.attach() == 0
        again.ask()
        assert again.read() == (0, CAPTURED)


def test_unplugged_and_plugged_by_hand(server: Server, client: Client, model: VirtualUsbRh) -> None:
    server.by_hand(model.unplug)
    assert client.gone()
    with Client(server.port) as second:
        assert second.attach() == usbip_wire.NO_DEVICE
    with Client(server.port) as third:
        assert len(third.devices()) == 1
    server.by_hand(model.plug)
    with Client(server.port) as fourth:
        assert fourth.attach() == 0


def test_unplugged_and_plugged_at_once_is_another_device(server: Server, client: Client, model: VirtualUsbRh) -> None:
    def swap() -> None:
        model.unplug()
        model.plug()

    server.by_hand(swap)
    assert client.gone()


# ---------------------------------------------------------------- malformed


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("0106 8005 00000000"),  # an old version
        bytes.fromhex("0111 8007 00000000"),  # no such operation
        b"GET / HTTP/1.0\r\n\r\n",
    ],
)
def test_strangers_are_dropped(server: Server, data: bytes) -> None:
    with Client(server.port) as stranger:
        stranger.socket.sendall(data)
        assert stranger.gone()
    with Client(server.port) as client:
        assert len(client.devices()) == 2


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">IIIII28x", 9, 1, 0x10001, 0, 0),  # no such command
        struct.pack(">IIIIIIiiii8x", 1, 1, 0x10001, 0, 0, 0, 1 << 30, 0, -1, 0),  # a huge transfer
        struct.pack(">IIIIIIiiii8x", 1, 1, 0x10001, 0, 0, 0, -1, 0, -1, 0),  # a negative one
        struct.pack(">IIIIIIiiii8x", 1, 1, 0x10001, 1, 1, 0, 8, 0, 4, 0),  # an isochronous one
        struct.pack(">IIIIIIiiii8x", 1, 1, 0x10001, 1, 1, 0, 8, 0, 0, 0) * 2,  # a sequence number twice
    ],
)
def test_nonsense_of_an_attached_host_ends_its_connection(server: Server, client: Client, data: bytes) -> None:
    client.socket.sendall(data)
    assert client.gone()
    with Client(server.port) as other:
        assert other.attach("1-2") == 0


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(attached=st.booleans(), data=st.lists(st.one_of(st.binary(max_size=60), PIECES), max_size=4).map(b"".join))
def test_no_bytes_bring_it_down(server: Server, attached: bool, data: bytes) -> None:
    with Client(server.port) as client:
        if attached:
            client.attach()
        client.socket.sendall(data)
        client.socket.shutdown(socket.SHUT_WR)
        while not client.gone():  # it answers what it understood, and hangs up
            pass
    with Client(server.port) as client:
        assert len(client.devices()) == 2


def test_a_client_that_says_nothing_is_dropped(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usbip, "_REQUEST_TIMEOUT", 0.2)
    with Client(server.port) as client:
        begin = time.monotonic()
        assert client.gone()
        assert time.monotonic() - begin < 2


def test_half_a_packet_and_good_bye(server: Server) -> None:
    with Client(server.port) as client:
        client.socket.sendall(b"\x01\x11")
    with Client(server.port) as client:
        client.attach()
        client.socket.sendall(bytes(20))
    with Client(server.port) as client:
        assert len(client.devices()) == 2


def test_writes_to_the_interrupt_endpoint_stall(client: Client) -> None:
    seqnum = client.submit(0, 1, 7, data=bytes(7))
    assert client.answer(incoming=False)[:3] == (3, seqnum, -errno.EPIPE)
    seqnum = client.submit(1, 2, 7)
    assert client.answer()[:3] == (3, seqnum, -errno.EPIPE)


# ---------------------------------------------------------------- the command


class Command:
    """``usbrh simulate --usbip`` as a process."""

    def __init__(self, *arguments: str, stdin: Any = subprocess.PIPE) -> None:
        words = ["simulate", "--usbip", "--listen", "127.0.0.1:0", *arguments]
        pipe = subprocess.PIPE
        self.process = start(words, os.environ, stdin=stdin, stdout=pipe, stderr=pipe)

    def __enter__(self) -> Self:
        self.first = self.line()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        assert isinstance(answer, dict)
        return answer

    def say(self, text: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()
        return self.line()


def test_command_line_changes_what_a_host_sees() -> None:
    with Command("--sensors", "2") as command:
        assert [sensor["busid"] for sensor in command.first["sensors"]] == ["1-1", "1-2"]
        with Client(command.first["port"]) as client:
            assert client.attach() == 0
            assert command.say("sim-1 ticks 6500 1500")["ok"]
            assert command.say("sim-1 delay 0.45")["delay"] == 0.45
            assert command.say("sim-1 fault short 3")["faults"] == {"short": 3}
            begin = time.monotonic()
            client.ask()
            assert client.read() == (0, bytes.fromhex("05dc19"))
            assert 0.44 < time.monotonic() - begin < 1
            assert command.say("sim-1 clear")["faults"] == {}
            client.ask()
            assert client.read() == (0, bytes.fromhex("05dc1964000241"))
            assert command.say("sim-1 unplug")["plugged"] is False
            assert client.gone()
            assert command.say("sim-1 plug")["plug_ins"] == 2
            assert [sensor["measured"] for sensor in command.say("status")["sensors"]] == [2, 0]
        assert command.say("sim-3 plug") == {
            "ok": False,
            "error": "there is no sensor 'sim-3'; there are: sim-1, sim-2",
        }


def test_quit_ends_it_cleanly() -> None:
    with Command() as command:
        output, words = command.process.communicate("quit\n", 10)
        assert (command.process.returncode, output) == (0, "")
        assert "sim-1: sudo usbip --tcp-port " in words
        assert "attach -r 127.0.0.1 -b 1-1\n" in words


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it_cleanly(number: signal.Signals) -> None:
    with Command() as command, Client(command.first["port"]) as client:
        assert client.attach() == 0
        command.process.send_signal(number)
        _, words = command.process.communicate(timeout=10)
        assert command.process.returncode == 128 + number
        assert "Traceback" not in words
        assert client.gone()


def test_a_file_feeds_it_and_it_stays(tmp_path: Path) -> None:
    (tmp_path / "commands").write_text("sim-1 ticks 1 2\n\nsim-1 status")
    with (tmp_path / "commands").open() as commands, Command(stdin=commands) as command:
        assert command.line()["ok"]
        assert command.line()["sensor"] == "sim-1"
        with Client(command.first["port"]) as client:
            assert len(client.devices()) == 1


def test_a_fifo_feeds_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    # Opened for both, as `usbrh simulate --usbip <> fifo` does, it never ends.
    fifo = os.open(tmp_path / "fifo", os.O_RDWR)
    with Command(stdin=fifo) as command:
        os.close(fifo)
        for _ in range(2):
            (tmp_path / "fifo").write_text("sim-1 status\n")
            assert command.line()["ok"]


def test_place_that_is_taken(server: Server) -> None:
    done = usbrh("simulate", "--usbip", "--listen", f"127.0.0.1:{server.port}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"usbrh: can't listen on 127.0.0.1:{server.port}: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("listen", ["", "host:name", "127.0.0.1:70000", "[::1", "a b"])
def test_addresses_that_are_none(listen: str) -> None:
    done = usbrh("simulate", "--usbip", "--listen", listen)
    assert done.returncode == 2
    assert f"--listen {listen}: not an address; write ADDRESS or ADDRESS:PORT" in done.stderr


def test_sensors_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "sensors.toml").write_text("[sensor.sim-4]\ndelay = 0.1\n[sensor.sim-7]\nplugged = false")
    with Command("--sensors", str(tmp_path / "sensors.toml")) as command:
        assert [sensor["busid"] for sensor in command.first["sensors"]] == ["1-4", "1-7"]
        with Client(command.first["port"]) as client:
            assert len(client.devices()) == 1


# ---------------------------------------------------------------- a USBRH2 is a CDC-ACM device


@pytest.fixture
def usbrh2() -> Iterator[tuple[VirtualUsbrh2, Client]]:
    model = VirtualUsbrh2(serial="E02A", air=lambda n: (23.77, 42.76))
    server = Server([], [model])
    try:
        with Client(server.port) as client:
            assert client.attach() == 0
            yield model, client
    finally:
        server.close()


def type_in(client: Client, text: bytes) -> None:
    seqnum = client.submit(0, 1, len(text), data=text)
    assert client.answer(incoming=False)[:3] == (3, seqnum, 0)


def test_cdc_acm_descriptors(usbrh2: tuple[VirtualUsbrh2, Client]) -> None:
    _, client = usbrh2
    status, device = client.control_in("8006000100001200", 18)
    assert (status, device[4], device[16]) == (0, 2, 3), "communication device with a serial number"
    for index, text in ((1, "Strawberry Linux"), (2, "USBRH2"), (3, "E02A")):
        assert client.control_in(f"8006{index:02x}030904ff00", 255)[1][2:].decode("utf-16-le") == text
    assert client.control_in("800604030904ff00", 255)[0] == -errno.EPIPE
    configuration = client.control_in("8006000200000001", 256)[1]
    assert len(configuration) == int.from_bytes(configuration[2:4], "little")
    parts, rest = [], configuration
    while rest:
        parts.append(rest[: rest[0]])
        rest = rest[rest[0] :]
    assert [part[2] for part in parts if part[1] == 5] == [0x82, 0x81, 0x01]
    assert [part[5] for part in parts if part[1] == 4] == [2, 10]


def test_cdc_acm_carries_characters(usbrh2: tuple[VirtualUsbrh2, Client]) -> None:
    model, client = usbrh2
    assert client.control_out(bytes.fromhex("2120000000000700"), bytes.fromhex("80250000000008")) == 0
    assert client.control_in("a121000000000700", 7) == (0, bytes.fromhex("80250000000008"))
    assert client.control_out(bytes.fromhex("2122030000000000")) == 0
    notice = client.submit(1, 2, 8)  # waits indefinitely, and delays nothing
    type_in(client, b"echo off\r")
    assert client.read(128) == (0, b"echo off\r\n")
    type_in(client, b"getrh\r")
    assert client.read(8) == (0, b":23.77,4")
    assert client.read(128) == (0, b"2.76,AC\r\n")
    type_in(client, b"auto 60\r")
    before = model.automatic
    assert client.control_out(bytes.fromhex("2122000000000000")) == 0  # DTR falls when the port is closed
    assert (before, model.automatic) == (60, None)
    assert client.unlink(notice) == (4, -errno.ECONNRESET)


def test_cdc_acm_rejects_what_it_does_not_have(usbrh2: tuple[VirtualUsbrh2, Client]) -> None:
    _, client = usbrh2
    assert client.control_in("a101000300000700", 7)[0] == -errno.EPIPE
    for direction, endpoint in ((0, 3), (1, 3)):
        client.submit(direction, endpoint, 1, data=b"x"[direction:])
        assert client.answer(incoming=False)[2] == -errno.EPIPE
