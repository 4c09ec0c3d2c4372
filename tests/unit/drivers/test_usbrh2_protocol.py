"""What counts as a line of values: nothing but a whole one with the right form, checksum and range."""

import os
import re
from pathlib import Path

import pytest
import serial
from hypothesis import example, given
from hypothesis import strategies as st

from usbrh.clock import Deadline
from usbrh.drivers.base import SerialPort
from usbrh.drivers.bus import serial_ports
from usbrh.drivers.usbrh2 import plugged_in
from usbrh.drivers.usbrh2_protocol import Conversation, Lines, crc8, parse
from usbrh.errors import BadReport, SensorTimeout
from usbrh.simulator import usbrh2 as device
from usbrh.simulator.clock import VirtualClock

MAKERS = [(b":23.77,42.76,AC", 23.77, 42.76), (b":-19.25,59.58,7F", -19.25, 59.58), (b":23.81,43.20,C8", 23.81, 43.2)]
"""The maker's own examples (strawberry-linux.com, support/52031)."""


@pytest.mark.parametrize(("line", "temperature", "humidity"), MAKERS)
def test_the_makers_examples(line: bytes, temperature: float, humidity: float) -> None:
    assert parse(line) == (temperature, humidity)
    assert device.line(temperature, humidity) == line


@given(st.binary(max_size=40))
def test_both_checksums_are_the_same(data: bytes) -> None:
    assert crc8(data) == device.crc8(data)


def well_formed(line: bytes) -> tuple[float, float] | None:
    """The specification once more, in other words."""
    head, comma, crc = line.rpartition(b",")
    fields = head.split(b",")
    if not comma or len(fields) != 2 or not fields[0].startswith(b":") or not re.fullmatch(b"[0-9a-fA-F]{2}", crc):
        return None
    if device.crc8(head + comma) != int(crc, 16):
        return None
    if not all(re.fullmatch(rb"-?[0-9]{1,3}([.][0-9]{1,3})?", field) for field in (fields[0][1:], fields[1])):
        return None
    temperature, humidity = float(fields[0][1:]), float(fields[1])
    inside = -40 <= temperature <= 125 and 0 <= humidity <= 100 and not fields[1].startswith(b"-")
    return (temperature, humidity) if inside else None


nearly = st.builds(
    lambda t, h, end, cut: (b":%b,%b," % (t, h) + end)[:cut],
    st.from_regex(rb"-?[0-9]{0,4}[.]?[0-9]{0,4}", fullmatch=True),
    st.from_regex(rb"-?[0-9]{0,4}[.]?[0-9]{0,4}", fullmatch=True),
    st.binary(max_size=4) | st.from_regex(rb"[0-9A-Fa-f]{2}", fullmatch=True),
    st.integers(1, 30),
)
summed = st.builds(
    lambda t, h: b":%b,%b,%02X" % (t, h, device.crc8(b":%b,%b," % (t, h))),
    st.from_regex(rb"-?[0-9]{0,4}[.]?[0-9]{0,4}", fullmatch=True),
    st.from_regex(rb"-?[0-9]{0,4}[.]?[0-9]{0,4}", fullmatch=True),
)


@given(st.binary(max_size=60) | nearly | summed)
@example(b":23.77,42.76,AC")
@example(b":130.00,100.00,%02X" % device.crc8(b":130.00,100.00,"))
@example(b":nan,42.76,%02X" % device.crc8(b":nan,42.76,"))
@example(b":1e1,42.76,%02X" % device.crc8(b":1e1,42.76,"))
@example(b":2_3,42.76,%02X" % device.crc8(b":2_3,42.76,"))
@example(b":23.77,42.76,AC\n")
def test_no_number_without_form_and_checksum(line: bytes) -> None:
    expected = well_formed(line)
    if expected is None:
        with pytest.raises(BadReport):
            parse(line)
    else:
        assert parse(line) == expected


@given(st.sampled_from(MAKERS), st.data())
def test_no_error_of_one_or_two_bits_passes(sample: tuple[bytes, float, float], data: st.DataObject) -> None:
    line = bytearray(sample[0])
    bits = data.draw(st.lists(st.integers(0, len(line) * 8 - 1), min_size=1, max_size=2, unique=True))
    for bit in bits:
        line[bit // 8] ^= 1 << bit % 8
    try:
        values = parse(bytes(line))
    except BadReport:
        return
    assert values == sample[1:], "only the case of a hexadecimal digit may differ"


@given(st.floats(-40, 125), st.floats(0, 100))
def test_everything_that_the_sensor_measures_is_read(temperature: float, humidity: float) -> None:
    assert parse(device.line(temperature, humidity)) == (round(temperature, 2), round(humidity, 2))


def test_messages_stay_short_and_printable() -> None:
    with pytest.raises(BadReport) as raised:
        parse(b":\x1b[31m" + b"7" * 10000)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 200


ENDS = st.sampled_from([b"\r\n", b"\r", b"\n", b"\n\r", b"\r\r\n", b"\r\n>", b"\n> "])


@given(st.lists(st.tuples(st.sampled_from([line for line, _, _ in MAKERS]), ENDS), max_size=6), st.data())
def test_lines_survive_any_ends_and_any_pieces(parts: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    stream = b"".join(line + end for line, end in parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    lines, found = Lines(), []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += lines.feed(stream[begin:end])
    assert found == [line for line, _ in parts]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_stream_gives_only_numbers_that_are_in_it(pieces: list[bytes]) -> None:
    lines = Lines()
    for line in [line for piece in pieces for line in lines.feed(piece)]:
        assert line in b"".join(pieces)
        assert not set(line) & set(b"\r\n")


def test_a_line_without_end_takes_no_memory_and_gives_no_number() -> None:
    lines = Lines()
    for _ in range(1000):
        assert lines.feed(b"7" * 1000) == []
    assert len(lines._rest) < 2000
    (line,) = lines.feed(b":23.77,42.76,AC\r")
    with pytest.raises(BadReport):
        parse(line)


class Deaf:
    """A port whose device takes nothing, with pyserial's way to say so."""

    write_timeout = 0.5

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def write(self, data: bytes) -> None:
        self._clock.sleep(self.write_timeout)
        raise serial.SerialTimeoutException("Write timeout")


@pytest.mark.parametrize(("seconds", "took"), [(5.0, 0.5), (0.2, 0.2), (0.0, 0.01)])
def test_a_command_that_is_not_taken_is_an_error_by_the_deadline(seconds: float, took: float) -> None:
    clock = VirtualClock()
    conversation = Conversation(Deaf(clock), "attic (E02A)", "E02A")  # type: ignore[arg-type]
    with pytest.raises(SensorTimeout, match="E02A\\) did not accept a command in time; unplug it"):
        conversation.values(Deadline(seconds, clock))
    assert clock.monotonic() == pytest.approx(took)


class Scripted:
    """A port whose device answers each command with characters after some seconds of a virtual clock."""

    timeout = write_timeout = 0.0

    def __init__(self, answers: dict[str, list[tuple[float, bytes]]]) -> None:
        self.clock = VirtualClock()
        self.answers = answers
        self.coming: list[tuple[float, bytes]] = []
        self.written: list[tuple[float, str]] = []

    def write(self, data: bytes) -> None:
        assert data.endswith(b"\r")
        now, command = self.clock.monotonic(), data[:-1].decode()
        self.written.append((now, command))
        self.coming += [(now + delay, text) for delay, text in self.answers.get(command, ())]

    def reset_input_buffer(self) -> None:
        self.coming = [each for each in self.coming if each[0] > self.clock.monotonic()]

    @property
    def in_waiting(self) -> int:
        return sum(len(text) for due, text in self.coming if due <= self.clock.monotonic())

    def read(self, size: int) -> bytes:
        due = min((due for due, _ in self.coming), default=float("inf"))
        now = self.clock.monotonic()
        if due > now + self.timeout:
            self.clock.sleep(self.timeout)
            return b""
        self.clock.sleep(max(0.0, due - now))
        arrived = [each for each in self.coming if each[0] <= self.clock.monotonic()]
        self.coming = [each for each in self.coming if each not in arrived]
        return b"".join(text for _, text in arrived)

    def begin(self, seconds: float = 5.0) -> int | None:
        """Begin a conversation."""
        return Conversation(self, "attic", "E02A").begin(Deadline(seconds, self.clock))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"8010", 0x8010),
        (b"0x8010", 0x8010),
        (b"0xA", 0xA),
        (b"status = 0xA010", 0xA010),
        (b"abcd", 0xABCD),
        (b"801", None),
        (b"80100", None),
        (b"status 8010", None),
        (b"0x80100", None),
        (b"32784", None),
    ],
)
def test_the_forms_of_the_status_word(answer: bytes, status: int | None) -> None:
    port = Scripted({"status": [(0.01, answer + b"\r\n")], "serial": [(0.01, b"E02A\r\n")]})
    assert port.begin() == status
    asked = [command for _, command in port.written]
    assert asked == ["", "auto off", "echo off", "status", *(["serial"] if status is None else [])]


def test_a_serial_number_that_looks_like_a_status_word_is_none() -> None:
    port = Scripted({"auto off": [(0.4, b"E02A\r\n")], "status": [(0.01, b"8010\r\n")]})
    assert port.begin() == 0x8010
    late = Scripted({"status": [(0.01, b"e02a\r\n"), (0.02, b"0x8010\r\n")]})
    assert late.begin() == 0x8010


def test_nothing_is_written_before_the_line_is_quiet() -> None:
    """A device that still sends what somebody asked for gets the next command afterwards."""
    babble = [(number * 0.015, b":23.77,42.76,AC\r\n") for number in range(8)]
    port = Scripted({"auto off": babble, "status": [(0.01, b"0x8010\r\n")]})
    assert port.begin() == 0x8010
    moments = {command: moment for moment, command in port.written}
    assert moments["echo off"] - moments["auto off"] == pytest.approx(7 * 0.015 + 0.02, abs=0.001)
    assert moments["status"] - moments["echo off"] == pytest.approx(0.02, abs=0.001)


def test_a_line_that_never_gets_quiet_does_not_hold_up_the_next_command() -> None:
    babble = [(number * 0.015, b":23.77,42.76,AC\r\n") for number in range(100)]
    port = Scripted({"auto off": babble, "status": [(0.01, b"0x8010\r\n")]})
    assert port.begin() == 0x8010
    moments = {command: moment for moment, command in port.written}
    assert moments["echo off"] - moments["auto off"] == pytest.approx(0.2, abs=0.02)


def test_a_device_that_answers_nothing_is_asked_for_its_serial_number_and_then_an_error() -> None:
    port = Scripted({})
    with pytest.raises(SensorTimeout, match=r"attic did not answer within 1\.0 s"):
        port.begin()
    moments = {command: moment for moment, command in port.written}
    assert moments["serial"] - moments["status"] == pytest.approx(0.3, abs=0.001)
    assert port.clock.monotonic() - moments["status"] == pytest.approx(1.0, abs=0.001)


def test_the_deadline_ends_the_wait_for_an_answer() -> None:
    port = Scripted({})
    with pytest.raises(SensorTimeout):
        port.begin(0.5)
    assert port.clock.monotonic() == pytest.approx(0.5, abs=0.03)


def test_the_next_conversation_waits_for_the_first_line_of_values_only() -> None:
    port = Scripted({"getrh": [(0.1, b"OK\r\n"), (0.2, b":23.77,42.76,AC\r\n:23.81,43.20,C8\r\n")]})
    conversation = Conversation(port, "attic", "E02A")  # type: ignore[arg-type]
    assert conversation.values(Deadline(5, port.clock)) == (23.77, 42.76)
    port.answers = {"getrh": [(0.1, b":23.77,42.76,AD\r\n:23.81,43.20,C8\r\n")]}
    with pytest.raises(BadReport, match="wrong checksum"):
        conversation.values(Deadline(5, port.clock))


# ---------------------------------------------------------------- by the names that udev gives


def machine(root: Path, serial: str, node: str, usb: str | None) -> None:
    """A /dev and a /sys as Linux makes them for a CDC-ACM port."""
    (root / "dev/serial/by-id").mkdir(parents=True, exist_ok=True)
    (root / "dev" / node).touch()
    (root / f"dev/serial/by-id/usb-Strawberry_Linux_USBRH2_{serial}-if00").symlink_to(f"../../{node}")
    interface = root / (f"sys/devices/pci0/usb1/{usb}/{usb}:1.0" if usb else f"sys/devices/virtual/{node}")
    tty = interface / "tty" / node
    tty.mkdir(parents=True)
    (tty / "device").symlink_to("../..")
    (root / "sys/class/tty").mkdir(parents=True, exist_ok=True)
    (root / "sys/class/tty" / node).symlink_to(os.path.relpath(tty, root / "sys/class/tty"))


class Ports:
    """A bus with nothing but serial ports."""

    simulated = False
    usb_backend = None
    problem = None
    recorder = None

    def __init__(self, ports: list[SerialPort]) -> None:
        self._ports = ports

    def serial_ports(self) -> list[SerialPort]:
        return self._ports


def test_ports_are_found_by_name_with_their_usb_path(tmp_path: Path) -> None:
    machine(tmp_path, "E02A", "ttyACM1", "1-1.4")
    machine(tmp_path, "E0-if00", "ttyACM0", "3-2")
    machine(tmp_path, "0001", "ttyS7", None)
    (tmp_path / "dev/serial/by-id/usb-Arduino_Uno_85-if00").symlink_to("../../ttyACM1")
    dev = tmp_path / "dev"
    assert serial_ports(dev, tmp_path / "sys") == [
        ("usb-Arduino_Uno_85-if00", "1-1.4", dev / "ttyACM1"),
        ("usb-Strawberry_Linux_USBRH2_0001-if00", "ttyS7", dev / "ttyS7"),
        ("usb-Strawberry_Linux_USBRH2_E0-if00-if00", "3-2", dev / "ttyACM0"),
        ("usb-Strawberry_Linux_USBRH2_E02A-if00", "1-1.4", dev / "ttyACM1"),
    ]
    bus = Ports(serial_ports(dev, tmp_path / "sys"))
    assert [(plugged.serial, plugged.port) for plugged in plugged_in(bus)] == [
        ("0001", "ttyS7"),
        ("E0-if00", "3-2"),
        ("E02A", "1-1.4"),
    ]


def test_no_serial_ports_at_all(tmp_path: Path) -> None:
    assert serial_ports(tmp_path / "dev", tmp_path / "sys") == []
