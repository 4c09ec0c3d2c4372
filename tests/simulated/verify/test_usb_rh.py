"""usbrh verify with a virtual USB-RH: the verdicts, and the heater, which is off whatever happens."""

import json
import resource
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.replay import calls, replay
from usbrh.drivers.recording import Recorder
from usbrh.errors import ConfigError, SensorBusy, SensorNotFound
from usbrh.sensors import find
from usbrh.simulator import SimulatorBackend, VirtualClock, VirtualUsbRh
from usbrh.simulator.unknowns import UsbRhUnknowns
from usbrh.verify.bench import Bench
from usbrh.verify.capture import Capture
from usbrh.verify.steps import Result, Verdict, run
from usbrh.verify.usb_rh import STEPS

AS_ASSUMED, NEW, DIFFERS = Verdict.AS_ASSUMED, Verdict.NEW, Verdict.DIFFERS


class Clock(VirtualClock):
    """A virtual clock that calls ``during`` in each sleep."""

    during: Callable[[], None] | None = None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.during:
            self.during()


class Trial:
    """One run of all steps with ``model``."""

    def __init__(
        self,
        model: type[VirtualUsbRh] = VirtualUsbRh,
        path: Path | None = None,
        answers: Sequence[str] = (),
        **how: Any,
    ) -> None:
        self.clock = Clock()
        self.model = model(clock=self.clock, **how)
        self.backend = SimulatorBackend([self.model], self.clock)
        self.capture = Capture(path)
        self.backend.recorder = Recorder(self.clock, self.capture.write)
        (sensor,) = find(backend=self.backend, clock=self.clock)
        given = iter(answers)
        ask = (lambda question, words: next(given)) if answers else (lambda question, words: None)
        self.bench = Bench.of(sensor.info, self.backend, self.clock, self.capture, ask=ask)
        self.results: list[Result] = []

    def run(self) -> dict[str, Result]:
        with self.capture:
            self.results += run(self.bench, STEPS)
        return {result.step: result for result in self.results}

    def when_heated(self, what: Callable[[], None]) -> None:
        """Do something once, while the heater is on."""

        def once() -> None:
            if self.model.heater:
                self.clock.during = None
                what()

        self.clock.during = once


def interrupt() -> None:
    raise KeyboardInterrupt


def test_all_is_as_assumed_and_takes_less_than_two_minutes(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    trial = Trial(path=path)
    results = trial.run()
    assert [result.verdict for result in results.values()] == [AS_ASSUMED] * len(STEPS)
    assert all(result.detail is None for result in results.values())
    assert trial.clock.monotonic() < 60
    assert "20 readings, answers after 0.302 to 0.30" in results["timing"].seen
    assert (trial.model.heater, trial.model.leds) == (False, (False, False))
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert records[0].items() >= {"usbrh_capture": 1, "model": "USB-RH", "simulated": True}.items()
    assert records == json.loads(json.dumps(trial.capture.records))
    assert [record["verdict"] for record in records if "verdict" in record] == ["as assumed"] * len(STEPS)


def test_its_file_can_be_replayed(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    Trial(path=path).run()
    recorded = list(calls(path))
    assert len(recorded) > 30
    for call in recorded:
        replay(call)


def test_every_transfer_is_recorded_and_none_sets_a_configuration_or_an_interface() -> None:
    trial = Trial()
    trial.run()
    kinds = {record.get("transfer") for record in trial.capture.records}
    assert kinds == {None, "open", "close", "detach", "attach", "claim", "release", "control", "interrupt", "reset"}
    times = [record["t"] for record in trial.capture.records if "t" in record]
    assert times == sorted(times)
    control = [record["setup"][:4] for record in trial.capture.records if record.get("transfer") == "control"]
    assert set(control) == {"8006", "8106", "2109", "a101"}  # GET_DESCRIPTOR, SET_REPORT, GET_REPORT
    sent = len(trial.backend.transfers)
    assert sent == sum(record.get("transfer") in ("control", "interrupt") for record in trial.capture.records)


def descriptor(kind: int) -> bytes:
    answer = VirtualUsbRh(clock=VirtualClock()).control((0x80, 6), kind << 8, 0, length=255)
    assert answer
    return answer


DEVICE, CONFIGURATION = descriptor(1), descriptor(2)


class Other(VirtualUsbRh):
    """A device with other descriptors, by type and index."""

    changes: dict[tuple[int, int], bytes]

    def control(
        self, request: tuple[int, int], value: int, index: int, data: bytes = b"", length: int = 0
    ) -> bytes | None:
        if request[1] == 6 and (value >> 8, value & 0xFF) in self.changes:
            return self.changes[value >> 8, value & 0xFF][:length]
        return super().control(request, value, index, data, length)


@pytest.mark.parametrize(
    ("changes", "step", "verdict", "detail"),
    [
        ({(1, 0): DEVICE[:12] + b"\x34\x12" + DEVICE[14:]}, "descriptors", NEW, "12.34"),
        ({(0x22, 0): bytes.fromhex("0601ff")}, "descriptors", NEW, "report descriptor 0601ff"),
        ({(1, 0): DEVICE[:16] + b"\x03\x01"}, "descriptors", DIFFERS, "serial number text 3"),
        ({(2, 0): b"\x09\x02"}, "descriptors", DIFFERS, "interfaces None"),
        ({(2, 0): CONFIGURATION[:-7] + b"\x07\x05\x82\x03\x08\x00\x0a"}, "descriptors", DIFFERS, "82"),
        ({(3, 2): b"\x0a\x03U\0S\0B\0!\0"}, "texts", NEW, "product 'USB!'"),
        ({(3, 2): b"\x05\x03U\0S"}, "texts", NEW, "not UTF-16"),
        ({(1, 0): DEVICE[:14] + b"\0\0\0\x01"}, "texts", NEW, "manufacturer without a text"),
    ],
)
def test_other_descriptors(changes: dict[tuple[int, int], bytes], step: str, verdict: Verdict, detail: str) -> None:
    class Changed(Other):
        pass

    Changed.changes = changes
    result = Trial(Changed).run()[step]
    assert (result.verdict, detail in (result.detail or "")) == (verdict, True), result


def test_a_slow_answer_differs() -> None:
    results = Trial(measuring=1.2).run()
    assert results["timing"].verdict is DIFFERS
    assert (results["timing"].detail or "").startswith("3 failed: sim-1")


def test_an_answer_sooner_than_any_measurement_differs() -> None:
    assert Trial(measuring=0.1).run()["timing"].verdict is DIFFERS


def test_a_request_that_had_to_be_repeated_differs() -> None:
    trial = Trial()
    trial.model.fault("no_answer", 1)
    result = trial.run()["timing"]
    assert (result.verdict, "21 requests for 20 readings" in (result.detail or "")) == (DIFFERS, True)


def test_the_report_of_a_reset_that_discards_nothing_differs() -> None:
    class Stubborn(VirtualUsbRh):
        def reset(self) -> None:
            pass

    result = Trial(Stubborn).run()["USB reset"]
    assert (result.verdict, result.detail) == (DIFFERS, "an unread report is still there after the reset")


def test_a_device_that_leaves_the_bus_at_a_reset_differs() -> None:
    class Leaving(VirtualUsbRh):
        def reset(self) -> None:
            self.unplug(1.0)

    result = Trial(Leaving).run()["USB reset"]
    assert (result.verdict, result.detail) == (DIFFERS, "the device leaves the bus at a reset")


def test_an_unread_report_that_is_lost_is_new() -> None:
    class Forgetful(VirtualUsbRh):
        def _ask(self) -> bytes | None:
            self._reports.clear()
            return super()._ask()

    result = Trial(Forgetful).run()["unread report"]
    assert (result.verdict, result.detail) == (NEW, "none is kept")


def test_a_second_request_that_is_ignored_is_new() -> None:
    class Busy(VirtualUsbRh):
        def _ask(self) -> bytes | None:
            return b"" if self.clock.monotonic() < self._busy_until else super()._ask()

    assert Trial(Busy).run()["second request"].verdict is NEW


def test_other_reserved_bytes_are_new() -> None:
    result = Trial(reserved=bytes.fromhex("000341")).run()["reserved bytes"]
    assert (result.verdict, "000341 with heater on" in (result.detail or "")) == (NEW, True)


def test_a_firmware_without_a_date_is_new_and_one_that_stalls_differs() -> None:
    assert Trial(firmware=(6, 13, 9)).run()["firmware"].detail == "06/13/09 is not a date"

    class Mute(VirtualUsbRh):
        def _hid(self, request: tuple[int, int], value: int, data: bytes) -> bytes | None:
            if request[0] == 0xA1:
                return b""
            return super()._hid(request, value, data)

    assert Trial(Mute).run()["firmware"].verdict is DIFFERS


@pytest.mark.parametrize(
    ("answers", "verdict", "seen", "detail"),
    [
        (("green", "red"), AS_ASSUMED, "LED 1 is green, LED 2 is red", None),
        (("red", "green"), AS_ASSUMED, "LED 1 is red, LED 2 is green", None),
        (("green", "green"), NEW, "LED 1 is green, LED 2 is green", "LED 1 is green, LED 2 is green"),
        (("dark", "red"), DIFFERS, "LED 1 is dark, LED 2 is red", "LED 1 stays dark"),
        (("red", "dark"), DIFFERS, "LED 1 is red, LED 2 is dark", "LED 2 stays dark"),
    ],
)
def test_the_colours(answers: tuple[str, str], verdict: Verdict, seen: str, detail: str | None) -> None:
    trial = Trial(answers=answers)
    result = trial.run()["LEDs"]
    assert (result.verdict, result.seen, result.detail) == (verdict, seen, detail)
    assert [record["colour"] for record in trial.capture.records if "colour" in record] == list(answers)


@pytest.mark.parametrize(
    ("unknowns", "verdicts"),
    [
        ({"poll_interval": 255}, {"descriptors": NEW}),
        ({"unread": "overwritten"}, {}),
        ({"unread": "kept"}, {}),
        ({"overlap": "ignored"}, {"second request": NEW}),
        ({"overlap": "restarts"}, {"second request": NEW}),
        ({"packet_size": 64}, {"descriptors": DIFFERS}),
        ({"strings": "absent"}, {"texts": NEW}),
        ({"strings": "undecodable"}, {"texts": NEW}),
        ({"loses": "all", "loses_after": "set_configuration"}, {}),  # which is never sent
        ({"heater": "rejected"}, {"heater": DIFFERS}),
        ({"first_request": "lost"}, {"timing": DIFFERS}),
        ({"first_request": "lost_after_reset"}, {"timing": DIFFERS, "USB reset": DIFFERS}),
    ],
)
def test_each_unknown_is_seen_by_its_step_only(unknowns: dict[str, Any], verdicts: dict[str, Verdict]) -> None:
    trial = Trial(unknowns=UsbRhUnknowns(**unknowns))
    results = trial.run()
    assert {name: each.verdict for name, each in results.items() if each.verdict is not AS_ASSUMED} == verdicts
    assert trial.clock.monotonic() < 120


def test_a_heater_that_does_not_heat_differs_after_half_a_minute() -> None:
    class Cold(VirtualUsbRh):
        def _report(self, at: float) -> bytes:
            self.measured += 1
            return self._pack((6500, 1500))

    trial = Trial(Cold)
    result = trial.run()["heater"]
    assert result.verdict is DIFFERS
    assert "temperature rose by 0.00 °C" in (result.detail or "")
    assert trial.clock.monotonic() < 80


@pytest.fixture
def trial() -> Iterator[Trial]:
    yield (trial := Trial())
    assert trial.model.heater is False


def test_an_interrupt_while_it_heats(trial: Trial) -> None:
    trial.when_heated(interrupt)
    with pytest.raises(KeyboardInterrupt):
        trial.run()


def test_a_fault_while_it_heats(trial: Trial) -> None:
    trial.when_heated(lambda: trial.model.fault("no_answer"))
    result = trial.run()["heater"]
    assert (result.verdict, "did not answer" in (result.detail or "")) == (DIFFERS, True)


def test_unplugged_while_it_heats(trial: Trial) -> None:
    trial.when_heated(trial.model.unplug)
    with pytest.raises(SensorNotFound):
        trial.run()
    trial.model.plug()


def test_in_use_by_another_program(trial: Trial) -> None:
    trial.model.fault("busy")
    with pytest.raises(SensorBusy):
        trial.run()


def test_a_full_disk_while_it_heats(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    Trial(path=whole).run()
    limit = whole.read_text().index('"begin": "heater"') + 400
    trial = Trial(path=tmp_path / "part.jsonl")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(ConfigError, match=r"can't write .*part\.jsonl: File too large"):
            trial.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert trial.results[-1].step == "USB reset"
    assert trial.model.heater is False


def test_the_file_is_not_replaced_without_being_asked(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text("older")
    with pytest.raises(ConfigError, match=r"exists; .*--force"):
        Capture(path)
    assert path.read_text() == "older"
    Capture(path, replace=True).close()
    assert path.read_text() == ""


@pytest.mark.parametrize("name", ["missing/file", "folder", "fifo"])
def test_a_file_that_can_not_be_written(tmp_path: Path, name: str) -> None:
    import os

    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for replace in (False, True):
        with pytest.raises(ConfigError):
            Capture(tmp_path / name, replace=replace)
