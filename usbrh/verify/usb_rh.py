"""The steps for a USB-RH. docs/device.md shows what is known of it, and what is only assumed."""

import time
from collections.abc import Callable
from typing import Any

import usb.core

from usbrh.clock import Deadline
from usbrh.drivers.usb import UsbDevice
from usbrh.drivers.usbrh1 import ANSWER_WINDOW, FASTEST_ANSWER
from usbrh.errors import SensorError, SensorNotFound
from usbrh.verify import usb_rh_facts
from usbrh.verify.bench import Bench
from usbrh.verify.common import HEATER, Answers, led_step, timing
from usbrh.verify.steps import UNUSABLE, Seen, Step
from usbrh.verify.usb_rh_facts import session

RESERVED = "000241"
"""The last three bytes of the only published report."""

_REQUEST = "21090002"
"""How the setup packet of a request for a measurement begins."""
_LISTEN_SECONDS = 2.0
_WAIT_SECONDS = 1.0
"""s after which an answer that nobody read is surely there."""
_BACK_SECONDS = 5.0
_POLL_MARGIN = 0.02
"""s more than the poll interval in which the host fetches a report that waits."""


def _firmware(bench: Bench) -> Seen:
    version = bench.firmware()
    try:
        time.strptime(version, "%y/%m/%d")
    except ValueError:
        return Seen(version, new=[f"{version} is not a date"])
    return Seen(version)


def _answers(bench: Bench, since: int) -> Answers:
    """Count the requests, and return the seconds from each to the last report before the next request."""
    requests = 0
    times: list[float] = []
    asked = came = None
    for record in [*bench.capture.records[since:], {"setup": _REQUEST}]:
        if record.get("setup", "").startswith(_REQUEST):
            times += [came - asked] if asked is not None and came is not None else []
            requests, asked, came = requests + 1, record.get("end"), None
        elif record.get("transfer") == "interrupt" and "data" in record:
            came = record["end"]
    return Answers(requests - 1, times)


def _request(device: usb.core.Device, deadline: Deadline) -> None:
    device.ctrl_transfer(0x21, 0x09, 0x0200, 0, bytes(7), deadline.milliseconds(_WAIT_SECONDS))


def _listen(bench: Bench, device: usb.core.Device, deadline: Deadline) -> tuple[list[float], list[float]]:
    """Read every report for 2 s. Return the times, in s, of those that waited in the device, and of the others.

    The host fetches one report per poll interval, so each that waits delays the next one.
    """
    endpoint = device.get_active_configuration()[(0, 0)][0]
    polling = endpoint.bInterval / 1000 + _POLL_MARGIN
    earliest = max(FASTEST_ANSWER, polling)
    begin = bench.clock.monotonic()
    window = deadline.within(_LISTEN_SECONDS)
    waited, answers = [], []
    while not window.passed:
        try:
            device.read(0x81, endpoint.wMaxPacketSize, window.milliseconds(_LISTEN_SECONDS))
        except usb.core.USBTimeoutError:
            break
        seconds = bench.clock.monotonic() - begin
        if seconds < earliest:
            waited.append(seconds)
            earliest = max(earliest, seconds + polling)
        else:
            answers.append(seconds)
    return waited, answers


def _after(
    bench: Bench, prepare: Callable[[UsbDevice, usb.core.Device, Deadline], None]
) -> tuple[list[float], list[float]]:
    """Ask after ``prepare``; return as ``_listen``."""
    with session(bench) as (shared, device, deadline):
        prepare(shared, device, deadline)
        _request(device, deadline)
        return _listen(bench, device, deadline)


def _not_one(late: list[float]) -> list[str]:
    """Return what differs from one answer to one request."""
    return [] if len(late) == 1 else [f"{len(late)} answers to the request after it"]


def _unread(bench: Bench) -> Seen:
    def leave_two(_: UsbDevice, device: usb.core.Device, deadline: Deadline) -> None:
        for _number in (1, 2):
            _request(device, deadline)
            bench.clock.sleep(_WAIT_SECONDS)

    early, late = _after(bench, leave_two)
    # With a long poll interval the answer is ready when the reports that waited have been polled.
    early, late = early[:2], early[2:] + late
    text = f"of two unread reports, {len(early)} came at once with the next request"
    return Seen(f"{text}; the answer after {_seconds(late)}", _not_one(late), [] if early else ["none is kept"])


def _overlap(bench: Bench) -> Seen:
    def ask_before(_: UsbDevice, device: usb.core.Device, deadline: Deadline) -> None:
        _request(device, deadline)
        bench.clock.sleep(0.1)

    early, late = _after(bench, ask_before)
    came = [*early, *late]
    text = f"{len(came)} answers, {_seconds(came)} after the second request"
    return Seen(text, [] if came else ["no answer at all"], [] if len(came) == 2 else [text])


def _second_run(bench: Bench) -> Seen:
    """Give the device to the kernel's driver and open it again, as after another program."""
    mark = bench.mark
    kernel = "the kernel's HID driver had it in between"
    for _ in range(3):
        try:
            bench.sensor.release()
        except UNUSABLE:
            raise
        except SensorError as error:  # a kernel without that driver
            kernel = error.message
        bench.read()
    requests = _answers(bench, mark).requests
    lost = requests - 3
    differs = [f"{lost} requests after an opening got no answer"] if lost > 0 else []
    return Seen(f"3 openings, {requests} requests, 3 answers; {kernel}", differs)


def _reset(bench: Bench) -> Seen:
    def reset(shared: UsbDevice, device: usb.core.Device, deadline: Deadline) -> None:
        _request(device, deadline)
        bench.clock.sleep(_WAIT_SECONDS)
        device.reset()
        shared.claim(device, deadline)

    try:
        early, late = _after(bench, reset)
    except SensorNotFound:
        _wait_for_it(bench)
        return Seen("the device was gone after the reset, and came back", ["the device leaves the bus at a reset"])
    differs = _not_one(late) + (["an unread report is still there after the reset"] if early else [])
    bench.read()
    return Seen(f"an unread report is {'kept' if early else 'discarded'}; the answer after {_seconds(late)}", differs)


def _wait_for_it(bench: Bench) -> None:
    """Read until it works. Raises SensorError if it does not within 5 s."""
    until = bench.deadline(_BACK_SECONDS)
    while True:
        try:
            bench.read()
        except SensorError:
            if until.passed:
                raise
            bench.clock.sleep(0.1)
        else:
            return


def _reserved(bench: Bench) -> Seen:
    """Compare the reserved bytes of all readings until now, by what was switched on."""
    found: dict[str, set[str]] = {}
    for while_on, reading in bench.readings:
        if reading.raw:
            found.setdefault(while_on or "nothing", set()).add(reading.raw.reserved.hex())
    text = "; ".join(f"{' '.join(sorted(each))} with {name} on" for name, each in found.items())
    everything = set[Any]().union(*found.values())
    return Seen(text, new=[] if everything == {RESERVED} else [text])


def _seconds(times: list[float]) -> str:
    return " and ".join(f"{each:.3f}" for each in times) + " s" if times else "no time"


STEPS = (
    usb_rh_facts.DESCRIPTORS,
    usb_rh_facts.TEXT_STEP,
    Step("firmware", "a date", _firmware),
    Step(
        "timing",
        f"each request is answered within {FASTEST_ANSWER} to {ANSWER_WINDOW} s",
        lambda bench: timing(bench, _answers),
    ),
    Step("unread report", "it comes at once with the next request, and the answer after it", _unread),
    Step("second request", "one during a measurement is served after it", _overlap),
    Step("second run", "the first request after each opening is answered", _second_run),
    led_step("on"),
    Step("USB reset", "it discards an unread report; the next request is answered", _reset),
    HEATER,
    Step("reserved bytes", f"always {RESERVED}", _reserved),
)
