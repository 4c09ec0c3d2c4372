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
