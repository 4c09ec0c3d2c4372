"""The virtual sensor itself, by its own clock."""

import errno
import struct
from typing import Any

import pytest
import usb.core
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from usbrh import psychrometry, sht1x
from usbrh.simulator.backend import SimulatorBackend
from usbrh.simulator.chapter9 import TransferError
from usbrh.simulator.clock import VirtualClock
from usbrh.simulator.faults import FAULTS, Step
from usbrh.simulator.room import HEATER_RISE, Ticks, room
from usbrh.simulator.unknowns import UsbRhUnknowns
from usbrh.simulator.usbrh1 import (
    FEATURE_REPORT,
    GET_REPORT,
    MEASURING,
    OUTPUT_REPORT,
    SET_REPORT,
    UNSOLICITED,
    VirtualUsbRh,
)

CAPTURED = bytes.fromhex("04de1c01000241")


def ask(device: VirtualUsbRh, payload: bytes = bytes(7)) -> None:
    assert device.control(SET_REPORT, OUTPUT_REPORT, 0, payload) == b""


def feature(device: VirtualUsbRh, *payload: int) -> None:
    assert device.control(SET_REPORT, FEATURE_REPORT, 0, bytes(payload).ljust(7, b"\0")) == b""


def answer(device: VirtualUsbRh) -> bytes | None:
    """The report that is there when a measurement is certainly done."""
    device.clock.sleep(device.measuring)
    return device.interrupt_in()


def ticks(report: bytes | None) -> Ticks:
    assert report is not None
    humidity, temperature = struct.unpack(">HH", report[:4])
    return temperature, humidity


def failure(device: VirtualUsbRh) -> int:
    """The errno with which reading fails."""
    with pytest.raises(TransferError) as raised:
        device.interrupt_in()
    return raised.value.errno


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def device(clock: VirtualClock) -> VirtualUsbRh:
    return VirtualUsbRh(clock=clock)


def test_first_answer_is_the_captured_one_after_302_ms(device: VirtualUsbRh, clock: VirtualClock) -> None:
    assert device.interrupt_in() is None
    ask(device)
    clock.sleep(MEASURING - 0.001)
    assert device.interrupt_in() is None
    clock.sleep(0.001)
    assert device.interrupt_in() == CAPTURED
    assert device.interrupt_in() is None


def test_answer_is_held_until_somebody_reads_it(device: VirtualUsbRh, clock: VirtualClock) -> None:
    ask(device)
    clock.sleep(86400)
    assert device.unread == 1
    assert device.interrupt_in() == CAPTURED


@given(st.binary(max_size=8))
def test_content_of_the_request_is_ignored(payload: bytes) -> None:
    device = VirtualUsbRh(clock=VirtualClock())
    ask(device, payload)
    assert answer(device) == CAPTURED


def test_each_request_has_its_answer_one_after_the_other(device: VirtualUsbRh, clock: VirtualClock) -> None:
    ask(device)
    clock.sleep(0.1)
    ask(device)
    clock.sleep(MEASURING - 0.1)
    assert ticks(device.interrupt_in()) == room()(0)
    clock.sleep(MEASURING - 0.001)
    assert device.interrupt_in() is None
    clock.sleep(0.001)
    assert ticks(device.interrupt_in()) == room()(1)


@pytest.mark.parametrize("number", range(1, 17))
def test_rooms_stay_what_rooms_are(number: int) -> None:
    before = sht1x.temperature(room(number)(0)[0])
    for n in range(1000):
        temperature_ticks, humidity_ticks = room(number)(n)
        temperature = sht1x.temperature(temperature_ticks)
        assert 12 < temperature < 38
        assert 20 < sht1x.humidity(humidity_ticks, temperature) < 90
        assert abs(temperature - before) < 0.1  # no jumps
        before = temperature


def test_every_sensor_has_its_own_room() -> None:
    assert len({room(number)(0) for number in range(1, 17)}) == 16


def test_leds(device: VirtualUsbRh) -> None:
    assert device.leds == (False, False)
    feature(device, 3, 1)
    assert device.leds == (True, False)
    feature(device, 4, 1)
    feature(device, 3, 0)
    assert device.leds == (False, True)


def test_firmware_date() -> None:
    device = VirtualUsbRh(clock=VirtualClock(), firmware=(7, 1, 30))
    assert device.control(GET_REPORT, FEATURE_REPORT, 0, length=7) == bytes([7, 1, 30, 0, 0, 0, 0])
    assert device.control(GET_REPORT, FEATURE_REPORT, 0, length=3) == bytes([7, 1, 30])


def test_heater_warms_dries_and_keeps_the_dew_point(clock: VirtualClock) -> None:
    device = VirtualUsbRh(clock=clock, ticks=lambda n: (6500, 1500))

    def measure() -> tuple[float, float, float]:
        ask(device)
        raw = ticks(answer(device))
        temperature = sht1x.temperature(raw[0])
        humidity = sht1x.humidity(raw[1], temperature)
        dew_point = psychrometry.dew_point(temperature, humidity)
        assert dew_point is not None
        return temperature, humidity, dew_point

    cold = measure()
    feature(device, 1, 4)
    assert [device.heater] == [True]
    clock.sleep(20)
    middle = measure()
    clock.sleep(300)
    warm = measure()
    assert cold[0] + 3 < middle[0] < warm[0] == pytest.approx(cold[0] + HEATER_RISE, abs=0.02)
    assert cold[1] > middle[1] > warm[1]
    assert middle[2] == pytest.approx(cold[2], abs=0.1)
    assert warm[2] == pytest.approx(cold[2], abs=0.1)
    feature(device, 1, 0)
    assert (device.heater, device.unread) == (False, 0)
    clock.sleep(300)
    assert measure() == cold


@pytest.mark.parametrize(
    ("request_", "value", "index", "data"),
    [
        ((0x21, 0x09), 0x0100, 0, bytes(7)),
        ((0x21, 0x09), 0x0201, 0, bytes(7)),
        ((0x21, 0x09), 0x0200, 1, bytes(7)),
        ((0x21, 0x09), 0x0200, 0, bytes(9)),
        ((0x21, 0x09), 0x0300, 0, bytes([2, 1])),
        ((0x21, 0x09), 0x0300, 0, b"\x03"),
        ((0xA1, 0x01), 0x0100, 0, b""),
        ((0x40, 0x01), 0, 0, b""),
        ((0x80, 0x06), 0x0303, 0, b""),
        ((0x80, 0x06), 0x0600, 0, b""),
        ((0x00, 0x09), 2, 0, b""),
    ],
)
def test_unknown_requests_stall(
    device: VirtualUsbRh, request_: tuple[int, int], value: int, index: int, data: bytes
) -> None:
    with pytest.raises(TransferError) as raised:
        device.control(request_, value, index, data, 64)
    assert raised.value.errno == errno.EPIPE
    ask(device)
    assert answer(device) == CAPTURED


def test_unplugging_forgets_everything(device: VirtualUsbRh, clock: VirtualClock) -> None:
    feature(device, 1, 4)
    feature(device, 3, 1)
    ask(device)
    clock.sleep(1)
    device.unplug()
    assert (device.plugged, device.unread) == (False, 0)
    assert failure(device) == errno.ENODEV
    with pytest.raises(TransferError, match="ENODEV"):
        ask(device)
    device.plug()
    assert device.plugged
    assert device.plug_ins == 2
    assert device.leds == (False, False)
    assert not device.heater
    assert device.interrupt_in() is None


def test_unplug_for_a_time(device: VirtualUsbRh, clock: VirtualClock) -> None:
    device.unplug(2.0)
    clock.sleep(1.999)
    assert [device.plugged] == [False]
    clock.sleep(0.001)
    assert device.plugged


def test_usb_reset_forgets_reports_and_keeps_the_leds(device: VirtualUsbRh, clock: VirtualClock) -> None:
    feature(device, 3, 1)
    ask(device)
    clock.sleep(1)
    ask(device)
    device.reset()
    assert answer(device) is None
    assert device.leds == (True, False)
    ask(device)
    assert answer(device) is not None


# ---------------------------------------------------------------- what nobody knows of the real one


def possible(**unknowns: Any) -> VirtualUsbRh:
    return VirtualUsbRh(clock=VirtualClock(), ticks=lambda n: (n, n), unknowns=UsbRhUnknowns(**unknowns))


def numbers(device: VirtualUsbRh) -> list[int]:
    """The measurements that wait in the endpoint."""
    return [ticks(report)[0] for report in iter(device.interrupt_in, None)]


def test_a_slow_host_polls_at_multiples_of_its_interval() -> None:
    device = possible(poll_interval=100)
    for _ in range(2):
        ask(device)
    device.clock.sleep(0.95)
    found = []
    for moment in range(95, 135):
        if device.interrupt_in():
            found.append(moment)
        device.clock.sleep(0.01)
    assert found == [100, 110]


@pytest.mark.parametrize(("unread", "left"), [("queued", [0, 1, 2]), ("overwritten", [2]), ("kept", [0])])
def test_reports_that_nobody_reads(unread: str, left: list[int]) -> None:
    device = possible(unread=unread)
    for _ in range(3):
        ask(device)
        device.clock.sleep(1)
    assert numbers(device) == left


@pytest.mark.parametrize(("overlap", "done"), [("queued", [0.302, 0.604]), ("ignored", [0.302]), ("restarts", [0.402])])
def test_requests_that_overlap(overlap: str, done: list[float]) -> None:
    device = possible(overlap=overlap)
    ask(device)
    device.clock.sleep(0.1)
    ask(device)
    for moment in done:
        device.clock.sleep(moment - device.clock.monotonic() - 0.001)
        assert device.interrupt_in() is None
        device.clock.sleep(0.001)
        assert device.interrupt_in()
    device.clock.sleep(1)
    assert device.interrupt_in() is None


@pytest.mark.parametrize(("loses", "lost"), [("nothing", 0), ("next", 1), ("all", 3)])
@pytest.mark.parametrize(("name", "request_"), [("set_interface", (0x01, 0x0B)), ("clear_halt", (0x02, 0x01))])
def test_reports_that_are_lost_after_a_request(loses: str, lost: int, name: str, request_: tuple[int, int]) -> None:
    device = possible(loses=loses, loses_after=name)
    device.control(request_, 0, 0x81 if request_[0] == 2 else 0)
    for number in range(3):
        ask(device)
        assert (answer(device) is None) == (number < lost)
    device.control(request_, 0, 0x81 if request_[0] == 2 else 0)
    device.reset()
    ask(device)
    assert answer(device)


@pytest.mark.parametrize(("first", "after_reset"), [("answered", True), ("lost", True), ("lost_after_reset", False)])
def test_the_first_request(first: str, after_reset: bool) -> None:
    device = possible(first_request=first)
    ask(device)
    assert (answer(device) is not None) == (first == "answered")
    device.reset()
    ask(device)
    assert (answer(device) is not None) == after_reset
    ask(device)
    assert answer(device)


def test_other_lengths_and_no_heater() -> None:
    device = possible(report_length=8, packet_size=64, heater="rejected")
    ask(device)
    assert len(answer(device) or b"") == 8
    assert device.full_speed
    with pytest.raises(TransferError, match="EPIPE"):
        device.control(SET_REPORT, FEATURE_REPORT, 0, bytes([1, 4]))
    assert device.control((0x80, 0x06), 0x0100, 0, length=18)[7] == 64  # type: ignore[index]


@pytest.mark.parametrize("strings", ["absent", "undecodable"])
def test_strings(strings: str) -> None:
    found = usb.core.find(backend=SimulatorBackend([possible(strings=strings)]))
    assert isinstance(found, usb.core.Device)
    if strings == "absent":
        assert (found.manufacturer, found.product) == (None, None)
    else:
        with pytest.raises(UnicodeDecodeError):
            _ = found.manufacturer


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "report"),
    [
        ("short", CAPTURED[:3]),
        ("long", CAPTURED + b"\0"),
        ("empty", b""),
        ("all_zero", bytes(7)),
        ("all_ff", b"\xff" * 7),
        ("garbage", bytes(byte ^ 0xA5 for byte in CAPTURED)),
        ("out_of_range", bytes.fromhex("14de5c01000241")),
        ("no_answer", None),
    ],
)
def test_corrupted_reports(device: VirtualUsbRh, fault: str, report: bytes | None) -> None:
    device.fault(fault, 2)
    for left in (1, None):
        ask(device)
        assert answer(device) == report or left is None
        assert device.faults.get(fault) == left
    ask(device)
    good = answer(device)
    assert good is not None
    assert len(good) == 7


@pytest.mark.parametrize("raw", [(0, 0), (7169, 1246), (16383, 4095)])
@pytest.mark.parametrize("fault", ["garbage", "out_of_range"])
def test_corrupted_ticks_show_in_every_room(raw: Ticks, fault: str) -> None:
    device = VirtualUsbRh(clock=VirtualClock(), ticks=lambda n: raw)
    device.fault(fault)
    ask(device)
    temperature, humidity = ticks(answer(device))
    assert temperature > 0x3FFF or humidity > 0x0FFF


def test_late_answer_comes_out_of_turn(device: VirtualUsbRh, clock: VirtualClock) -> None:
    device.fault("late", 1, seconds=5)
    ask(device)
    assert answer(device) is None
    ask(device)
    assert ticks(answer(device)) == room()(1)
    clock.sleep(5)
    assert ticks(device.interrupt_in()) == room()(0)


def test_duplicate(device: VirtualUsbRh) -> None:
    device.fault("duplicate", 1)
    ask(device)
    assert [answer(device), device.interrupt_in(), device.interrupt_in()] == [CAPTURED, CAPTURED, None]


def test_unsolicited(device: VirtualUsbRh) -> None:
    device.fault("unsolicited", 1)
    ask(device)
    assert ticks(device.interrupt_in()) == UNSOLICITED
    assert device.interrupt_in() is None
    assert answer(device) == CAPTURED


def test_halt_lasts_until_it_is_cleared(device: VirtualUsbRh) -> None:
    device.fault("endpoint_halts", 1)
    ask(device)
    device.clock.sleep(1)
    assert failure(device) == errno.EPIPE
    assert device.control((0x82, 0), 0, 0x81, length=2) == b"\1\0"
    ask(device)
    device.clock.sleep(1)
    assert failure(device) == errno.EPIPE
    device.control((0x02, 0x01), 0, 0x81)
    assert device.interrupt_in() == CAPTURED


def test_read_io_error(device: VirtualUsbRh) -> None:
    device.fault("read_io_error", 1)
    ask(device)
    assert device.interrupt_in() is None
    device.clock.sleep(1)
    assert failure(device) == errno.EIO
    assert device.interrupt_in() is None


@pytest.mark.parametrize(
    ("fault", "error", "plugged"),
    [
        ("request_stalls", errno.EPIPE, True),
        ("request_io_error", errno.EIO, True),
        ("unplug_before_request", errno.ENODEV, False),
        ("unplug_during_request", errno.EIO, False),
    ],
)
def test_requests_that_fail(device: VirtualUsbRh, fault: str, error: int, plugged: bool) -> None:
    device.fault(fault, 1, None if plugged else 3.0)
    with pytest.raises(TransferError) as raised:
        ask(device)
    assert raised.value.errno == error
    assert device.plugged is plugged
    device.clock.sleep(3)
    ask(device)
    assert answer(device) == CAPTURED


@pytest.mark.parametrize(("fault", "kind"), [("request_hangs", OUTPUT_REPORT), ("feature_hangs", FEATURE_REPORT)])
def test_requests_that_hang(device: VirtualUsbRh, fault: str, kind: int) -> None:
    device.fault(fault, 1)
    assert device.control(SET_REPORT, kind, 0, bytes([3, 1])) is None
    device.clock.sleep(10)
    assert device.interrupt_in() is None
    assert device.leds == (False, False)
    assert device.control(SET_REPORT, kind, 0, bytes([3, 1])) == b""


def test_unplug_while_measuring_and_during_read(device: VirtualUsbRh) -> None:
    device.fault("unplug_while_measuring", 1, seconds=1)
    ask(device)
    device.clock.sleep(0.15)
    assert device.interrupt_in() is None
    device.clock.sleep(0.002)
    assert failure(device) == errno.ENODEV
    device.clock.sleep(1)
    device.fault("unplug_during_read", 1, seconds=1)
    ask(device)
    device.clock.sleep(0.302)
    assert failure(device) == errno.EIO
    assert failure(device) == errno.ENODEV
    device.clock.sleep(1)
    ask(device)
    assert answer(device) == CAPTURED


def test_first_answer_after_plug_in_hangs(device: VirtualUsbRh) -> None:
    device.fault("first_answer_hangs")
    for _ in range(2):
        ask(device)
        assert answer(device) is None
        ask(device)
        assert answer(device) is not None
        device.unplug()
        device.plug()


def test_a_fault_for_ever_ends_when_cleared(device: VirtualUsbRh) -> None:
    device.fault("no_answer")
    for _ in range(20):
        ask(device)
        assert answer(device) is None
    assert device.faults == {"no_answer": None}
    device.clear_faults()
    ask(device)
    assert answer(device) == CAPTURED


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("toothache",), "there is no fault 'toothache'"), (("short", 0), "1 time"), (("late", 1, -1.0), "0 s or more")],
)
def test_faults_that_make_no_sense(device: VirtualUsbRh, arguments: tuple[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        device.fault(*arguments)
    assert device.faults == {}


# ---------------------------------------------------------------- properties


class AnyUse(RuleBasedStateMachine):
    """Without a fault each request has exactly one answer, in order, whatever the host does meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.device = VirtualUsbRh(clock=self.clock, ticks=lambda n: (n % 0x4000, n % 0x1000))
        self.asked = self.read = 0

    @rule(payload=st.binary(max_size=8))
    def ask(self, payload: bytes) -> None:
        ask(self.device, payload)
        self.asked += 1

    @rule(seconds=st.floats(0, 1))
    def wait(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    @rule()
    def take(self) -> None:
        report = self.device.interrupt_in()
        if report is not None:
            assert ticks(report) == (self.read % 0x4000, self.read % 0x1000)
            self.read += 1

    @rule(led=st.sampled_from([3, 4]), on=st.sampled_from([0, 1]))
    def switch(self, led: int, on: int) -> None:
        feature(self.device, led, on)

    @rule()
    def look(self) -> None:
        assert self.device.control((0x80, 0x06), 0x0100, 0, length=18)

    @precondition(lambda self: self.asked > self.read)
    @rule()
    def wait_for_all(self) -> None:
        self.clock.sleep(self.device.measuring * (self.asked - self.read) + 1e-6)
        while self.read < self.asked:
            before = self.read
            self.take()
            assert self.read == before + 1
        assert self.device.interrupt_in() is None

    @invariant()
    def held_are_those_asked_for(self) -> None:
        assert 0 <= self.device.unread <= self.asked - self.read


TestAnyUse = AnyUse.TestCase
TestAnyUse.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(FAULTS)), st.integers(1, 2)), max_size=6))
def test_whatever_fails_a_replug_mends(faults: list[tuple[str, int]]) -> None:
    clock = VirtualClock()
    device = VirtualUsbRh(clock=clock)
    for name, times in faults:
        device.fault(name, times)
    for _ in range(20):
        try:
            device.control(SET_REPORT, OUTPUT_REPORT, 0, bytes(7))
            answer(device)
        except TransferError:
            device.plug()
    # Each step's faults are used up by twenty tries; what the host itself meets is not met here.
    waiting = {FAULTS[name].step for name in device.faults if name != "first_answer_hangs"}
    assert waiting <= {Step.OPEN, Step.CLAIM, Step.DETACH, Step.FEATURE}
    device.clear_faults()
    device.unplug()
    device.plug()
    ask(device)
    assert len(answer(device) or b"") == 7
